"""The table of what several inputs do to a run's figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.table import Table

from simulator.reports.input_spread import LayerSpread, Spread
from simulator.reports.metrics import CYCLES, IMBALANCE, TRAFFIC
from simulator.reports.report import NetworkReport
from simulator.terminal.reports import labels_of
from simulator.terminal.tables import console, fitting
from workloads.units import BYTES_PER_MB


class _Column(NamedTuple):
    measure: str
    heading: str
    form: str
    unit: float = 1


_COLUMNS = (
    _Column("cycles", CYCLES.heading, CYCLES.form),
    _Column("load_imbalance", IMBALANCE.heading, IMBALANCE.form),
    _Column("dram_bytes", TRAFFIC.heading, TRAFFIC.form, BYTES_PER_MB),
    _Column("activation_density", "density", "{:.3f}"),
)
_LEGEND = (
    "min to max: of all inputs; worst: the input with the most, from 0 on; density: non-zeros of the layer's input. "
    "Tables above are of input 0."
)


def print_inputs(reports: Sequence[NetworkReport]) -> None:
    """A row a layer and the total of one machine, or a row for each of several; nothing for a single input."""
    labelled = zip(labels_of(reports), reports, strict=True)
    spreads = [(label, report.inputs) for label, report in labelled if report.inputs is not None]
    if not spreads:
        return
    if len(spreads) == 1:
        ((label, inputs),) = spreads
        first, rows = "layer", [(one.name, one) for one in (*inputs.layers, inputs.total)]
        subject = f"{reports[0].workload['name']} on {label}"
    else:
        first, rows = "accelerator", [(label, inputs.total) for label, inputs in spreads]
        subject = f"{reports[0].workload['name']}: total of {len(reports[0].layers)} layers"
    title = f"{subject}, {spreads[0][1].count} inputs"
    output = console()
    output.print()
    # From most to fewest columns.
    choices = [_COLUMNS[:shown] for shown in range(len(_COLUMNS), 0, -1)]
    fitting(output, (_table(title, first, rows, columns) for columns in choices))
    output.print(_LEGEND, style="dim", highlight=False)


def _table(title: str, first: str, rows: Sequence[tuple[str, LayerSpread]], columns: Sequence[_Column]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    for column in columns:
        for heading in (f"{column.heading}\nmean", "\nmin to max", "\nworst"):
            table.add_column(heading, justify="right", no_wrap=True)
    for name, row in rows:
        if name == "total":
            table.add_section()
        cells = (cell for column in columns for cell in _cells(getattr(row, column.measure), column))
        table.add_row(name, *cells, style="bold" if name == "total" else None)
    return table


def _cells(spread: Spread, column: _Column) -> tuple[str, str, str]:
    mean, least, most = (column.form.format(value / column.unit) for value in (spread.mean, spread.min, spread.max))
    # Inputs that make no difference are no spread, and none of them is the worst.
    return (mean, "-", "-") if spread.min == spread.max else (mean, f"{least} to {most}", str(spread.worst_input))
