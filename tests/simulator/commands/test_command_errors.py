"""Bad input: one clear line on standard error, exit code 2, nothing on standard output, no file touched."""

import json

import numpy as np
import pytest

TINY = """
name = "tiny"
[[layers]]
name = "conv"
type = "conv"
in_channels = 4
out_channels = 8
input_size = [6, 6]
kernel_size = 3
"""


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "blazepose", "--on", "snn"], "unknown accelerator 'snn': did you mean 'scnn'?"),
        (["run", "vgg61", "--on", "scnn"], "did you mean 'vgg16'?"),
        (["run", "blazepose", "--on", "scnn", "--set", "queue_dept=4"], "scnn --set: unknown key 'queue_dept': did you mean 'queue_depth'?"),
        (["run", "blazepose", "--on", "scnn", "--set", "pe_rows=0"], "scnn --set: pe_rows = 0: must be greater than or equal to 1"),
        (["run", "blazepose", "--on", "scnn", "--set", "pe_rows='8'"], "scnn --set: pe_rows = '8': must be a valid integer"),
        (["run", "blazepose", "--on", "scnn", "--set", "pe_rows"], "--set pe_rows: must have the form KEY=VALUE"),
        (["run", "blazepose", "--on", "scnn", "--set", "dram.bandwidth_gbs=-1"], "scnn --set: dram.bandwidth_gbs = -1: must be greater than 0"),
        (["run", "blazepose", "--on", "scnn", "--set", "dram.bandwidth_gbs=nan"], "scnn --set: dram.bandwidth_gbs = nan: must be greater than 0"),
        (["run", "--on", "scnn", "--set", "dram.latency_ns=1e18"], "scnn --set: dram.latency_ns = 1e+18: must be less than or equal to 1000000000\n"),
        (["run", "--on", "scnn", "--set", "dram.bandwidth_gbs=1e-10"], "scnn --set: dram.bandwidth_gbs = 1e-10: must be between 1e-09 and 1e+09, or inf\n"),
        (["run", "--on", "scnn", "--set", "dram.channels=257"], "scnn --set: dram.channels = 257: must be less than or equal to 256\n"),
        (["run", "--on", "scnn", "--set", "clock_hz=1000000000001"], "scnn --set: clock_hz = 1000000000001: must be less than or equal to 1000000000000\n"),
        (["run", "--on", "scnn", "--set", "queue_depth=2147483648"], "scnn --set: queue_depth = 2147483648: must be less than or equal to 2147483647\n"),
        (["run", "--on", "scnn", "--set", "iaram_bytes=1099511627777"], "scnn --set: iaram_bytes = 1099511627777: must be less than or equal to 1099511627776\n"),
        (["run", "--on", "ideal", "--set", "multipliers=16777217"], "ideal: multipliers = 16777217: 1.68e+07 multipliers, at most 16777216\n"),
        (["run", "--on", "ideal", "--equal", "multipliers=16777217"], "--equal: multipliers = 16777217: must be less than or equal to 16777216\n"),
        (["run", "--on", "ideal", "--equal", "on_chip_kib=1e-300"], "--equal: on_chip_kib = 1e-300: must be greater than or equal to 0.0009765625\n"),
        (["run", "--on", "scnn", "--set", "dram.kind=banked", "--set", "dram.override.rows=33554432"], "DDR4-2400: rows = 33554432, must lie between 0 and 16777216\n"),
        (["run", "--on", "ideal", "--inputs", "1000001"], "--inputs 1000001: at most 1000000\n"),
        (["run", "--on", "ideal", "--inputs", "9" * 10_000], " ... "),
        (["run", "a\0b", "--on", "ideal"], "argument 'a\\x00b': holds a NUL, or half of a character\n"),
        (["run", "--on", "scnn", "--set", "dram.kind=banked", "--set", "dram.standard=DDR4"], "scnn --set: dram: unknown DRAM standard 'DDR4': "),
        (["run", "--on", "scnn", "--set", "dram.kind=banked", "--set", "dram.override.nRD=3"], "scnn --set: dram: DDR4-2400 has no number 'nRD': did you mean 'nRCD'?"),
        (["run", "--on", "scnn", "--set", "dram.kind=banked", "--set", "dram.read_queue=1000"], "scnn --set: dram.read_queue = 1000: must be less than or equal to 64"),
        (["run", "blazepose", "--on", "scnn", "--layers", "nothing*"], "nothing*"),
        (["run", "vgg16", "--on", "scnn", "--prune", "unstructured:density=1.2"], "1.2"),
        (["run", "vgg16", "--on", "scnn", "--prune", "unstructured:density=-0.2"], "-0.2"),
        (["run", "vgg16", "--on", "scnn", "--prune", "unstructured:density=nan"], "nan"),
        (["run", "vgg16", "--on", "scnn", "--prune", "unstuctured:density=0.5"], "did you mean 'unstructured'?"),
        (["run", "vgg16", "--on", "scnn", "--batch", "0"], "0 is not in the range x>=1"),
        (["run", "vgg16"], "Missing option '--on'"),
        (["compare", "blazepose", "--on", "dcnn,ideal", "--set", "windw=3"], "--set: unknown key 'windw'"),
        (["compare", "blazepose", "--on", "dcnn,dcn"], "unknown accelerator 'dcn': did you mean 'dcnn'?"),
        (["config", "cambricon"], "did you mean 'cambricon-x'?"),
        (["run", "c3d", "--on", "scnn"], "scnn cannot run layer 'conv1a':"),
        (["list", "machines"], "'machines' is not one of"),
        (["rum"], "unknown command 'rum': did you mean 'run'?"),
        (["run", "--on", "SCNN"], "unknown accelerator 'SCNN': did you mean 'scnn'?"),
        (["run", "--on", "scnn,dcnn"], "--on scnn,dcnn: one accelerator runs here; 'prunesim compare' takes several, or all\n"),
        (["serve", "--on", "all", "--arrivals", "1"], "--on all: one accelerator runs here;"),
        (["sweep", "vgg16"], "vgg16: a workload, no study; to sweep it, say on what: --on MACHINE,... --vary KEY=V1,V2\n"),
        (["run", "missing.npz", "--on", "scnn"], "missing.npz"),
        (["run", "missing.toml", "--on", "scnn"], "missing.toml"),
        (["run", "blazepose", "--on", "scnn", "--config", "missing.toml"], "missing.toml: no such file"),
        (["plot", "missing.json", "-o", "x.png"], "missing.json: no such file"),
        (["plot", "missing.json", "-o", "x.png", "--height", "nan"], "Invalid value for '--height': nan is no number."),
        (["plot", "missing.json", "-o", "x.png", "--font-size", "2"], "2.0 is not in the range 3<=x<=30."),
        (["sweep", "missing.toml", "--patience", "nan"], "Invalid value for '--patience': nan is no number."),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_2(cli, arguments, line):
    result = cli(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert line in result.err
    assert result.err.startswith("prunesim: ")
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.err


def test_all_faults_of_a_configuration_come_at_once(cli, tmp_path):
    path = tmp_path / "my.toml"
    path.write_text('accelerator = "scnn"\npe_rows = 0\nqueue = 3\n[dram]\nlatency_ns = -1\n')
    result = cli("run", "blazepose", "--on", "scnn", "--config", path)
    assert result.code == 2
    assert result.err.splitlines() == [
        f"prunesim: {path}: dram.latency_ns = -1: must be greater than or equal to 0",
        f"prunesim: {path}: pe_rows = 0: must be greater than or equal to 1",
        f"prunesim: {path}: unknown key 'queue': did you mean 'queue_depth'?",
    ]


def test_a_configuration_for_another_machine_is_refused(cli, tmp_path):
    path = tmp_path / "my.toml"
    path.write_text('accelerator = "dcnn"\n')
    assert cli("run", "blazepose", "--on", "scnn", "--config", path).err == (
        f"prunesim: {path}: accelerator = 'dcnn', but the run is on 'scnn'\n"
    )


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("stride = 0", "stride"),
        ("groups = 3", "groups = 3 does not divide in_channels = 4"),
        ("kernel_size = 9", "kernel spans 9 but the padded input only 6"),
        ("weight_density = 1.2", "weight_density"),
        ("weight_density = nan", "weight_density"),
        ("paddin = 1", "did you mean"),
    ],
)
def test_a_broken_network_file_names_the_file_and_the_fault(cli, tmp_path, change, line):
    path = tmp_path / "net.toml"
    text = TINY.replace("kernel_size = 3\n", "") if change.startswith("kernel_size") else TINY
    path.write_text(text + change + "\n")
    result = cli("run", path, "--on", "ideal")
    assert result.code == 2
    assert str(path) in result.err
    assert line in result.err
    assert result.out == ""


@pytest.mark.parametrize("kind", ["directory", "truncated", "pickled", "text"])
def test_a_broken_trace_file_names_the_file(cli, tmp_path, kind):
    path = tmp_path / "trace.npz"
    if kind == "directory":
        path.mkdir()
    elif kind == "truncated":
        np.savez(path, a=np.zeros(1000))
        path.write_bytes(path.read_bytes()[:300])
    elif kind == "pickled":
        np.savez(path, header=np.array([{"a": 1}], dtype=object))
    else:
        path.write_text("not a zip file")
    result = cli("run", path, "--on", "ideal")
    assert result.code == 2
    assert str(path) in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("text", ["not json", "[1]", '{"schema": 99}', '{"schema": 1, "layers": []}'])
def test_a_broken_report_file_names_the_file(cli, tmp_path, text):
    path = tmp_path / "report.json"
    path.write_text(text)
    result = cli("plot", path, "-o", tmp_path / "x.png")
    assert result.code == 2
    assert str(path) in result.err
    assert not (tmp_path / "x.png").exists()


def test_a_result_that_cannot_be_written_leaves_nothing_behind(cli, tmp_path):
    target = tmp_path / "taken"
    target.mkdir()
    result = cli("run", "blazepose", "--on", "ideal", "--json", tmp_path / "missing" / "report.json")
    assert result.code == 2
    assert "report.json: cannot be written" in result.err
    assert list(tmp_path.iterdir()) == [target]


def test_the_old_file_survives_a_failed_run(cli, tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps({"old": True}))
    assert cli("run", "c3d", "--on", "scnn", "--json", path).code == 2
    assert json.loads(path.read_text()) == {"old": True}


@pytest.mark.parametrize(
    ("text", "command", "line"),
    [
        ('accelerator = "scnn"\n', "run", "an accelerator's configuration, no workload; give it as --config"),
        ('accelerator = "scnn"\n', "sweep", "an accelerator's configuration, no study;"),
        ('machines = ["scnn"]\n', "run", "a study, no workload; run it with: prunesim sweep"),
        (TINY, "sweep", "a workload, no study; to sweep it, say on what:"),
        ("layers = ][", "run", "not valid TOML"),
        ("unknown = 1", "run", "unknown key 'unknown'"),
    ],
)
def test_a_file_of_another_kind_is_known(cli, tmp_path, text, command, line):
    file = tmp_path / "given.toml"
    file.write_text(text)
    ended = cli(command, file, *(["--on", "scnn"] if command == "run" else []))
    assert (ended.code, ended.out) == (2, "")
    assert f"{file}: {line}" in ended.err


def test_results_are_no_workload(cli, tmp_path):
    file = tmp_path / "r.json"
    file.write_text("{}")
    ended = cli("run", file, "--on", "scnn")
    assert (ended.code, ended.err) == (
        2, f"prunesim: {file}: results, no workload; 'prunesim plot', 'report' and 'diff' read them\n"
    )  # fmt: skip
