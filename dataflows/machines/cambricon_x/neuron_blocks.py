"""Blocks of output positions whose input neurons fit an on-chip buffer, and what loading them takes.

Where the inputs of a single position exceed the buffer, its list of inputs (see `index_windows`) is cut into chunks of
whole windows and partial sums wait in the output buffer until the last chunk. A block's whole patch is loaded: columns
and rows that it shares with the next block are loaded again.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import NamedTuple, Self

import numpy as np

from workloads.layer import Layer
from workloads.whole_numbers import ceil_div


@lru_cache(maxsize=1 << 14)
def _distinct(outputs: int, taps: int, stride: int, dilation: int) -> int:
    # Three outputs of three taps with a stride of 2 read 0-2, 2-4 and 4-6, seven positions; two outputs of two taps
    # with a dilation of 3 read 0, 3 and 1, 4. A set is counted, since no one formula holds with and without gaps. The
    # search for a layer's blocks asks for the same few counts over and over.
    return len({output * stride + tap * dilation for output in range(outputs) for tap in range(taps)})


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

    def positions(self, first: int, end: int, taps: tuple[int, int]) -> np.ndarray:
        """Input positions of outputs first..end (rows) under kernel positions taps[0]..taps[1], padding included."""
        return np.arange(first, end)[:, None] * self.stride - self.before + np.arange(*taps) * self.dilation

    def span(self, outputs: int, taps: int) -> int:
        """Distinct input positions of adjacent outputs under adjacent kernel positions, padding included."""
        return _distinct(outputs, taps, self.stride, self.dilation)

    def inside(self, positions: np.ndarray) -> np.ndarray:
        """Which of them lie inside the map."""
        return (positions >= 0) & (positions < self.size)


@dataclass(frozen=True, slots=True)
class Segment:
    """What a chunk reads of one kernel row: kernel columns first..end, `channels` of each, `neurons` a position."""

    row: int
    columns: tuple[int, int]
    channels: int
    neurons: int


def chunk_segments(layer: Layer, edges: np.ndarray, chunk_windows: int) -> tuple[tuple[Segment, ...], ...]:
    """The kernel rows of every chunk of the list, whose windows begin at edges int64 (windows + 1,)."""
    channels = layer.group_in_channels
    row_length = layer.kernel_size[1] * channels
    # Windows that begin at 0, 12 and 24 of a list of 36, two of them a chunk: the chunks are 0 to 24 and 24 to 36. With
    # rows of 12 inputs the first has the kernel rows 0 and 1, the second row 2.
    bounds = [*edges[:-1:chunk_windows].tolist(), int(edges[-1])]
    chunks = []
    for low, high in itertools.pairwise(bounds):
        segments = []
        for row in range(low // row_length, (high - 1) // row_length + 1):
            first, last = max(low, row * row_length) - row * row_length, min(high, (row + 1) * row_length) - 1
            last -= row * row_length
            # With 4 channels the places 2 to 9 of a kernel row touch its columns 0, 1 and 2; a single column is read by
            # no more channels than the chunk has of it.
            taps = (first // channels, last // channels + 1)
            neurons = last - first + 1
            segments.append(Segment(row, taps, channels if taps[1] - taps[0] > 1 else neurons, neurons))
        chunks.append(tuple(segments))
    return tuple(chunks)


class RowLoads(NamedTuple):
    """Loads of input rows, int64 (loads,) each: the band, the row, and its neurons over all blocks of the band."""

    band: np.ndarray
    row: np.ndarray
    neurons: np.ndarray


@dataclass(frozen=True)
class NeuronBlocks:
    """How a layer's output positions are cut.

    chunks         what each chunk of the list reads
    groups         convolution groups whose channels lie in the buffer together
    block          output rows and columns of a block
    strip          output rows and columns whose partial sums wait together: a whole number of blocks, and all
                   positions where the list is one chunk

    Example: a 3x3 kernel with padding over 4 channels of 6 x 6, the list of 36 inputs in windows of 12. A buffer of 72
    neurons holds the patch of 1 x 4 outputs, 3 x 6 positions of 4 channels: blocks (1, 4), so that a row has two, the
    columns [0, 4) and [4, 6). One of 200 neurons holds 6 x 8 positions, four whole rows of outputs: blocks (4, 6). With
    chunks of one window, a kernel row each, 72 neurons are more than a row of outputs reads, 8 positions of 4 channels:
    blocks (1, 6).
    """

    layer: Layer
    chunks: tuple[tuple[Segment, ...], ...]
    groups: int
    block: tuple[int, int]
    strip: tuple[int, int]

    @classmethod
    def of(
        cls, layer: Layer, edges: np.ndarray, chunk_windows: int, groups: int, held_neurons: int, held_sums: int
    ) -> Self | None:
        """The largest blocks, along a row first; None when a position's chunk exceeds the buffer.

        edges         int64 (windows + 1,): where the list's windows begin
        held_neurons  neurons that the buffer holds;  held_sums  partial sums for each filter that wait
        """
        chunks = chunk_segments(layer, edges, chunk_windows)
        rows, columns = Axis.both(layer)
        whole = len(chunks) == 1

        def needed(height: int, width: int) -> int:
            # Chunk after chunk meets the same blocks of outputs, so that the one that reads most sets their size.
            return max(_patch(rows, columns, segments, (height, width)) for segments in chunks) * groups

        wide = columns.outputs if whole else min(columns.outputs, held_sums)
        # What a block needs grows with its width: the number of widths that fit is the widest that does.
        width = bisect_right(range(1, wide + 1), held_neurons, key=lambda w: needed(1, w))
        if not width:
            return None
        if not whole:
            # Sums of a whole strip wait from chunk to chunk, so that NBout, not the inputs, limits it.
            # Room for 20 sums a filter on rows of 30 outputs in blocks of 7: a strip is two blocks, 14 outputs, of one
            # row. Room for 70 sums holds two whole rows.
            across = columns.outputs if held_sums >= columns.outputs else held_sums // width * width
            down = max(1, held_sums // columns.outputs)
            return cls(layer, chunks, groups, (1, width), (min(down, rows.outputs), across))
        height = 1
        # A row's neurons are one run in DRAM: blocks grow along it first, and downwards only where whole rows fit.
        if width == columns.outputs:
            height = bisect_right(range(1, rows.outputs + 1), held_neurons, key=lambda h: needed(h, width))
        return cls(layer, chunks, groups, (height, width), (height, columns.outputs))

    @cached_property
    def row_blocks(self) -> list[tuple[int, int]]:
        """Output columns (first, end) of the blocks of a row."""
        outputs, (_, across), (_, width) = self.layer.output_size[1], self.strip, self.block
        blocks = []
        # 30 outputs in strips of 14 and blocks of 7 are cut at 7, 14, 21 and 28; the last strip is one short block.
        for left in range(0, outputs, across):
            right = min(left + across, outputs)
            blocks += [(first, min(first + width, right)) for first in range(left, right, width)]
        return blocks

    @property
    def bands(self) -> int:
        """Strips of the map from top to bottom."""
        return ceil_div(self.layer.output_size[0], self.strip[0])

    @property
    def strips(self) -> int:
        """Strips of a band from left to right."""
        return ceil_div(self.layer.output_size[1], self.strip[1])

    @property
    def neurons_read(self) -> int:
        """Input positions of one channel that any output reads."""
        read = (axis.positions(0, axis.outputs, (0, axis.kernel)) for axis in Axis.both(self.layer))
        return math.prod(
            len(np.unique(positions[axis.inside(positions)]))
            for axis, positions in zip(Axis.both(self.layer), read, strict=True)
        )

    def band_rows(self) -> np.ndarray:
        """Int64 (bands,): output rows of each band."""
        # Edges are cut off at the map's end: ten rows in strips of 4 end at 4, 8 and 10, bands of 4, 4 and 2.
        return np.diff(np.minimum(np.arange(self.bands + 1) * self.strip[0], self.layer.output_size[0]))

    def band_blocks(self) -> np.ndarray:
        """Int64 (bands,): blocks of each band."""
        return ceil_div(self.band_rows(), self.block[0]) * len(self.row_blocks)

    def strip_blocks(self) -> list[list[tuple[int, int, int, int]]]:
        """The blocks (first output row, end, first column, end) of every strip, in the order in which they are run."""
        (down, across), (height, _), (rows, _) = self.strip, self.block, self.layer.output_size
        return [
            [
                (top, min(top + height, rows), left, right)
                for top in range(band, min(band + down, rows), height)
                for left, right in self.row_blocks
                if left // across == strip
            ]
            for band in range(0, rows, down)
            for strip in range(self.strips)
        ]

    def loads(self, chunk: int) -> RowLoads:
        """Input rows that a chunk loads for all blocks of one image and one group."""
        segments = self.chunks[chunk]
        band, row, segment = self._rows_read(tuple(own.row for own in segments))
        neurons = np.array([self._row_neurons(own.columns, own.channels, own.neurons) for own in segments])
        return RowLoads(band, row, neurons[segment])

    @cached_property
    def _rows_read(self) -> Callable[[tuple[int, ...]], tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Int64 (loads,) each by the kernel rows of some segments: band, input row, and the segment of a load."""
        axis, _ = Axis.both(self.layer)

        # Chunks of few channels have the same kernel rows over and over.
        @cache
        def read(kernel_rows: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            row = np.arange(axis.outputs)[:, None] * axis.stride - axis.before
            row = row + np.array(kernel_rows) * axis.dilation
            slab = np.broadcast_to(np.arange(axis.outputs)[:, None] // self.block[0], row.shape)
            # Padding lies in NBin, but no load brings it.
            inside = axis.inside(row)
            # A slab is the blocks of the same output rows: it loads a row once, however many of its outputs read it.
            # With three kernel rows, padding of one and slabs of two output rows the first slab reads the input rows 0
            # to 2, the second 1 to 4: rows 1 and 2 are loaded for both.
            keys, chosen = np.unique((slab * axis.size + row)[inside], return_index=True)
            slab, row = np.divmod(keys, axis.size)
            # Slabs of two rows in strips of four: the slabs 0 and 1 are band 0, the slabs 2 and 3 band 1.
            band = slab * self.block[0] // self.strip[0]
            return band, row, np.nonzero(inside)[1][chosen]

        return read

    @cached_property
    def _row_neurons(self) -> Callable[[tuple[int, int], int, int], int]:
        """Neurons of one input row that the blocks of a row of outputs load, by what a segment has."""
        _, columns = Axis.both(self.layer)
        first, end = np.array(self.row_blocks).T
        block = np.repeat(np.arange(len(first)), end - first)[:, None]

        @cache
        def count(taps: tuple[int, int], channels: int, neurons: int) -> int:
            read = columns.positions(0, columns.outputs, taps)
            # Likewise in a row: each block loads a column once, and what neighbouring blocks share once for each.
            keys = np.unique((block * columns.size + read)[columns.inside(read)])
            loaded = np.bincount(keys // columns.size, minlength=len(first)) * channels
            # A chunk may hold a part of a column's channels only. Then columns times channels is more than it reads,
            # and no output needs more than the neurons that stand in the chunk's list.
            return int(np.minimum(loaded, (end - first) * neurons).sum())

        return count


def _patch(rows: Axis, columns: Axis, segments: tuple[Segment, ...], block: tuple[int, int]) -> int:
    """Neurons of one group that a block of a chunk needs, padding included. Blocks of several rows read whole lists."""
    height, width = block
    if height > 1:
        return rows.span(height, rows.kernel) * columns.span(width, columns.kernel) * segments[0].channels
    return sum(
        min(columns.span(width, segment.columns[1] - segment.columns[0]) * segment.channels, width * segment.neurons)
        for segment in segments
    )
