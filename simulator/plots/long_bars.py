"""Names and numbers of bars that lie one below the other: beside the bars, or above each in a column of a paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes

from simulator.plots.style import is_narrow, text_inches, wrap_to_paper

_LONG_INCHES, _MARGIN_INCHES = 4.6, 0.4  # a bar's length, and what is left free around all
_LOW_BAR_INCHES, _LINE_INCHES = 0.22, 0.15  # of a bar with its words above it, and of each line of those


@dataclass
class LongBars:
    """The words of bars: their names, and what each says of itself ("1,234 cycles").

    thick   of the room between two bars, the part that a bar fills
    """

    labels: Sequence[str]
    beside: Sequence[str]
    thick: float = 0.7
    _above: list[str] = field(init=False)
    _lines: int = field(init=False)

    def __post_init__(self) -> None:
        both = zip(self.labels, self.beside, strict=True)
        self._above = [wrap_to_paper(f"{label}: {text}", 0.3) for label, text in both] if is_narrow() else []
        self._lines = max((text.count("\n") + 1 for text in self._above), default=0)
        if self._above:
            self.thick = _LOW_BAR_INCHES / self.inches(0.0)

    @property
    def width_inches(self) -> float:
        """Of a figure with a long bar and the words on both of its sides."""
        return _LONG_INCHES + text_inches(self.labels, 9) + text_inches(self.beside) + _MARGIN_INCHES

    def inches(self, wide_inches: float) -> float:
        """Height of a bar with its room, which is `wide_inches` where words stand beside it."""
        return _LOW_BAR_INCHES + _LINE_INCHES * self._lines if self._above else wide_inches

    def write(self, axes: Axes, places: Sequence[float], ends: Sequence[float], transform: Any = None) -> None:
        """Put the words to bars at these places; numbers begin at `ends`, in units of the axis or of `transform`."""
        if self._above:
            for place, text in zip(places, self._above, strict=True):
                axes.text(0, place - self.thick / 2 - 0.04, text, va="bottom", fontsize=8)
        else:
            options = {} if transform is None else {"transform": transform}
            for place, end, text in zip(places, ends, self.beside, strict=True):
                axes.text(end, place, text, va="center", fontsize=8, **options)
        axes.set_yticks([] if self._above else places, [] if self._above else self.labels)
        # From high to low, so that the first bar stands on top.
        axes.set_ylim(max(places) + 0.6, -1 + self.thick / 2 if self._above else -0.6)
