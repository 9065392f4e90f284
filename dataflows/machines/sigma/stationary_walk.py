"""A walk through all stationary values: how many vectors each load makes products with, and what passes a fold."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.words import set_bits, trailing_zeros
from dataflows.machines.sigma.operand_bits import counts, packed
from dataflows.machines.sigma.stationary_loads import Loads, Operands

_WORDS, _LOADS, _LAST_ROW = range(3)
_ALL_WORDS, _DELIVERIES, _SEGMENTS, _ROWS, _PASSES = range(5)
_FIGURES = 5


class Passes(NamedTuple):
    """What a layer's vectors do that pass a fold, each group's vectors by themselves; whole numbers of the layer.

    mapped      values that stay
    words       values that leave the SRAM: of the vectors those that a Flex-DPE of the fold has a use for, once each
    deliveries  the same, times the Flex-DPEs of their group in the fold
    segments    parts of rows that lie in one fold: each has a sum for every vector
    rows        rows of which any value stays
    passes      folds, those with several groups as often
    """

    mapped: int
    words: int
    deliveries: int
    segments: int
    rows: int
    passes: int


def walk_loads(operands: Operands, loads: Loads) -> tuple[np.ndarray, np.ndarray, np.ndarray, Passes]:
    """Int64 (loads,): vectors with which each makes a product, and products; (folds,): vectors with which any does.

    And what passes.
    """
    fold_of, stream_counts = loads.fold_of, counts(operands.columns)
    # By bits of the counts, lowest first: counts 1 and 3 of two columns are the words 0b11 and 0b10.
    planes = np.stack(
        [packed(stream_counts >> bit & 1) for bit in range(int(stream_counts.max()).bit_length())], axis=1
    )
    busy, products = np.zeros(len(fold_of), np.int64), np.zeros(len(fold_of), np.int64)
    together = np.zeros(len(loads.first_of_fold), np.int64)
    figures = np.zeros(_FIGURES, np.int64)
    wanted = packed(stream_counts > 0)
    _walk(
        operands.stay_rows, wanted, operands.columns, planes, loads.size, fold_of, busy, products, together, figures
    )  # fmt: skip
    return busy, products, together, Passes(int(loads.mapped.sum()), *figures.tolist())


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
    figures: np.ndarray,
) -> None:
    """Fill busy and products (loads,), together (folds,); planes (G, bits, words of J) count columns' non-zeros.

    figures  those of `Passes`, but for the values that stay
    """
    union, of_fold, most = np.zeros((3, columns.shape[2]), np.uint64)
    seen = np.zeros(rows.shape[2], np.uint64)
    load = held = 0
    here = np.zeros(3, np.int64)  # of this pass: words, loads, the last row
    full = False
    for group in range(rows.shape[0]):
        _join_all(columns[group], most)
        here[:] = 0, 0, -1
        for row in range(rows.shape[1]):
            before = held + load * size
            for word in range(rows.shape[2]):
                bits = rows[group, row, word] & wanted[group, word]
                while bits:
                    taken = _lowest(bits, size - held)
                    bits ^= taken
                    held += set_bits(taken)
                    products[load] += _counted(taken, planes[group], word)
                    here[_WORDS] += _counted(taken & ~seen[word], planes[group], word)
                    seen[word] |= taken
                    figures[_SEGMENTS] += here[_LAST_ROW] != row
                    here[_LAST_ROW] = row
                    if not full:
                        # A load that has all vectors which any of its group can have needs no look at other values.
                        full = _join(taken, columns[group, 64 * word :], most, union)
                    if held == size:
                        _end_load(union, of_fold, load, fold_of, busy, together, seen, here, figures)
                        load, held, full = load + 1, 0, False
            figures[_ROWS] += held + load * size > before
        if held:
            _end_load(union, of_fold, load, fold_of, busy, together, seen, here, figures)
            load, held, full = load + 1, 0, False
        _end_pass(seen, here, figures)


@kernel
def _counted(taken: np.uint64, planes: np.ndarray, word: int) -> np.int64:
    """Non-zeros of the columns `taken` of a word."""
    found = np.int64(0)
    for bit in range(planes.shape[0]):
        found += set_bits(taken & planes[bit, word]) << bit
    return found


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
    union: np.ndarray,
    of_fold: np.ndarray,
    load: int,
    fold_of: np.ndarray,
    busy: np.ndarray,
    together: np.ndarray,
    seen: np.ndarray,
    here: np.ndarray,
    figures: np.ndarray,
) -> None:
    """Count a load's vectors, and after a fold's last load those of the fold; both start anew."""
    here[_LOADS] += 1
    for k in range(union.size):
        busy[load] += set_bits(union[k])
        of_fold[k] |= union[k]
        union[k] = 0
    if load + 1 == fold_of.size or fold_of[load + 1] != fold_of[load]:
        for k in range(of_fold.size):
            together[fold_of[load]] += set_bits(of_fold[k])
            of_fold[k] = 0
        _end_pass(seen, here, figures)


@kernel
def _end_pass(seen: np.ndarray, here: np.ndarray, figures: np.ndarray) -> None:
    """Count what a group's vectors did in a fold, if it has any load there."""
    if here[_LOADS]:
        figures[_ALL_WORDS] += here[_WORDS]
        figures[_DELIVERIES] += here[_WORDS] * here[_LOADS]
        figures[_PASSES] += 1
    here[:] = 0, 0, -1
    seen[:] = 0
