"""`PriceMap`: which counts of a layer cost how much of which figure of a report, as arrays that are made once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, starmap
from operator import mul

import numpy as np

from simulator.reports.energy_report import Counts, Prices
from simulator.reports.price import Price

Keys = tuple[tuple[str, tuple[str, ...]], ...]
"""Components with their actions, in the order of a layer's counts."""
Figure = tuple[str, str]
"""A group of figures and a name in it."""

GROUPS = COMPONENTS, ACTIONS, LEAKAGE, PURPOSES, CHIP = "components", "actions", "leakage", "purposes", "chip"
DYNAMIC, LEAKED = "dynamic", "leaked"
_BANDS = 3  # of a price


def keys_of(counts: Counts) -> Keys:
    """What a layer's counts are of."""
    return tuple([(name, tuple(actions)) for name, actions in counts.items()])


def flat(counts: Counts) -> list[int]:
    """The counts alone, in the order of their keys."""
    return [count for actions in counts.values() for count in actions.values()]


@dataclass(frozen=True)
class PriceMap:
    """Each figure is a sum of counts times prices, and so are the ends of its band.

    figures  what is summed, in the order of the sums
    counted  int64 (n,): the place of each product's count; behind all counts stands the time
    into     int64 (n,): the place of each product's sum, three of each figure
    prices   float64 (n,): the price of each product
    values   prices of each count and of the time, without bands: what they cost in all

    Example: 20 reads of a buffer are part of four sums, those of the component, of all reads, of the component's
    purpose and of all actions, each of them for the value and both ends of the band.
    """

    figures: tuple[Figure, ...]
    counted: np.ndarray
    into: np.ndarray
    prices: np.ndarray
    values: tuple[float, ...]

    @classmethod
    def of(
        cls,
        keys: Keys,
        price_of: Callable[[str, str], Price],
        leakage: Mapping[str, Price],
        purposes: Mapping[str, Sequence[str]],
    ) -> PriceMap:
        """For layers whose counts are of `keys`.

        price_of  of a component's action
        leakage   of each component, in a unit of the time
        purposes  names of components by what they are for
        """
        places = [(name, action) for name, actions in keys for action in actions]
        paid = {place: price_of(*place) for place in places}
        figures = [
            *((COMPONENTS, name) for name, _ in keys),
            *dict.fromkeys((ACTIONS, action) for _, action in places),
            *((LEAKAGE, name) for name in leakage),
            *((PURPOSES, purpose) for purpose in purposes),
            (CHIP, DYNAMIC),
            (CHIP, LEAKED),
        ]
        purpose_of = {name: purpose for purpose, names in purposes.items() for name in names}
        into: list[tuple[int, Figure, Price]] = []
        for at, (name, action) in enumerate(places):
            price = paid[name, action]
            into += [
                (at, (COMPONENTS, name), price),
                (at, (ACTIONS, action), price),
                (at, (PURPOSES, purpose_of[name]), price),
                (at, (CHIP, DYNAMIC), price),
            ]
        for name, price in leakage.items():
            sums = (LEAKAGE, name), (PURPOSES, purpose_of[name]), (CHIP, LEAKED)
            into += [(len(places), figure, price) for figure in sums]
        place_of = {figure: _BANDS * place for place, figure in enumerate(figures)}
        return cls(
            tuple(figures),
            np.array([at for at, _, _ in into]).repeat(_BANDS),
            np.array([place_of[figure] + band for _, figure, _ in into for band in range(_BANDS)]),
            np.array([band for _, _, price in into for band in price]),
            (*(price.value for price in paid.values()), sum(price.value for price in leakage.values())),
        )

    def sums(self, counts: Counts, time: float) -> dict[str, Prices]:
        """All figures, by group and name."""
        amounts = np.array([*flat(counts), time], np.float64)
        # `bincount` adds one after the other, and so alike on every processor.
        sums = np.bincount(self.into, self.prices * amounts[self.counted], _BANDS * len(self.figures)).tolist()
        groups: dict[str, Prices] = {group: {} for group in GROUPS}
        for (group, name), price in zip(self.figures, _triples(sums), strict=True):
            groups[group][name] = price
        return groups

    def total(self, counts: Counts, time: float) -> float:
        """All of it in one sum, without a band."""
        return sum(map(mul, self.values, chain(flat(counts), (time,))))


def _triples(figures: Iterable[float]) -> Iterator[Price]:
    bands = iter(figures)
    return starmap(Price, zip(bands, bands, bands, strict=True))
