"""Folds of a systolic array: how long each takes, what the next one waits for, and when the last wave has left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True, eq=False)
class Folds:
    """The folds of one block of positions and filters; whole numbers or int64 arrays that broadcast over the blocks.

    All folds but the last use every row.

    count      folds
    passing    values that pass through a fold (n)
    columns    columns used (c)
    rows       rows used, summed over the folds
    last_rows  rows of the last fold
    own_rows   rows in which a column has weights of its own, summed over the folds: fewer where groups lie together
    """

    count: int
    passing: np.ndarray
    columns: np.ndarray
    rows: np.ndarray
    last_rows: np.ndarray
    own_rows: np.ndarray

    def last_own_rows(self) -> np.ndarray:
        """Rows in which a column has weights of its own, in the last fold."""
        # Groups lie together only where they fit one fold, in which nothing is taken off; lone groups own every row.
        return self.own_rows - (self.rows - self.last_rows)

    def skew(self, rows: np.ndarray | int) -> np.ndarray:
        """Cycles from the last value's entry to the last product of a fold of so many rows (r + c - 2)."""
        return rows + self.columns - 2


@dataclass(frozen=True, eq=False)
class Wait:
    """Cycles in which a fold's values do not enter yet; arrays by block of filters.

    folds    the folds that wait, `times` times, `cycles` each time
    rows     rows in which columns 0 to `columns` of the fold before have weights of their own, if it is of the same
             tile; those that started late are still busy then, one row a cycle
    """

    folds: Folds
    times: np.ndarray
    cycles: np.ndarray
    rows: np.ndarray
    columns: np.ndarray


@dataclass(frozen=True, eq=False)
class _Edge:
    """The fold before another: its span, in which operands arrive, and its rows."""

    span: np.ndarray | int
    rows: np.ndarray


@dataclass(frozen=True, eq=False)
class FoldSequence:
    """The blocks of a layer in the order in which they run: by each block of filters `times` whole ones, then a last.

    rows          rows of the array
    stationary    whether operands stay in the array and have to be shifted in, a row a cycle (else sums stay)
    hidden        operands that stay arrive during the fold before, where nothing of the array waits for them
    overlap       a fold's first value follows the last value of the fold before; else it waits until its wave has left

    Next to each other, folds of n values take n cycles; the skew of rows and columns shows once, at the end. A fold
    waits for the rest of its operands, which begin to come with the fold before; where sums stay, it lasts at least as
    long as those of the fold before leave, a row a cycle.

    Example: three inputs x two filters at four positions on 2 x 2 cells, weights staying: two folds, of two rows and of
    one. The two rows of the first weights are waited for (2 cycles); each fold then takes 4 values, and the last wave
    leaves one column later: 2 + 4 + 4 + 1 = 11 cycles. Where a fold waits until the wave before has left, the first
    takes r + c - 2 = 2 more: 13 cycles.
    """

    rows: int
    stationary: bool
    hidden: bool
    overlap: Literal["none", "back_to_back"]
    times: np.ndarray
    whole: Folds
    last: Folds
    shape: tuple[int, ...]

    @property
    def back_to_back(self) -> bool:
        """Whether folds overlap: operands that stay must then arrive beside the fold before."""
        return self.overlap == "back_to_back" and (self.hidden or not self.stationary)

    def _before(self, of_last: np.ndarray | int) -> np.ndarray:
        """What the last fold before each block of filters has; 0 for the first."""
        # Blocks of filters run in row-major order: the first of a tile comes after the last of the tile before.
        flat = np.broadcast_to(of_last, self.shape).reshape(-1)
        return np.concatenate(([0], flat[:-1])).reshape(self.shape)

    def _span(self, folds: Folds, rows: np.ndarray | int) -> np.ndarray | int:
        """Cycles of a fold of so many rows in which the next one's operands are shifted in."""
        if not self.hidden:
            return 0
        return folds.passing if self.back_to_back else folds.passing + folds.skew(rows)

    def waits(self) -> list[Wait]:
        """Every wait of every block: of first folds for what comes before, and of a block's folds for one another."""
        repeated = self.times > 0
        before = _Edge(self._before(self._span(self.last, self.last.last_rows)), self._before(self.last.last_rows))
        whole = _Edge(self._span(self.whole, self.whole.last_rows), self.whole.last_rows)
        own_rows = self._before(self.last.last_own_rows())
        own_rows[..., 0] = 0  # a tile before: its rows are not this tile's to count
        # Columns of the fold before are busy only as far as it had any: a last block of 20
        # filters leaves the others empty.
        after_before = own_rows, self._before(self.last.columns)
        after_whole = self.whole.last_own_rows(), self.whole.columns
        return [
            # The first whole block comes after the last of the filters before, each other one after its like.
            Wait(self.whole, repeated, self._wait(self.whole, before), *after_before),
            Wait(self.whole, np.maximum(self.times - 1, 0), self._wait(self.whole, whole), *after_whole),
            # Folds of one block among themselves.
            Wait(self.whole, self.times, self._inner_waits(self.whole), self.whole.rows, self.whole.columns),
            # The last block comes after a whole one, or, where it is alone, after the filters before.
            Wait(self.last, repeated, self._wait(self.last, whole), *after_whole),
            Wait(self.last, ~repeated, self._wait(self.last, before), *after_before),
            Wait(self.last, np.ones_like(repeated), self._inner_waits(self.last), self.last.rows, self.last.columns),
        ]

    def _wait(self, folds: Folds, before: _Edge) -> np.ndarray:
        """Cycles that the first fold of a block waits for its operands, or until the sums before have left."""
        if self.stationary:
            # Rows of the first fold, a cycle each, less those that came in beside the fold before.
            # 128 rows behind a fold of 100 values wait 28 cycles for the rest; without a fold before them all 128.
            return np.maximum(np.minimum(self.rows, folds.rows) - before.span, 0)
        # Sums leave a row a cycle beside this fold, whose own may not be done before they are out.
        return np.maximum(before.rows - folds.passing, 0) if self.back_to_back else np.zeros_like(folds.passing)

    def _inner_waits(self, folds: Folds) -> np.ndarray:
        """Waits of a block's folds but its first, all together. A fold of all rows comes before each of them."""
        if folds.count == 1 or not self.stationary:
            return np.zeros_like(folds.passing)
        # Of count - 1 waits all but one are for a fold of all rows; the last fold may have fewer.
        # Three folds of 4, 4 and 3 rows through which two values pass, weights hidden: the second has 4 rows to shift
        # in and 2 cycles to do so beside the first, and waits 2, the third waits 1, together 3.
        span = self._span(folds, self.rows)
        return (folds.count - 2) * np.maximum(self.rows - span, 0) + np.maximum(folds.last_rows - span, 0)

    def tail(self) -> int:
        """Cycles from the layer's last value to its last product, when folds follow back to back.

        A fold of more rows or columns may end after the last one.
        """
        waits = [(wait.folds is self.last, wait.times * wait.cycles) for wait in self.waits()]
        of_last = self.last.count * self.last.passing + sum(cycles for last, cycles in waits if last)
        of_whole = self.times * self.whole.count * self.whole.passing + sum(
            cycles for last, cycles in waits if not last
        )
        taken = (of_last + of_whole).reshape(-1)
        # Sums from the end, each without its own: blocks of 3, 4 and 5 cycles have 9, 5 and 0 behind them.
        later = (taken[::-1].cumsum()[::-1] - taken).reshape(self.shape)
        ends = self._ends(self.last, later)
        # A block of filters without a whole block of positions has no such end.
        ends += [np.where(self.times > 0, end, 0) for end in self._ends(self.whole, later + of_last)]
        return int(max(end.max() for end in ends))

    def _ends(self, folds: Folds, later: np.ndarray) -> list[np.ndarray]:
        """How long after the layer's last value the waves of a block's last fold, and of the one before, have left."""
        ends = [folds.skew(folds.last_rows) - later]
        # The fold before the last uses every row, so that its wave can be the later one of the two.
        if folds.count > 1:
            wait = np.maximum(folds.last_rows - folds.passing, 0) if self.stationary else 0
            # Folds of 4 rows and 1 row on one column, two values each: the first ends 3 cycles after its last value,
            # the second right with its own, two values later, so that the first is the later one by a cycle.
            ends.append(folds.skew(self.rows) - later - wait - folds.passing)
        return ends
