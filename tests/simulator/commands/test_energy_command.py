"""Energy on the command line: with it, without it, with tables of one's own, in sweeps and where images arrive."""

import json

import pytest

from dataflows.machines.dcnn import Dcnn
from simulator.studies.point import Point
from simulator.studies.study import Study
from simulator.studies.study_file import StudyTable
from tests.simulator.energy.counted_machine import CountedDcnn

TINY = "examples/tiny.toml"


@pytest.fixture(autouse=True)
def _counting(monkeypatch):
    for name in ("components", "actions"):
        monkeypatch.setattr(Dcnn, name, getattr(CountedDcnn, name))


def test_a_run_says_energy_unless_told_not_to(cli):
    run = ("run", TINY, "--on", "dcnn", "--layers", "conv1")
    assert "energy (45 nm)" in cli(*run).out
    assert "energy" not in cli(*run, "--no-energy").out
    data = json.loads(cli(*run, "--no-energy", "--json", "-").out)
    assert "area" not in data
    assert "energy" not in data["total"]


def test_a_comparison_has_a_table_of_energy(cli):
    compare = ("compare", TINY, "--on", "dcnn,systolic", "--layers", "conv1")
    assert "energy (45 nm)" in cli(*compare).out
    assert "energy" not in cli(*compare, "--no-energy").out


def test_tables_are_written_and_read_back(cli, tmp_path):
    pytest.importorskip("yaml")
    file = tmp_path / "prices.yaml"
    assert cli("config", "dcnn", "--set", "energy.node_nm=32", "--write-tables", file).code == 0
    run = ("run", TINY, "--on", "dcnn", "--layers", "conv1", "--set", "energy.node_nm=32")
    ours = json.loads(cli(*run, "--json", "-").out)
    read = json.loads(cli(*run, "--set", f"energy.tables={file}", "--json", "-").out)
    assert read["total"]["energy"]["total_pj"] == pytest.approx(ours["total"]["energy"]["total_pj"], rel=1e-12)
    assert read["area"]["total_mm2"] == pytest.approx(ours["area"]["total_mm2"], rel=1e-12)
    file.write_text("ERT: 1")
    result = cli(*run, "--set", f"energy.tables={file}")
    assert (result.code, result.out) == (2, "")
    assert result.err == f"prunesim: {file}: ERT.tables: must be a list\n"


def test_points_of_a_sweep_are_others_without_energy_and_with_other_tables(tmp_path):
    table = StudyTable.checked({"machines": ["dcnn"], "workloads": [TINY]}, "test")
    study = Study.of(table, "energy", "test")
    assert study.without_energy().places[0].key != study.places[0].key
    assert not study.without_energy().places[0].point.energy
    file = tmp_path / "prices.yaml"
    priced = Point("dcnn", TINY, (("energy.tables", str(file)),))
    keys = set()
    for text in ("ART: {tables: []}", "ERT: {tables: []}"):
        file.write_text(text)
        keys.add(priced.key())
    assert len(keys) == 2


def test_images_that_arrive_take_energy(cli):
    serve = ("serve", TINY, "--on", "dcnn", "--layers", "conv1", "--rate", "1000", "--images", "3", "--json", "-")
    (service,) = json.loads(cli(*serve).out)["serving"]["service"]
    assert service["energy_pj_per_image"] > 0
    (service,) = json.loads(cli(*serve, "--no-energy").out)["serving"]["service"]
    assert "energy_pj_per_image" not in service
