"""A difference of reports on a terminal: a line a machine, then what moved by itself, what fails first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from simulator.reports.diff import Difference
from simulator.reports.diff_causes import Cause, Change, causes_of
from simulator.reports.diff_headlines import percent
from simulator.terminal.tables import console, fitting

_SENSES = {1: "better", -1: "worse", 0: "moved"}


def print_difference(found: Difference, rows: int, *, each: bool = False) -> None:
    """Headlines, what is missing, settings that differ, then everything that fails and `rows` of what is tolerated.

    A row stands for all layers where a metric moved alike, and for the metrics that follow it; with `each` every change
    has a row of its own.
    """
    output = console()
    for line in found.headlines:
        output.print(line, style="bold", highlight=False)
    for line in found.missing:
        output.print(f"  {line}", style="red", highlight=False)
    for line in found.settings:
        output.print(f"  {line}", style="dim", highlight=False)
    causes = [Cause(change, (), 0) for change in found.changes] if each else causes_of(found.changes)
    beyond = [cause for cause in causes if not cause.first.tolerated]
    tolerated = [cause for cause in causes if cause.first.tolerated]
    shown = [*beyond, *tolerated[:rows]]
    if shown:
        fitting(output, (_table(shown, columns) for columns in (*_CHOICES, _CHOICES[0])))  # the last one as records
    hidden = len(tolerated) - rows
    if hidden > 0:
        rest = f"and {hidden:,} more row{'' if hidden == 1 else 's'} of what is tolerated (--rows shows more)"
        output.print(f"  {rest}", style="dim", highlight=False)
    if any(cause.layers or cause.more for cause in shown):
        output.print("  --all shows each layer and metric by itself", style="dim", highlight=False)
    output.print(_summary(found), highlight=False)


def _summary(found: Difference) -> str:
    beyond = [change.sense for change in found.changes if not change.tolerated]
    senses = [f"{beyond.count(sense):,} {word}" for sense, word in ((-1, "worse"), (1, "better"), (0, "neither"))]
    said = f" ({', '.join(text for text in senses if not text.startswith('0 '))})"
    said = said if beyond and not found.only_worse else ""
    moved = f"{len(found.changes):,} metrics moved" + (" for the worse" if found.only_worse else "")
    return f"{moved}, {len(beyond):,} beyond tolerance{said}; {len(found.missing):,} missing"


# From most to fewest columns: how much it matters and what else moved go first, then the numbers themselves.
_CHOICES = (("old", "new", "change", "effect", "", "with it"), ("old", "new", "change", ""), ("change", ""))


def _table(causes: Sequence[Cause], columns: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    names = ("accelerator", "layer", "metric")
    if len({cause.first.machine for cause in causes}) == 1:
        names = names[1:]
    for name in (*names, *columns):
        table.add_column(name, no_wrap=True, justify="right" if name in ("old", "new", "change", "effect") else "left")
    for cause in causes:
        cells = _cells(cause)
        table.add_row(*(cells[name] for name in (*names, *columns)))
    return table


def _cells(cause: Cause) -> dict[str, str]:
    change = cause.first
    return {
        "accelerator": change.machine,
        "layer": change.layer,
        "metric": change.metric,
        "old": _number(change.old),
        "new": _number(change.new),
        "change": _relative(change),
        "effect": "-" if change.effect is None else percent(change.effect),
        "": "tolerated" if change.tolerated else _SENSES[change.sense],
        "with it": _with_it(cause),
    }


def _with_it(cause: Cause) -> str:
    """The further layers and metrics of a row: "op018_dw and 41 more layers; 310 metrics"."""
    said = []
    if cause.layers:
        rest = len(cause.layers) - 1
        said.append(cause.layers[0] + (f" and {rest:,} more layer{'' if rest == 1 else 's'}" if rest else ""))
    if cause.more:
        said.append(f"{cause.more:,} metric{'' if cause.more == 1 else 's'}")
    return "; ".join(said)


def _number(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else "-"


def _relative(change: Change) -> str:
    # Infinite is a change from 0, and of a value that was no number.
    if not math.isfinite(change.relative):
        return "new"
    return ("+" if change.relative > 0 else "") + percent(change.relative)
