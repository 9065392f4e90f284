"""The kinds of plots that the command draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.figure import Figure

from simulator.plots.array import heatmap, imbalance
from simulator.plots.causes import causes, layers
from simulator.plots.curves import speedup, utilization
from simulator.plots.pareto import pareto
from simulator.plots.roofline import roofline
from simulator.plots.timelines import bandwidth, gantt


@dataclass(frozen=True)
class Kind:
    """A kind of plot: how it is drawn, from what, and the options that it knows.

    source   totals: of every run; reports: whole reports with their layers; timeline: a timeline's file
    """

    draw: Callable[..., Figure]
    options: tuple[str, ...] = ()
    source: Literal["totals", "reports", "timeline"] = "totals"

    def __call__(self, data: Any, **options: Any) -> Figure:
        """The figure. Raises `InputError` when the data does not hold what this kind shows."""
        return self.draw(data, **options)


KINDS = {
    "causes": Kind(causes),
    "layers": Kind(layers, source="reports"),
    "utilization": Kind(utilization),
    "speedup": Kind(speedup),
    "roofline": Kind(roofline, source="reports"),
    "heatmap": Kind(heatmap, ("layer",), "reports"),
    "imbalance": Kind(imbalance, source="reports"),
    "pareto": Kind(pareto, ("x", "y")),
    "bandwidth": Kind(bandwidth, ("layer",), "timeline"),
    "gantt": Kind(gantt, ("layer",), "timeline"),
}
