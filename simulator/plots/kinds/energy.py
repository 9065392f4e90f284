"""Where the energy went: one bar a run, or one bar a layer."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from simulator.plots.data import (
    Data,
    Row,
    by_machine,
    by_run,
    layer_rows,
    require_single_runs,
    rows_of,
    run_label,
    total_rows,
    value,
    workloads_of,
)
from simulator.plots.energy_parts import Energies, energies_of, part_styles
from simulator.plots.kind import kind
from simulator.plots.long_bars import LongBars
from simulator.plots.names import machine_name
from simulator.plots.stacked import MOST_NAMES, draw_stacks, names_below
from simulator.plots.style import JOULES_PER_PJ, legend_below, new_figure, text_inches, wrap_to_paper
from workloads.errors import InputError

TOTAL = "energy.total_pj"
_TITLE_LETTERS = 90


@kind(
    "energy",
    "where the energy of each accelerator went",
    options={"by": "Split by purposes (the default), components, actions or causes."},
)
def energy(data: Data, by: str = "purposes") -> Figure:
    """Where each run's energy went: a stacked bar a run, with the band that the prices' sources leave open."""
    every = total_rows(rows_of(data))
    rows, missing = _with_energy(every)
    labelled = [(run_label(run, row, group), row) for run, group in by_run(rows).items() for row in group]
    labels, rows = [label for label, _ in labelled], [row for _, row in labelled]
    energies = energies_of(rows, by)
    beside = [_beside(row) for row in rows]
    bars = LongBars(labels, beside)
    with new_figure(bars.width_inches, 1.2 + bars.inches(0.32) * len(rows)) as figure:
        axes = figure.subplots()
        places = range(len(rows))
        # Each part begins where the parts before it ended; so do the bars of layers below.
        left = [0.0] * len(rows)
        for part, style in part_styles(energies).items():
            widths = [JOULES_PER_PJ * one[part] for one in energies]
            axes.barh(places, widths, bars.thick, left, **style)
            left = [a + b for a, b in zip(left, widths, strict=True)]
        _draw_bands(axes, rows)
        bars.write(axes, places, [1.02] * len(rows), axes.get_yaxis_transform())  # just right of the axes
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(EngFormatter("J"))
        axes.set_xlabel(wrap_to_paper("energy; whiskers: what the sources of the prices leave open", 0.8, 9))
        axes.set_title(_title(f"{workloads_of(rows)}: where the energy went, by {by}", missing))
        legend_below(figure, axes)
        return figure


@kind(
    "energy-layers",
    "where the energy of each layer went",
    options={"by": "Split by purposes (the default), components, actions or causes."},
    source="reports",
)
def energy_layers(data: Data, by: str = "purposes") -> Figure:
    """Where each layer's energy went: a stacked bar a layer; one panel a machine."""
    rows, missing = _with_energy(layer_rows(rows_of(data)))
    require_single_runs(rows)
    runs = by_machine(rows)
    styles = part_styles(energies := energies_of(rows, by))
    parts = dict(zip(map(id, rows), energies, strict=True))  # split over all machines, so that a part has one colour
    names = [[row["name"] for row in group] for group in runs.values()]
    shared = all(other == names[0] for other in names)  # one set of layer names under all panels
    most = min(MOST_NAMES, max(len(one) for one in names))
    below = text_inches(name for one in names for name in one)
    height = 0.9 + (1.25 if shared else 1.4 + below) * len(runs) + (below if shared else 0)
    with new_figure(max(6.0, 2.0 + 0.14 * most), height) as figure:
        panels = figure.subplots(len(runs), squeeze=False)[:, 0]
        for axes, (machine, group) in zip(panels, runs.items(), strict=True):
            _layer_bars(axes, [parts[id(row)] for row in group], styles)
            names_below(axes, [row["name"] for row in group] if not shared or axes is panels[-1] else [], 7)
            axes.set_title(machine_name(machine))
        panels[0].set_title(_title(f"{machine_name(next(iter(runs)))}; energy by {by}", missing, figure.get_figwidth()))
        panels[-1].set_xlabel(f"layer of {workloads_of(rows)}")
        legend_below(figure, panels[0])
        return figure


def _with_energy(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """The rows that have an energy, and the machines without one. Raises `InputError` when no row has any."""
    known = [row for row in rows if row.get(TOTAL) not in (None, "") and value(row, TOTAL) is not None]
    if not known:
        raise InputError("the results have no energy: it was not asked for, or is not modelled for these accelerators")
    return known, [machine_name(machine) for machine in by_machine(rows) if machine not in by_machine(known)]


def _title(text: str, missing: Sequence[str], width_inches: float = 8) -> str:
    """A title, and the machines that the figure lacks, in lines that fit the width."""
    more = f"; not modelled: {', '.join(missing)}" if missing else ""
    return "\n".join(textwrap.wrap(text + more, int(_TITLE_LETTERS * (width_inches - 1) / 7)))


def _beside(row: Row) -> str:
    """What stands beside a bar, as in "12.5 mJ, 0.90x dense"."""
    ratio = value(row, "energy_vs_dense") if "energy_vs_dense" in row else None
    text = EngFormatter("J", places=2).format_data(JOULES_PER_PJ * (value(row, TOTAL) or 0.0))
    return text if ratio is None else f"{text}, {ratio:.2f}x dense"


def _draw_bands(axes: Axes, rows: Sequence[Row]) -> None:
    low, high = ([JOULES_PER_PJ * (value(row, f"energy.{end}_pj") or 0.0) for row in rows] for end in ("low", "high"))
    axes.hlines(range(len(rows)), low, high, color="black", linewidth=1.0)
    axes.plot([*low, *high], [*range(len(rows))] * 2, "|", color="black", markersize=5)


def _layer_bars(axes: Axes, energies: Sequence[Energies], styles: Mapping[str, dict[str, Any]]) -> None:
    draw_stacks(axes, {part: [JOULES_PER_PJ * one[part] for one in energies] for part in styles}, styles)
    axes.yaxis.set_major_formatter(EngFormatter("J"))
    axes.grid(axis="y")
