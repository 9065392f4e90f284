"""`--equal` through the command: what is read, said and refused, and the size of the ideal machine."""

import json

import pytest

from dataflows.registry import create, machines
from simulator.equal_size import parse_equal_size, shortfalls, size_of
from tests.project import ROOT
from tests.simulator.studies.studies import network

FEW = ("--layers", "op01*")


def sizes(text: str) -> dict[str, dict]:
    return {report["accelerator"]["name"]: report["size"] for report in json.loads(text)["reports"]}


def test_machines_are_brought_to_one_size_and_say_what_became_of_them(cli):
    equal = "multipliers=1024,clock_ghz=1,on_chip_kib=1024,bandwidth_gbs=50,bits=8"
    result = cli("compare", "blazepose", "--on", "scnn,cambricon-x", *FEW, "--equal", equal, "--json", "-")
    for size in sizes(result.out).values():
        assert size["multipliers"] == 1024
        assert (size["clock_ghz"], size["bandwidth_gbs"], size["bits"]) == (1, 50, 8)
        assert size["on_chip_kib"] == pytest.approx(1024, rel=0.001)
    assert "scnn at equal size: pe_rows = 8, pe_columns = 8, iaram_bytes = 8192, oaram_bytes = 8192, " in result.err
    assert "cambricon-x at equal size: pes = 64, " in result.err
    assert "warning" not in result.err


def test_a_machine_that_cannot_reach_a_size_says_what_it_reached_and_why(cli):
    err = cli("run", "blazepose", "--on", "abm", *FEW, "--equal", "multipliers=1024,bits=8").err
    assert (
        "warning: abm: multipliers: asked 1,024, reached 1,020: cores are added (assumption), in steps of 20\n" in err
    )
    assert "warning: abm: bits: asked 8, reached 8 for activations: its weights take 16\n" in err
    err = cli("run", "blazepose", "--on", "kgrc", *FEW, "--equal", "on_chip_kib=64").err
    assert "warning: kgrc: on_chip_kib: asked 64, reached nothing: its buffers hold two tiles" in err


def test_a_report_tells_of_the_size_that_was_asked_for_and_of_nothing_else(cli):
    result = cli(
        "run", "blazepose", "--on", "ideal", *FEW, "--equal", "multipliers=512,bandwidth_gbs=inf", "--json", "-"
    )
    assert json.loads(result.out)["equal"] == {"multipliers": 512, "bandwidth_gbs": "inf"}


def test_banked_memory_keeps_the_bandwidth_of_its_standard(cli):
    banked = ("--set", "dram.kind=banked", "--equal", "bandwidth_gbs=50")
    err = cli("run", "blazepose", "--on", "scnn", *FEW, *banked).err
    assert "scnn: bandwidth_gbs: asked 50, reached 19.2077: it belongs to ideal memory, and kind is 'banked'" in err


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("multiplier=8", "--equal: unknown key 'multiplier': did you mean 'multipliers'?"),
        ("multipliers=0", "--equal: multipliers = 0: must be greater than or equal to 1"),
        ("bits=12", "--equal: bits = 12: must be 4, 8, 16 or 32"),
        ("clock_ghz=fast", "--equal: clock_ghz = 'fast': must be a valid number"),
        ("multipliers", "--equal: 'multipliers' must have the form KEY=VALUE"),
        ("bits=8,bits=16", "--equal: key 'bits' is given twice"),
    ],
)
def test_a_wrong_size_is_refused_in_one_line(cli, text, line):
    for command, on in (("run", "scnn"), ("compare", "scnn,dcnn"), ("sweep", "scnn")):
        result = cli(command, "blazepose", "--on", on, "--equal", text)
        assert (result.code, result.out) == (2, "")
        if command != "sweep":
            assert result.err == f"prunesim: {line}\n"


def test_a_setting_that_the_size_decides_cannot_be_set_as_well(cli):
    result = cli("run", "blazepose", "--on", "scnn", "--set", "pe_rows=4", "--equal", "multipliers=256")
    assert result.code == 2
    assert result.err.splitlines() == [
        "prunesim: scnn --set: pe_rows = 2 follows from the equal size, so it cannot be set too"
    ]


def test_other_settings_and_a_configuration_are_where_scaling_begins(cli, tmp_path):
    (tmp_path / "scnn.toml").write_text(cli("config", "scnn").out)
    wide = ("--set", "weights_per_vector=8", "--equal", "multipliers=1024", "--json", "-")
    out = cli("run", "blazepose", "--on", "scnn", "--config", tmp_path / "scnn.toml", *FEW, *wide).out
    report = json.loads(out)
    assert report["accelerator"]["weights_per_vector"] == 8
    assert report["accelerator"]["pe_rows"] * report["accelerator"]["pe_columns"] == 32
    assert report["total"]["multipliers"] == report["size"]["multipliers"] == 1024


@pytest.mark.parametrize(
    ("on", "settings", "multipliers", "clock_ghz"),
    [
        ("ideal,dadiannao", (), 4096, 0.606),  # one other
        ("ideal,scnn,dcnn", (), 1024, 1),  # all alike
        ("ideal,dadiannao", ("--set", "multipliers=64"), 64, 0.606),  # what the user sets stays
        ("ideal,dadiannao,cambricon-x", ("--equal", "multipliers=512,clock_ghz=2"), 512, 2),
    ],
)
def test_the_ideal_machine_takes_the_size_of_those_it_stands_beside(cli, on, settings, multipliers, clock_ghz):
    result = cli("compare", "blazepose", "--on", on, *FEW, *settings, "--json", "-")
    size = sizes(result.out)["ideal"]
    assert (size["multipliers"], size["clock_ghz"]) == (multipliers, clock_ghz)


def test_the_ideal_machine_says_for_what_size_it_is_where_the_others_differ(cli):
    err = cli("compare", "blazepose", "--on", "ideal,scnn,dadiannao", *FEW).err
    assert err == "warning: ideal: a bound for 1,024 multipliers at 1 GHz, not for the size of dadiannao\n"


def test_the_size_of_a_machine_is_that_of_its_settings():
    assert size_of(create("scnn")) == {
        "multipliers": 1024, "clock_ghz": 1.0, "on_chip_kib": 64 * 20, "bandwidth_gbs": 50.0, "bits": 16,
    }  # fmt: skip
    endless = create("cambricon-x", {"dram": {"bandwidth_gbs": float("inf")}})
    assert size_of(endless)["bandwidth_gbs"] == "inf"
    assert shortfalls(endless, parse_equal_size("bandwidth_gbs=inf")) == []


def test_a_study_brings_its_machines_to_a_size(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = tmp_path / "equal.toml"
    study.write_text(
        f'workloads = ["{network(tmp_path)}"]\nmachines = ["scnn", "abm"]\n'
        '[[axes]]\nequal = ["multipliers=256", "multipliers=1024"]\n'
    )
    result = cli("sweep", study, "--jobs", 1, "--csv", tmp_path / "equal.csv", "--factors")
    assert result.code == 0
    assert "scnn at equal size: pe_rows = 4, pe_columns = 4\n" in result.err
    assert (
        "warning: abm: multipliers: asked 256, reached 240: cores are added (assumption), in steps of 20" in result.err
    )
    assert "multipliers=256" in result.out
    assert "x skipped" in result.out
    header, *rows = (line.split(",") for line in (tmp_path / "equal.csv").read_text().splitlines())
    at = header.index("multipliers")
    assert [int(row[at]) for row in rows] == [256, 240, 1024, 1020]


def test_a_point_that_sets_what_the_size_decides_fails_and_the_rest_go_on(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = tmp_path / "equal.toml"
    study.write_text(
        f'workloads = ["{network(tmp_path)}"]\nequal = "multipliers=256"\nmachines = ["scnn"]\n'
        "[[points]]\npe_rows = 8\n[[points]]\nqueue_depth = 4\n"
    )
    result = cli("sweep", study, "--jobs", 1)
    assert result.code == 1
    assert "pe_rows = 4 follows from the equal size, so it cannot be set too" in result.err
    assert "1 points computed, 0 found, 1 failed" in result.err


def test_a_wrong_size_in_a_study_names_file_key_and_what_is_allowed(cli, tmp_path):
    study = tmp_path / "equal.toml"
    study.write_text('machines = ["scnn"]\nequal = "bits=12"\n')
    result = cli("sweep", study)
    assert result.code == 2
    assert result.err == f"prunesim: {study}: equal = 'bits=12': equal: bits = 12: must be 4, 8, 16 or 32\n"


def test_the_documentation_says_how_every_machine_scales():
    text = (ROOT / "docs" / "comparing.md").read_text(encoding="utf-8")
    for name, chosen in machines().items():
        scaling = chosen.scaling
        buffers = [f"{key} of each of the {count}" if count else key for key, count in scaling.buffers.items()]
        cells = (", ".join(scaling.factors), ", ".join(scaling.growing), ", ".join(buffers) or "-")
        rows = [line for line in text.splitlines() if line.startswith("| `") and f"`{name}`" in line]
        assert len(rows) == 1, f"docs/comparing.md has {len(rows)} rows of {name}"
        assert rows[0].split(" | ", 1)[1] == f"{' | '.join(cells)} |"
