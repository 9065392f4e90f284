"""Tables and progress on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from dataflows.kernels.compiling import status
from simulator.reports.columns import LOSSES, MORE, TIMES, Columns, cause_columns, legend, notes_by_layers
from simulator.reports.metrics import FACTORS, MOST_LOST, NETWORK_TIME, SIZE, TIME, UTILIZATION, Row, flat
from simulator.reports.network_total import total_row
from simulator.reports.report import NetworkReport

_Rows = Sequence[tuple[str, Row]]
_PIPE_WIDTH = 160  # a pipe has no width of its own; tables must not be cut to 80 columns there
_UNLIMITED_WIDTH = 1 << 16


def console() -> Console:
    """Standard output, wide where it is no terminal; the environment's COLUMNS overrides both.

    Names are shown as they are, whatever markup they look like.
    """
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    return Console(width=width, markup=False, emoji=False)


class _Waiting(ProgressColumn):
    """What a bar that does not move is waiting for."""

    def render(self, task: Task) -> Text:  # noqa: ARG002 (the same beside every bar)
        return Text(status())


@contextmanager
def progress(title: str) -> Generator[Callable[[int, int, str], None] | None]:
    """A progress bar on standard error while the block runs; yields None where that is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    title_column = TextColumn("{task.description}", markup=False)
    columns = (title_column, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), _Waiting())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title)
        yield lambda done, total, now: bar.update(
            task, completed=done, total=total, description=f"{title} {now}".strip()
        )


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


def print_report(report: NetworkReport, *, factors: bool = False) -> None:
    """One machine: a row a layer, the total, and where its PE-cycles went."""
    data = report.to_dict()
    rows = [(layer["name"], flat(layer)) for layer in data["layers"]] + [("total", flat(data["total"]))]
    output = console()
    _print_sizes(output, [(report.machine, report.size)])
    shown = _print_measures(output, f"{report.workload['name']} on {report.label}", "layer", rows, factors=factors)
    for note in notes_by_layers(data["layers"]):
        output.print(f"  {note}", style="dim", highlight=False)
    output.print(legend(shown), style="dim", highlight=False)


def print_comparison(reports: Sequence[NetworkReport], *, factors: bool = False) -> None:
    """Several machines: their sizes, a row each, and each one's notes once."""
    data = [(report.label, report.to_dict()) for report in reports]
    output = console()
    _print_sizes(output, [(name, report["size"]) for name, report in data])
    title = f"{reports[0].workload['name']}: total of {len(reports[0].layers)} layers"
    rows = [(name, flat(total_row(report))) for name, report in data]
    shown = _print_measures(output, title, "accelerator", rows, factors=factors)
    for name, report in data:
        for note in notes_by_layers(report["layers"], alike=True):
            output.print(f"  {name}: {note}", style="dim", highlight=False)
    output.print(legend(shown), style="dim", highlight=False)


def _print_sizes(output: Console, rows: _Rows) -> None:
    fitting(output, [table_of("", "accelerator", SIZE, rows, break_names=broken) for broken in (False, True)])


def _print_measures(output: Console, title: str, first: str, rows: _Rows, *, factors: bool) -> Columns:
    """The table with as many columns as fit the width; returns those shown."""
    # Of a network the causes of the total show, which has those of all layers; of a comparison those of any machine.
    causes = cause_columns([rows[-1][1]] if first == "layer" else [row for _, row in rows])
    network = any(NETWORK_TIME.value(row) is not None for _, row in rows) and first != "layer"
    factor_columns = FACTORS if factors else ()
    times = (*TIMES, *((NETWORK_TIME,) if network else ()), *factor_columns, UTILIZATION)
    # From most to fewest columns; the causes go first, then details, then the time.
    choices: list[Columns] = [
        (*times, *MORE, MOST_LOST, *causes),
        (*times, *MORE, MOST_LOST),
        (*times, MOST_LOST),
        (*(metric for metric in times if metric is not TIME), MOST_LOST),
    ]
    if first != "layer" and not factors:  # a comparison shows them wherever there is room
        choices.insert(0, (*times[:-1], *FACTORS, UTILIZATION, *MORE, MOST_LOST, *causes))
    built = [(columns, broken) for columns in choices for broken in (False, True)]
    tables = [table_of(title, first, columns, rows, break_names=broken) for columns, broken in built]
    return built[fitting(output, tables)][0]


def table_of(title: str, first: str, columns: Columns, rows: _Rows, *, break_names: bool) -> Table:
    """A table whose cells are never wrapped; with `break_names` the names of columns take two lines."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    for metric in columns:
        # "max/mean PE" over two lines is as narrow as its numbers.
        shown = metric.heading.replace(" ", "\n", 1) if break_names else metric.heading
        table.add_column(shown, justify="right", no_wrap=True, style="cyan" if metric in LOSSES else "")
    for name, row in rows:
        if name == "total":
            table.add_section()
        style = "bold" if name == "total" else None
        table.add_row(name, *(metric.text(row) for metric in columns), style=style)
    return table


def fitting(output: Console, tables: Sequence[Table]) -> int:
    """Print the first of the tables whose cells all fit the width, or the last one as a record a row; which it was."""
    for number, table in enumerate(tables):
        # Asked before printing: rich would cut the cells of a table that is too wide, and a number cut in half is
        # another number.
        if width_of(output, table) <= output.width:
            output.print(table)
            return number
    _print_records(output, tables[-1])
    return len(tables) - 1


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
