"""Figures from reports: functions that take reports (as read from JSON) and return a matplotlib Figure.

One style for all: the Okabe-Ito palette, which colour-blind readers can tell apart, and hatches that survive print.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from dataflows.schedule import Cause
from simulator.files import write_whole
from workloads.errors import InputError

Reports = Sequence[dict[str, Any]]

FORMATS = ("png", "svg", "pdf")

# Parts of a bar, from useful to lost: label, fill, hatch. The first two split what the report calls busy.
_PARTS: dict[str, tuple[str, str, str]] = {
    "products": ("busy: multipliers used", "#0072B2", ""),
    "fragmented": ("busy: lanes left empty", "#56B4E9", ""),
    Cause.INDEX.key: ("index and fillers", "#F0E442", ""),
    Cause.BANK_CONFLICT.key: ("bank conflicts", "#E69F00", "//"),
    Cause.DRAIN.key: ("drain", "#CC79A7", ""),
    Cause.IMBALANCE.key: ("imbalance", "#D55E00", ""),
    Cause.MEMORY.key: ("waiting for DRAM", "#009E73", "\\\\"),
    Cause.BUFFER.key: ("waiting for a buffer", "#999999", "xx"),
    Cause.FILL.key: ("pipeline fill", "#444444", ""),
    Cause.UNMAPPED.key: ("no work mapped", "#DDDDDD", ".."),
}
_STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.5,
    "svg.hashsalt": "prunesim",  # the same data gives the same file
    "figure.constrained_layout.use": True,
}


def cause_shares(total: dict[str, Any]) -> dict[str, float]:
    """Share of all PE-cycles by part; busy cycles are split by the multiplier slots used and left empty in them.

    The shares sum to 1 (to 0 for a machine that spent no cycle).
    """
    stack = total["pe_cycle_stack"]
    every = sum(stack.values())
    if not every:
        return dict.fromkeys(_PARTS, 0.0)
    slots = total["issued_macs"] + total["fragmented_lanes"]
    used = total["issued_macs"] / slots if slots else 0.0
    busy = stack[Cause.BUSY.key] / every
    split = {"products": busy * used, "fragmented": busy * (1 - used)}
    return {part: split[part] if part in split else stack[part] / every for part in _PARTS}


def causes(reports: Reports) -> Figure:
    """Where the PE-cycles of each machine went: one stacked bar a machine, its cycles and speedup beside it."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(8.6, 1.6 + 0.42 * len(reports)))
        axes = figure.subplots()
        rows = range(len(reports))
        shares = [cause_shares(report["total"]) for report in reports]
        left = [0.0] * len(reports)
        for part, (label, colour, hatch) in _PARTS.items():
            widths = [100 * share[part] for share in shares]
            if max(widths) > 0.05:  # a legend entry for nothing would only take room
                axes.barh(
                    rows, widths, 0.7, left, label=label, color=colour, hatch=hatch, edgecolor="white", linewidth=0.4
                )
            left = [a + b for a, b in zip(left, widths, strict=True)]
        for row, report in zip(rows, reports, strict=True):
            total = report["total"]
            speedup = "" if total["speedup"] is None else f", {total['speedup']:.2f}x dense"
            axes.text(101, row, f"{total['cycles']:,} cycles{speedup}", va="center", fontsize=8)
        axes.set_yticks(rows, [report["accelerator"]["name"] for report in reports])
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_xlabel("share of PE-cycles, %")
        axes.set_title(f"{reports[0]['workload']['name']}: where every PE-cycle went", loc="left", fontsize=10)
        figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
        return figure


KINDS: dict[str, Callable[[Reports], Figure]] = {"causes": causes}


def save(figure: Figure, path: Path) -> None:
    """Write a figure as png, svg or pdf, by the file's ending. Raises `InputError` for another ending."""
    ending = path.suffix.lstrip(".").lower()
    if ending not in FORMATS:
        raise InputError(f"{path}: cannot draw a '{ending}' file, must end in one of: {', '.join(FORMATS)}")

    stream = BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[ending]
    with rc_context(_STYLE):
        figure.savefig(stream, format=ending, dpi=160, metadata=metadata)
    write_whole(path, stream.getvalue())
