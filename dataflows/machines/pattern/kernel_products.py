"""Products of the kernels that the arrays of the pattern machine hold."""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.tiling.windows import PaddedMap


@kernel
def multiply_kernels(
    inputs: PaddedMap,
    weights: np.ndarray,
    order: tuple[np.ndarray, np.ndarray],
    group_filters: int,
    pixels: tuple[int, int, int],
    outputs: np.ndarray,
) -> None:
    """Add the products of kernels, one after the other, each over all blocks of a strip, weight by weight.

    weights  int64 (K, C/G, X);  order  filter and channel in its group of each kernel
    pixels   first and end of the strip's positions, and the size of a block;  outputs  int64 (N, K, positions)
    """
    values, columns, windows = inputs
    for n in range(order[0].size):
        k, c = order[0][n], order[1][n]
        # A kernel meets all blocks of the strip before the next one takes its row: it is the operand that stays.
        for image in range(outputs.shape[0]):
            own = values[image, k // group_filters]
            # Blocks are counted from the strip's own first position, as in the schedule; the last may be ragged.
            for first in range(pixels[0], pixels[1], pixels[2]):
                for x in range(weights.shape[2]):
                    # A position that is read for another row of the array need not have a weight in this one.
                    if weights[k, c, x]:
                        offset = columns[c * weights.shape[2] + x]
                        for i in range(first, min(first + pixels[2], pixels[1])):
                            outputs[image, k, i] += weights[k, c, x] * own[windows[i] + offset]
