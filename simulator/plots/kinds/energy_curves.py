"""Curves of energy over sparsity, and where each machine begins to save energy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator

from simulator.plots.data import Data, Row, by_run, density_column, rows_of, rows_with, swept_columns, total_rows, value
from simulator.plots.kind import kind
from simulator.plots.kinds.curves import Points, draw_curve, mean_points, name_bands, of_operand, points_of
from simulator.plots.kinds.energy import TOTAL
from simulator.plots.names import machine_name
from simulator.plots.style import (
    JOULES_PER_PJ,
    grid_columns,
    legend_below,
    machine_styles,
    new_figure,
    panel_grid,
    scale_log,
    write_between_powers,
)
from simulator.validation.figure_metrics import crossover
from workloads.errors import InputError

GATED = "dcnn-opt"
"""The dense machine that only gates zeros: what a machine that skips them has to beat."""
_JOULES, _OVER_DENSE, _OVER_GATED = "joules", "energy_vs_dense", "over_gated"
_PANEL_INCHES = 3.6
_NARROW = 4  # an axis that spans less has ticks between the powers of two


@kind("energy-sparsity", "energy against sparsity, and where each accelerator begins to save some")
def energy_sparsity(data: Data) -> Figure:
    """Energy of a sweep over density against sparsity, a line a run, as `utilization` draws them.

    Left in joules; then over each machine's dense baseline, and over DCNN-opt where that ran with the same settings.
    Where a line crosses 1 it has a ring; the legend says at which sparsity.
    """
    rows = rows_with(total_rows(rows_of(data)), TOTAL)
    column = density_column(rows) if rows else None
    if column is None:
        raise InputError("the results have no energy over a swept column whose name ends in 'density'")
    ratio = gated_ratios(rows, column)
    runs = {
        run: [{**row, _JOULES: JOULES_PER_PJ * (value(row, TOTAL) or 0.0), _OVER_GATED: ratio(row)} for row in group]
        for run, group in by_run(rows, column).items()
    }
    ratios = {_OVER_DENSE: "over the dense baseline", _OVER_GATED: f"over {machine_name(GATED)}"}
    lines = {
        measure: {run: _line(group, column, measure) for run, group in runs.items()} for measure in (_JOULES, *ratios)
    }
    titles = {_JOULES: "energy"} | {measure: title for measure, title in ratios.items() if any(lines[measure].values())}
    labels = {run: run + _crossings_text(run, lines) for run in runs}
    styles = machine_styles(runs)
    columns = grid_columns(len(titles))
    with new_figure(1.0 + _PANEL_INCHES * columns, 3.8 * (len(titles) // columns)) as figure:
        panels = panel_grid(figure, len(titles))
        for axes, (measure, title) in zip(panels, titles.items(), strict=True):
            for run, points in lines[measure].items():
                if points:  # DCNN-opt is not drawn over itself
                    draw_curve(axes, labels[run], points, styles[run], swept=True)
            axes.set_title(title)
            axes.set_xlabel(f"{of_operand('sparsity', column)} (1 - density)")
            axes.grid()
            scale_log(axes, "y", 10 if measure == _JOULES else 2)
            axes.yaxis.set_major_formatter(EngFormatter("J") if measure == _JOULES else lambda y, _: f"{y:g}x")
            if measure == _JOULES:
                write_between_powers(axes.yaxis, EngFormatter("J"))
            else:
                low, high = axes.get_ylim()
                if high < _NARROW * low:
                    axes.yaxis.set_major_locator(LogLocator(2, (1.0, 1.25, 1.5, 1.75)))
                _mark(axes, {run: crossover(mean_points(points)) for run, points in lines[measure].items()}, styles)
        if any(len(ys) > 1 for points in lines[_JOULES].values() for _, ys in points):
            name_bands(panels[0], rows)
        legend_below(figure, panels[0])
        return figure


def gated_ratios(rows: Sequence[Row], column: str) -> Callable[[Row], float | None]:
    """What tells a row's energy over that of DCNN-opt among the rows; None for one that has no such partner.

    Partners agree in density, seed, input and everything else that was varied for DCNN-opt.
    """
    gated = [row for row in rows if row["accelerator"] == GATED]
    same = [column, "seed", "input", *swept_columns(gated)]

    def run_of(row: Row) -> tuple[str, ...]:
        return tuple(str(row.get(key)) for key in same)

    partners = {run_of(row): value(row, TOTAL) for row in gated}

    def ratio(row: Row) -> float | None:
        partner = None if row["accelerator"] == GATED else partners.get(run_of(row))
        return (value(row, TOTAL) or 0.0) / partner if partner else None

    return ratio


def _line(rows: Sequence[Row], column: str, measure: str) -> Points:
    """The measure at each sparsity, by sparsity."""
    return sorted((1 - x, ys) for x, ys in points_of([row for row in rows if measure in row], column, measure))


def _crossings_text(run: str, lines: Mapping[str, Mapping[str, Points]]) -> str:
    """What the legend says of a run's crossings, as in ": equal to dense at 0.35, dcnn-opt at 0.52"."""
    said = []
    for measure, name in ((_OVER_DENSE, "dense"), (_OVER_GATED, machine_name(GATED))):
        crossings = crossover(mean_points(lines.get(measure, {}).get(run, [])))
        if crossings:
            said.append(f"{name} at {' and '.join(f'{at:.2f}' for at in crossings)}")
    return f": equal to {', '.join(said)}" if said else ""


def _mark(axes: Axes, crossings: Mapping[str, Sequence[float]], styles: Mapping[str, dict[str, Any]]) -> None:
    """The line of equal energy, and a ring at each crossing of it."""
    axes.axhline(1, color="black", linewidth=1.0, linestyle=":")
    for run, places in crossings.items():
        for at in places:
            axes.plot(
                [at], [1], "o", markersize=9, markerfacecolor="none", markeredgewidth=1.5,
                markeredgecolor=styles[run]["color"],
            )  # fmt: skip
