"""Blocks of output positions whose input neurons fit an on-chip buffer, and what loading them takes.

Where the inputs of a single position exceed the buffer, its list of inputs (see `index_windows`) is cut into chunks of
whole windows and partial sums wait in the output buffer until the last chunk. A block's whole patch is loaded: columns
and rows that it shares with the next block are loaded again.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from workloads.layer import Layer


@dataclass(frozen=True, slots=True)
class Axis:
    """One spatial axis of a layer."""

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    outputs: int

    @classmethod
    def both(cls, layer: Layer) -> tuple[Axis, Axis]:
        """Rows and columns."""
        rows, columns = (
            cls(
                layer.input_size[i], layer.kernel_size[i], layer.stride[i], layer.dilation[i],
                layer.padding[i][0], layer.output_size[i],
            )
            for i in (0, 1)
        )  # fmt: skip
        return rows, columns

    def read(self, first: int, end: int, taps: tuple[int, int]) -> np.ndarray:
        """Input positions, padding included, that outputs first..end read through kernel positions taps[0]..taps[1]."""
        outputs = np.arange(first, end)[:, None] * self.stride - self.before
        return np.unique(outputs + np.arange(*taps) * self.dilation)

    def read_inside(self, first: int, end: int, taps: tuple[int, int]) -> int:
        """How many of them lie inside the map."""
        positions = self.read(first, end, taps)
        return int(((positions >= 0) & (positions < self.size)).sum())


@dataclass(frozen=True, slots=True)
class Segment:
    """What a chunk reads of one kernel row: kernel columns first..end, `channels` of each, `neurons` a position."""

    row: int
    columns: tuple[int, int]
    channels: int
    neurons: int


def chunk_segments(layer: Layer, window: int, chunk_windows: int) -> tuple[tuple[Segment, ...], ...]:
    """The kernel rows of every chunk of the list."""
    channels, (rows, columns) = layer.group_in_channels, layer.kernel_size
    row_length, chunk = columns * channels, window * chunk_windows
    chunks = []
    for low in range(0, rows * row_length, chunk):
        high = min(low + chunk, rows * row_length)
        segments = []
        for row in range(low // row_length, (high - 1) // row_length + 1):
            first, last = max(low, row * row_length) - row * row_length, min(high, (row + 1) * row_length) - 1
            last -= row * row_length
            taps = (first // channels, last // channels + 1)
            neurons = last - first + 1
            segments.append(Segment(row, taps, channels if taps[1] - taps[0] > 1 else neurons, neurons))
        chunks.append(tuple(segments))
    return tuple(chunks)


@dataclass(frozen=True)
class NeuronBlocks:
    """How a layer's output positions are cut.

    chunks         what each chunk of the list reads
    groups         convolution groups whose channels lie in the buffer together
    block          output rows and columns of a block
    strip          output rows and columns whose partial sums wait together: a whole number of blocks, and all
                   positions where the list is one chunk
    """

    layer: Layer
    chunks: tuple[tuple[Segment, ...], ...]
    groups: int
    block: tuple[int, int]
    strip: tuple[int, int]

    @classmethod
    def of(
        cls, layer: Layer, window: int, chunk_windows: int, groups: int, held_neurons: int, held_sums: int
    ) -> Self | None:
        """The largest blocks, along a row first; None when a position's chunk exceeds the buffer.

        held_neurons  neurons that the buffer holds;  held_sums  partial sums for each filter that wait
        """
        chunks = chunk_segments(layer, window, chunk_windows)
        rows, columns = Axis.both(layer)
        whole = len(chunks) == 1

        def needed(height: int, width: int) -> int:
            return max(_patch(rows, columns, segments, (height, width)) for segments in chunks) * groups

        wide = columns.outputs if whole else min(columns.outputs, held_sums)
        width = bisect_right(range(1, wide + 1), held_neurons, key=lambda w: needed(1, w))
        if not width:
            return None
        if not whole:
            across = columns.outputs if held_sums >= columns.outputs else held_sums // width * width
            down = max(1, held_sums // columns.outputs)
            return cls(layer, chunks, groups, (1, width), (min(down, rows.outputs), across))
        height = 1
        if width == columns.outputs:
            height = bisect_right(range(1, rows.outputs + 1), held_neurons, key=lambda h: needed(h, width))
        return cls(layer, chunks, groups, (height, width), (height, columns.outputs))

    @cached_property
    def row_blocks(self) -> list[tuple[int, int]]:
        """Output columns (first, end) of the blocks of a row."""
        outputs, (_, across), (_, width) = self.layer.output_size[1], self.strip, self.block
        blocks = []
        for left in range(0, outputs, across):
            right = min(left + across, outputs)
            blocks += [(first, min(first + width, right)) for first in range(left, right, width)]
        return blocks

    @property
    def bands(self) -> int:
        """Strips of the map from top to bottom."""
        return -(-self.layer.output_size[0] // self.strip[0])

    def strips(self) -> int:
        """Strips in a band."""
        return -(-self.layer.output_size[1] // self.strip[1])

    def band_rows(self) -> np.ndarray:
        """Int64 (bands,): output rows of each band."""
        return np.diff(np.minimum(np.arange(self.bands + 1) * self.strip[0], self.layer.output_size[0]))

    def band_blocks(self) -> np.ndarray:
        """Int64 (bands,): blocks of each band."""
        return -(-self.band_rows() // self.block[0]) * len(self.row_blocks)

    def loads(self, chunk: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Input rows that a chunk loads for all blocks of one image and one group.

        Returns int64 (loads,): the band, the input row, and the neurons of it, over all blocks of the row.
        """
        segments = self.chunks[chunk]
        axis, columns = Axis.both(self.layer)
        neurons = np.array([self._row_neurons(columns, segment) for segment in segments])
        row = np.arange(axis.outputs)[:, None] * axis.stride - axis.before
        row = row + np.array([segment.row for segment in segments]) * axis.dilation
        slab = np.broadcast_to(np.arange(axis.outputs)[:, None] // self.block[0], row.shape)
        inside = (row >= 0) & (row < axis.size)
        keys, chosen = np.unique((slab * axis.size + row)[inside], return_index=True)
        slab, row = np.divmod(keys, axis.size)
        return slab * self.block[0] // self.strip[0], row, np.broadcast_to(neurons, inside.shape)[inside][chosen]

    def _row_neurons(self, columns: Axis, segment: Segment) -> int:
        return sum(
            min(
                columns.read_inside(first, end, segment.columns) * segment.channels,
                (end - first) * segment.neurons,
            )
            for first, end in self.row_blocks
        )


def _patch(rows: Axis, columns: Axis, segments: tuple[Segment, ...], block: tuple[int, int]) -> int:
    """Neurons of one group that a block of a chunk needs, padding included. Blocks of several rows read whole lists."""
    height, width = block
    if height > 1:
        return (
            len(rows.read(0, height, (0, rows.kernel)))
            * len(columns.read(0, width, (0, columns.kernel)))
            * segments[0].channels
        )
    return sum(
        min(len(columns.read(0, width, segment.columns)) * segment.channels, width * segment.neurons)
        for segment in segments
    )
