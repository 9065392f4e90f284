"""Any measure over any setting that a sweep varies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulator.plots.data import Data, Row, by_run, rows_of, rows_with, swept_columns, total_rows, value, workloads_of
from simulator.plots.kind import kind
from simulator.plots.kinds.curves import draw_curve, name_bands
from simulator.plots.names import setting_text
from simulator.plots.style import legend_below, machine_styles, new_figure, scale_log
from simulator.reports.metrics import title_of, unit_of
from workloads.errors import InputError, listed

_WIDE = 8  # an axis that spans more than this factor is logarithmic
_MOST_VALUES = 6  # of a setting that changes along
_LONG = 10  # characters of a value of which several do not fit side by side


@kind(
    "sweep",
    "any measure over a swept setting",
    options={
        "x": "The swept setting across, e.g. queue_depth.",
        "y": "The measure upwards, e.g. utilization, cycles or energy.total_pj.",
    },
)
def sweep(data: Data, x: str | None = None, y: str = "cycles") -> Figure:
    """A measure over a swept setting: means over seeds, joined, with bands from the least to the most of them.

    Other swept settings have curves of their own; those that change along with x are named beside it. Values that are
    no numbers, or hold a zero among powers, stand evenly spaced in the order of the sweep.
    """
    totals = rows_with(total_rows(rows_of(data)), y)
    swept = swept_columns(totals)
    if x is None and len(swept) == 1:
        x = swept[0]
    if x not in swept:
        known = f"choose --x of: {listed(swept, 20)}" if swept else "no setting differs between the results"
        raise InputError(f"--x {x}: not swept; {known}" if x else f"--kind sweep: {known}")
    totals = [row for row in totals if row.get(x) is not None]
    runs, places = by_run(totals, x), _places([row[x] for row in totals])
    styles = machine_styles(runs)
    with new_figure(6.0, 3.8) as figure:
        axes = figure.subplots()
        points = {run: _points(group, x, y, places) for run, group in runs.items()}
        for run, own in points.items():
            draw_curve(axes, run, own, styles[run], swept=True)
        if any(len(ys) > 1 for own in points.values() for _, ys in own):
            name_bands(axes, totals)
        _label_across(axes, places)
        axes.set_title(workloads_of(totals))
        axes.set_xlabel("\n".join([title_of(x), *_beside(totals, x, runs)]))
        axes.set_ylabel(title_of(y))
        axes.yaxis.set_major_formatter("{x:,.10g}")
        axes.grid()
        legend_below(figure, axes)
        return figure


def _points(rows: Sequence[Row], x: str, y: str, places: dict[Any, float]) -> list[tuple[float, list[float]]]:
    found: dict[float, list[float]] = {}
    for row in rows:
        found.setdefault(places[row[x]], []).append(value(row, y) or 0.0)
    return sorted(found.items())


def _beside(rows: Sequence[Row], x: str, runs: Iterable[str]) -> Iterator[str]:
    """The settings that change along with x, and their values in the order of the sweep."""
    named = " ".join(runs)
    for key in swept_columns(rows):
        texts = list(dict.fromkeys(setting_text(key, row.get(key)) for row in rows))
        if key in (x, "workload", "weight_density", "activation_density") or f", {texts[0]}" in named:
            continue
        # The setting's words once: "queue depth 2, 4, 8".
        values = [
            texts[0],
            *(text.rpartition(" ")[2] if not unit_of(key) else text.split(" ")[-2] for text in texts[1:]),
        ]
        if len(values) > _MOST_VALUES:
            values = [*values[: _MOST_VALUES - 2], "...", values[-1]]
        yield f"(with {', '.join(values)})"


def _places(values: Sequence[Any]) -> dict[Any, float]:
    """Where each value stands across: at itself where all are numbers that a scale has room for, else one by one."""
    distinct = list(dict.fromkeys(values))
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in distinct):
        return {one: float(place) for place, one in enumerate(distinct)}
    distinct.sort()
    if distinct[0] > 0 or _is_even(distinct):
        return {one: float(one) for one in distinct}
    return {one: float(place) for place, one in enumerate(distinct)}


def _is_even(numbers: Sequence[float]) -> bool:
    """Whether the largest step between neighbours is no more than twice the smallest."""
    steps = [b - a for a, b in pairwise(numbers)]
    return not steps or max(steps) <= 2 * min(steps)


def _label_across(axes: Axes, places: dict[Any, float]) -> None:
    """A tick at each value; logarithmic where values are their own places and span a wide range."""
    own = all(place == one for one, place in places.items() if not isinstance(one, str))
    if own and min(places.values()) > 0 and max(places.values()) > _WIDE * min(places.values()):
        scale_log(axes, "x", 2)
    texts = [f"{one:g}" if isinstance(one, float) else str(one) for one in places]
    axes.set_xticks(list(places.values()), texts)
    axes.minorticks_off()
    if max(map(len, texts)) * len(texts) > _LONG * 6:
        axes.tick_params(axis="x", rotation=30)
