"""The network as one run, beside the sum of its layers, on a terminal."""

from __future__ import annotations

from simulator.reports.columns import cause_columns
from simulator.reports.metrics import CYCLES, GAIN, TIME, TRAFFIC, Row, flat
from simulator.reports.network_inputs import images_per_s
from simulator.reports.network_total import NetworkTotal
from simulator.reports.report import NetworkReport
from simulator.terminal.reports import table_of
from simulator.terminal.tables import console, fitting

_ADDED = "poolings by themselves"


def print_network(report: NetworkReport, images: int = 1) -> None:
    """The layers alone and as one run: cycles, and where the PE-cycles went; then how often inputs are done.

    Nothing where both are the same and a single input runs; `images` are those of an input.
    """
    network = report.network
    if network is None:
        return
    one_run = network.overlap != "none" and len(report.layers) > 1
    if one_run:
        _print_runs(report, network)
    for line in _pace(network, images) if one_run or network.inputs else []:
        console().print(line, style="dim", highlight=False)


def _print_runs(report: NetworkReport, network: NetworkTotal) -> None:
    title = f"all layers as one run (overlap={network.overlap}, pooling={network.pooling})"
    rows = [("layers alone", flat(report.total.to_dict())), ("one run", _row(report))]
    causes = cause_columns([row for _, row in rows])
    # Empty lanes are a matter of the layers alone, and the same in both.
    shares = tuple(metric for metric in causes if metric.heading != "empty lanes")
    first = (CYCLES, TIME, GAIN, TRAFFIC)
    choices = [((*first, *shares), broken) for broken in (False, True)] + [(first, False), (first, True)]
    output = console()
    output.print()
    fitting(output, (table_of(title, "", columns, rows, break_names=broken) for columns, broken in choices))
    for line in (*network.notes, *_passes(report)):
        output.print(f"  {line}", style="dim", highlight=False)


def _pace(network: NetworkTotal, images: int) -> list[str]:
    """How long an input takes on an idle machine, and how many images are done in a second."""
    latency_us, batch, each = network.time_us, "an image", "image"
    if images > 1:
        batch, each = f"{images} images", "batch"
    rate = _rate(images_per_s(latency_us, images))
    lines = [f"latency {_ms(latency_us)}; {rate} where each {each} waits for the one before ({images} / latency)"]
    if network.inputs is not None:
        row = network.inputs.to_dict()
        behind, every = f"{row['count']} inputs one behind the other", f"{batch} every {_ms(row['interval_us'])}"
        lines.append(f"throughput {_rate(row['images_per_s'])}, {every}: {behind}")
    return lines


def _ms(time_us: float) -> str:
    return f"{time_us / 1000:,.3f} ms" if time_us >= 1000 else f"{time_us / 1000:.3g} ms"


def _rate(images: float | None) -> str:
    return "any number of images/s" if images is None else f"{images:,.1f} images/s"


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
