"""The roofline: what limits each layer, multipliers or DRAM.

Source: Williams, Waterman and Patterson, "Roofline", CACM 52(4), 2009.
"""

from __future__ import annotations

from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulator.plots.data import Data, Row, by_machine, layer_rows, require_single_runs, rows_of, value
from simulator.plots.kind import kind
from simulator.plots.names import machine_name
from simulator.plots.style import grid_columns, new_figure, panel_grid, scale_log, text_inches, thin_ticks
from workloads.errors import InputError
from workloads.whole_numbers import ceil_div

_GIGA_PER_MICROSECOND = 1000  # products in a microsecond at 1 G products/s
_LARGEST_POINT = 130


class Point(NamedTuple):
    """A layer: issued products per DRAM byte, 10^9 products a second, share of the run's cycles."""

    intensity: float
    rate: float
    share: float


class Roof(NamedTuple):
    """A machine: 10^9 products a second that its multipliers could issue, peak bandwidth in 10^9 bytes a second."""

    rate: float
    bandwidth_gbs: float | None


@kind("roofline", "each layer under the limits of multipliers and DRAM", source="reports")
def roofline(data: Data) -> Figure:
    """Layers as points under the roof of their machine; one panel a machine, a point's area is its share of cycles."""
    require_single_runs(layer_rows(rows_of(data)))
    runs = {name: rows for name, rows in by_machine(layer_rows(rows_of(data))).items() if layer_points(rows)}
    if not runs:
        raise InputError("the results have no layers that moved data through DRAM")
    columns = grid_columns(len(runs))
    titles = {machine: _title(machine, group) for machine, group in runs.items()}
    width = max(3.1, text_inches((line for title in titles.values() for line in title.split("\n")), 8.5) + 0.6)
    with new_figure(max(4.6, width * columns), 0.7 + 2.9 * ceil_div(len(runs), columns), titles_fit=True) as figure:
        panels = panel_grid(figure, len(runs), sharex=True, sharey=True)
        for axes, (machine, group) in zip(panels, runs.items(), strict=True):
            _draw_points(axes, group)
            axes.set_title(titles[machine], fontsize=8.5)
        x = [min(axes.dataLim.x0 for axes in panels) / 3, max(axes.dataLim.x1 for axes in panels) * 3]
        for axes, group in zip(panels, runs.values(), strict=True):
            _draw_roof(axes, roof_of(group), *x)
        for axes in panels:
            thin_ticks(axes)
        for axes in panels[-columns:]:
            axes.set_xlabel("products per byte of DRAM traffic")
            axes.xaxis.set_tick_params(labelbottom=True)
        for axes in panels[::columns]:
            axes.set_ylabel("10\u2079 products a second")
        return figure


def layer_points(rows: list[Row]) -> list[Point]:
    """A point for every layer that moved bytes and issued products."""
    total = sum(row["cycles"] for row in rows)
    points = []
    for row in rows:
        # Useful bytes, as in the memory bound of reports.
        moved = (value(row, "dram.read_bytes") or 0) + (value(row, "dram.write_bytes") or 0)
        issued, time_us = value(row, "issued_macs"), value(row, "time_us")
        # 2,000,000 products in 1000 us are 2 x 10^9 a second: 2,000,000 / (1000 x 1000).
        if moved and issued and time_us:
            points.append(Point(issued / moved, issued / (time_us * _GIGA_PER_MICROSECOND), row["cycles"] / total))
    return points


def roof_of(rows: list[Row]) -> Roof:
    """The machine's roof; its bandwidth is None where memory never waits."""
    # Any layer tells the roof: multipliers and clock are those of the machine.
    row = next((row for row in rows if row["cycles"]), None)
    if row is None:
        raise InputError("the results have no layer that took any time")
    return Roof(
        row["multipliers"] * row["cycles"] / (row["time_us"] * _GIGA_PER_MICROSECOND), value(row, "dram.peak_gbs")
    )


def _title(machine: str, rows: list[Row]) -> str:
    roof = roof_of(rows)
    bandwidth = "DRAM without limit" if roof.bandwidth_gbs is None else f"{roof.bandwidth_gbs:,.1f} GB/s"
    hidden = len(rows) - len(layer_points(rows))
    note = f"\n{hidden} of {len(rows)} layers move or compute nothing" if hidden else ""
    return f"{machine_name(machine)}: {roof.rate:,.0f} G/s, {bandwidth}{note}"


def _draw_points(axes: Axes, rows: list[Row]) -> None:
    points = layer_points(rows)
    axes.scatter(
        [point.intensity for point in points],
        [point.rate for point in points],
        s=[6 + _LARGEST_POINT * point.share for point in points],
        c="#0072B2", alpha=0.55, linewidths=0.5, edgecolors="white",
    )  # fmt: skip
    scale_log(axes, "x")
    scale_log(axes, "y")
    axes.grid(which="major")


def _draw_roof(axes: Axes, roof: Roof, first: float, last: float) -> None:
    # Products a byte from which multipliers and no longer DRAM are the limit.
    # 1024 x 10^9 products a second over 25.6 x 10^9 bytes a second: 40 products a byte.
    ridge = roof.rate / roof.bandwidth_gbs if roof.bandwidth_gbs else 0.0
    # Straight lines in logarithmic axes: the ridge and both ends are enough.
    x = [first, *([ridge] if first < ridge < last else []), last]
    y = [roof.rate if at >= ridge else at * (roof.bandwidth_gbs or 0.0) for at in x]
    axes.plot(x, y, color="black", linewidth=1.4)
    axes.set_xlim(first, last)
