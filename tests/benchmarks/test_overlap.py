"""The experiment about what runs side by side, on a small network."""

import pytest

from benchmarks.experiments.overlap import MODES, Measured, by_mechanism, measured
from dataflows.registry import create
from simulator.network_simulation import simulate
from tests.project import ROOT
from workloads.catalog import load_workload

NETWORK = str(ROOT / "examples" / "tiny.toml")


@pytest.mark.slow
def test_it_measures_what_runs_report():
    found = {one.machine: one for one in measured(NETWORK)}
    assert len(found) >= 12
    for machine in ("scnn", "structured"):
        settings = [{"overlap": overlap, "pooling": pooling} for overlap, pooling in MODES]
        reports = simulate([create(machine, one) for one in settings], load_workload(NETWORK))
        assert found[machine] == Measured(
            machine, reports[0].total.cycles, tuple(report.network.cycles for report in reports)
        )
    rows = list(by_mechanism(NETWORK))
    assert len(rows) == len(found) + 1
    assert {len(row) for row in rows} == {10}
