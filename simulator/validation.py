"""Published figures and what we get for them. The table is data (`published.toml`); nothing here knows a machine."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dataflows.registry import create, machines
from simulator.network_simulation import Progress, simulate
from simulator.report import NetworkReport
from workloads import pruning
from workloads.errors import InputError, nearest
from workloads.workload import load_workload

TABLE = Path(__file__).with_name("published.toml")


@dataclass(frozen=True)
class Figure:
    """A published figure and the configuration that reproduces it; `tolerance` is relative."""

    id: str
    machine: str
    workload: str
    metric: str
    unit: str
    published: float
    tolerance: float
    source: str
    how: str
    layers: str | None = None
    prune: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """A figure beside its simulated value."""

    figure: Figure
    simulated: float

    @property
    def deviation(self) -> float:
        """Simulated over published, minus 1."""
        return self.simulated / self.figure.published - 1

    @property
    def inside(self) -> bool:
        """Whether the deviation is within the figure's tolerance."""
        return abs(self.deviation) <= self.figure.tolerance + 1e-12

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        own = {"simulated": self.simulated, "deviation": self.deviation, "inside": self.inside}
        return asdict(self.figure) | {"settings": repr(self.figure.settings)} | own


METRICS: dict[str, Callable[[NetworkReport], float]] = {
    "speedup": lambda report: report.total.speedup or 0.0,
    "utilization": lambda report: report.total.utilization,
    "time_ms": lambda report: report.total.time_us / 1000,
    "time_us": lambda report: report.total.time_us,
    "issued_gops": lambda report: 2 * report.total.issued_macs / (report.total.time_us * 1000),
    "layers_spilled": lambda report: sum(any("spill" in note for note in layer.notes) for layer in report.layers),
}


def figures(machine: str | None = None) -> list[Figure]:
    """The table's figures, of one machine or of all. Raises `InputError` for a machine that has none."""
    table = [Figure(**row) for row in tomllib.loads(TABLE.read_text(encoding="utf-8"))["figure"]]
    if machine is None:
        return table
    chosen = [figure for figure in table if figure.machine == machine]
    if not chosen:
        with_figures = {figure.machine for figure in table} | {"dram"}
        known = machine in machines()
        raise InputError(
            f"accelerator '{machine}' has no published figure; those that have: {', '.join(sorted(with_figures))}"
            if known
            else f"unknown accelerator '{machine}': {nearest(machine, with_figures)}"
        )
    return chosen


def measure(chosen: Sequence[Figure], progress: Progress | None = None) -> list[Result]:
    """Every figure simulated, with seed 0."""
    results = []
    for number, figure in enumerate(chosen):
        if progress is not None:
            progress(number, len(chosen), figure.id)
        workload = load_workload(figure.workload)
        if figure.prune:
            workload = workload.prune(pruning.parse(figure.prune))
        if figure.layers:
            workload = workload.select(figure.layers)
        (report,) = simulate([create(figure.machine, figure.settings)], workload)
        results.append(Result(figure, float(METRICS[figure.metric](report))))
    return results
