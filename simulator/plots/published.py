"""Published figures beside simulated ones, drawn as their papers draw them: what `prunesim validate --plot` writes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from simulator.plots.style import machine_styles, new_figure, save, scale_log
from simulator.reports.report import EVENTS
from simulator.validation.figure_rows import Drawing
from simulator.validation.results import Result
from workloads.errors import InputError

_PUBLISHED: dict[str, Any] = {"facecolor": "#D8D8D8", "edgecolor": "#444444", "linewidth": 0.6}
_WITHIN: dict[str, Any] = {"facecolor": "#0072B2"}
_OUTSIDE: dict[str, Any] = {"facecolor": "#D55E00", "edgecolor": "white", "linewidth": 0, "hatch": "///"}
_WHISKER: dict[str, Any] = {"color": "black", "linewidth": 0.9}
_FAINT = 0.25
_BAR = 0.38  # width of a bar, of the room for a pair
_WIDE = 6.5  # inches that a row of four labels needs
_PLAIN = ("x", "of ")  # units that the name of a series says already


def write(folder: Path, ending: str, results: Sequence[Result], drawings: Mapping[str, Drawing]) -> Iterator[Path]:
    """Draw every drawing of which there are results into a folder, and name each file. Raises `InputError`."""
    for name, drawing in drawings.items():
        own = [result for result in results if result.figure.drawing == name]
        if own:
            path = folder / f"{name}.{ending}"
            save(picture(drawing, own), path)
            yield path


def make_folder(folder: Path) -> None:
    """Make a folder, so that a long run does not fail at its end. Raises `InputError` where it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from None


def picture(drawing: Drawing, results: Sequence[Result]) -> Figure:
    """Published and simulated values of a drawing's figures; whiskers and bands reach as far as their goals allow."""
    return _lines(drawing, results) if drawing.kind == "lines" else _bars(drawing, results)


def _by_series(results: Sequence[Result]) -> dict[str, list[Result]]:
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.figure.series, []).append(result)
    return groups


def _allowed(result: Result) -> tuple[float, float]:
    """The lowest and the highest value that the goal of a figure allows."""
    published, goal = result.figure.published, result.goal
    allowed = goal.allowed(published)
    lowest = 0.0 if result.figure.most else goal.value(-allowed, published)
    return max(0.0, lowest), goal.value(allowed, published)


def _bars(drawing: Drawing, results: Sequence[Result]) -> Figure:
    """A panel for each series, a pair of bars for each place."""
    series = _by_series(results)
    places = list(dict.fromkeys(str(drawing.place_of(result.figure)) for result in results))
    width = max(4.6, 1.0 + 0.58 * len(places))
    with new_figure(width, 1.1 + 1.75 * len(series)) as figure:
        panels = figure.subplots(len(series), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (name, own) in zip(panels, series.items(), strict=True):
            for result in own:
                _pair(axes, places.index(str(drawing.place_of(result.figure))), result)
            unit = own[0].figure.unit
            axes.set_ylabel(name if unit.startswith(_PLAIN) else f"{name}, {unit}")
            axes.set_ylim(0, 1.12 * max(_top(result) for result in own))
            axes.grid(axis="y")
        panels[-1].set_xticks(range(len(places)), places)
        panels[-1].set_xlim(-0.6, len(places) - 0.4)
        panels[-1].set_xlabel(drawing.x)
        panels[0].set_title(drawing.title)
        _legend(figure, _bar_handles(results), 4 if width > _WIDE else 2)
        return figure


def _top(result: Result) -> float:
    """The highest point of a pair of bars with its whisker."""
    return max(result.figure.published, _allowed(result)[1], 0.0 if math.isnan(result.simulated) else result.simulated)


def _pair(axes: Axes, place: float, result: Result) -> None:
    left, right = place - _BAR / 2, place + _BAR / 2
    axes.bar(left, result.figure.published, _BAR, **_PUBLISHED)
    axes.vlines(left, *_allowed(result), **_WHISKER)
    axes.bar(right, result.simulated, _BAR, **(_WITHIN if result.inside else _OUTSIDE))
    axes.annotate(
        result.goal.text(result.deviation), (place, _top(result)), (0, 2), textcoords="offset points", ha="center",
        va="bottom", fontsize=7,
    )  # fmt: skip


def _bar_handles(results: Sequence[Result]) -> list[Any]:
    inside = {result.inside for result in results}
    simulated = (("within its goal", _WITHIN, True), ("outside its goal", _OUTSIDE, False))
    return [
        Patch(label="published", **_PUBLISHED),
        Line2D([], [], label="its goal", **_WHISKER),
        *(Patch(label=f"simulated, {label}", **style) for label, style, met in simulated if met in inside),
    ]


def _lines(drawing: Drawing, results: Sequence[Result]) -> Figure:
    """Our values as a line for each series, published ones as open markers on the band of their goals."""
    series = _by_series(results)
    styles = machine_styles(series)
    ours = "simulated" if results[0].model == EVENTS else f"{results[0].model} model"
    with new_figure(6.4, 4.4) as figure:
        axes = figure.subplots()
        for name, own in series.items():
            pairs = sorted(((float(drawing.place_of(one.figure)), one) for one in own), key=lambda pair: pair[0])
            x = [place for place, _ in pairs]
            axes.plot(x, [one.simulated for _, one in pairs], **_plain(styles[name]))
            lowest, highest = zip(*(_allowed(one) for _, one in pairs), strict=True)
            axes.fill_between(x, lowest, highest, color=styles[name]["color"], alpha=_FAINT, linewidth=0)
            axes.plot(x, [one.figure.published for _, one in pairs], **_open(styles[name]))
        if drawing.log:
            scale_log(axes, "y", 2)
            axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
        axes.set_xlabel(drawing.x)
        axes.set_ylabel(drawing.y)
        axes.set_title(drawing.title)
        axes.grid()
        _legend(figure, _line_handles(styles, list(series), ours), 3)
        return figure


def _open(style: dict[str, Any]) -> dict[str, Any]:
    """A series' marker, open and without a line."""
    return style | {"linestyle": "", "markerfacecolor": "white", "markersize": 4.0}


def _plain(style: dict[str, Any]) -> dict[str, Any]:
    """A series' line, without a marker."""
    return style | {"marker": "", "linewidth": 1.5}


def _line_handles(styles: Mapping[str, dict[str, Any]], series: Sequence[str], ours: str) -> list[Any]:
    published = [Line2D([], [], label=f"{name}, published", **_open(styles[name])) for name in series]
    goals = [Patch(label="its goal", color=styles[name]["color"], alpha=_FAINT, linewidth=0) for name in series]
    simulated = [Line2D([], [], label=ours, **_plain(styles[name])) for name in series]
    return [*published, *goals, *simulated]  # a legend is filled column by column


def _legend(figure: Figure, handles: Sequence[Any], columns: int) -> None:
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=8)
