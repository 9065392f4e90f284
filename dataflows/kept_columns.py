"""Columns of the weight matrix that at least one filter of a group needs."""

from __future__ import annotations

import math

import numpy as np

from dataflows.kernel import kernel, run_slices, thread_count


def kept_columns(weight_mask: np.ndarray, groups: int) -> np.ndarray:
    """Bool (groups, C/G·[T·]R·S): the union over a group's filters of a mask (K, C/G, [T,] R, S)."""
    filters, columns = weight_mask.shape[0], math.prod(weight_mask.shape[1:])
    matrix = weight_mask.reshape(filters, columns).view(np.uint8)
    slices = np.linspace(0, filters, min(filters, thread_count()) + 1).astype(int).tolist()

    def gather(part: int) -> np.ndarray:
        kept = np.zeros((groups, columns), np.uint8)
        _gather(matrix, filters // groups, slices[part], slices[part + 1], kept)
        return kept

    return np.bitwise_or.reduce(run_slices(gather, range(len(slices) - 1))).view(np.bool_)


@kernel
def _gather(matrix: np.ndarray, group_filters: int, first: int, last: int, kept: np.ndarray) -> None:
    """Add the filters first..last of a mask, uint8 (K, columns), to kept, uint8 (groups, columns)."""
    for k in range(first, last):
        row, union = matrix[k], kept[k // group_filters]
        for j in range(row.size):
            union[j] |= row[j]
