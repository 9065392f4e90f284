"""Tables on a terminal, whatever they show."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from simulator.terminal.wishes import wished

_PIPE_WIDTH = 160  # a pipe has no width of its own; tables must not be cut to 80 columns there
_UNLIMITED_WIDTH = 1 << 16


def console() -> Console:
    """Standard output, wide where it is no terminal; the environment's COLUMNS overrides that, `--wide` all.

    Names are shown as they are, whatever markup they look like.
    """
    if wished("wide"):
        return Console(width=_UNLIMITED_WIDTH, markup=False, emoji=False)
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    return Console(width=width, markup=False, emoji=False)


def print_listing(title: str, rows: Sequence[tuple[str, ...]]) -> None:
    """A plain listing; the first row names the columns."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for position, name in enumerate(rows[0]):
        table.add_column(name, no_wrap=position == 0, justify="right" if name in ("layers", "dense MACs") else "left")
    for row in rows[1:]:
        table.add_row(*row)
    output = console()
    output.print(table)
    output.print()


def fitting(output: Console, tables: Iterable[Table]) -> int:
    """Print the first of the tables whose cells all fit the width, or the last one as a record a row; which it was.

    A generator makes none in vain behind the one that fits.
    """
    tried = list[Table]()
    for table in tables:
        tried.append(table)
        # Asked before printing: rich would cut the cells of a table that is too wide, and a number cut in half is
        # another number.
        if width_of(output, table) <= output.width:
            output.print(table)
            break
    else:
        _print_records(output, tried[-1])
    return len(tried) - 1


def width_of(output: Console, table: Table) -> int:
    """Characters that a table takes when nothing of it is cut or wrapped."""
    return Measurement.get(output, output.options.update(width=_UNLIMITED_WIDTH), table).maximum


def _print_records(output: Console, table: Table) -> None:
    """Each row as lines of a name and a value, so that nothing is cut on a narrow terminal."""
    if table.title:
        output.print(table.title, style="table.title", highlight=False)
    names = [str(column.header).replace("\n", " ") for column in table.columns]
    # Names to one width, so that values stand under one another.
    wide = max(map(len, names))
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        output.print(f"{names[0]:{wide}} {cells[0]}", style="bold", highlight=False)
        for name, cell in zip(names[1:], cells[1:], strict=True):
            output.print(f"{name:{wide}} {cell}", highlight=False)
