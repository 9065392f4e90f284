"""Tables of reports as HTML, for the report page and for notebooks; every text is escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from dataflows.schedule import Cause

_BYTES_PER_MB = 1e6
_Form = Callable[[Mapping[str, Any]], str]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _speedup(row: Mapping[str, Any]) -> str:
    return "-" if row["speedup"] is None else f"{row['speedup']:.2f}"


def _cause(key: str) -> _Form:
    return lambda row: _percent(row["pe_cycle_stack"][key] / (sum(row["pe_cycle_stack"].values()) or 1))


_COLUMNS: dict[str, _Form] = {
    "cycles": lambda row: f"{row['cycles']:,}",
    "ms": lambda row: f"{row['time_us'] / 1000:,.3f}",
    "speedup": _speedup,
    "utilization": lambda row: _percent(row["utilization"]),
    "effectual": lambda row: _percent(row["effectual_utilization"]),
    "max/mean PE": lambda row: f"{row['load_imbalance']:.2f}",
    "DRAM MB": lambda row: f"{(row['dram']['read_bytes'] + row['dram']['write_bytes']) / _BYTES_PER_MB:,.2f}",
    "cycles / bound": lambda row: "-" if row["bound_ratio"] is None else f"{row['bound_ratio']:.2f}",
}
LEGEND = (
    "speedup: over the machine's own dense baseline. utilization: multiplier slots that held a product; effectual: of "
    "two non-zeros. max/mean PE: busy cycles of the busiest PE over the mean of all, idle ones too, summed over "
    "barriers. cycles / bound: over the largest of the compute, fullest-PE and memory bounds. Then the share of "
    "PE-cycles by cause; imbalance there: PEs with work waiting for slower ones."
)


def measures_table(rows: Iterable[tuple[str, Mapping[str, Any]]], first: str) -> str:
    """A table of layers or totals, with the figures of the JSON report; a row named total is set apart."""
    rows = list(rows)
    seen = [cause.key for cause in Cause if any(row["pe_cycle_stack"][cause.key] for _, row in rows)]
    columns = _COLUMNS | {key.replace("_", " "): _cause(key) for key in seen}
    body = [(name, *(form(row) for form in columns.values())) for name, row in rows]
    return table([first, *columns], body)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column names its rows."""
    lines = ["<table><thead><tr>", *(f"<th>{escape(name)}</th>" for name in header), "</tr></thead><tbody>"]
    for name, *cells in rows:
        kind = ' class="total"' if name == "total" else ""
        lines.append(f"<tr{kind}><th>{escape(name)}</th>" + "".join(f"<td>{escape(c)}</td>" for c in cells) + "</tr>")
    return "\n".join([*lines, "</tbody></table>"])
