"""Texts of figures in lines that fit: how wide a text is, and titles that do not reach past their panel's room."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

_POINTS_PER_INCH = 72
_LINE = 1.25  # from one line to the next, in sizes of the font
_SAFE_SHARE = 0.5  # of a panel's part of the figure; a narrower title fits wherever the panel begins
_GAP_INCHES = 0.08  # between a title and what stands to its right


@cache
def text_width(text: str, size: float) -> float:
    """Inches of a text in a size in points."""
    if not text.strip():
        return 0.0
    with _untold():
        return text_to_path.get_text_width_height_descent(text, FontProperties(size=size), False)[0] / _POINTS_PER_INCH


@contextmanager
def _untold() -> Generator[None]:
    """Letters that the font lacks and texts that leave no room are told when the figure is drawn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def wrapped(text: str, inches: float, size: float) -> str:
    """The text in lines that are no wider than that, broken between words; a longer word has a line of its own."""
    lines: list[str] = []
    for given in text.split("\n"):
        line = ""
        for word in given.split(" "):
            longer = f"{line} {word}" if line else word
            if line and text_width(longer, size) > inches:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return "\n".join(lines)


def fit_titles(figure: Figure, *, grows: bool) -> None:
    """Break titles of panels and of the figure where they would be cut off or reach into the next panel.

    grows   the figure becomes higher by the lines that this adds
    """
    panels = [(axes, title) for axes in figure.axes for title in _titles(axes)]
    width = figure.get_figwidth()
    grids = [axes.get_gridspec() for axes, _ in panels]
    columns = max((grid.ncols for grid in grids if grid is not None), default=1)
    # Where panels begin is known once the figure is laid out, which takes half as long as drawing it.
    layout = figure.get_layout_engine()
    if layout is not None and any(_widest(title) > _SAFE_SHARE * width / columns for _, title in panels):
        with _untold():
            layout.execute(figure)
    more = [_break(title, _room(axes, figure)) for axes, title in panels]
    above = [_break(text, width - 2 * _GAP_INCHES) for text in figure.texts]
    if grows and any([*more, *above]):
        figure.set_figheight(figure.get_figheight() + max(more, default=0.0) + sum(above))


def _break(title: Text, room_inches: float) -> float:
    """Break a title; returns the inches that it becomes higher by."""
    before, size = title.get_text(), float(title.get_fontsize())
    if _widest(title) <= room_inches:
        return 0.0
    title.set_text(wrapped(before, room_inches, size))
    return (title.get_text().count("\n") - before.count("\n")) * _LINE * size / _POINTS_PER_INCH


def _titles(axes: Axes) -> Iterator[Text]:
    text = axes.get_title("left")
    if text:
        # Kept as three texts, of which the left one bears the title; its own size stays with it.
        yield from (child for child in axes.get_children() if isinstance(child, Text) and child.get_text() == text)


def _widest(title: Text) -> float:
    return max(text_width(line, float(title.get_fontsize())) for line in title.get_text().split("\n"))


def _room(axes: Axes, figure: Figure) -> float:
    """Inches from where a panel begins to the next one beside it, or to the figure's edge."""
    own = axes.get_position()
    beside = [place.x0 for place in (other.get_position() for other in figure.axes) if place.x0 >= own.x1]
    return (min(beside, default=1.0) - own.x0) * figure.get_figwidth() - _GAP_INCHES
