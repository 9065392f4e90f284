"""What images that arrive at a machine have to wait: the latency of their shares, or over rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulator.plots.kind import kind
from simulator.plots.names import machine_name, workload_name
from simulator.plots.style import legend_below, new_figure, scale_log
from workloads.errors import InputError

_PERCENTILES = {"p50": ("#0072B2", "o", "-"), "p99": ("#D55E00", "s", (0, (5, 1.5)))}
_WIDE = 20  # an axis that spans more than this factor is logarithmic


@kind(
    "latency",
    "images of 'serve': the share that is done in time, or over rates their latency and what is served",
    source="serving",
)
def latency(data: Mapping[str, Any]) -> Figure:
    """Of one rate the cumulative share of images over their latency; of several p50 and p99 over the rate."""
    points = data["serving"]["points"]
    if not points:
        raise InputError("the report has no images")
    title = (
        f"{workload_name(data['workload']['name'])} served by {machine_name(data['accelerator']['name'])}, "
        f"{data['serving']['arrivals']} arrivals"
    )
    if len(points) == 1:
        return _distribution(points[0], title)
    return _over_rates(points, title)


def _distribution(point: Mapping[str, Any], title: str) -> Figure:
    with new_figure(6.4, 3.8) as figure:
        axes = figure.subplots()
        shares, times = zip(*point["distribution"], strict=True)
        axes.step(times, [100 * share for share in shares], where="post", color="#0072B2", label="images done")
        for key, (colour, marker, _) in _PERCENTILES.items():
            time = point["latency_ms"][key]
            axes.plot([time], [int(key[1:])], linestyle="", marker=marker, color=colour, label=f"{key}: {time:.4g} ms")
        _draw_deadline(axes, point, upright=True)
        axes.set(xlabel="latency, ms", ylabel="images that are done, %", ylim=(0, 101))
        # A latency that never differs is a line upwards, which needs room on both sides.
        axes.set_xlim(0, 1.05 * times[-1] if times[-1] else 1)
        rate = point["offered_images_per_s"]
        axes.set_title(title if rate is None else f"{title}, {rate:,.1f} images/s")
        axes.grid()
        legend_below(figure, axes)
        return figure


def _over_rates(points: Sequence[Mapping[str, Any]], title: str) -> Figure:
    points = sorted(points, key=lambda point: point["rate"])
    rates = [point["rate"] for point in points]
    with new_figure(6.4, 5.4) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        for key, (colour, marker, line) in _PERCENTILES.items():
            times = [point["latency_ms"][key] for point in points]
            upper.plot(rates, times, color=colour, marker=marker, linestyle=line, label=f"{key} of latency")
        _draw_deadline(upper, points[0], upright=False)
        every = [point["latency_ms"][key] for point in points for key in _PERCENTILES]
        if min(every) > 0 and max(every) > _WIDE * min(every):
            scale_log(upper, "y")
        else:
            upper.set_ylim(bottom=0)
        upper.set(ylabel="latency, ms", title=title)
        # Offered as a line, so that what is served is seen to fall behind it.
        _draw_pace(lower, points, "offered_images_per_s", color="#999999", linestyle=":", label="arriving")
        _draw_pace(lower, points, "served_images_per_s", color="#009E73", marker="^", label="served")
        lower.set(xlabel="images that arrive in a second", ylabel="images/s")
        lower.set_ylim(bottom=0)
        for axis in (lower.xaxis, lower.yaxis):
            axis.set_major_formatter("{x:,g}")
        for axes in (upper, lower):
            axes.grid()
        legend_below(figure, upper, lower)
        return figure


def _draw_pace(axes: Axes, points: Sequence[Mapping[str, Any]], key: str, **style: Any) -> None:
    # A single batch has no rate.
    known = [(point["rate"], point[key]) for point in points if point[key] is not None]
    if known:
        axes.plot(*zip(*known, strict=True), **style)


def _draw_deadline(axes: Axes, point: Mapping[str, Any], *, upright: bool) -> None:
    if point["late"] is None:
        return
    deadline = point["late"]["deadline_ms"]
    draw = axes.axvline if upright else axes.axhline
    draw(deadline, color="black", linewidth=0.9, linestyle="--", label=f"deadline: {deadline:g} ms")
