"""How far one input misleads: each layer's cycles on every input, around their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulator.plots.data import Data, reports_of
from simulator.plots.kind import kind
from simulator.plots.names import machine_name, workload_name
from simulator.plots.style import legend_below, new_figure
from simulator.reports.input_spread import MEASURES
from workloads.errors import InputError

_MOST_DOTS = 20  # inputs that are told apart as dots; more are a box
_DOT, _FIRST, _BOX = "#0072B2", "#D55E00", "#56B4E9"


@kind(
    "inputs",
    "cycles of each layer on every input, around their mean",
    options={"measure": "What is drawn of inputs: cycles, load_imbalance, dram_bytes or activation_density."},
    source="reports",
)
def inputs(data: Data, measure: str = "cycles") -> Figure:
    """Each layer's `measure` on every input as a difference from its mean, in percent; a panel a machine.

    Up to 20 inputs are dots, more are a box from the first to the third quartile with the median, and whiskers from the
    least to the most. The first input, which all other figures and tables show, is marked. Raises `InputError` where
    the reports hold one input alone.
    """
    reports = reports_of(data)
    if measure not in MEASURES:
        raise InputError(f"measure = '{measure}': must be one of: {', '.join(MEASURES)}")
    if not all("inputs" in report for report in reports):
        raise InputError("the results hold a single input: run or compare with --inputs N to draw several")
    most = max(len(report["inputs"]["layers"]) for report in reports)
    names = [[row["name"] for row in report["inputs"]["layers"]] for report in reports]
    shared = all(other == names[0] for other in names)  # one set of layer names under all panels
    with new_figure(max(6.0, min(14.0, 2.0 + 0.26 * most)), 2.4 + (1.6 if shared else 2.4) * len(reports)) as figure:
        # On one scale, so that a machine that inputs do not touch looks like one.
        panels = figure.subplots(len(reports), squeeze=False, sharex=shared, sharey=True)[:, 0]
        for axes, report in zip(panels, reports, strict=True):
            _panel(axes, report, measure)
        legend_below(figure, panels[0])
        return figure


def deviations(values: Sequence[float]) -> np.ndarray:
    """Each value's difference from the mean of all, in percent of it; 0 where the mean is 0."""
    # 90, 100 and 110 are -10, 0 and +10.
    mean = float(np.mean(values))
    return np.array([100 * (value - mean) / mean if mean else 0.0 for value in values])


def _panel(axes: Axes, report: Mapping[str, Any], measure: str) -> None:
    """Layers side by side, and the total behind a gap."""
    spread = report["inputs"]
    rows = [*spread["layers"], spread["total"]]
    shown = [deviations(row[measure]["values"]) for row in rows]
    places = [*range(len(rows) - 1), len(rows)]
    axes.axhline(0, color="#888888", linewidth=0.8)
    axes.axvline(len(rows) - 1, color="#CCCCCC", linewidth=0.8)
    if spread["count"] > _MOST_DOTS:
        axes.boxplot(
            shown, positions=places, widths=0.6, whis=(0, 100), patch_artist=True, manage_ticks=False,
            boxprops={"facecolor": _BOX, "edgecolor": _DOT}, medianprops={"color": "black"},
            whiskerprops={"color": _DOT}, capprops={"color": _DOT},
        )  # fmt: skip
        axes.plot([], [], "s", color=_BOX, label="quartiles of inputs, least to most")
    else:
        for place, row in zip(places, shown, strict=True):
            axes.plot([place, place], [row.min(), row.max()], color=_BOX, linewidth=1.4, zorder=1)
            axes.plot([place] * len(row), row, "o", color=_DOT, markersize=4, label="_" if place else "an input")
    firsts = [row[0] for row in shown]
    axes.plot(places, firsts, "D", color=_FIRST, markersize=4.5, linestyle="none", label="input 0", zorder=3)
    names = [row["name"] for row in rows]
    axes.set_xticks(places, names, rotation=90, fontsize=6 if len(rows) > 40 else 8)
    axes.set_xlim(-0.7, len(rows) + 0.9)
    axes.set_ylabel(f"{measure.replace('_', ' ')},\n% off the mean")
    machine = machine_name(report["accelerator"]["name"])
    axes.set_title(f"{workload_name(report['workload']['name'])} on {machine}: {spread['count']} inputs")
    axes.grid(axis="y")
