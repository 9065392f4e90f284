"""Products of kernel groups, in the order of the machine: tile by tile, step by step, chunk by chunk."""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel


@kernel
def group_products(
    values: np.ndarray,
    columns: np.ndarray,
    windows: np.ndarray,
    members: np.ndarray,
    box_ends: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    positions: np.ndarray,
    tile_filters: int,
    group_channels: int,
    outputs: np.ndarray,
) -> None:
    """Fill outputs (N, K/G, positions) of one convolution group from weights (K/G, C/G, taps) and the groups' lists."""
    channels, taps = columns.shape
    group_filters = rows.shape[2]
    for image in range(outputs.shape[0]):
        for first in range(0, weights.shape[0], tile_filters):
            for box in range(box_ends.size):
                # Members lie box after box, so that a box begins where the one before it ends.
                begin = box_ends[box - 1] if box else 0
                for column_group in range(positions.shape[1]):
                    start = column_group * group_channels
                    for tap in range(taps):
                        for k in range(first, min(first + tile_filters, weights.shape[0])):
                            row_group = k // group_filters
                            kept = positions[row_group, column_group, tap]
                            if not kept or not rows[row_group, column_group, k % group_filters]:
                                continue
                            for c in range(start, min(start + group_channels, channels)):
                                weight = weights[k, c, tap]
                                for member in members[begin : box_ends[box]]:
                                    value = values[image, windows[member] + columns[c, tap]]
                                    outputs[image, k, member] += weight * value
