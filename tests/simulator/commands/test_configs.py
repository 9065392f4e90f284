"""Two configurations side by side, and the seed of a sweep."""

import json

import pytest

TINY = "examples/tiny.toml"


@pytest.fixture
def shallow(cli, tmp_path):
    path = tmp_path / "shallow.toml"
    path.write_text(cli("config", "scnn", "--set", "queue_depth=1").out)
    return path


def test_configurations_stand_side_by_side_in_the_order_given(cli, tmp_path, shallow):
    other = tmp_path / "other.toml"
    other.write_text('accelerator = "dcnn"\n')
    run = cli("compare", TINY, "--on", "scnn", "--config", shallow, "--config", other, "--json", tmp_path / "r.json")
    assert run.code == 0
    reports = json.loads((tmp_path / "r.json").read_text())["reports"]
    assert [report["accelerator"]["name"] for report in reports] == ["scnn", "scnn", "dcnn"]
    assert reports[1]["accelerator"]["queue_depth"] == 1 != reports[0]["accelerator"]["queue_depth"]
    first = [line.split("  ")[0] for line in run.out.splitlines()]
    assert [first.count(name) for name in ("scnn #1", "scnn #2", "dcnn")] == [3, 3, 3]  # sizes, totals and energies
    assert "  scnn #2: scnn (queue_depth=1)" in run.out.splitlines()
    alone = cli("run", TINY, "--on", "scnn", "--config", shallow, "--json", tmp_path / "s.json")
    assert alone.code == 0
    assert json.loads((tmp_path / "s.json").read_text())["total"] == reports[1]["total"]


def test_configurations_alone_are_enough_and_a_file_without_a_machine_is_refused(cli, tmp_path, shallow):
    assert cli("compare", TINY, "--config", shallow, "--no-energy").code == 0
    bare = tmp_path / "bare.toml"
    bare.write_text("queue_depth = 1\n")
    refused = cli("compare", TINY, "--config", bare)
    assert refused.code == 2
    assert refused.err.startswith(f"prunesim: {bare}: accelerator: missing; a file of 'prunesim config'")
    nothing = cli("compare", TINY)
    assert (nothing.code, nothing.err) == (
        2, "prunesim: compare: nothing to run on: give --on MACHINE,... or --config FILE\n",
    )  # fmt: skip


def test_a_sweep_of_one_seed_is_the_run_of_that_seed(cli, tmp_path):
    common = ("alexnet@scnn", "--layers", "conv3", "--on", "scnn", "--no-energy")
    swept = cli(
        "sweep", *common, "--seed", 7, "--store", tmp_path / "s.sqlite", "--csv", tmp_path / "s.csv", "--jobs", 1
    )
    assert swept.code == 0
    assert cli("run", *common, "--seed", 7, "--json", tmp_path / "r.json").code == 0
    head, row = (line.split(",") for line in (tmp_path / "s.csv").read_text().splitlines())
    cells = dict(zip(head, row, strict=False))
    report = json.loads((tmp_path / "r.json").read_text())
    assert (cells["seed"], int(cells["cycles"])) == ("7", report["total"]["cycles"])
    both = cli("sweep", *common, "--seed", 7, "--seeds", 2)
    assert both.err == "prunesim: --seeds and --seed: the first says how many, the second which: give one of them\n"
