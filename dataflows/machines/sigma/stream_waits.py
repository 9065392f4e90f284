"""Vectors that wait for the SRAM: a fold's vector comes in as many cycles as its values take."""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.words import trailing_zeros
from dataflows.machines.sigma.operand_bits import counts, packed
from dataflows.machines.sigma.stationary_loads import Operands


def count_waits(operands: Operands, size: int, fold_of: np.ndarray, words: int, waits: np.ndarray) -> None:
    """Fill waits (folds,): vectors' cycles beyond one each, at `words` values a cycle, loads of `size` values."""
    wanted = packed(counts(operands.columns) > 0)
    _count_waits(operands.stay_rows, wanted, operands.columns, size, fold_of, words, operands.vectors, waits)


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
