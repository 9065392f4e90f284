"""Curves over density: utilization, and speedup over the machine's dense baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulator.plots.data import (
    Data,
    Row,
    baseline_of_rows,
    by_run,
    density_column,
    layer_rows,
    rows_of,
    total_rows,
    value,
)
from simulator.plots.kind import kind
from simulator.plots.names import machine_name
from simulator.plots.style import IDEAL, is_narrow, legend_below, machine_styles, new_figure, scale_log
from simulator.reports.metrics import SPEEDUP, over_baseline
from simulator.validation.figure_metrics import crossover
from workloads.errors import InputError

# Figures of one machine at one density: density, and the values of all rows (seeds) there.
Points = list[tuple[float, list[float]]]
_ROOM_BELOW = 0.75  # speedup down to which the axes reach where crossings have labels
_LABEL_POINTS = 11  # height of a label at a crossing, points


@kind("utilization", "utilization against sparsity")
def utilization(data: Data) -> Figure:
    """Utilization against sparsity, a line a machine; left by products issued, right by products of two non-zeros.

    Of a sweep over density, lines join the means over seeds and bands reach from the worst to the best; other swept
    settings have lines of their own. Otherwise every layer is a point at its own weight sparsity, and nothing joins
    them: layers differ in more than sparsity.
    """
    runs, column, swept = _density_runs(data)
    styles = machine_styles(runs)
    narrow = is_narrow()
    with new_figure(8.6, 4.8 if narrow else 4.0) as figure:
        left, right = figure.subplots(2 if narrow else 1, 1 if narrow else 2, sharex=True, sharey=True)
        for axes, measure, title in (
            (left, "utilization", "slots with any product"),
            (right, "effectual_utilization", "slots with a product of two non-zeros"),
        ):
            for run, group in runs.items():
                points = points_of(group, column, measure)
                # Densities rise where sparsities fall, hence sorted again before they are joined.
                flipped = [(1 - x, [100 * y for y in ys]) for x, ys in points]
                draw_curve(axes, run, sorted(flipped), styles[run], swept=swept)
            if swept and any(len(ys) > 1 for group in runs.values() for _, ys in points_of(group, column, measure)):
                name_bands(axes, [row for group in runs.values() for row in group])
            # Where the ideal machine was run its own curve is the bound.
            if IDEAL not in runs:
                axes.axhline(100, label="no slot lost", linewidth=1.2, **styles[IDEAL])
            axes.set_title(title)
            axes.grid()
        for axes in (right,) if narrow else (left, right):
            axes.set_xlabel(f"{of_operand('sparsity', column)} (1 - density)")
        for axes in (left, right) if narrow else (left,):
            axes.set_ylabel("utilization, %" if narrow else "utilization of multipliers, %")
        left.set_ylim(0, 105)
        legend_below(figure, left)
        return figure


@kind("speedup", "speedup over the dense baseline against density")
def speedup(data: Data) -> Figure:
    """Speedup over each machine's dense baseline against density; of a sweep, where a curve crosses 1 is marked.

    Where the machines have a baseline in common, over that one.
    """
    runs, column, swept = _density_runs(data)
    baseline = baseline_of_rows(row for group in runs.values() for row in group)
    measure = over_baseline(machine_name(baseline)) if baseline else SPEEDUP
    styles = machine_styles(runs)
    with new_figure(6.4, 4.2) as figure:
        axes = figure.subplots()
        axes.axhline(1, color="black", linewidth=1.0, linestyle=":")
        crossings = []
        for run, group in runs.items():
            points = points_of(group, column, measure.column)
            draw_curve(axes, run, points, styles[run], swept=swept)
            if swept:  # layers of different shapes lie on no line that could cross anything
                crossings += [(at, styles[run]["color"]) for at in crossover(mean_points(points))]
        if swept and any(len(ys) > 1 for group in runs.values() for _, ys in points_of(group, column, "speedup")):
            name_bands(axes, [row for group in runs.values() for row in group])
        scale_log(axes, "y", 2)
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}x")
        if crossings:
            axes.set_ylim(bottom=min(_ROOM_BELOW, axes.get_ylim()[0]))
        _mark(axes, sorted(crossings))
        axes.set_xlabel(of_operand("density", column))
        axes.set_ylabel(measure.title)
        if baseline:
            axes.set_title(measure.title)
        axes.grid()
        legend_below(figure, axes)
        return figure


def points_of(rows: Sequence[Row], column: str, measure: str) -> Points:
    """The values of a measure at each density, by density; rows that lack either are left out."""
    points: dict[float, list[float]] = {}
    for row in rows:
        x, y = value(row, column), value(row, measure)
        if x is not None and y is not None:
            points.setdefault(x, []).append(y)
    return sorted(points.items())


def _density_runs(data: Data) -> tuple[dict[str, list[Row]], str, bool]:
    """The rows to draw by run, the column of their density, and whether it was swept."""
    rows = rows_of(data)
    totals = total_rows(rows)
    column = density_column(totals) if totals else None
    # A sweep: totals at chosen densities, which lines may join.
    if column is not None:
        return by_run(totals, column), column, True
    layers = [row for row in layer_rows(rows) if row.get("weight_density") is not None]
    if not layers:
        raise InputError("the results have neither layers nor a swept column whose name ends in 'density'")
    return by_run(layers), "weight_density", False


def draw_curve(axes: Axes, run: str, points: Points, style: dict[str, Any], *, swept: bool) -> None:
    """Draw a run: of a sweep the means joined and a band from lowest to highest, otherwise a point each."""
    if not swept:
        cloud = [(x, y) for x, ys in points for y in ys]
        axes.scatter(
            [x for x, _ in cloud], [y for _, y in cloud], s=20, c=style["color"], marker=style["marker"] or "_",
            alpha=0.6, linewidths=0 if style["marker"] else 1.2, label=run,
        )  # fmt: skip
        return
    line = mean_points(points)
    # With a single seed there is no spread to show.
    if any(len(ys) > 1 for _, ys in points):
        axes.fill_between(
            [x for x, _ in points], [min(ys) for _, ys in points], [max(ys) for _, ys in points],
            color=style["color"], alpha=0.2, linewidth=0,
        )  # fmt: skip
    axes.plot([x for x, _ in line], [y for _, y in line], label=run, linewidth=1.6, markersize=5, **style)


def mean_points(points: Points) -> list[tuple[float, float]]:
    """The mean of the values at each density."""
    return [(x, math.fsum(ys) / len(ys)) for x, ys in points]


def _mark(axes: Axes, crossings: Sequence[tuple[float, str]]) -> None:
    """Mark crossings of 1; labels take turns above and below the line, each pair farther out than the one before."""
    for place, (at, colour) in enumerate(crossings):
        axes.plot([at], [1], "o", markersize=9, markerfacecolor="none", markeredgecolor=colour, markeredgewidth=1.5)
        out = _LABEL_POINTS * (place // 2)
        offset = (6, 9 + out) if place % 2 == 0 else (-6, -15 - out)
        axes.annotate(
            f"1x at {at:.2f}", (at, 1), offset, textcoords="offset points", fontsize=8, color=colour,
            ha="left" if place % 2 == 0 else "right",
        )  # fmt: skip


def of_operand(word: str, column: str) -> str:
    """The word "density" or "sparsity" with what the density of a column is one of."""
    operand = column.rpartition(".")[2].removesuffix("density").replace("_", " ").strip()
    if operand in ("weight", "activation"):
        return f"{word} of {operand}s"
    return f"{operand} {word}".strip()


def name_bands(axes: Axes, rows: Sequence[Row]) -> None:
    """Say in the legend what a band reaches over, as in "3 seeds, min to max"."""
    counts = {key: len({str(row.get(key)) for row in rows}) for key in ("seed", "input")}
    said = " x ".join(f"{number} {key}s" for key, number in counts.items() if number > 1)
    axes.fill([math.nan], [math.nan], color="#888888", alpha=0.2, linewidth=0, label=f"{said or 'runs'}, min to max")
