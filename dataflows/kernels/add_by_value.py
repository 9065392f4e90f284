"""Inputs that meet one weight value are added first and multiplied once: what two machines do, each its own way."""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel


@kernel
def add_by_value(
    values: np.ndarray,
    windows: np.ndarray,
    codes: np.ndarray,
    ends: np.ndarray,
    offsets: np.ndarray,
    adders: int,
    outputs: np.ndarray,
) -> None:
    """Fill outputs (N, positions) of one filter.

    values   int64 (N, size) padded map of the filter's group
    windows  int64 (positions,) first value of each window
    codes    int64 (V,) distinct weights; ends (V,) of their offsets
    offsets  int64 (non-zeros,) how far each reads from a window's first value
    adders   positions of a block
    """
    # Weights [3, 5, 3] over the inputs a, b and c: codes 3 and 5, ends 2 and 3, offsets those of a, c and b, so that
    # the output is 3·(a + c) + 5·b with two products in place of three.
    sums = np.zeros(adders, np.int64)
    for image in range(outputs.shape[0]):
        for first in range(0, windows.size, adders):
            size = min(adders, windows.size - first)
            start = 0
            for v in range(codes.size):
                sums[:] = 0
                for z in range(start, ends[v]):
                    for i in range(size):
                        sums[i] += values[image, windows[first + i] + offsets[z]]
                # One multiplication a value and position, after all its additions: that is what the machines save.
                start = ends[v]
                for i in range(size):
                    outputs[image, first + i] += codes[v] * sums[i]
