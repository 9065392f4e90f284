"""Where PE-cycles went, for the twins: a layer's own cycles and the waits of the array that it has counted."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from dataflows.schedule import Cause, LayerSchedule


def pe_cycles(schedule: LayerSchedule, waits: list[list[int]], tail: list[int]) -> np.ndarray:
    """Int64 (PEs, CAUSES): each PE's own cycles, and the array's waits by tile and behind the last one.

    A PE without work in a tile, or with none in any for the tail, is unmapped all the time; one without work in a part
    of the tile for that part of each wait, rounded down.
    """
    books = schedule.cycles.sum(axis=0)
    for pe in range(schedule.pes):
        for tile, of_array in enumerate(waits):
            own, unmapped = int(schedule.cycles[tile, pe].sum()), int(schedule.cycles[tile, pe, Cause.UNMAPPED])
            duration = int(schedule.cycles[tile].sum(axis=1).max())
            works = own > unmapped
            books[pe, Cause.IMBALANCE if works else Cause.UNMAPPED] += duration - own
            _charge(books[pe], of_array, Fraction(unmapped, duration) if works else Fraction(1))
        idle = schedule.cycles[:, pe].sum() == schedule.cycles[:, pe, Cause.UNMAPPED].sum()
        _charge(books[pe], tail, Fraction(int(idle)))
    return books


def _charge(books: np.ndarray, waits: list[int], unmapped: Fraction) -> None:
    for cause, cycles in enumerate(waits):
        share = int(cycles * unmapped)
        books[cause] += cycles - share
        books[Cause.UNMAPPED] += share
