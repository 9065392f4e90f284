"""Where PE-cycles went: one bar a machine, or one bar a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dataflows.schedule import Cause
from simulator.plots.data import (
    Data,
    Row,
    baseline_of_rows,
    by_machine,
    by_run,
    layer_rows,
    require_single_runs,
    rows_of,
    run_label,
    stack_of,
    total_rows,
    value,
    workloads_of,
)
from simulator.plots.kind import kind
from simulator.plots.long_bars import LongBars
from simulator.plots.names import machine_name
from simulator.plots.stacked import draw_stacks, names_below
from simulator.plots.style import PARTS, VISIBLE_SHARE, legend_below, new_figure
from simulator.reports.metrics import OVER_BASELINE
from workloads.errors import InputError

_THOUSAND = 1000


def cause_shares(total: Mapping[str, Any]) -> dict[str, float]:
    """Share of all PE-cycles by part; busy cycles are split by the multiplier slots used and left empty in them.

    `total` is a total or a layer of a report, or a flat row. The shares sum to 1 (to 0 for a machine that spent no
    cycle).
    """
    stack = total["pe_cycle_stack"] if "pe_cycle_stack" in total else stack_of(dict(total))
    every = sum(stack.values())
    if not every:
        return dict.fromkeys(PARTS, 0.0)
    # Slots of busy cycles are used or empty; busy time is split in their proportion.
    # A share of 0.6 that is busy, with 3 of 4 slots used, is 0.45 of products and 0.15 of empty lanes.
    slots = total["issued_macs"] + total["fragmented_lanes"]
    used = total["issued_macs"] / slots if slots else 0.0
    busy = stack[Cause.BUSY.key] / every
    split = {"products": busy * used, "fragmented": busy * (1 - used)}
    return {part: split[part] if part in split else stack[part] / every for part in PARTS}


@kind("causes", "where the PE-cycles of each accelerator went")
def causes(data: Data) -> Figure:
    """Where the PE-cycles of each machine went: one stacked bar a run, its cycles and speedup beside it."""
    rows = total_rows(rows_of(data))
    if not rows:
        raise InputError("the results have no totals of workloads to draw")
    labelled = [(run_label(run, row, group), row) for run, group in by_run(rows).items() for row in group]
    labels, rows = [label for label, _ in labelled], [row for _, row in labelled]
    baseline = baseline_of_rows(rows)
    beside = [_beside(row, OVER_BASELINE if baseline else "speedup") for row in rows]
    bars = LongBars(labels, beside)
    with new_figure(bars.width_inches, 1.6 + bars.inches(0.42) * len(rows)) as figure:
        axes = figure.subplots()
        places = range(len(rows))
        shares = [cause_shares(row) for row in rows]
        # Each part begins where the parts before it ended; so do the bars of layers below.
        left = [0.0] * len(rows)
        for part, style in visible_parts(shares).items():
            widths = [100 * share[part] for share in shares]
            axes.barh(places, widths, bars.thick, left, **style)
            left = [a + b for a, b in zip(left, widths, strict=True)]
        bars.write(axes, places, [101] * len(rows))  # just right of the full bar, in percent
        axes.set_xlim(0, 100)
        axes.set_xlabel("share of PE-cycles, %")
        over = f", and speedup over {machine_name(baseline)}" if baseline else ""
        axes.set_title(f"{workloads_of(rows)}: where every PE-cycle went{over}")
        legend_below(figure, axes)
        return figure


def _beside(row: Row, column: str) -> str:
    """What stands beside a bar, as in "1,234 cycles, speedup 2.00", the speedup being that column."""
    speedup = value(row, column)
    return f"{row['cycles']:,} cycles{'' if speedup is None else f', speedup {speedup:.2f}'}"


@kind("layers", "where the cycles of each layer went", source="reports")
def layers(data: Data) -> Figure:
    """Where each layer's cycles went: a stacked bar a layer, as high as its cycles; one panel a run."""
    runs = by_machine(layer_rows(rows_of(data)))
    if not runs:
        raise InputError("the results have no layers to draw")
    require_single_runs(row for rows in runs.values() for row in rows)
    names = [[row["name"] for row in rows] for rows in runs.values()]
    shared = all(other == names[0] for other in names)  # one set of layer names under all panels
    most = max(len(one) for one in names)
    with new_figure(max(6.0, min(14.0, 2.0 + 0.16 * most)), 1.9 + (1.5 if shared else 1.9) * len(runs)) as figure:
        panels = figure.subplots(len(runs), squeeze=False)[:, 0]
        # Over all panels, so that they have one legend and a part has one colour.
        shares = [cause_shares(row) for rows in runs.values() for row in rows]
        seen = visible_parts(shares)
        for axes, (machine, rows) in zip(panels, runs.items(), strict=True):
            _layer_bars(axes, rows, seen)
            shown = rows if not shared or axes is panels[-1] else []
            names_below(axes, [row["name"] for row in shown], 6 if len(rows) > 20 else 8)
            axes.set_title(machine_name(machine))
            axes.set_ylabel("thousand cycles")  # of its own scale, as the numbers beside it say
        panels[-1].set_xlabel(f"layer of {workloads_of(next(iter(runs.values())))}")
        legend_below(figure, panels[0])
        return figure


def _layer_bars(axes: Axes, rows: Sequence[Row], seen: Mapping[str, dict[str, Any]]) -> None:
    shares = [cause_shares(row) for row in rows]
    thousands = [row["cycles"] / _THOUSAND for row in rows]
    parts = {part: [share[part] * one for share, one in zip(shares, thousands, strict=True)] for part in seen}
    draw_stacks(axes, parts, seen)
    axes.grid(axis="y")


def visible_parts(shares: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """How to draw each part that any bar has; matplotlib leaves labels that begin with _ out of legends."""
    most = {part: max(share[part] for share in shares) for part in PARTS}
    return {
        part: {
            "label": label if most[part] > VISIBLE_SHARE else "_",
            "color": colour,
            "hatch": hatch,
            "edgecolor": "white",
            "linewidth": 0.4,
        }
        for part, (label, colour, hatch) in PARTS.items()
        if most[part]
    }
