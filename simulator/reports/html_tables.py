"""Tables of reports as HTML, for the report page and for notebooks; every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from simulator.reports.columns import ENERGIES, MORE, TIMES, Columns, cause_columns
from simulator.reports.metrics import (
    AREA,
    AREA_SPARSITY,
    BOUND,
    FACTORS,
    MOST_LOST,
    SIZE,
    SPEEDUP,
    UTILIZATION,
    Metric,
    Row,
    flat,
    over_baseline,
)

_POINT = "point."
Named = Iterable[tuple[str, Mapping[str, Any]]]


def measures_columns(rows: Named, baseline: str = "") -> Columns:
    """What `measures_table` shows of layers or totals; `baseline` is one that machines have in common."""
    flat_rows = [flat(row) for _, row in rows]
    times = (*TIMES, over_baseline(baseline)) if baseline else TIMES
    return (*point_columns(flat_rows), *times, UTILIZATION, *MORE, BOUND, MOST_LOST, *cause_columns(flat_rows))


def point_columns(rows: Iterable[Row]) -> Columns:
    """What varies over the points of a study; nothing of other rows."""
    keys = dict.fromkeys(key for row in rows for key in row if key.startswith(_POINT))
    return tuple(Metric(key, key.removeprefix(_POINT), "{}") for key in keys)


def measures_table(rows: Named, first: str, baseline: str = "") -> str:
    """A table of layers or totals, with the figures of the JSON report; a row named total is set apart."""
    # Gone through twice, which an iterator does not survive.
    rows = list(rows)
    return _table_of(rows, first, measures_columns(rows, baseline))


def factors_table(rows: Named, first: str) -> str:
    """What the speedups of layers or totals consist of; empty where a report is too old to say."""
    rows = list(rows)
    points = point_columns([flat(row) for _, row in rows])
    known = all("speedup_factors" in row for _, row in rows)
    return _table_of(rows, first, (*points, SPEEDUP, *FACTORS)) if known else ""


def energy_table(rows: Named, first: str) -> str:
    """The energy of layers or totals that have one; empty where none has."""
    known = [(name, row) for name, row in rows if row.get("energy")]
    return _table_of(known, first, energy_columns(known)) if known else ""


def energy_columns(rows: Named) -> Columns:
    """What `energy_table` shows: the area as well where rows are machines."""
    points = point_columns([flat(row) for _, row in rows])
    return (*points, *ENERGIES, *((AREA, AREA_SPARSITY) if any("area" in row for _, row in rows) else ()))


def size_table(rows: Named) -> str:
    """The sizes of machines; empty where a report is too old to say."""
    rows = list(rows)
    return _table_of(rows, "accelerator", SIZE) if all(row for _, row in rows) else ""


def _table_of(rows: Named, first: str, columns: Columns) -> str:
    flat_rows: list[tuple[str, Row]] = [(name, flat(row)) for name, row in rows]
    header = [first, *(metric.heading for metric in columns)]
    return table(header, [(name, *(metric.text(row) for metric in columns)) for name, row in flat_rows])


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column names its rows."""
    lines = ["<table><thead><tr>", *(f"<th>{escape(name)}</th>" for name in header), "</tr></thead><tbody>"]
    for name, *cells in rows:
        kind = ' class="total"' if name == "total" else ""
        lines.append(f"<tr{kind}><th>{escape(name)}</th>" + "".join(f"<td>{escape(c)}</td>" for c in cells) + "</tr>")
    return "\n".join([*lines, "</tbody></table>"])
