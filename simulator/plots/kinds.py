"""The kinds of plots that the command draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from simulator.plots.array import heatmap, imbalance
from simulator.plots.causes import causes, layers
from simulator.plots.curves import speedup, utilization
from simulator.plots.pareto import pareto
from simulator.plots.roofline import roofline


@dataclass(frozen=True)
class Kind:
    """A kind of plot: how it is drawn, from results or from a timeline, and the options that it knows."""

    draw: Callable[..., Figure]
    options: tuple[str, ...] = ()
    timeline: bool = False

    def __call__(self, data: Any, **options: Any) -> Figure:
        """The figure. Raises `InputError` when the data does not hold what this kind shows."""
        return self.draw(data, **options)


KINDS = {
    "causes": Kind(causes),
    "layers": Kind(layers),
    "utilization": Kind(utilization),
    "speedup": Kind(speedup),
    "roofline": Kind(roofline),
    "heatmap": Kind(heatmap, ("layer",)),
    "imbalance": Kind(imbalance),
    "pareto": Kind(pareto, ("x", "y")),
}
