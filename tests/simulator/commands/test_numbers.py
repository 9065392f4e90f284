"""Numbers and nests beyond all sense: one line at once, exit code 2."""

import time

import pytest

LAYER = '[[layers]]\nname = "a"\nin_channels = 2\nout_channels = 2\ninput_size = [4, 4]\nkernel_size = 3\n'
DEEP = "[" * 100_000
NETWORKS = {
    "deep": (f"a = {DEEP}", "not valid TOML: it is nested too deeply"),
    "digits": (f"{LAYER}stride = {'9' * 5000}", "not valid TOML: Exceeds the limit"),
    "10**400": (f"{LAYER}output_density = {10**400}", "is too large: at most"),
    "density 10**18": (
        f"{LAYER}output_density = {10**18}",
        "output_density = 1000000000000000000: must be a number between 0 and 1",
    ),
    "dotted": (".".join("a" * 50_000) + " = 1", "a key has more than 100 parts"),
    "padding": (f"{LAYER}padding = 1000000000", "padding = 1000000000, must be at most 65536"),
    "stride": (f"{LAYER}stride = {10**12}", "stride = 1e+12, must be at most 2147483647"),
    "channels": (LAYER.replace("channels = 2", f"channels = {10**9}"), "an array may take at most 1 GiB in memory"),
    "map": (LAYER.replace("[4, 4]", "[1000000, 1000000]"), "an array may take at most 1 GiB in memory"),
    "outputs": (f"{LAYER}padding = 65536", "an array may take at most 1 GiB in memory"),
    "batch": (f"{LAYER}batch = 2000000000", "an array may take at most 1 GiB in memory"),
    "surrogate": ('name = "\\ud800"', "not valid TOML"),
}
STUDIES = {
    "seeds": ("seeds = 1000000000", "asks for 1,000,000,000 (seeds) points: at most 1,000,000"),
    "axes": (
        f"[[axes]]\nqueue_depth = {list(range(2000))}\n[[axes]]\npe_rows = {list(range(1, 2001))}",
        "2,000 (axes.0) x 2,000 (axes.1)",
    ),
    "deep": (f"set = {DEEP}", "not valid TOML"),
    "dotted": ("[set]\n" + ".".join("a" * 50_000) + " = 1", "a key has more than 100 parts"),
}
SETTINGS = {
    "deep": (f"pe_rows={DEEP}", "not valid TOML: it is nested too deeply"),
    "digits": ("pe_rows=" + "9" * 5000, "not valid TOML: Exceeds the limit"),
    "10**400": (f"pe_rows={10**400}", "is too large"),
    "dotted": (".".join("a" * 50_000) + "=1", "a key has more than 100 parts"),
}


def refused(cli, line, *arguments):
    start = time.monotonic()
    result = cli(*arguments)
    assert time.monotonic() - start < 20
    assert (result.code, result.out) == (2, "")
    assert line in result.err
    assert max(map(len, result.err.splitlines())) < 500


@pytest.mark.parametrize("case", NETWORKS)
def test_a_network_file(cli, tmp_path, case):
    text, line = NETWORKS[case]
    (tmp_path / "n.toml").write_text(text)
    refused(cli, line, "run", tmp_path / "n.toml", "--on", "ideal")


@pytest.mark.parametrize("case", STUDIES)
def test_a_study(cli, tmp_path, case):
    text, line = STUDIES[case]
    (tmp_path / "s.toml").write_text('machines = ["scnn"]\n' + text if not text.startswith("set") else text)
    refused(cli, line, "sweep", tmp_path / "s.toml", "--store", tmp_path / "s.sqlite")
    assert not (tmp_path / "s.sqlite").exists()


@pytest.mark.parametrize("case", SETTINGS)
def test_a_setting_and_a_configuration(cli, tmp_path, case):
    text, line = SETTINGS[case]
    refused(cli, line, "run", "--on", "scnn", "--set", text)
    (tmp_path / "c.toml").write_text(text)
    refused(cli, line, "run", "--on", "scnn", "--config", tmp_path / "c.toml")


@pytest.mark.parametrize(
    "text",
    [DEEP, '{"schema": ' + "9" * 5000 + "}", f'{{"schema": {10**400}}}', '{"schema": "\\ud800"}', '{"a":' * 50_000],
)
def test_a_report(cli, tmp_path, text):
    (tmp_path / "r.json").write_text(text)
    for command in (
        ["plot", "-o", tmp_path / "p.png"],
        ["plot", "--kind", "gantt", "-o", tmp_path / "p.png"],
        ["report", "-o", tmp_path / "p.html"],
    ):
        refused(cli, "r.json: ", command[0], tmp_path / "r.json", *command[1:])
    refused(cli, "r.json: ", "diff", tmp_path / "r.json", tmp_path / "r.json")


def test_devices_end_at_once(cli, tmp_path):
    refused(cli, "set = /dev/zero: must be", "run", "--on", "ideal", "--prune", "pattern:set=/dev/zero")
    refused(cli, "/dev/zero: is a device, must be a file", "run", "/dev/zero", "--on", "ideal")
    refused(cli, "/dev/zero: is a device, must be a file", "run", "--on", "scnn", "--config", "/dev/zero")
    refused(cli, "/dev/zero: is a device, must be a file", "sweep", "/dev/zero")
    refused(cli, "/dev/zero: ", "plot", "/dev/zero", "-o", tmp_path / "p.png")
