"""What a terminal says of a machine that serves images as they arrive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.table import Table

from simulator.reports.metrics import PJ_PER_MILLIJOULE, flat
from simulator.serving.report import ServingReport
from simulator.terminal.tables import console, fitting


class _Column(NamedTuple):
    key: str
    heading: str
    form: str
    unit: float = 1


_COLUMNS = (
    _Column("offered_images_per_s", "offered/s", "{:,.1f}"),
    _Column("served_images_per_s", "served/s", "{:,.1f}"),
    _Column("utilization", "busy", "{:.1%}"),
    _Column("latency_ms.mean", "mean ms", "{:,.4g}"),
    _Column("latency_ms.p50", "p50", "{:,.4g}"),
    _Column("latency_ms.p90", "p90", "{:,.4g}"),
    _Column("latency_ms.p95", "p95", "{:,.4g}"),
    _Column("latency_ms.p99", "p99", "{:,.4g}"),
    _Column("latency_ms.max", "max", "{:,.4g}"),
    _Column("waiting.mean", "waiting", "{:,.2f}"),
    _Column("waiting.max", "most", "{:,}"),
    _Column("dropped", "dropped", "{:,}"),
    _Column("late.share", "late", "{:.1%}"),
)
_LEGEND = (
    "busy: share of the time in which the machine is ready for no other batch. ms: from arrival until done; p99: 99 % "
    "of the served images take no longer. waiting, most: images in the queue, in the mean and at most. "
)
# What a narrow table can do without; what says most of the tail stays longest.
_LEFT_OUT = (
    ("latency_ms.p90", "latency_ms.p95"),
    ("latency_ms.p90", "latency_ms.p95", "latency_ms.max", "offered_images_per_s", "waiting.mean", "waiting.max"),
    tuple(column.key for column in _COLUMNS if column.key not in ("served_images_per_s", "latency_ms.p99")),
)
_LATE = "late: served images behind the deadline. "


def print_serving(report: ServingReport) -> None:
    """What batches take, and a row a rate."""
    data = report.to_dict()
    serving = data["serving"]
    output = console()
    title = f"{report.network.workload['name']} served by {report.network.label}, {serving['arrivals']} arrivals"
    output.print(title, style="bold", highlight=False)
    for service in serving["service"]:
        output.print(f"  {_service_line(service)}", highlight=False)
    output.print()
    rows = [flat(point) for point in serving["points"]]
    shown = [column for column in _COLUMNS if any(row.get(column.key) is not None for row in rows)]
    # From most to fewest.
    choices = [shown, *([one for one in shown if one.key not in left_out] for left_out in _LEFT_OUT)]
    fitting(output, (_table(rows, columns) for columns in choices))
    late = _LATE if any(column.key == "late.share" for column in shown) else ""
    output.print((_LEGEND + late).strip(), style="dim", highlight=False)


def _service_line(service: Mapping[str, Any]) -> str:
    inputs, size = service["inputs"], service["batch"]
    rate = service["images_per_s"]
    what = f"batch of {size}" if size > 1 else "an image"
    of = f" (mean of {len(inputs)} inputs)" if len(inputs) > 1 else ""
    latency, interval = (_mean(one[key] for one in inputs) for key in ("latency_ms", "interval_ms"))
    most = "any number of images/s" if rate is None else f"{rate:,.1f} images/s at most"
    energy = service.get("energy_pj_per_image")
    spent = "" if energy is None else f"; {energy / PJ_PER_MILLIJOULE:.4g} mJ an image"
    return f"{what}: latency {latency:.4g} ms, one every {interval:.4g} ms{of}: {most}{spent}"


def _mean(values: Any) -> float:
    every = list(values)
    return sum(every) / len(every)


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[_Column]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    rates = any(row["rate"] is not None for row in rows)
    if rates:
        table.add_column("rate", justify="right", no_wrap=True)
    for column in columns:
        table.add_column(column.heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*([f"{row['rate']:,g}"] if rates else []), *(_cell(row, column) for column in columns))
    return table


def _cell(row: Mapping[str, Any], column: _Column) -> str:
    value = row.get(column.key)
    return "-" if value is None else column.form.format(value)
