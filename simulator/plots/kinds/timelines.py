"""A run over time: the bandwidth of DRAM, and what fetched, computed and drained when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dataflows.schedule import Tensor
from simulator.observers.timeline import ARRAY, DRAIN, DRAM, LAYERS, TILES, WAIT
from simulator.plots.kind import kind
from simulator.plots.names import machine_name, workload_name
from simulator.plots.style import PARTS, legend_below, new_figure
from workloads.errors import InputError, nearest

Timeline = Mapping[str, Any]

_BINS = 300
_NAMED_SHARE = 0.07  # of the axes' width that a layer must take for its name to fit above it
_LEAST_US = 1e-7  # a span is drawn from this length on; timelines keep three decimals
_EDGED_SHARE = 0.01  # of the axes' width below which a bar has no white edge, which would hide it
_MOST_TILES = 30  # of a Gantt chart; a layer of more is cut, or its bars would be thinner than their edges
_CHANNELS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
_FETCH = {Tensor.INPUT: "#56B4E9", Tensor.WEIGHT: "#E69F00", Tensor.OUTPUT: "#CC79A7"}
_COMPUTE, _DRAINING = "#0072B2", "#666666"


class Span(NamedTuple):
    """Something with a name, from `start` to `end` in microseconds."""

    name: str
    start: float
    end: float


@kind("bandwidth", "DRAM bandwidth over time, of a timeline", options={"layer": "Only this layer."}, source="timeline")
def bandwidth(timeline: Timeline, layer: str | None = None) -> Figure:
    """Bandwidth of DRAM over time, channel on channel, under its peak; of the whole run or one layer."""
    chosen = _layers(timeline, layer)
    first, last = chosen[0].start, chosen[-1].end
    edges = np.linspace(first, last, _BINS + 1)
    series = channel_gbs(timeline, edges)
    about = timeline["otherData"]
    with new_figure(8.6, 3.4) as figure:
        axes = figure.subplots()
        bottom = np.zeros(_BINS)
        for place, (channel, gbs) in enumerate(series.items()):
            colour = _CHANNELS[place % len(_CHANNELS)]
            axes.stairs(bottom + gbs, edges, baseline=bottom, fill=True, color=colour, label=channel)
            bottom = bottom + gbs
        if about["peak_gbs"]:
            axes.axhline(about["peak_gbs"], color="black", linestyle="--", linewidth=1.2, label="peak")
        _layer_lines(axes, chosen)
        axes.set_xlim(first, last)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("time, µs")
        axes.set_ylabel("DRAM bandwidth, GB/s")
        axes.grid(axis="y")
        figure.suptitle(_run(about), fontsize=10)
        legend_below(figure, axes)
        return figure


def channel_gbs(timeline: Timeline, edges: np.ndarray) -> dict[str, np.ndarray]:
    """Mean bandwidth (10^9 bytes a second) of each channel between neighbouring edges (microseconds)."""
    told: dict[str, list[tuple[float, float]]] = {}
    for event in timeline["traceEvents"]:
        if event["ph"] == "C" and event["pid"] == DRAM:
            told.setdefault(event["name"], []).append((event["ts"], event["args"]["GB/s"]))
    if not told:
        raise InputError("the timeline has no DRAM traffic to draw")
    means = {}
    for channel, steps in sorted(told.items()):
        # A rate holds from its time to the next, so bytes moved up to each time are the running sum of rate x length;
        # between them the sum grows in a straight line, and bins of any width are differences of it.
        # Example: 2 GB/s from 0 to 10 us and 6 from 10 to 30, when the counter falls to 0: 0, 20 and 140 kB by 0, 10
        # and 30 us. A bin from 5 to 20 us has 80 - 10 = 70 kB, 4.67 GB/s.
        at, rate = np.array(sorted(steps)).T
        moved = np.concatenate(([0.0], np.cumsum(rate[:-1] * np.diff(at))))
        means[channel] = np.diff(np.interp(edges, at, moved)) / np.diff(edges)
    return means


@kind(
    "gantt",
    "fetch, compute and drain over time, of a timeline",
    options={"layer": "Only this layer."},
    source="timeline",
)
def gantt(timeline: Timeline, layer: str | None = None) -> Figure:
    """What fetched, computed and drained when, in one layer (the longest, unless one is chosen), tile by tile.

    Of a layer of many tiles the first ones are drawn.
    """
    chosen = max(_layers(timeline, layer), key=lambda span: span.end - span.start)
    tiles = [span for span in spans_of(timeline, ARRAY, TILES, chosen) if not span.name.startswith(WAIT)]
    # Cut at the start of the first tile that is not shown, so that the last one shown is whole.
    end = tiles[_MOST_TILES].start if len(tiles) > _MOST_TILES else chosen.end
    window = Span(chosen.name, chosen.start, end)
    rows = gantt_rows(timeline, window)
    about = timeline["otherData"]
    with new_figure(8.6, 1.7 + 0.42 * len(rows)) as figure:
        axes = figure.subplots()
        thin = _EDGED_SHARE * (window.end - window.start)
        for place, spans in enumerate(rows.values()):
            for span in spans:
                colour, hatch = _bar(list(rows)[place], span)
                edge = "white" if span.end - span.start > thin else colour
                axes.barh(
                    place, span.end - span.start, 0.7, span.start, color=colour, hatch=hatch, edgecolor=edge,
                    linewidth=0.4,
                )  # fmt: skip
        axes.set_yticks(range(len(rows)), list(rows))
        # From high to low: the first row stands on top.
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(window.start, window.end)
        axes.set_xlabel("time, µs")
        axes.grid(axis="x")
        cut = f", first {_MOST_TILES} of {len(tiles)} tiles" if len(tiles) > _MOST_TILES else ""
        axes.set_title(f"{_run(about)}: {chosen.name}{cut}")
        waits = dict.fromkeys(span.name.removeprefix(WAIT) for span in rows["PE array"] if span.name.startswith(WAIT))
        handles = [Patch(color=_COMPUTE, label="computing")]
        for cause in waits:
            label, colour, hatch = PARTS[cause]
            handles.append(Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=f"array: {label}"))
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
        return figure


def gantt_rows(timeline: Timeline, window: Span) -> dict[str, list[Span]]:
    """The bars of each row that has any inside the window, cut to it."""
    tracks = {f"fetch {tensor.key}s": (DRAM, tensor + 1) for tensor in (Tensor.INPUT, Tensor.WEIGHT)}
    tracks |= {"PE array": (ARRAY, TILES), "drain unit": (ARRAY, DRAIN), "write outputs": (DRAM, Tensor.OUTPUT + 1)}
    found = {row: spans_of(timeline, pid, tid, window) for row, (pid, tid) in tracks.items()}
    return {row: spans for row, spans in found.items() if spans or row == "PE array"}


def spans_of(timeline: Timeline, pid: int, tid: int, window: Span) -> list[Span]:
    """The spans of a track that lie inside a window, in order, cut to it."""
    spans = []
    for event in timeline["traceEvents"]:
        if event["ph"] == "X" and event["pid"] == pid and event["tid"] == tid:
            # Cut to the window; a span that lies outside it has no length left.
            start, end = max(event["ts"], window.start), min(event["ts"] + event["dur"], window.end)
            if end - start > _LEAST_US:  # times are rounded, so that neighbours may seem to overlap
                spans.append(Span(event["name"], start, end))
    return sorted(spans, key=lambda span: span.start)


def _run(about: Mapping[str, Any]) -> str:
    return f"{workload_name(about['workload'])} on {machine_name(about['accelerator'])}"


def _layers(timeline: Timeline, layer: str | None) -> list[Span]:
    layers = spans_of(timeline, LAYERS, 1, Span("", 0.0, float("inf")))
    names = [span.name for span in layers]
    if not layers:
        raise InputError("the timeline has no layer that took any time")
    if layer is None:
        return layers
    if layer not in names:
        raise InputError(f"unknown layer '{layer}': {nearest(layer, names)}")
    return [layers[names.index(layer)]]


def _layer_lines(axes: Axes, layers: Sequence[Span]) -> None:
    for before, after in pairwise(layers):
        # Both ends are rounded to the nanosecond and need not be equal.
        axes.axvline((before.end + after.start) / 2, color="#888888", linewidth=0.6)
    least = _NAMED_SHARE * (layers[-1].end - layers[0].start)
    for layer in layers:
        if layer.end - layer.start >= least:
            place = ((layer.start + layer.end) / 2, 1.01)
            axes.text(*place, layer.name, ha="center", fontsize=7, transform=axes.get_xaxis_transform())


def _bar(row: str, span: Span) -> tuple[str, str]:
    """Colour and hatch of a bar."""
    if span.name.startswith(WAIT):
        _, colour, hatch = PARTS[span.name.removeprefix(WAIT)]
        return colour, hatch
    colours = {"PE array": _COMPUTE, "drain unit": _DRAINING, "write outputs": _FETCH[Tensor.OUTPUT]}
    return colours.get(row) or _FETCH[Tensor.INPUT if row == "fetch inputs" else Tensor.WEIGHT], ""
