"""Kernel groups: which rows and which kernel positions of each block of GM filters x GN channels are not zero.

The pattern of group-wise pruning (Sun et al., IEEE TCAD 2024): KGR drops rows (filters) of a group, KGC the same kernel
positions in all of its kernels, KGRC both.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices
from dataflows.tiling.group_packs import GroupPacks
from workloads.whole_numbers import ceil_div

_ELEMENT_NANOSECONDS = 2  # what one takes on one thread: `python -m benchmarks.threads`
_PART_ROWS = 1 << 20


@dataclass(frozen=True, eq=False)
class KernelGroups:
    """The kernel groups of a layer; groups at the edge may be smaller.

    G counts the blocks of weights: convolution groups, or packs of them on the diagonal of a block (`group_packs`), in
    which a row meets the channels of its own group alone.

    channels      int64 (G, column groups): channels of each column group; the last pack may have fewer
    row_channels  whole numbers (G, row groups, column groups, GM): channels that each row meets; 0: no weight to keep
    rows          bool (G, row groups, column groups, GM): rows that hold a non-zero
    positions     bool (G, row groups, column groups, [T·]R·S): kernel positions that hold a non-zero

    Example: two filters of two channels, kernels of three positions, one group of 2 x 2 kernels. Filter 0 has the
    kernels [1, 0, 1] and [1, 0, 0], filter 1 nothing: rows [True, False], positions [True, False, True], and
    `kept_weights` are 1 row x 2 channels x 2 positions = 4, one zero among them.
    """

    channels: np.ndarray
    row_channels: np.ndarray
    rows: np.ndarray
    positions: np.ndarray

    @classmethod
    def of(cls, packs: GroupPacks, weight_mask: np.ndarray, group_filters: int, group_channels: int) -> Self:
        """From a mask (K, C/G, [T,] R, S)."""
        empty, layer = cls._empty(packs, group_filters, group_channels), packs.block_layer()
        mask = packs.block_weights(weight_mask).reshape(
            layer.groups, layer.group_out_channels, layer.group_in_channels, -1
        )
        per_group = empty.rows.shape[1]

        def find(index: int) -> None:
            group, row = divmod(index, per_group)
            filters = mask[group, row * group_filters : (row + 1) * group_filters]
            rows, positions = (kept[group, row].view(np.uint8) for kept in (empty.rows, empty.positions))
            _find_kept(filters.view(np.uint8), group_channels, rows, positions)

        # Row group by row group, since many layers have a single convolution group and threads
        # would have nothing to share.
        run_slices(find, range(layer.groups * per_group), mask.size * _ELEMENT_NANOSECONDS)
        return empty

    @classmethod
    def full(cls, packs: GroupPacks, group_filters: int, group_channels: int) -> Self:
        """Of a layer that keeps everything."""
        groups = cls._empty(packs, group_filters, group_channels)
        # Rows that the last group does not have hold nothing, whatever is kept.
        groups.rows[:] = groups.every_row
        groups.positions[:] = True
        return groups

    @classmethod
    def _empty(cls, packs: GroupPacks, group_filters: int, group_channels: int) -> Self:
        layer = packs.block_layer()
        starts = np.arange(0, layer.group_in_channels, group_channels)
        channels = np.minimum(group_channels, layer.group_in_channels - starts)
        rows = ceil_div(layer.group_out_channels, group_filters) * group_filters
        # Of a full pack, (rows, column groups). Signed and narrow: a fully connected layer has millions of these.
        met = np.zeros((rows, len(channels)), np.min_scalar_type(-group_channels - 1))
        for group in range(layer.group_out_channels // packs.layer.group_out_channels):
            # Where a row's own channels and those of a column group overlap: rows of the second of two packed groups of
            # 3 channels meet one channel of the column group 0 to 3, and two of the next.
            first, end = (number * packs.layer.group_in_channels for number in (group, group + 1))
            own = slice(*(number * packs.layer.group_out_channels for number in (group, group + 1)))
            met[own] = np.maximum(np.minimum(starts + channels, end) - np.maximum(starts, first), 0)
        met = met[np.newaxis].repeat(layer.groups, axis=0) if layer.groups > 1 else met[np.newaxis]
        # The last pack may have fewer groups: their rows meet nothing.
        met[-1, packs.groups[-1] * packs.layer.group_out_channels :] = 0
        row_channels = met.reshape(layer.groups, -1, group_filters, len(channels))
        row_channels = np.ascontiguousarray(row_channels.swapaxes(2, 3))
        taps = layer.weight_count // (layer.out_channels * layer.group_in_channels)
        positions = np.zeros((*row_channels.shape[:3], taps), bool)
        # Six groups of three channels in packs of four: the second pack has 6 of 12 channels, in column groups of 8 all
        # 6 in the first and none in the second.
        present = np.clip(packs.channels[:, None] - starts, 0, channels)
        return cls(present, row_channels, np.zeros(row_channels.shape, bool), positions)

    @cached_property
    def every_row(self) -> np.ndarray:
        """Bool (G, row groups, column groups, GM): rows that have weights to keep; the last group may have fewer."""
        return self.row_channels > 0

    @cached_property
    def filters(self) -> np.ndarray:
        """int64 (G, row groups): filters of each."""
        return _count_filters(self.row_channels)

    @cached_property
    def _counts(self) -> tuple[np.ndarray, tuple[bool, bool]]:
        """int64 (3, G, row groups, column groups): rows, positions, kernels kept; whether a row, a position is not."""
        counts = np.zeros((3, *self.positions.shape[:3]), np.int64)
        rows, positions = self.rows.view(np.uint8), self.positions.view(np.uint8)
        return counts, _count_kept(rows, self.row_channels, positions, counts)

    @property
    def row_counts(self) -> np.ndarray:
        """int64 (G, row groups, column groups): rows kept."""
        return self._counts[0][0]

    def parts(self, row_groups: int) -> Iterator[Self]:
        """The same row groups, so many or a multiple at a time, for work that takes much memory beside them."""
        groups, count, columns, filters = self.rows.shape
        step = max(_PART_ROWS // (groups * row_groups * columns * filters), 1) * row_groups
        if step >= count:
            yield self
            return
        for first in range(0, count, step):
            own = np.s_[:, first : first + step]
            yield replace(self, row_channels=self.row_channels[own], rows=self.rows[own], positions=self.positions[own])

    @property
    def drops_rows(self) -> bool:
        """Whether any group of the layer drops a row."""
        return self._counts[1][0]

    @property
    def drops_positions(self) -> bool:
        """Whether any group of the layer drops a kernel position."""
        return self._counts[1][1]

    def modes(self) -> Iterator[Self]:
        """What a machine may compute of them: with lists of rows, of positions, of both or of none.

        What a mode does not list, it takes whole. A layer that drops none has no lists of it.
        """
        # A layer that drops rows and positions has four modes, one that drops rows has two, a
        # dense layer one without lists.
        for by_row, by_position in itertools.product(*((True, False) if drops else (False,) for drops in self._drops)):
            if (by_row, by_position) == self._drops:
                yield self  # lists everything that it drops
            else:
                rows = self.rows if by_row else self.every_row
                positions = self.positions if by_position else np.ones_like(self.positions)
                yield replace(self, rows=rows, positions=positions)

    @property
    def _drops(self) -> tuple[bool, bool]:
        return self.drops_rows, self.drops_positions

    @property
    def position_counts(self) -> np.ndarray:
        """int64 (G, row groups, column groups): kernel positions kept."""
        return self._counts[0][1]

    @property
    def kept_kernels(self) -> np.ndarray:
        """int64 (G, row groups, column groups): pairs of a kept row and a channel that it meets."""
        return self._counts[0][2]

    @cached_property
    def kept_weights(self) -> np.ndarray:
        """int64 (G, row groups, column groups): weights at kept rows and positions, zeros among them."""
        return self.kept_kernels * self.position_counts

    @property
    def kept_total(self) -> int:
        """Weights at kept rows and positions of the whole layer."""
        return sum(int(part.kept_weights.sum()) for part in self.parts(1))

    def index_bits(self, row_bits: int, position_bits: int) -> np.ndarray:
        """Int64 (G, row groups, column groups): bits of the lists of kept rows and positions.

        A layer none of whose groups drops rows has no list of rows; likewise positions.
        """
        rows, positions = self.row_counts, self.position_counts
        # Three kept rows at 3 bits and two kept positions at 4 bits are a list of 17 bits.
        row_list = row_bits if self.drops_rows else 0
        position_list = position_bits if self.drops_positions else 0
        return row_list * rows + position_list * positions


def by_tile(values: np.ndarray, row_groups: int) -> np.ndarray:
    """Values (G, row groups) as (G, filter tiles, row groups of a tile), filled up with zeros."""
    # A negative remainder is what is missing: five row groups in tiles of two lack -5 % 2 = 1.
    padded = np.pad(values, ((0, 0), (0, -values.shape[1] % row_groups)))
    return padded.reshape(len(values), -1, row_groups)


@kernel
def _find_kept(mask: np.ndarray, group_channels: int, rows: np.ndarray, positions: np.ndarray) -> None:
    """Fill rows (column groups, GM) and positions (column groups, taps) of a row group's mask (filters, C/G, taps)."""
    for row in range(mask.shape[0]):
        for group in range(rows.shape[0]):
            some = np.uint8(0)
            for c in range(group * group_channels, min((group + 1) * group_channels, mask.shape[1])):
                for tap in range(mask.shape[2]):  # no branch, which nobody could foresee
                    # One weight keeps its row for all positions and its position for all rows, which is why zeros
                    # remain among what is kept: weights at (0, 2) and (1, 0) keep two rows and two positions, four
                    # places in all.
                    some |= mask[row, c, tap]
                    positions[group, tap] |= mask[row, c, tap]
            rows[group, row] = some


@kernel
def _count_filters(row_channels: np.ndarray) -> np.ndarray:
    """int64 (G, row groups): rows that meet a channel, of row_channels (G, row groups, column groups, GM)."""
    blocks, row_groups, column_groups, rows = row_channels.shape
    filters, meets = np.zeros((blocks, row_groups), np.int64), np.zeros(rows, np.int32)
    for block in range(blocks):
        for group in range(row_groups):
            meets[:] = 0
            for column in range(column_groups):
                for row in range(rows):
                    meets[row] |= row_channels[block, group, column, row]
            filters[block, group] = np.count_nonzero(meets)
    return filters


@kernel
def _count_kept(
    rows: np.ndarray, row_channels: np.ndarray, positions: np.ndarray, counts: np.ndarray
) -> tuple[bool, bool]:
    """Fill counts (3, G, row groups, column groups), see `KernelGroups`; whether a row, a position is dropped."""
    blocks, row_groups, column_groups, filters = rows.shape
    drops_rows = drops_positions = False
    for block in range(blocks):
        for group in range(row_groups):
            for column in range(column_groups):
                kept, there, kernels, taps = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
                for row in range(filters):
                    met = row_channels[block, group, column, row]
                    kept += rows[block, group, column, row]
                    kernels += rows[block, group, column, row] * met
                    there += met > 0
                    drops_rows |= met > rows[block, group, column, row] * met
                for tap in range(positions.shape[3]):
                    taps += positions[block, group, column, tap]
                # Off the diagonal of a pack there are no rows; that nothing is kept there drops nothing.
                drops_positions |= bool(there > 0 and taps < positions.shape[3])
                counts[0, block, group, column] = kept
                counts[1, block, group, column] = taps
                counts[2, block, group, column] = kernels
    return bool(drops_rows), bool(drops_positions)
