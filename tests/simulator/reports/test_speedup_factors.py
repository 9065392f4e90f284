"""A speedup is size x products skipped x utilization, exactly, for every machine, layer and total."""

import json
from dataclasses import replace

import pytest

from dataflows.registry import baseline_of, create, machines
from simulator.network_simulation import MachineRun
from simulator.reports.report import LayerReport, total_of
from tests.conformance.layers import LAYERS, random_trace
from workloads.trace import LayerTrace

BY_NAME = {layer.name: layer for layer in LAYERS}
SHAPES = ("plain", "depthwise", "fully_connected")


def factors(report: LayerReport) -> tuple[float, float, float]:
    size, skipped, utilization = report.speedup_factors.values()
    assert size is not None
    assert skipped is not None
    assert utilization is not None
    return size, skipped, utilization


def dense(trace: LayerTrace) -> LayerTrace:
    return replace(random_trace(trace.layer, 1.0, 1.0), input_in_dram=trace.input_in_dram)


@pytest.mark.parametrize("name", sorted(machines()))
def test_the_factors_are_ratios_of_two_runs_and_their_product_is_the_speedup(name):
    machine, reports = create(name), []
    for shape in SHAPES:
        if machine.refusal(BY_NAME[shape]):
            continue
        trace = random_trace(BY_NAME[shape], 0.3, 0.4)
        reports.append(MachineRun(machine).layer(trace))
        other = MachineRun(baseline_of(machine)).layer(dense(trace))
        size, skipped, utilization = factors(reports[-1])
        assert size == pytest.approx(reports[-1].multipliers / other.multipliers, rel=1e-12)
        assert skipped == pytest.approx(other.issued_macs / reports[-1].issued_macs, rel=1e-12)
        assert utilization == pytest.approx(reports[-1].utilization / other.utilization, rel=1e-12)
    for report in (*reports, total_of(reports)):
        size, skipped, utilization = factors(report)  # type: ignore[arg-type]
        assert size * skipped * utilization == pytest.approx(report.speedup, rel=1e-12)


def test_a_dense_machine_has_no_factor_but_one():
    report = MachineRun(create("dcnn")).layer(random_trace(BY_NAME["plain"], 0.3, 0.4))
    assert factors(report) == (1, 1, 1)


def test_lane_packing_is_utilization_and_never_taken_for_skipped_zeros():
    """No zero in the workload: whatever a machine gains on it, it has skipped nothing."""
    report = MachineRun(create("cambricon-x")).layer(random_trace(BY_NAME["depthwise"], 1.0, 1.0))
    assert report.speedup > 1.5
    assert factors(report)[1] <= 1


def test_the_ideal_machine_gains_by_skipping_alone():
    trace = random_trace(BY_NAME["plain"], 0.3, 0.4)
    report = MachineRun(create("ideal", {"multipliers": 1})).layer(trace)
    assert factors(report) == (1, report.dense_macs / report.effectual_macs, 1)


@pytest.mark.parametrize("clock_hz", [500_000_000, 4_000_000_000])
def test_a_baseline_of_another_clock_counts_in_the_size(clock_hz, monkeypatch):
    own = machines()["cambricon-x"].baseline_settings
    monkeypatch.setattr(machines()["cambricon-x"], "baseline_settings", lambda self: own(self) | {"clock_hz": clock_hz})
    report = MachineRun(create("cambricon-x")).layer(random_trace(BY_NAME["plain"], 0.3, 0.4))
    size, skipped, utilization = factors(report)
    assert size == pytest.approx(1e9 / clock_hz, rel=1 / report.dense_cycles)  # whole cycles
    assert size * skipped * utilization == pytest.approx(report.speedup, rel=1e-12)


def test_where_nothing_is_issued_there_is_nothing_to_divide():
    report = MachineRun(create("scnn")).layer(random_trace(BY_NAME["plain"], 0.0, 0.5))
    assert report.speedup_factors == {"size": None, "skipped": None, "utilization": None}


def test_files_carry_the_factors(cli, tmp_path):
    few = ("--layers", "op01*")
    result = cli("run", "blazepose", "--on", "scnn", *few, "--json", tmp_path / "r.json", "--csv", tmp_path / "r.csv")
    assert result.code == 0
    total = json.loads((tmp_path / "r.json").read_text())["total"]
    product = 1.0
    for factor in total["speedup_factors"].values():
        product *= factor
    assert product == pytest.approx(total["speedup"], rel=1e-12)
    assert total["empty_lanes"] == total["fragmented_lanes"] / (total["multipliers"] * total["cycles"])
    header = (tmp_path / "r.csv").read_text().splitlines()[0].split(",")
    assert {"speedup_factors.size", "speedup_factors.skipped", "speedup_factors.utilization", "empty_lanes"} <= set(
        header
    )
    assert "x skipped" in cli("run", "blazepose", "--on", "scnn", *few, "--factors").out
