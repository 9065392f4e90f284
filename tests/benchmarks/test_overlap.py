"""The experiment about what runs side by side, on the network that ships."""

import pytest

from benchmarks.experiments.overlap import MODES, Measured, by_mechanism, measured
from dataflows.registry import create
from simulator.network_simulation import simulate
from workloads.catalog import load_workload


@pytest.mark.slow
def test_it_measures_what_runs_report():
    found = {one.machine: one for one in measured("blazepose")}
    assert len(found) >= 12
    for machine in ("scnn", "structured"):
        settings = [{"overlap": overlap, "pooling": pooling} for overlap, pooling in MODES]
        reports = simulate([create(machine, one) for one in settings], load_workload("blazepose"))
        assert found[machine] == Measured(
            machine, reports[0].total.cycles, tuple(report.network.cycles for report in reports)
        )
    rows = list(by_mechanism("blazepose"))
    assert len(rows) == len(found) + 1
    assert {len(row) for row in rows} == {10}
