"""`Price`: a figure with the band that its sources leave open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Price(NamedTuple):
    """A value of a table, and the least and greatest that its sources would give; pJ, mW or mm2, as said beside it."""

    value: float
    low: float
    high: float

    @classmethod
    def exact(cls, value: float) -> Price:
        """A figure without a band."""
        return cls(value, value, value)

    @classmethod
    def among(cls, value: float, *others: float) -> Price:
        """A figure beside what other sources say."""
        return cls(value, min((value, *others)), max((value, *others)))

    @classmethod
    def sum(cls, prices: Iterable[Price]) -> Price:
        """All of them; 0 for none."""
        # Side by side, since a hundred prices of a network are summed for every part of every machine.
        columns = tuple(zip(*prices, strict=True))
        return cls(*map(sum, columns)) if columns else NOTHING

    def times(self, factor: float) -> Price:
        """So many of it."""
        return Price(self.value * factor, self.low * factor, self.high * factor)

    def __add__(self, other: Price) -> Price:  # type: ignore[override]  # of prices, not of tuples
        # Bands add at their ends: sources that are low for one part are taken to be low for all.
        return Price(self.value + other.value, self.low + other.low, self.high + other.high)


NOTHING = Price(0.0, 0.0, 0.0)
