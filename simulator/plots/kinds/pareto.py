"""Two metrics of many runs, and the runs that no other beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from simulator.plots.data import Data, rows_of, total_rows, value
from simulator.plots.kind import kind
from simulator.plots.style import IDEAL, legend_below, machine_styles, new_figure, scale_log
from simulator.reports.metrics import metric_of, title_of
from workloads.errors import InputError

_WIDE = 20  # an axis that spans more than this factor is logarithmic


@kind(
    "pareto",
    "two columns and their Pareto front",
    options={"x": "The column across, e.g. dram.burst_bytes.", "y": "The column upwards, e.g. cycles."},
)
def pareto(data: Data, x: str = "dram.burst_bytes", y: str = "cycles") -> Figure:
    """Runs by two columns, a point each; the line joins those that no other run equals or beats in both columns."""
    rows = [row for row in total_rows(rows_of(data)) if value(row, x) is not None and value(row, y) is not None]
    rows = [row for row in rows if row["accelerator"] != IDEAL] or rows  # a bound is no choice
    if not rows:
        raise InputError(f"no total of a workload has both '{x}' and '{y}'")
    styles = machine_styles(row["accelerator"] for row in rows)
    points = [(value(row, x) or 0.0, value(row, y) or 0.0) for row in rows]
    front = pareto_front(points, more_x=metric_of(x).more_is_better, more_y=metric_of(y).more_is_better)
    with new_figure(6.0, 4.4) as figure:
        axes = figure.subplots()
        for machine, style in styles.items():
            own = [point for point, row in zip(points, rows, strict=True) if row["accelerator"] == machine]
            if own:
                # Only the front is a line; the ideal machine, drawn as a line elsewhere, has no marker of its own.
                marked: dict[str, Any] = style | {"linestyle": "", "marker": style["marker"] or "*"}
                axes.plot(*zip(*own, strict=True), label=machine, markersize=7, **marked)
        ordered = sorted(points[place] for place in front)
        axes.plot(*zip(*ordered, strict=True), color="black", linewidth=1.1, zorder=0, label="Pareto front")
        axes.set(xlabel=_title(x), ylabel=_title(y))
        for which, place in (("x", 0), ("y", 1)):
            if _is_wide([point[place] for point in points]):
                scale_log(axes, which)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(EngFormatter(sep=""))
        axes.grid()
        legend_below(figure, axes)
        return figure


def pareto_front(points: Sequence[tuple[float, float]], *, more_x: bool, more_y: bool) -> list[int]:
    """Positions of the points that no other equals or beats in both coordinates (of equal points the first)."""
    # Turned so that less is better in both.
    cost = [(-px if more_x else px, -py if more_y else py) for px, py in points]
    # By rising first cost, a point is on the front when its second cost is less than all before it. Costs (1, 5), (2,
    # 3), (3, 4): the third is beaten by the second. Of equal points the first in order stays.
    front, best = [], float("inf")
    for place in sorted(range(len(cost)), key=lambda place: cost[place]):
        if cost[place][1] < best:
            best = cost[place][1]
            front.append(place)
    return front


def _is_wide(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) > _WIDE * min(values)


def _title(column: str) -> str:
    return f"{title_of(column)} ({'more' if metric_of(column).more_is_better else 'less'} is better)"
