"""The studies that are shipped: each is possible, has a figure, and together they cover every machine."""

import pytest

from benchmarks.experiments.run_all import FIGURES, STUDIES
from dataflows.registry import machines
from simulator.studies.study import Study


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_is_possible_and_has_a_figure(path):
    study = Study.read(path)
    assert study.title != study.name
    assert not [place.fault for place in study.places if place.fault]
    assert study.warnings() == []
    assert study.name in FIGURES


def test_nearly_every_machine_has_its_utilization_against_sparsity():
    """Newcomers may be missing: a study says itself which machines it is about."""
    studies = [Study.read(path) for path in STUDIES if path.stem.startswith("utilization")]
    covered = {place.point.machine for study in studies for place in study.places}
    assert len(machines().keys() - covered) <= 3
