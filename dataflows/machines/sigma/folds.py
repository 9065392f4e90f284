"""What the Flex-DPEs do in every fold: which stationary values each holds, and in how many cycles it multiplies.

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

from dataflows.kernels.compiled import kernel
from dataflows.kernels.words import set_bits, trailing_zeros
from dataflows.machines.sigma.operand_bits import counts, packed
from dataflows.machines.sigma.spec import SigmaSpec
from dataflows.schedule import Cause, no_cycles
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


def mapped_values(stay_counts: np.ndarray, stream_counts: np.ndarray) -> np.ndarray:
    """Int64 (G,): the values that stay, from the non-zeros of both operands by column, (G, J) each."""
    return np.where(stream_counts > 0, stay_counts, 0).sum(axis=1)


def loads_of(spec: SigmaSpec, mapped: np.ndarray) -> Loads:
    """The loads of so many values by group."""
    return Loads(mapped, spec.pes, spec.multipliers_per_pe, spec.groups == "alone")


def total_cycles(spec: SigmaSpec, loads: Loads, vectors: int) -> int:
    """Cycles of all folds, streaming with a cycle a vector."""
    of_folds = load_cycles(spec, loads) + sum(spec.pipeline_cycles) + vectors
    return int(of_folds.sum())


def load_cycles(spec: SigmaSpec, loads: Loads) -> np.ndarray:
    """Int64 (folds,): cycles until the stationary values of each fold are in place."""
    first, size, words = loads.first_of_fold, spec.multipliers_per_pe, spec.load_words_per_cycle
    if not len(first):
        return np.zeros(0, np.int64)
    if words < size:
        return np.add.reduceat(ceil_div(loads.values, words), first)
    # The bus fills whole Flex-DPEs: 300 words a cycle fill two of 128 multipliers, and 5 take 3 cycles.
    return ceil_div(np.diff(first, append=len(loads.group_of)), words // size)


def play(spec: SigmaSpec, operands: Operands, loads: Loads) -> tuple[np.ndarray, np.ndarray]:
    """Int64 (folds, PEs, CAUSES) and (folds, PEs): cycles by cause, and products."""
    first, fold_of = loads.first_of_fold, loads.fold_of
    cycles, issued = no_cycles(len(first), spec.pes), np.zeros((len(first), spec.pes), np.int64)
    if not len(first):
        return cycles, issued
    busy, products, together = _products(operands, loads)
    place = np.arange(len(fold_of)) - first[fold_of]
    issued[fold_of, place] = products
    waits = stream_waits(spec, operands, loads)
    fill, drain = spec.pipeline_cycles
    of_loads = np.zeros((len(fold_of), cycles.shape[-1]), np.int64)
    of_loads[:, Cause.PORT] = (load_cycles(spec, loads) + waits)[fold_of]
    of_loads[:, Cause.FILL], of_loads[:, Cause.DRAIN] = fill, drain
    of_loads[:, Cause.BUSY] = busy
    of_loads[:, Cause.IMBALANCE] = together[fold_of] - busy
    of_loads[:, Cause.INDEX] = operands.vectors - together[fold_of]
    # All of a fold move in step; Flex-DPEs beyond its loads have no part in it.
    cycles[..., Cause.UNMAPPED] = of_loads[first].sum(axis=1)[:, None]
    cycles[fold_of, place] = of_loads
    return cycles, issued


def _products(operands: Operands, loads: Loads) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Int64 (loads,): vectors with which each makes a product, and products; (folds,): vectors with which any does."""
    fold_of, stream_counts = loads.fold_of, counts(operands.columns)
    # By bits of the counts, lowest first: counts 1 and 3 of two columns are the words 0b11 and 0b10.
    planes = np.stack(
        [packed(stream_counts >> bit & 1) for bit in range(int(stream_counts.max()).bit_length())], axis=1
    )
    busy, products = np.zeros(len(fold_of), np.int64), np.zeros(len(fold_of), np.int64)
    together = np.zeros(len(loads.first_of_fold), np.int64)
    _walk(
        operands.stay_rows,
        packed(stream_counts > 0),
        operands.columns,
        planes,
        loads.size,
        fold_of,
        busy,
        products,
        together,
    )
    return busy, products, together


def stream_waits(spec: SigmaSpec, operands: Operands, loads: Loads) -> np.ndarray:
    """Int64 (folds,): cycles beyond one a vector, in which its values still come out of the SRAM."""
    waits, words = np.zeros(len(loads.first_of_fold), np.int64), spec.stream_words_per_cycle
    groups, depth, _ = operands.columns.shape
    # A fold wants at most a value for each multiplier, and each column of a vector once.
    if words < min(spec.multipliers, groups * depth):
        wanted = packed(counts(operands.columns) > 0)
        _count_waits(
            operands.stay_rows, wanted, operands.columns, loads.size, loads.fold_of, words, operands.vectors, waits
        )
    return waits


@kernel
def _walk(
    rows: np.ndarray,
    wanted: np.ndarray,
    columns: np.ndarray,
    planes: np.ndarray,
    size: int,
    fold_of: np.ndarray,
    busy: np.ndarray,
    products: np.ndarray,
    together: np.ndarray,
) -> None:
    """Fill busy and products (loads,), together (folds,); planes (G, bits, words of J) count columns' non-zeros."""
    words = columns.shape[2]
    union, of_fold, most = np.zeros(words, np.uint64), np.zeros(words, np.uint64), np.zeros(words, np.uint64)
    load = held = 0
    full = False
    for group in range(rows.shape[0]):
        _join_all(columns[group], most)
        for row in range(rows.shape[1]):
            for word in range(rows.shape[2]):
                bits = rows[group, row, word] & wanted[group, word]
                while bits:
                    taken = _lowest(bits, size - held)
                    bits ^= taken
                    held += set_bits(taken)
                    for bit in range(planes.shape[1]):
                        products[load] += set_bits(taken & planes[group, bit, word]) << bit
                    if not full:
                        # A load that has all vectors which any of its group can have needs no look at other values.
                        full = _join(taken, columns[group, 64 * word :], most, union)
                    if held == size:
                        _end_load(union, of_fold, load, fold_of, busy, together)
                        load, held, full = load + 1, 0, False
        if held:
            _end_load(union, of_fold, load, fold_of, busy, together)
            load, held, full = load + 1, 0, False


@kernel
def _lowest(bits: np.uint64, number: int) -> np.uint64:
    """So many set bits, from the lowest on, or all where there are no more."""
    if set_bits(bits) <= number:
        return bits
    rest = bits
    for _ in range(number):
        rest &= rest - np.uint64(1)
    return bits ^ rest


@kernel
def _join_all(columns: np.ndarray, most: np.ndarray) -> None:
    most[:] = 0
    for j in range(columns.shape[0]):
        for k in range(most.size):
            most[k] |= columns[j, k]


@kernel
def _join(taken: np.uint64, columns: np.ndarray, most: np.ndarray, union: np.ndarray) -> bool:
    """Add the vectors of the columns `taken` to a union; whether it has all there are."""
    while taken:
        j = trailing_zeros(taken)
        taken &= taken - np.uint64(1)
        for k in range(union.size):
            union[k] |= columns[j, k]
    missing = np.uint64(0)
    for k in range(union.size):
        missing |= union[k] ^ most[k]
    return missing == 0


@kernel
def _end_load(
    union: np.ndarray, of_fold: np.ndarray, load: int, fold_of: np.ndarray, busy: np.ndarray, together: np.ndarray
) -> None:
    """Count a load's vectors, and after a fold's last load those of the fold; both start anew."""
    for k in range(union.size):
        busy[load] += set_bits(union[k])
        of_fold[k] |= union[k]
        union[k] = 0
    if load + 1 == fold_of.size or fold_of[load + 1] != fold_of[load]:
        for k in range(of_fold.size):
            together[fold_of[load]] += set_bits(of_fold[k])
            of_fold[k] = 0


@kernel
def _count_waits(
    rows: np.ndarray,
    wanted: np.ndarray,
    columns: np.ndarray,
    size: int,
    fold_of: np.ndarray,
    words: int,
    vectors: int,
    waits: np.ndarray,
) -> None:
    """Fill waits (folds,): vectors' cycles beyond one each, `words` values a cycle; each column comes once a fold."""
    needed, here = np.zeros(vectors, np.int64), np.full(columns.shape[1], -1)
    load = held = 0
    for group in range(rows.shape[0]):
        here[:] = -1
        for row in range(rows.shape[1]):
            for word in range(rows.shape[2]):
                bits = rows[group, row, word] & wanted[group, word]
                while bits:
                    j = 64 * word + trailing_zeros(bits)
                    bits &= bits - np.uint64(1)
                    if here[j] != fold_of[load]:
                        here[j] = fold_of[load]
                        _add_column(columns[group, j], needed)
                    held += 1
                    if held == size:
                        _end_fold(load, fold_of, words, needed, waits)
                        load, held = load + 1, 0
        if held:
            _end_fold(load, fold_of, words, needed, waits)
            load, held = load + 1, 0


@kernel
def _add_column(column: np.ndarray, needed: np.ndarray) -> None:
    for word in range(column.size):
        bits = column[word]
        while bits:
            needed[64 * word + trailing_zeros(bits)] += 1
            bits &= bits - np.uint64(1)


@kernel
def _end_fold(load: int, fold_of: np.ndarray, words: int, needed: np.ndarray, waits: np.ndarray) -> None:
    """After a fold's last load, count what its vectors take; they start anew."""
    if load + 1 < fold_of.size and fold_of[load + 1] == fold_of[load]:
        return
    for vector in range(needed.size):
        # 300 values at 128 a cycle take 3 cycles, 2 of which nothing is multiplied in; none at all take one.
        waits[fold_of[load]] += max(0, (needed[vector] + words - 1) // words - 1)
        needed[vector] = 0
