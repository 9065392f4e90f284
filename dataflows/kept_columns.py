"""Columns of the weight matrix that at least one filter of a group needs."""

from __future__ import annotations

import numpy as np

from dataflows.kernel import run_slices, thread_count

_BAND_BYTES = 16_384  # columns of a step, so that what has been gathered stays in the first-level cache


def kept_columns(weight_mask: np.ndarray, groups: int) -> np.ndarray:
    """Bool (groups, C/G·[T·]R·S): the union over a group's filters of a mask (K, C/G, [T,] R, S)."""
    filters, columns = weight_mask.shape[0] // groups, int(np.prod(weight_mask.shape[1:]))
    matrix = weight_mask.reshape(groups, filters, columns)
    kept = np.zeros((groups, columns), np.bool_)
    width = min(_BAND_BYTES, -(-columns // thread_count()))
    bands = [(group, start) for group in range(groups) for start in range(0, columns, width)]

    def gather(index: int) -> None:
        group, start = bands[index]
        np.any(matrix[group, :, start : start + width], axis=0, out=kept[group, start : start + width])

    run_slices(gather, range(len(bands)))
    return kept
