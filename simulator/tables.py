"""Tables and progress on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from dataflows.schedule import Cause
from simulator.report import LayerReport, Measures, NetworkReport

_PIPE_WIDTH = 160  # a pipe has no width of its own; tables must not be cut to 80 columns there


def console() -> Console:
    """Standard output, wide where it is no terminal; names are shown as they are, whatever markup they look like."""
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, markup=False, emoji=False)


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int, str], None] | None]:
    """A progress bar on standard error while the block runs; yields None where that is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
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


def print_report(report: NetworkReport) -> None:
    """One machine: a row a layer, the total, and where its PE-cycles went."""
    total = report.total
    causes = _causes_seen([total])
    table = _table(f"{report.workload['name']} on {report.machine}", "layer", causes)
    for layer in report.layers:
        table.add_row(*_cells(layer.name, layer, causes))
    table.add_section()
    table.add_row(*_cells("total", total, causes), style="bold")
    output = console()
    output.print(table)
    notes = [f"{layer.name}: {note}" for layer in report.layers for note in layer.notes]
    for note in notes:
        output.print(f"  {note}", style="dim", highlight=False)
    output.print(_LEGEND, style="dim", highlight=False)


def print_comparison(reports: Sequence[NetworkReport]) -> None:
    """Several machines: a row each, then cycles layer by layer."""
    totals = [report.total for report in reports]
    causes = _causes_seen(totals)
    table = _table(f"{reports[0].workload['name']}: total of {len(reports[0].layers)} layers", "accelerator", causes)
    for report, total in zip(reports, totals, strict=True):
        table.add_row(*_cells(report.machine, total, causes))
    output = console()
    output.print(table)
    output.print(_LEGEND, style="dim", highlight=False)


_LEGEND = (
    "speedup: over the machine's own dense baseline · util: products issued a multiplier slot · effectual: of two\n"
    "non-zeros · max/mean PE: busy cycles of the busiest PE over the mean of all, idle ones too, summed over\n"
    "barriers · then the share of PE-cycles by cause; imbalance there: PEs with work waiting for slower ones"
)


def _causes_seen(totals: Sequence[Measures]) -> list[Cause]:
    return [cause for cause in Cause if any(total.pe_cycle_stack[cause.key] for total in totals)]


def _table(title: str, first: str, causes: Sequence[Cause]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    for name in ("cycles", "ms", "speedup", "util", "effectual", "max/mean PE", "DRAM MB"):
        table.add_column(name, justify="right")
    for cause in causes:
        table.add_column(cause.key.replace("_", " "), justify="right", style="cyan")
    return table


def _cells(name: str, measures: Measures | LayerReport, causes: Sequence[Cause]) -> list[str]:
    stack = measures.pe_cycle_stack
    every = sum(stack.values()) or 1
    speedup = measures.speedup
    return [
        name,
        f"{measures.cycles:,}",
        f"{measures.time_us / 1000:,.3f}",
        "-" if speedup is None else f"{speedup:.2f}",
        f"{measures.utilization:.1%}",
        f"{measures.effectual_utilization:.1%}",
        f"{measures.load_imbalance:.2f}",
        f"{measures.dram.total_bytes / 1e6:,.2f}",
        *(f"{stack[cause.key] / every:.1%}" for cause in causes),
    ]
