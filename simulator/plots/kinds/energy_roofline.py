"""The roofline of energy: how far a layer's energy is that of moving its data.

Source: Choi, Bedard, Fowler and Vuduc, "A roofline model of energy", IPDPS 2013: energy of an operation = its own and
its part of what constantly flows + that of a byte / operations a byte.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from simulator.plots.data import Data, Row, by_machine, layer_rows, require_single_runs, rows_of, rows_with, value
from simulator.plots.kind import kind
from simulator.plots.kinds.energy import TOTAL
from simulator.plots.names import machine_name
from simulator.plots.style import (
    JOULES_PER_PJ,
    grid_columns,
    legend_below,
    new_figure,
    panel_grid,
    scale_log,
    text_inches,
    thin_ticks,
    write_between_powers,
)
from workloads.errors import InputError
from workloads.whole_numbers import ceil_div

_LARGEST_POINT = 130
_CURVE_POINTS = 60
_TRANSFERS = tuple(f"energy.dram.{does}_pj" for does in ("activate", "read", "write"))
_HUNDRED = 100


class Point(NamedTuple):
    """A layer: effectual products, those per DRAM byte, pJ each of DRAM's transfers and of all else."""

    products: int
    intensity: float
    transfer_pj: float
    other_pj: float

    @property
    def total_pj(self) -> float:
        """Both."""
        return self.transfer_pj + self.other_pj


class Costs(NamedTuple):
    """What the layers of a run cost on average: pJ a byte moved, and pJ an effectual product of all else."""

    byte_pj: float
    other_pj: float

    def at(self, intensity: float) -> float:
        """Energy in pJ of an effectual product with so many of them per byte."""
        return self.other_pj + self.byte_pj / intensity


@kind("energy-roofline", "energy of an effectual product against DRAM traffic, layer by layer", source="reports")
def energy_roofline(data: Data) -> Figure:
    """Layers by effectual products per DRAM byte and energy of each, beside what the run's means make of it.

    One panel a machine; a point's area is its share of the energy. The curve is no bound: layers lie above and below
    it, and as a whole they take what it says. Left of the ring moving data takes more than all else: the chip, and
    memory that stands by.
    """
    rows = rows_with(layer_rows(rows_of(data)), TOTAL, *_TRANSFERS)
    require_single_runs(rows)
    runs = {name: group for name, group in by_machine(rows).items() if layer_points(group)}
    if not runs:
        raise InputError("the results have no layers with an energy that moved data through DRAM")
    points = {name: layer_points(group) for name, group in runs.items()}
    titles = {name: _title(name, len(runs[name]), points[name]) for name in runs}
    columns = grid_columns(len(runs))
    width = max(3.4, text_inches((line for title in titles.values() for line in title.split("\n")), 8.5) + 0.6)
    with new_figure(max(4.6, width * columns), 0.7 + 2.9 * ceil_div(len(runs), columns), titles_fit=True) as figure:
        panels = panel_grid(figure, len(runs), sharex=True, sharey=True)
        every = [point.intensity for group in points.values() for point in group]
        ends = min(every) / 2, max(every) * 2
        energies = [JOULES_PER_PJ * point.total_pj for group in points.values() for point in group]
        limits = min(energies) / 4, max(energies) * 2
        for axes, machine in zip(panels, runs, strict=True):
            _draw(axes, points[machine], *ends)
            axes.set_ylim(*limits)
            axes.set_title(titles[machine], fontsize=8.5)
            thin_ticks(axes)
        for axes in panels[-columns:]:
            axes.set_xlabel("effectual products per DRAM byte")
            axes.xaxis.set_tick_params(labelbottom=True)
        for axes in panels[::columns]:
            axes.set_ylabel("energy an effectual product")
        legend_below(figure, panels[0])
        return figure


def layer_points(rows: list[Row]) -> list[Point]:
    """A point for every layer that moved bytes and has products of two non-zeros."""
    points = []
    for row in rows:
        # Useful bytes, as in the roofline of time.
        moved = (value(row, "dram.read_bytes") or 0) + (value(row, "dram.write_bytes") or 0)
        products = int(value(row, "effectual_macs") or 0)
        transfers = sum(value(row, column) or 0.0 for column in _TRANSFERS)
        others = (value(row, TOTAL) or 0.0) - transfers
        if moved and products:
            points.append(Point(products, products / moved, transfers / products, others / products))
    return points


def costs_of(points: list[Point]) -> Costs:
    """The means of a run: energy of transfers over bytes, all other over products."""
    products = sum(point.products for point in points)
    moved = sum(point.products / point.intensity for point in points)
    return Costs(
        sum(point.products * point.transfer_pj for point in points) / moved,
        sum(point.products * point.other_pj for point in points) / products,
    )


def _title(machine: str, layers: int, points: list[Point]) -> str:
    costs = costs_of(points)
    hidden = layers - len(points)
    note = f"\n{hidden} of {layers} layers move or compute nothing" if hidden else ""
    means = f"{_number(costs.byte_pj)} pJ a byte moved, else {_number(costs.other_pj)} pJ a product"
    return f"{machine_name(machine)}\n{means}{note}"


def _number(one: float) -> str:
    return f"{one:,.0f}" if one >= _HUNDRED else f"{one:.3g}"


def _draw(axes: Axes, points: list[Point], first: float, last: float) -> None:
    costs = costs_of(points)
    energies = [point.products * point.total_pj for point in points]
    axes.scatter(
        [point.intensity for point in points],
        [JOULES_PER_PJ * point.total_pj for point in points],
        s=[6 + _LARGEST_POINT * energy / sum(energies) for energy in energies],
        c="#0072B2", alpha=0.55, linewidths=0.5, edgecolors="white", label="a layer",
    )  # fmt: skip
    x = np.geomspace(first, last, _CURVE_POINTS).tolist()
    axes.plot(
        x, [JOULES_PER_PJ * costs.at(one) for one in x], color="black", linewidth=1.4, label="both, mean of the run"
    )
    axes.plot(
        x, [JOULES_PER_PJ * costs.other_pj for _ in x], color="#D55E00", linestyle=":", label="all else, per product"
    )
    axes.plot(
        x,
        [JOULES_PER_PJ * costs.byte_pj / one for one in x],
        color="#009E73",
        linestyle="--",
        label="DRAM transfers, per byte",
    )
    balance = costs.byte_pj / costs.other_pj if costs.other_pj else 0.0
    if first < balance < last:
        axes.plot([balance], [JOULES_PER_PJ * costs.other_pj], "o", color="black", fillstyle="none", markersize=8)
    scale_log(axes, "x")
    scale_log(axes, "y")
    axes.yaxis.set_major_formatter(EngFormatter("J"))
    write_between_powers(axes.yaxis, EngFormatter("J"))
    axes.set_xlim(first, last)
    axes.grid(which="major")
