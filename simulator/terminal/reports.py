"""Reports as tables on a terminal: a machine's layers, and several machines side by side."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from simulator.reports.columns import LOSSES, MORE, TIMES, Columns, cause_columns, legend, notes_by_layers
from simulator.reports.described import conditions_text, machine_text, title_of
from simulator.reports.metrics import (
    FACTORS,
    MOST_LOST,
    NETWORK_TIME,
    SIZE,
    TIME,
    UTILIZATION,
    Row,
    flat,
    over_baseline,
)
from simulator.reports.network_total import total_row
from simulator.reports.report import NetworkReport
from simulator.terminal.tables import console, fitting

_Rows = Sequence[tuple[str, Row]]


def print_report(report: NetworkReport, *, factors: bool = False, notes: bool = False) -> None:
    """One machine: a row a layer, the total, and where its PE-cycles went; the first note, or all with `notes`."""
    data = report.to_dict()
    rows = [(layer["name"], flat(layer)) for layer in data["layers"]] + [("total", flat(data["total"]))]
    output = console()
    _print_sizes(output, [(report.machine, report.size)])
    shown = _print_measures(output, title_of([data]), "layer", rows, factors=factors)
    _print_notes(output, notes_by_layers(data["layers"]), whole=notes)
    output.print(legend(shown), style="dim", highlight=False)


def print_comparison(reports: Sequence[NetworkReport], *, factors: bool = False, notes: bool = False) -> None:
    """Several machines: their sizes, a row each, and the first note, or with `notes` each one's notes once."""
    data = list(zip(labels_of(reports), (report.to_dict() for report in reports), strict=True))
    output = console()
    _print_sizes(output, [(name, report["size"]) for name, report in data])
    title = f"{reports[0].workload['name']}: total of {conditions_text(data[0][1])}"
    rows = [(name, flat(total_row(report))) for name, report in data]
    common = reports[0].common
    over = () if common is None else (over_baseline(common.label),)
    title += "" if common is None else f", and speedup over {common.label}"
    shown = _print_measures(output, title, "accelerator", rows, over, factors=factors)
    for name, report in data:
        if (text := machine_text(report)) != name:
            output.print(f"  {text if text.startswith(name) else f'{name}: {text}'}", style="dim", highlight=False)
    told = [f"{name}: {note}" for name, report in data for note in notes_by_layers(report["layers"], alike=True)]
    _print_notes(output, told, whole=notes)
    output.print(legend(shown), style="dim", highlight=False)


def labels_of(reports: Sequence[NetworkReport]) -> list[str]:
    """The machines of reports; those that are there several times, in other configurations, are numbered."""
    labels, counts = [report.label for report in reports], dict[str, int]()
    numbered: list[str] = []
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
        numbered.append(f"{label} #{counts[label]}" if labels.count(label) > 1 else label)
    return numbered


def _print_notes(output: Console, notes: Sequence[str], *, whole: bool) -> None:
    """The notes, or the first of them and how many there are."""
    shown = notes if whole else notes[:1]
    for note in shown:
        output.print(f"  {note}", style="dim", highlight=False)
    if more := len(notes) - len(shown):
        output.print(f"  and {more} more note{'' if more == 1 else 's'}: --notes", style="dim", highlight=False)


def _print_sizes(output: Console, rows: _Rows) -> None:
    fitting(output, (table_of("", "accelerator", SIZE, rows, break_names=broken) for broken in (False, True)))


def _print_measures(
    output: Console, title: str, first: str, rows: _Rows, over: Columns = (), *, factors: bool
) -> Columns:
    """The table with as many columns as fit the width; returns those shown. `over`: a baseline in common."""
    # Of a network the causes of the total show, which has those of all layers; of a comparison those of any machine.
    causes = cause_columns([rows[-1][1]] if first == "layer" else [row for _, row in rows])
    network = any(NETWORK_TIME.value(row) is not None for _, row in rows) and first != "layer"
    factor_columns = FACTORS if factors else ()
    times = (*TIMES, *over, *((NETWORK_TIME,) if network else ()), *factor_columns, UTILIZATION)
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
    tables = (table_of(title, first, columns, rows, break_names=broken) for columns, broken in built)
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
