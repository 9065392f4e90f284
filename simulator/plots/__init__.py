"""Figures: functions that take reports, frames or timelines and return a matplotlib Figure.

`KINDS` holds one for each `prunesim plot --kind`; in a notebook, call them with what `simulate` returned.
"""

from __future__ import annotations

from simulator.plots.array import heatmap, imbalance
from simulator.plots.causes import cause_shares, causes, layers
from simulator.plots.curves import speedup, utilization
from simulator.plots.kinds import KINDS, Kind
from simulator.plots.pareto import pareto
from simulator.plots.roofline import roofline
from simulator.plots.style import FORMATS, require_format, save, svg_text
from simulator.plots.timelines import bandwidth, gantt

__all__ = [
    "FORMATS",
    "KINDS",
    "Kind",
    "bandwidth",
    "cause_shares",
    "causes",
    "gantt",
    "heatmap",
    "imbalance",
    "layers",
    "pareto",
    "require_format",
    "roofline",
    "save",
    "speedup",
    "svg_text",
    "utilization",
]
