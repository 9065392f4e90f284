"""Products of kernel groups, in the order of the machine: tile by tile, step by step, chunk by chunk."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.tiling.windows import PaddedMap


class BoxMembers(NamedTuple):
    """Output positions box after box, and (boxes,) where each box ends among them."""

    members: np.ndarray
    ends: np.ndarray


class KeptParts(NamedTuple):
    """Of one convolution group's `KernelGroups`, bool (row groups, column groups, GM or taps): what is computed."""

    rows: np.ndarray
    positions: np.ndarray


@kernel
def group_products(
    inputs: PaddedMap,
    boxes: BoxMembers,
    weights: np.ndarray,
    kept: KeptParts,
    tile_filters: int,
    group_channels: int,
    outputs: np.ndarray,
) -> None:
    """Fill outputs (N, K/G, positions) of one convolution group from weights (K/G, C/G, taps) and the groups' lists."""
    values, columns, windows = inputs
    members, box_ends = boxes
    rows, positions = kept
    filters, channels, taps = weights.shape
    group_filters = rows.shape[2]
    for image in range(outputs.shape[0]):
        for first in range(0, filters, tile_filters):
            for box in range(box_ends.size):
                # Members lie box after box, so that a box begins where the one before it ends.
                begin = box_ends[box - 1] if box else 0
                for column_group in range(positions.shape[1]):
                    # Position by position: chunks take the same positions in the same order, and
                    # only wait at other places.
                    start = column_group * group_channels
                    for tap in range(taps):
                        for k in range(first, min(first + tile_filters, filters)):
                            row_group = k // group_filters
                            # Filter 11 in groups of 8 rows is row 3 of row group 1.
                            row_kept = rows[row_group, column_group, k % group_filters]
                            if not row_kept or not positions[row_group, column_group, tap]:
                                continue
                            for c in range(start, min(start + group_channels, channels)):
                                weight = weights[k, c, tap]
                                for member in members[begin : box_ends[box]]:
                                    value = values[image, windows[member] + columns[c * taps + tap]]
                                    outputs[image, k, member] += weight * value
