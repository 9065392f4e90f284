"""A difference of reports as a table."""

from __future__ import annotations

import math
from typing import Any

from rich.table import Table

from simulator.reports.diff import Change, Difference
from simulator.terminal.reports import console


def print_difference(found: Difference, rows: int) -> None:
    """Settings that differ, then the changes with the largest effect, at most `rows` of them, then what is missing."""
    output = console()
    for line in found.settings:
        output.print(f"  {line}", style="dim", highlight=False)
    if found.changes:
        output.print(_table(found.changes[:rows]))
    hidden = len(found.changes) - rows
    if hidden > 0:
        output.print(f"  and {hidden:,} smaller changes (--rows shows more)", style="dim", highlight=False)
    for line in found.missing:
        output.print(f"  {line}", highlight=False)
    beyond = sum(not change.tolerated for change in found.changes)
    output.print(
        f"{len(found.changes):,} metrics moved, {beyond:,} beyond tolerance; {len(found.missing):,} missing",
        highlight=False,
    )


def _table(changes: tuple[Change, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("accelerator", "layer", "metric"):
        table.add_column(name, no_wrap=True)
    for name in ("old", "new", "change", "effect"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for change in changes:
        table.add_row(
            change.machine, change.layer, change.metric, _number(change.old), _number(change.new),
            _percent(change.relative, "+"), _percent(change.effect, ""), "tolerated" if change.tolerated else "BEYOND",
        )  # fmt: skip
    return table


def _number(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else "-"


def _percent(share: float, sign: str) -> str:
    # Infinite is a change from 0, and of a value that was no number.
    return f"{share:{sign}.3%}" if math.isfinite(share) else "new"
