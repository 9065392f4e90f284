"""Planar tiling: how the input map of a convolution is laid over an array of PEs that each keep a piece of it.

Strides are unfolded (space to depth): input channel c and the phase (h mod stride, w mod stride) form a *virtual
channel*, whose map has one position for each stride x stride block of the input. A weight (k, c, r, s) belongs to one
phase, and there it moves every activation (y, x) to the output (y + dy, x + dx) with whole dy and dx, so that no
product is wasted on a stride. Along one axis, with 3 taps, stride 2 and padding 1, output p reads the inputs 2p - 1, 2p
and 2p + 1. Tap 1 reads the even ones (phase 0), where y = p, so dy = 0. Taps 0 and 2 read the odd ones (phase 1): tap 0
reads 2p - 1 = 2y + 1 with y = p - 1, so dy = 1; tap 2 reads 2p + 1 with y = p, so dy = 0.

A map of 7 rows on 3 rows of PEs makes tiles of 3, 3 and 1. Cut into sub-tiles of 2, the first has the rows 0-1, 3-4 and
6 of the three PEs, the second the rows 2 and 5 of two. How many sub-tiles there are follows from what a PE's memories
hold; where they end is a second question (`cut_vectors`): between positions, or between the vectors of each channel's
compressed list, so that no vector is cut short. Source: Parashar et al., ISCA 2017, section on PT-IS-CP-sparse; the
space-to-depth form is that of the authors' published AlexNet conv1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np

from workloads.layer import Layer
from workloads.whole_numbers import ceil_div


class Geometry(NamedTuple):
    """What of a layer decides how its map is tiled, as in `Layer`; many layers of a network have it in common."""

    input_size: tuple[int, ...]
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]

    @classmethod
    def of(cls, layer: Layer) -> Self:
        """That of a 2-D layer."""
        return cls(layer.input_size, layer.kernel_size, layer.stride, layer.padding, layer.dilation)


@dataclass(frozen=True, eq=False)
class Taps:
    """The kernel's positions (taps) sorted by the virtual channel they read, in row-major order inside each phase.

    phases  int64 (phases, 2): row and column phase; only phases that some tap reads
    start   int64 (phases + 1,): taps of phase i are start[i]:start[i + 1]
    index   int64 (taps,): r * S + s
    dy, dx  int64 (taps,): output position minus virtual input position
    """

    phases: np.ndarray
    start: np.ndarray
    index: np.ndarray
    dy: np.ndarray
    dx: np.ndarray

    @classmethod
    def of(cls, layer: Geometry) -> Self:
        """The taps of a layer."""
        (rows, columns), (stride_y, stride_x) = layer.kernel_size, layer.stride
        # Tap r of output p reads input p * stride - padding + r * dilation: the reach is what output times stride
        # exceeds it by.
        # Three taps with padding 1 reach 1, 0 and -1; with stride 2 they read the phases 1, 0 and 1.
        reach_y = layer.padding[0][0] - np.arange(rows) * layer.dilation[0]
        reach_x = layer.padding[1][0] - np.arange(columns) * layer.dilation[1]
        phase = np.stack(np.broadcast_arrays((-reach_y % stride_y)[:, None], -reach_x % stride_x), axis=-1)
        phase = phase.reshape(-1, 2)
        # Stable: taps of one phase stay in row-major order. phases, from `unique`, are in the same order of phases.
        # Of those three the taps 1, 0, 2 in this order, and start is 0, 1, 3.
        order = np.lexsort((phase[:, 1], phase[:, 0]))
        phases, counts = np.unique(phase, axis=0, return_counts=True)
        row, column = order // columns, order % columns
        return cls(
            phases=phases.astype(np.int64),
            start=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
            index=order.astype(np.int64),
            # Exact: the phase is -reach mod stride, so that their sum is a multiple of the stride.
            dy=(phase[order, 0] + reach_y[row]) // stride_y,
            dx=(phase[order, 1] + reach_x[column]) // stride_x,
        )


class TapOffsets(NamedTuple):
    """Where the taps lead in an accumulator region of `area` entries.

    start     int64 (phases + 1,): taps of phase i are start[i]:start[i + 1], as in `Taps`
    position  int64 (taps,): r * S + s
    offset    int64 (taps,): what a tap adds to an activation's offset in the region
    """

    start: np.ndarray
    position: np.ndarray
    offset: np.ndarray
    area: int


@dataclass(frozen=True, eq=False)
class PlanarMap:
    """One layer on one array: tiles, their cut into sub-tiles, and the accumulator region of a sub-tile.

    `cut_size` decides how many sub-tiles there are, `cut_vectors` where they end. With shares of vectors a PE lists its
    whole tile once (`window_count` is 1) and every sub-tile takes its share of each list (`NonzeroLists.share`), so
    that windows, PEs and the region are those of the whole tile.

    pe_grid        rows and columns of the array
    stride         of the layer
    taps           the layer's kernel
    map_size       positions of a virtual channel's map, rows and columns
    tile_size      positions of a PE's tile; the tiles at the lower and right edge may be smaller or empty
    cut_size       positions of a sub-tile, likewise
    group_channels output channels that are accumulated together (Kc)
    cut_vectors    activations of a vector where sub-tiles are even shares of the vectors in a tile's lists; 0 where
                   they are windows of positions
    """

    pe_grid: tuple[int, int]
    stride: tuple[int, int]
    taps: Taps
    map_size: tuple[int, int]
    tile_size: tuple[int, int]
    cut_size: tuple[int, int]
    group_channels: int
    cut_vectors: int

    @classmethod
    def of(
        cls, layer: Geometry, pe_grid: tuple[int, int], group_channels: int, accumulators: int, cut_vectors: int
    ) -> Self | None:
        """The tiling with the fewest sub-tiles whose accumulator region holds `group_channels` output channels.

        When not even one position fits, fewer output channels are taken; None when one channel alone does not fit.
        """
        stride = (layer.stride[0], layer.stride[1])
        # Rounded up: 7 rows of stride 2 end in half a block, and a map of 7 rows on 3 rows of PEs in a smaller tile.
        map_size = (ceil_div(layer.input_size[0], stride[0]), ceil_div(layer.input_size[1], stride[1]))
        tile = (ceil_div(map_size[0], pe_grid[0]), ceil_div(map_size[1], pe_grid[1]))
        whole = cls(pe_grid, stride, Taps.of(layer), map_size, tile, tile, group_channels, cut_vectors)
        # The halo of one position is the kernel: with 3x3 taps of stride 1 it makes 9 sums of an output channel.
        smallest = (1 + whole.halo[0]) * (1 + whole.halo[1])
        if smallest > accumulators:
            return None
        # 1024 hold 8 channels of 9, and 64 would hold 7.
        fitting = replace(whole, group_channels=max(1, min(group_channels, accumulators // smallest)))
        return replace(fitting, cut_size=fitting.cut_sizes(accumulators)[0])

    def cut_sizes(self, accumulators: int, fewest: int = 1) -> list[tuple[int, int]]:
        """Sizes of every even cut of the tile into at least `fewest` sub-tiles whose regions the accumulators hold.

        Those with the fewest sub-tiles stand first, then those with the smallest region, then the lowest.
        """
        (height, width), (halo_y, halo_x) = self.tile_size, self.halo
        # A tile of 14 x 14 with a 3x3 kernel and 8 channels: halves of 7 x 14 make 8 * 9 * 16 = 1152 sums, thirds of 5
        # x 14 make 8 * 7 * 16 = 896. So 1024 accumulators take three sub-tiles, (5, 14) before (14, 5).
        ranked = []
        # Sizes and not numbers of parts: 7 rows in 4, 5 or 6 parts are at most 2 rows each, which is one cut of 4.
        for rows in {ceil_div(height, parts) for parts in range(1, height + 1)}:
            for columns in {ceil_div(width, parts) for parts in range(1, width + 1)}:
                count = ceil_div(height, rows) * ceil_div(width, columns)
                area = (rows + halo_y) * (columns + halo_x)
                if count >= fewest and self.group_channels * area <= accumulators:
                    ranked.append((count, area, rows, columns))
        return [(rows, columns) for _, _, rows, columns in sorted(ranked)]

    @cached_property
    def cut_grid(self) -> tuple[int, int]:
        """Rows and columns of sub-tiles in a tile."""
        return ceil_div(self.tile_size[0], self.cut_size[0]), ceil_div(self.tile_size[1], self.cut_size[1])

    @property
    def cut_count(self) -> int:
        """Sub-tiles of a tile."""
        return math.prod(self.cut_grid)

    @cached_property
    def halo(self) -> tuple[int, int]:
        """Rows and columns by which the sums of some positions exceed them."""
        return int(np.ptp(self.taps.dy)), int(np.ptp(self.taps.dx))

    @cached_property
    def region(self) -> tuple[int, int]:
        """What the sums of one output channel are addressed in, rows and columns, halo included.

        A sub-tile of positions has a region of its own. Shares of vectors end anywhere in the tile and keep its region,
        of which the accumulators hold a part at a time: with tiles of 14 x 14 and a 3x3 kernel rows are 16 apart.
        """
        # That 14 x 14 tile has regions of 7 x 16 where its sub-tiles are windows of 5 x 14, and of 16 x 16 where they
        # are shares of vectors. Output channels are then 256 addresses apart instead of 112, so that one position's
        # sums of all channels meet in the same one of 32 banks instead of two.
        size = self.tile_size if self.cut_vectors else self.cut_size
        return size[0] + self.halo[0], size[1] + self.halo[1]

    @cached_property
    def tap_offsets(self) -> TapOffsets:
        """The layer's taps in the region of this tiling.

        A 3x3 kernel of stride 1 and padding 1 on a 2 x 2 sub-tile has a 4 x 4 region, whose corner is output (-1, -1).
        Tap (0, 0) has dy = dx = 1 and adds 2 * 4 + 2 = 10; from the activation (1, 0), offset 4, it reaches 14: row 3
        and column 2 of the region, which is output (2, 1).
        """
        taps = self.taps
        offset = (taps.dy - taps.dy.min()) * self.region[1] + (taps.dx - taps.dx.min())
        return TapOffsets(taps.start, taps.index, offset, math.prod(self.region))

    @cached_property
    def _windows(self) -> np.ndarray:
        return self._cut_into(self.cut_size)

    @cached_property
    def _listed(self) -> np.ndarray:
        # Shares of vectors are taken from the lists of whole tiles, the same for every sub-tile.
        if not self.cut_vectors:
            return self._windows
        whole = self._cut_into(self.tile_size)
        return np.broadcast_to(whole, (self.cut_count, *whole.shape[1:]))

    def _cut_into(self, cut_size: tuple[int, int]) -> np.ndarray:
        # Each end has three limits: the sub-tile's size, the PE's tile, whose last sub-tile is smaller, and the map.
        edges = []  # first and end of each window, (sub-tiles, PEs) along each axis
        for tile, size, pes, end in zip(self.tile_size, cut_size, self.pe_grid, self.map_size, strict=True):
            # 7 rows on 3 PEs in tiles of 3 and sub-tiles of 2: the first begin at 0, 3, 6 and end at 2, 5, 7, the
            # second begin at 2, 5, 8 and end at 3, 6, 7. The last one is empty.
            base = np.arange(pes) * tile
            first = base + np.arange(ceil_div(tile, size))[:, None] * size
            edges.append((first, np.minimum(np.minimum(first + size, base + tile), end)))
        (top, bottom), (left, right) = edges
        shape = (len(top), len(left), *self.pe_grid)
        grid = (top[:, None, :, None], bottom[:, None, :, None], left[None, :, None, :], right[None, :, None, :])
        windows = np.stack([np.broadcast_to(edge, shape) for edge in grid], axis=-1)
        return windows.reshape(len(top) * len(left), -1, 4)

    @property
    def window_count(self) -> int:
        """Windows of a tile that have lists of their own: one where sub-tiles are shares of the tile's lists."""
        return 1 if self.cut_vectors else self.cut_count

    @cached_property
    def _parts(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        return {}

    def _part(self, cut: int) -> tuple[np.ndarray, np.ndarray]:
        # The PEs of a sub-tile and their windows, of which shares of one tile have the same.
        cut = 0 if self.cut_vectors else cut
        if cut not in self._parts:
            top, bottom, left, right = self._listed[cut].T
            pes = np.flatnonzero((bottom > top) & (right > left))
            self._parts[cut] = pes, self._listed[cut][pes]
        return self._parts[cut]

    def pes(self, cut: int) -> np.ndarray:
        """int64: the PEs that have a part of a sub-tile, row-major numbers in the array."""
        # With shares of vectors a PE takes part in every one, though a short list gives some of them nothing.
        return self._part(cut)[0]

    def windows(self, cut: int) -> np.ndarray:
        """int64 (PEs of `pes`, 4): first and end row, first and end column that a sub-tile's lists are taken from."""
        return self._part(cut)[1]

    @cached_property
    def sub_tile_sizes(self) -> np.ndarray:
        """int64 (sub-tiles, 2): rows and columns of the largest of a sub-tile's windows of positions, the first PE's.

        What a share of vectors drains, too: shares have no positions of their own, and the windows are as many.
        """
        top, bottom, left, right = self._windows[:, 0].T
        return np.stack([bottom - top, right - left], axis=1)

    @property
    def sub_tile_windows(self) -> np.ndarray:
        """int64 (sub-tiles, PEs, 4): first and end row, first and end column of every window of positions.

        Ends before firsts where a PE has none.
        """
        return self._windows

    @cached_property
    def _recut(self) -> dict[tuple[int, int], PlanarMap]:
        return {}

    def cut(self, size: tuple[int, int]) -> PlanarMap:
        """The same tiles with sub-tiles of another size; found once, as layers of a network are alike."""
        if size not in self._recut:
            self._recut[size] = replace(self, cut_size=size)
        return self._recut[size]
