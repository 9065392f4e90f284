"""Which stationary values each Flex-DPE of every fold holds.

A group's stationary operand A (rows, J) and its streamed one B (vectors, J) are non-zeros by column J. Of A stays what
meets a non-zero of B in its column (the row-wise OR of B's bitmap, and A's). These values go row by row into loads, one
of a Flex-DPE each; the last load of a group may be smaller, and no load has values of two groups. Loads go to the
Flex-DPEs of a fold in order.

Example: Flex-DPEs of two multipliers, A = [1 1 0; 1 1 1] and B = [1 0 0; 0 1 0]: column 2 meets nothing, so that the
loads are (row 0: columns 0, 1) and (row 1: columns 0, 1). Each makes a product with either vector: busy for 2 cycles,
with 2 products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workloads.whole_numbers import boundaries, ceil_div


@dataclass(frozen=True, eq=False)
class Operands:
    """Who stays and who streams, by group.

    stay_rows   uint64 (G, rows of A, words of J)
    columns     uint64 (G, J, words of vectors): B by column
    vectors     vectors that are streamed, zeros or not
    """

    stay_rows: np.ndarray
    columns: np.ndarray
    vectors: int


@dataclass(frozen=True, eq=False)
class Loads:
    """Where the loads of a layer lie: `mapped` int64 (G,) are the values of each group that stay.

    Example: groups of 3, 0 and 4 values on two Flex-DPEs of two multipliers: loads of 2 and 1, 2 and 2 values, in two
    folds; groups [0, 0, 2, 2].
    """

    mapped: np.ndarray
    pes: int
    size: int
    alone: bool

    @property
    def by_group(self) -> np.ndarray:
        """Int64 (G + 1,): the loads of each group begin, and end, there."""
        return boundaries(ceil_div(self.mapped, self.size))

    @property
    def fold_of(self) -> np.ndarray:
        """Int64 (loads,): the fold of each."""
        number = np.arange(self.by_group[-1])
        if not self.alone:
            return number // self.pes
        loads = np.diff(self.by_group)
        folds = boundaries(ceil_div(loads, self.pes))
        group = self.group_of
        return folds[group] + (number - self.by_group[group]) // self.pes

    @property
    def group_of(self) -> np.ndarray:
        """Int64 (loads,): the group of each."""
        return np.repeat(np.arange(len(self.mapped)), np.diff(self.by_group))

    @property
    def values(self) -> np.ndarray:
        """Int64 (loads,): the values of each."""
        group = self.group_of
        done = (np.arange(len(group)) - self.by_group[group]) * self.size
        return np.minimum(self.size, self.mapped[group] - done)

    @property
    def first_of_fold(self) -> np.ndarray:
        """Int64 (folds,): the first load of each."""
        return np.flatnonzero(np.diff(self.fold_of, prepend=-1))
