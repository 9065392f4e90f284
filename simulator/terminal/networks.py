"""The network as one run, beside the sum of its layers, on a terminal."""

from __future__ import annotations

from simulator.reports.columns import cause_columns
from simulator.reports.metrics import CYCLES, GAIN, TIME, TRAFFIC, Row, flat
from simulator.reports.report import NetworkReport
from simulator.terminal.reports import console, fitting, table_of

_ADDED = "poolings by themselves"


def print_network(report: NetworkReport) -> None:
    """The layers alone and as one run: cycles, and where the PE-cycles went; nothing where they are the same."""
    network = report.network
    if network is None or network.overlap == "none" or len(report.layers) == 1:
        return
    title = f"all layers as one run (overlap={network.overlap}, pooling={network.pooling})"
    rows = [("layers alone", flat(report.total.to_dict())), ("one run", _row(report))]
    causes = cause_columns([row for _, row in rows])
    # Empty lanes are a matter of the layers alone, and the same in both.
    shares = tuple(metric for metric in causes if metric.heading != "empty lanes")
    first = (CYCLES, TIME, GAIN, TRAFFIC)
    choices = [((*first, *shares), broken) for broken in (False, True)] + [(first, False), (first, True)]
    output = console()
    output.print()
    fitting(output, [table_of(title, "", columns, rows, break_names=broken) for columns, broken in choices])
    for line in (*network.notes, *_passes(report)):
        output.print(f"  {line}", style="dim", highlight=False)


def _row(report: NetworkReport) -> Row:
    network = report.network.to_dict() if report.network else {}
    dram = {f"dram.{key}": network[key] for key in ("read_bytes", "write_bytes")}
    return flat(network) | dram | {GAIN.column: network["gain"]}


def _passes(report: NetworkReport) -> list[str]:
    """A line about poolings that no layer does on the way."""
    layers = {layer.name for layer in report.layers}
    passes = [span for span in report.network.layers if span.name not in layers] if report.network else []
    if not passes:
        return []
    names = ", ".join(span.name for span in passes[:3]) + (", ..." if len(passes) > 3 else "")
    return [f"{_ADDED}: {len(passes)} ({names}), {sum(span.cycles for span in passes):,} cycles"]
