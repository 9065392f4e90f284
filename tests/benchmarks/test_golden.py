"""Every machine still makes of the shipped network what its golden report says."""

import json

import pytest

from benchmarks import golden
from dataflows.registry import create, machines
from simulator.network_simulation import _json_values
from workloads.errors import InputError

QUICK = ("cambricon-x", "scnn")


@pytest.mark.parametrize(
    "machine", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in sorted(machines())]
)
def test_nothing_moved(machine):
    found = golden.moved(machine)
    assert [(change.layer, change.metric, change.old, change.new) for change in found.changes[:5]] == []
    assert found.missing == ()


@pytest.mark.parametrize("machine", sorted(machines()))
def test_defaults_are_those_that_the_golden_report_ran_with(machine):
    """A default that changes may leave the shipped network's cycles as they are, and move another's."""
    told = json.loads(golden.path(machine).read_text())["accelerator"]
    assert told == {"name": machine, **_json_values(create(machine).spec.model_dump(mode="json"))}


def test_golden_reports_are_small_and_of_known_machines():
    files = sorted(golden.FOLDER.glob("*.json"))
    assert {file.stem for file in files} <= set(machines()), "`python -m benchmarks.golden` removes what is gone"
    assert all(file.stat().st_size < 20_000 for file in files)


def test_a_machine_without_a_golden_report_is_told_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setattr(golden, "FOLDER", tmp_path)
    with pytest.raises(
        InputError, match=r"^ideal has no golden report: `python -m benchmarks\.golden ideal` writes it$"
    ):
        golden.moved("ideal")


def test_a_change_is_noticed():
    report = json.loads(golden.path("ideal").read_text())
    report["layers"][3]["cycles"] += 1
    found = golden.difference([json.loads(golden.path("ideal").read_text())], [report], golden._ROUNDING)
    assert [(change.layer, change.metric) for change in found.changes] == [(report["layers"][3]["name"], "cycles")]
    assert not found.accepted
