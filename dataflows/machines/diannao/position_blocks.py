"""Blocks of output positions small enough that their inputs and partial sums fit small buffers."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Self

import numpy as np

from dataflows.tiling.windows import read_range
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div


@dataclass(frozen=True, eq=False)
class PositionBlocks:
    """The output map of one image in rectangular blocks (of one depth slice), gathered into strips of whole bands.

    A band is the blocks of the same rows; strips take bands in order, all equally many but for the last.

    block_size       rows and columns of a block; those at the edge may be smaller
    strip_positions  int64 (strips,): output positions of each strip
    strip_blocks     int64 (strips,): blocks of each strip
    run_strip        int64 (runs,): the strip that reads a run of input positions; ascending
    run_start        int64 (runs,): first position of the run in the map ([d,] h, w) of one channel
    run_positions    int64 (runs,): positions in the run, which lie in one row
    """

    block_size: tuple[int, int]
    strip_positions: np.ndarray
    strip_blocks: np.ndarray
    run_strip: np.ndarray
    run_start: np.ndarray
    run_positions: np.ndarray

    @property
    def strips(self) -> int:
        """Number of strips."""
        return len(self.strip_positions)

    @classmethod
    def of(cls, layer: Layer, *, positions: int, inputs: int, strips: int) -> Self:
        """The blocks that read the fewest inputs, in at most `strips` strips.

        positions  outputs that a block may have, at least 1
        inputs     input positions of one depth slice that a block may read; where not even one output's window has so
                   few, blocks of a single output read theirs piece by piece
        """
        rows, columns = block_size(layer, positions, inputs)
        height, width = layer.output_size[-2:]
        depth = layer.output_size[0] if layer.axes == 3 else 1
        across = ceil_div(width, columns)
        bands = [(o, p, min(p + rows, height)) for o in range(depth) for p in range(0, height, rows)]
        # Rounded up, and the number of strips after it: 10 bands in at most 4 strips are 3, 3, 3 and 1.
        per_strip = ceil_div(len(bands), min(strips, len(bands)))
        count = ceil_div(len(bands), per_strip)
        strip_positions, strip_blocks = np.zeros(count, np.int64), np.zeros(count, np.int64)
        # What neighbouring blocks both read belongs to both: nothing stays in NBin from one block to the next. With a
        # 3x3 kernel and padding, rows of 8 outputs in blocks of 4 read the columns 0-4 and 3-7.
        column_runs = [
            read_range(layer, layer.axes - 1, q, min(q + columns, width) - 1) for q in range(0, width, columns)
        ]
        starts, sizes, owners = [], [], []
        for index, (o, first, stop) in enumerate(bands):
            strip = index // per_strip
            # A band has the blocks of its rows from left to right, so that it is as wide as the map.
            strip_positions[strip] += (stop - first) * width
            strip_blocks[strip] += across
            for row in _rows_read(layer, o, first, stop - 1):
                for left, right in column_runs:
                    starts.append(row * layer.input_size[-1] + left)
                    sizes.append(right - left)
                    owners.append(strip)
        runs = (np.asarray(column, np.int64) for column in (owners, starts, sizes))
        return cls((rows, columns), strip_positions, strip_blocks, *runs)


def block_size(layer: Layer, positions: int, inputs: int) -> tuple[int, int]:
    """Rows and columns of the block that reads the fewest inputs for each output; the larger and wider of equals."""
    stride, span, output = layer.stride[-2:], layer.kernel_span[-2:], layer.output_size[-2:]
    best, best_key = (1, 1), (float("inf"), 0, 0)
    # All sizes are tried: with room for 64 positions there are at most 280 of them.
    for rows in range(1, min(output[0], positions) + 1):
        for columns in range(1, min(output[1], positions // rows) + 1):
            # A 3x3 kernel and room for eight sums: 2 x 4 outputs read 4 x 6 inputs, 3 for each, 1 x 8 read 3 x 10, 3.75
            # for each. Squarer blocks share more of what their windows read.
            read = ((rows - 1) * stride[0] + span[0]) * ((columns - 1) * stride[1] + span[1])
            key = (read / (rows * columns), -rows * columns, -columns)
            if read <= inputs and key < best_key:
                best, best_key = (rows, columns), key
    return best


def _rows_read(layer: Layer, o: int, first: int, last: int) -> list[int]:
    """Input rows, counted through all depth slices, that output rows first..last of depth slice `o` may read."""
    rows = range(*read_range(layer, layer.axes - 2, first, last))
    if layer.axes == 2:
        return list(rows)
    # A dilated kernel steps over slices, and rows of those are not read.
    start = o * layer.stride[0] - layer.padding[0][0]
    slices = (start + t * layer.dilation[0] for t in range(layer.kernel_size[0]))
    inside = [d for d in slices if 0 <= d < layer.input_size[0]]
    # In a volume with five rows a slice, row 2 of slice 3 is row 17.
    return [d * layer.input_size[1] + row for d, row in itertools.product(inside, rows)]
