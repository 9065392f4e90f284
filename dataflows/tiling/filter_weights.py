"""How many weights each filter of a layer keeps."""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices, thread_count
from workloads.whole_numbers import even_slices


def kept_weights(weight_mask: np.ndarray) -> np.ndarray:
    """Int64 (K,): non-zeros of each filter of a mask, bool (K, ...)."""
    matrix = weight_mask.reshape(len(weight_mask), -1).view(np.uint8)
    kept = np.zeros(len(matrix), np.int64)
    run_slices(lambda part: _count(matrix, *part, kept), even_slices(len(matrix), thread_count()))
    return kept


@kernel
def _count(matrix: np.ndarray, first: int, end: int, kept: np.ndarray) -> None:
    for k in range(first, end):
        # 32 bits a sum, which twice as many lanes of a vector hold as 64; no filter has as many weights.
        total = np.uint32(0)
        for j in range(matrix.shape[1]):
            total = np.uint32(total + np.uint32(matrix[k, j]))
        kept[k] = total
