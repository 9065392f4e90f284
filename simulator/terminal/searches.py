"""What a search prints: how far it looked, and the front as a table."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from simulator.search.run import Found
from simulator.terminal.tables import console, fitting


def print_search(found: Found) -> None:
    """The front, a row a design: its settings, then objectives and what is limited."""
    output, space = console(), found.search.space
    limits = f" within {', '.join(map(str, space.constraints))}" if space.constraints else ""
    senses = zip(space.objectives, space.more, strict=True)
    wanted = ", ".join(f"{'most' if more else 'least'} {column}" for column, more in senses)
    if not found.front:
        output.print(
            f"{found.search.title}: no design{limits} among {found.simulated} of {space.size}", highlight=False
        )
        return
    rows = found.table()
    table = Table(
        title=f"{found.search.title}: {wanted}{limits}",
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for key in rows[0]:
        table.add_column(key, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(_written(value, is_setting=key in space.values) for key, value in row.items()))
    fitting(output, [table])
    impossible = f", {found.impossible} of them impossible" if found.impossible else ""
    looked = f"{found.simulated} looked at{impossible}; the space has {space.size}"
    output.print(f"{len(rows)} designs that no other beats, of {looked}", style="dim", highlight=False)


def _written(value: Any, *, is_setting: bool) -> str:
    if value is None or isinstance(value, str | bool) or is_setting:
        return "-" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
