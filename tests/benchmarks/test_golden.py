"""Every machine still makes of the shipped network what its golden report says."""

import json

import pytest

from benchmarks import golden
from dataflows.registry import machines


@pytest.mark.parametrize("machine", sorted(machines()))
def test_nothing_moved(machine):
    found = golden.moved(machine)
    assert [(change.layer, change.metric, change.old, change.new) for change in found.changes[:5]] == []
    assert found.missing == ()


def test_golden_reports_are_small_and_of_known_machines():
    files = sorted(golden.FOLDER.glob("*.json"))
    assert [file.stem for file in files] == sorted(machines())
    assert all(file.stat().st_size < 20_000 for file in files)


def test_a_change_is_noticed():
    report = json.loads(golden.path("ideal").read_text())
    report["layers"][3]["cycles"] += 1
    found = golden.difference([json.loads(golden.path("ideal").read_text())], [report], golden._ROUNDING)
    assert [(change.layer, change.metric) for change in found.changes] == [(report["layers"][3]["name"], "cycles")]
    assert not found.accepted
