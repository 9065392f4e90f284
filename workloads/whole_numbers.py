"""Arithmetic of whole numbers: how many parts, where parts begin that lie one after the other, equal shares."""

from __future__ import annotations

from typing import overload

import numpy as np
from numpy.typing import ArrayLike


@overload
def ceil_div(amount: int, part: int) -> int: ...


@overload
def ceil_div(amount: np.ndarray, part: int | np.ndarray) -> np.ndarray: ...


@overload
def ceil_div(amount: int, part: np.ndarray) -> np.ndarray: ...


def ceil_div(amount: int | np.ndarray, part: int | np.ndarray) -> int | np.ndarray:
    """How many parts of a size an amount takes, the last of which need not be full."""
    return -(-amount // part)  # floor division rounds down, so that a negative amount is rounded away from zero


def starts(sizes: np.ndarray) -> np.ndarray:
    """Where each part begins when parts of these sizes lie one after the other.

    Int64 of the shape of `sizes`, counted through its axes from the last to the first. Example: [3, 0, 2] begin at
    [0, 3, 3].
    """
    # A part begins where all parts before it end: the sum so far, without its own size.
    flat = sizes.reshape(-1)
    return (np.cumsum(flat) - flat).reshape(sizes.shape)


def boundaries(sizes: ArrayLike) -> np.ndarray:
    """Int64 (parts + 1,): where each part begins, as `starts`, and where the last one ends."""
    # [3 0 2] has the boundaries [0 3 3 5], so that part i lies from boundary i to boundary i + 1. Int64 whatever the
    # sizes' type, since sums outgrow it.
    return np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))


def even_slices(count: int, parts: int) -> list[tuple[int, int]]:
    """The numbers below `count` in at most so many slices (first, end) of equal length, but for one more or less.

    No slice is empty: fewer numbers than parts make slices of one.
    """
    # 10 numbers in 4 slices end at 2, 5, 7 and 10: no two lengths differ by more than one.
    parts = min(parts, count)
    return [(count * part // parts, count * (part + 1) // parts) for part in range(parts)]
