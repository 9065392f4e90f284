"""Texts of every kind of plot can be read: of few and of many machines and runs, also in a column of a paper."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.figure import Figure

from dataflows.schedule import Cause
from simulator import plots
from simulator.plots.names import machine_name
from simulator.plots.style import Paper, on_paper
from simulator.reports.input_spread import MEASURES
from tests.simulator.plots.energy_rows import MACHINES
from tests.simulator.plots.geometry import require_readable

LAYERS = 6
COLUMN_INCHES = 3.4
DENSITIES = [0.1, 0.3, 0.5, 0.7, 0.9]


def measures(scale: int = 1, **changes: Any) -> dict[str, Any]:
    """What a row of a layer or of a total measures; every cause has a part of its cycles."""
    stack = {f"pe_cycle_stack.{cause.key}": scale * (40 if cause is Cause.BUSY else 6 + cause) for cause in Cause}
    return {
        "cycles": 12_345_678 * scale, "time_us": 12_345.678 * scale, "multipliers": 1024, "issued_macs": 10**9 * scale,
        "fragmented_lanes": 10**8 * scale, "utilization": 0.625 / scale, "effectual_utilization": 0.5 / scale,
        "speedup": 2.72 / scale, "load_imbalance": 1 + 0.4 * scale, "dram.read_bytes": 10**6 * (1 + scale % 7),
        "dram.write_bytes": 10**5, "dram.burst_bytes": 10**7 // scale, "dram.peak_gbs": 25.6, "weight_density": 0.31,
        "pes": 64, **stack,
    } | changes  # fmt: skip


def nested(row: dict[str, Any]) -> dict[str, Any]:
    """Columns with dots as the tables that they are in a JSON report."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        table, _, name = key.rpartition(".")
        (found.setdefault(table, {}) if table else found)[name] = value
    return found


def report_of(machine: str, place: int = 0, inputs: int = 5) -> dict[str, Any]:
    """The JSON report of a network on a machine, as the plots read it."""
    names = [f"conv{layer}_branch3x3_reduce" for layer in range(LAYERS)]
    layers = [
        nested(measures(1 + layer + place, name=name, pe_grid=(8, 8), weight_density=0.1 + 0.1 * layer))
        | {"pe_busy_cycles": [10**6 * (1 + pe % 5) for pe in range(64)]}
        for layer, name in enumerate(names)
    ]
    total = nested(measures(LAYERS + place, name="total"))
    spread = {measure: {"values": [1.0 + 0.1 * one for one in range(inputs)]} for measure in MEASURES}
    overlap = {"overlap": "serial", "cycles": 10**6, "pe_cycle_stack": total["pe_cycle_stack"], "time_us": 1000.0}
    return {
        "accelerator": {"name": machine}, "workload": {"name": "vgg16@scnn"}, "seed": 0, "layers": layers,
        "total": total, "network": overlap,
        "inputs": {"count": inputs, "layers": [{"name": name} | spread for name in names], "total": {"name": "total"} | spread},
    }  # fmt: skip


def rows_of_runs(count: int, density: float | None = None) -> list[dict[str, Any]]:
    """The totals of so many runs on one machine that differ in several settings, on three seeds where over density."""
    of_density = {} if density is None else {"density": density}
    return [
        measures(1 + run, accelerator="cambricon-x", workload="vgg16@scnn", name="total", seed=seed)
        | {"queue_depth": run, "dram.bandwidth_gbs": 6.4 * (1 + run), "balance": run % 2 == 0}
        | of_density
        for run in range(count)
        for seed in ((0,) if density is None else (0, 1, 2))
    ]


def sweep_of(machines: tuple[str, ...]) -> list[dict[str, Any]]:
    """The totals of a sweep over density on three seeds."""
    return [
        measures(1 + place, accelerator=machine, workload="vgg16@scnn", name="total", seed=seed, density=density)
        | {"speedup": (1 + 0.1 * place) / (2 * density) + 0.05 * seed, "utilization": 0.5 + 0.1 * seed}
        for place, machine in enumerate(machines)
        for density in DENSITIES
        for seed in range(3)
    ]


def over_densities(count: int) -> list[dict[str, Any]]:
    return [row for density in DENSITIES for row in rows_of_runs(count, density)]


def totals_of(machines: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        measures(1 + place, accelerator=machine, workload="vgg16@scnn", name="total")
        for place, machine in enumerate(machines)
    ]


def reports_of(machines: tuple[str, ...]) -> list[dict[str, Any]]:
    return [report_of(machine, place) for place, machine in enumerate(machines)]


OF_MACHINES = {
    "causes": lambda machines: plots.causes(totals_of(machines)),
    "layers": lambda machines: plots.layers(reports_of(machines)),
    "network": lambda machines: plots.network(reports_of(machines)),
    "utilization": lambda machines: plots.utilization(sweep_of(machines)),
    "utilization of layers": lambda machines: plots.utilization(reports_of(machines)),
    "speedup": lambda machines: plots.speedup(sweep_of(machines)),
    "sweep": lambda machines: plots.sweep(sweep_of(machines), x="density", y="utilization"),
    "roofline": lambda machines: plots.roofline(reports_of(machines)),
    "heatmap": lambda machines: plots.heatmap(reports_of(machines)),
    "imbalance": lambda machines: plots.imbalance(reports_of(machines)),
    "inputs": lambda machines: plots.inputs(reports_of(machines)),
    "pareto": lambda machines: plots.pareto(totals_of(machines)),
}  # fmt: skip
OF_RUNS = {
    "causes": lambda count: plots.causes(rows_of_runs(count)),
    "utilization": lambda count: plots.utilization(over_densities(count)),
    "speedup": lambda count: plots.speedup(over_densities(count)),
    "sweep": lambda count: plots.sweep(over_densities(count), x="density", y="utilization"),
    "pareto": lambda count: plots.pareto(rows_of_runs(count)),
}


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 5, 14])
@pytest.mark.parametrize("figure", OF_MACHINES)
def test_texts_of_few_and_of_many_machines_can_be_read(figure, count):
    machines = MACHINES[:count]
    texts = " ".join(require_readable(OF_MACHINES[figure](machines)))
    assert all(machine_name(machine) in texts for machine in machines)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 4, 64])
@pytest.mark.parametrize("figure", OF_RUNS)
def test_texts_of_few_and_of_many_runs_can_be_read(figure, count):
    require_readable(OF_RUNS[figure](count))


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("figure", OF_MACHINES)
def test_texts_of_machines_in_a_column_of_a_paper_can_be_read(figure, count):
    with on_paper(Paper(COLUMN_INCHES)):
        drawn: Figure = OF_MACHINES[figure](MACHINES[:count])
    require_readable(drawn)
    assert drawn.get_figwidth() == COLUMN_INCHES
    assert all(axes.get_window_extent().width > 0.4 * drawn.bbox.width for axes in drawn.axes if axes.lines), "no room"


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("figure", OF_RUNS)
def test_texts_in_a_column_of_a_paper_can_be_read(figure, count):
    with on_paper(Paper(COLUMN_INCHES)):
        drawn: Figure = OF_RUNS[figure](count)
    require_readable(drawn)
    assert drawn.get_figwidth() == COLUMN_INCHES
