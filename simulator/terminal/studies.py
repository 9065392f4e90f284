"""What a sweep prints: a row for each combination of varied values, averaged over seeds, and why points failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import Any

from rich.table import Table

from simulator.studies.store import Store
from simulator.studies.study import Study
from simulator.terminal.reports import console, fitting

_FAILURES_SHOWN = 10
_BYTES_PER_MB = 1e6
Groups = dict[tuple[str, ...], list[dict[str, Any]]]
Columns = dict[str, tuple[Callable[[dict[str, Any]], float | None], str]]
_LEAST = ("cycles", "speedup", "util")  # of a table that has to be narrow
_NO_SPREAD = " \u00b10.0%"
_COLUMNS: Columns = {
    "cycles": (lambda row: row["cycles"], "{:,.0f}"),
    "ms": (lambda row: row["time_us"] / 1000, "{:,.3f}"),
    "speedup": (lambda row: row["speedup"], "{:.2f}"),
    "util": (lambda row: row["utilization"], "{:.1%}"),
    "empty lanes": (lambda row: row.get("empty_lanes"), "{:.1%}"),
    "effectual": (lambda row: row["effectual_utilization"], "{:.1%}"),
    "max/mean PE": (lambda row: row["load_imbalance"], "{:.2f}"),
    "DRAM MB": (lambda row: (row["dram.read_bytes"] + row["dram.write_bytes"]) / _BYTES_PER_MB, "{:,.2f}"),
}
_FACTORS: Columns = {
    "x size": (lambda row: row.get("speedup_factors.size"), "{:.2f}"),
    "x skipped": (lambda row: row.get("speedup_factors.skipped"), "{:.2f}"),
    "x util": (lambda row: row.get("speedup_factors.utilization"), "{:.2f}"),
}


def print_study(study: Study, store: Store, *, factors: bool = False) -> None:
    """The study's table on standard output; where seeds differ, the mean and half the range.

    With `factors` also what each speedup consists of. Every varied column shows; of the others what fits.
    """
    shown = _COLUMNS | (_FACTORS if factors else {})
    keys = study.varied or ("accelerator", "workload")
    groups: Groups = {}
    rows = list(store.rows_of(study.name, study.places))
    columns = [f"set.{key}" if any(f"set.{key}" in row for row in rows) else key for key in keys]
    for row in rows:
        groups.setdefault(tuple(_text(row.get(column)) for column in columns), []).append(row)
    least = {name: column for name, column in shown.items() if name in _LEAST or name in _FACTORS}
    choices = [(columns, broken) for columns in (shown, least) for broken in (False, True)]
    tables = [_built(study.title, keys, groups, columns, break_names=broken) for columns, broken in choices]
    fitting(console(), tables)


def _built(title: str, keys: Sequence[str], groups: Groups, shown: Columns, *, break_names: bool) -> Table:
    """A table whose cells are never wrapped; with `break_names` the names of columns take two lines."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for key in keys:
        table.add_column(key, no_wrap=True)
    for name in shown:
        table.add_column(name.replace(" ", "\n", 1) if break_names else name, justify="right", no_wrap=True)
    for values, rows in groups.items():
        table.add_row(*values, *(_cell([read(row) for row in rows], form) for read, form in shown.values()))
    return table


def failure_lines(failures: Sequence[tuple[dict[str, Any], str]]) -> Iterable[str]:
    """One line for each failed point, the first few of them."""
    for values, error in failures[:_FAILURES_SHOWN]:
        point = ", ".join(f"{key}={value}" for key, value in values.items())
        yield f"failed: {point}: {' / '.join(error.splitlines())}"
    if len(failures) > _FAILURES_SHOWN:
        yield f"failed: {len(failures) - _FAILURES_SHOWN} more"


def _text(value: Any) -> str:
    return "-" if value is None else str(value)


def _cell(values: Sequence[float | None], form: str) -> str:
    numbers = [value for value in values if value is not None]
    if not numbers:
        return "-"
    mean = fmean(numbers)
    spread = (max(numbers) - min(numbers)) / 2
    share = f" \u00b1{spread / abs(mean):.1%}" if mean else ""
    return form.format(mean) + (share if share != _NO_SPREAD else "")
