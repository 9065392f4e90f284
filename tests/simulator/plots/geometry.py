"""Where the texts of a figure lie: none may be cut off, and none may lie on another."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text


def texts_of(axes: Axes) -> Iterator[Text]:
    """All texts of axes; of tick labels those inside the limits, as matplotlib keeps more than it draws."""
    left, right = sorted(axes.get_xlim())
    low, high = sorted(axes.get_ylim())
    yield from (*axes.texts, axes._left_title, axes.xaxis.label, axes.yaxis.label)
    yield from (label for label in axes.get_xticklabels(which="both") if left <= label.get_position()[0] <= right)
    yield from (label for label in axes.get_yticklabels(which="both") if low <= label.get_position()[1] <= high)


def require_readable(figure: Figure) -> list[str]:
    """The texts of a figure, none of which is cut off or lies on another."""
    FigureCanvasAgg(figure).draw()
    texts = [text for axes in figure.axes for text in texts_of(axes)]
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    texts += figure.texts  # its title among them
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_visible() and text.get_text()]
    page = figure.bbox
    for text, box in boxes:
        assert page.x0 <= box.x0 < box.x1 <= page.x1, f"'{text}' is cut off"
        assert page.y0 <= box.y0 < box.y1 <= page.y1, f"'{text}' is cut off"
    for (one, a), (other, b) in combinations(boxes, 2):
        assert not a.padded(-1).overlaps(b.padded(-1)), f"'{one}' lies on '{other}'"
    return [text for text, _ in boxes]
