"""Two or three metrics of many runs, and the runs that no other beats in all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from simulator.plots.data import (
    Data,
    Row,
    baseline_of_rows,
    rows_of,
    rows_with,
    swept_columns,
    total_rows,
    value,
)
from simulator.plots.kind import kind
from simulator.plots.names import machine_name, settings_text
from simulator.plots.style import (
    IDEAL,
    JOULES_PER_PJ,
    is_narrow,
    legend_below,
    machine_styles,
    new_figure,
    scale_log,
    wrap_to_paper,
    write_between_powers,
)
from simulator.reports.front import Point, pareto_front
from simulator.reports.metrics import OVER_BASELINE, metric_of, over_baseline, title_of
from workloads.errors import InputError

_WIDE = 20  # an axis that spans more than this factor is logarithmic
_SMALLEST, _LARGEST = 20, 260  # areas of points, in square points
_MOST_NUMBERS = 12
_THOUSAND = 1000
_UNITS = {"_pj": (JOULES_PER_PJ, "J", ", pJ"), "_us": (1e-6, "s", ", \u00b5s")}


@kind(
    "pareto",
    "two or three columns and their Pareto front",
    options={
        "x": "The column across, e.g. dram.burst_bytes.",
        "y": "The column upwards, e.g. cycles or energy.total_pj.",
        "z": "A third column, as the size of points, e.g. area.total_mm2.",
    },
)
def pareto(data: Data, x: str = "dram.burst_bytes", y: str = "cycles", z: str | None = None) -> Figure:
    """Runs by two columns, a point each; below and left of the stairs (or where better lies) there is none.

    Their corners are the runs that no other equals or beats in both columns; each has a number, and the legend says
    what it is. With a third column larger points have more of it, and rings mark those that no other equals or beats
    in all three.
    """
    columns = [x, y] if z is None else [x, y, z]
    rows = rows_with(total_rows(rows_of(data)), *columns)
    rows = [row for row in rows if row["accelerator"] != IDEAL] or rows  # a bound is no choice
    if not rows:
        raise InputError(f"no total of a workload has all of {', '.join(columns)}")
    styles = machine_styles(row["accelerator"] for row in rows)
    points = [tuple(value(row, column) or 0.0 for column in columns) for row in rows]
    best = pareto_front(points, [metric_of(column).more_is_better for column in columns])
    best.sort(key=points.__getitem__)
    front = [points[place] for place in best]
    size = _size_of([point[-1] for point in points])
    with new_figure(6.0, 3.8) as figure:
        axes = figure.subplots()
        for machine, style in styles.items():
            own = [point for point, row in zip(points, rows, strict=True) if row["accelerator"] == machine]
            # Only the front is a line; the ideal machine, drawn as a line elsewhere, has no marker of its own.
            marked: dict[str, Any] = style | {"linestyle": "", "marker": style["marker"] or "*"}
            if own and z is None:
                axes.plot(*zip(*own, strict=True), label=machine_name(machine), markersize=7, **marked)
            elif own:
                _draw_sized(axes, own, size, machine, marked)
        if z is None:
            corners = _stairs(front, upper=metric_of(y).more_is_better)
            axes.plot(*zip(*corners, strict=True), color="black", linewidth=1.1, zorder=0, label="Pareto front")
        else:
            _ring(axes, front, size)
            axes.set_title(_sizes_text(z, [point[-1] for point in points]), fontsize=9)
        _number(axes, front, _names([rows[place] for place in best], rows))
        axes.margins(0.08)  # room for the largest point
        if z is None and OVER_BASELINE in columns and (baseline := baseline_of_rows(rows)):
            axes.set_title(over_baseline(machine_name(baseline)).title)
        axes.set(xlabel=_title(x), ylabel=_title(y))
        for which, axis, column, place in (("x", axes.xaxis, x, 0), ("y", axes.yaxis, y, 1)):
            if _is_wide([point[place] for point in points]):
                scale_log(axes, which)
                write_between_powers(axis, partial(_written, column))
            elif is_narrow():
                axis.set_major_locator(MaxNLocator(4))
            axis.set_major_formatter(partial(_tick, column))
        axes.grid()
        legend_below(figure, axes)
        return figure


def _stairs(front: Sequence[Point], *, upper: bool) -> list[tuple[float, float]]:
    """The front from left to right as stairs: a run's own corner at each, and between two what the better one allows.

    upper  whether more of the second column is better
    """
    corners = [(front[0][0], front[0][1])]
    for (x, y), (next_x, next_y) in pairwise((point[0], point[1]) for point in front):
        # Up to the next run nothing better in the second column is to be had than this one has; where both columns
        # rise together, more of the first is better, and the next one serves already.
        corners += [(next_x, y) if (next_y > y) == upper else (x, next_y), (next_x, next_y)]
    return corners


def _names(chosen: Sequence[Row], rows: Sequence[Row]) -> list[str]:
    """What tells each run from the others: its machine, and the settings and workload that differ."""
    keys = [key for key in swept_columns(rows) if key not in ("weight_density", "activation_density")]
    return [", ".join([machine_name(row["accelerator"]), *settings_text(row, keys)]) for row in chosen]


def _number(axes: Axes, front: Sequence[Point], names: Sequence[str]) -> None:
    """A number beside each point of the front, with its name in the legend; as many as can be read."""
    if len(front) > _MOST_NUMBERS:
        return
    for number, (point, name) in enumerate(zip(front, names, strict=True), 1):
        axes.annotate(str(number), (point[0], point[1]), (5, 4), textcoords="offset points", fontsize=7.5)
        axes.plot([], [], linestyle="", label=f"{number}: {name}")


def _size_of(values: Sequence[float]) -> Callable[[float], float]:
    """The area of a point by its value; that of the smallest can still be seen."""
    most = max(values)
    return lambda one: _SMALLEST + (_LARGEST - _SMALLEST) * (one / most if most > 0 else 0.0)


def _draw_sized(
    axes: Axes, points: Sequence[Point], size: Callable[[float], float], machine: str, style: dict[str, Any]
) -> None:
    x, y, z = zip(*points, strict=True)
    axes.scatter(x, y, [size(one) for one in z], color=style["color"], marker=style["marker"], alpha=0.6, linewidths=0)
    # The legend's points all have one size.
    axes.plot([], [], label=machine_name(machine), markersize=7, **style)


def _ring(axes: Axes, front: Sequence[Point], size: Callable[[float], float]) -> None:
    x, y, z = zip(*front, strict=True)
    axes.scatter(x, y, [1.6 * size(one) + 30 for one in z], facecolors="none", edgecolors="black", linewidths=1.1)
    axes.plot([], [], "o", color="black", fillstyle="none", label="Pareto front")


def _sizes_text(column: str, values: Sequence[float]) -> str:
    ends = " to ".join(_written(column, end(values)) for end in (min, max))
    return wrap_to_paper(f"size of points: {_title(column)}, {ends}", 1.3)


def _is_wide(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) > _WIDE * min(values)


def _unit_of(column: str) -> tuple[float, str, str]:
    """What to multiply a column's numbers with, the unit that they then have, and how a title says the old one."""
    return _UNITS.get(column[-3:], (1.0, "", ""))


def _written(column: str, number: float) -> str:
    """A number such as 20k, or with its unit such as 5 mJ."""
    factor, unit, _ = _unit_of(column)
    if not unit and abs(number) < _THOUSAND:
        return f"{number:.4g}"  # 0.5 and not 500m
    return EngFormatter(unit, sep=" " if unit else "").format_data(float(f"{factor * number:.4g}"))


def _tick(column: str, at: float, _: float) -> str:
    return _written(column, at)


def _title(column: str) -> str:
    title = title_of(column).removesuffix(_unit_of(column)[2])
    return f"{title} ({'more' if metric_of(column).more_is_better else 'less'} is better)"
