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

from dataflows.kernel import kernel, run_slices
from workloads.layer import Layer


@dataclass(frozen=True, eq=False)
class KernelGroups:
    """The kernel groups of a layer; groups at the edge may be smaller.

    filters    int64 (row groups,): filters of each row group of a convolution group
    channels   int64 (column groups,): channels of each column group
    rows       bool (G, row groups, column groups, GM): rows that hold a non-zero
    positions  bool (G, row groups, column groups, [T·]R·S): kernel positions that hold a non-zero
    """

    filters: np.ndarray
    channels: np.ndarray
    rows: np.ndarray
    positions: np.ndarray

    @classmethod
    def of(cls, layer: Layer, weight_mask: np.ndarray, group_filters: int, group_channels: int) -> Self:
        """From a mask (K, C/G, [T,] R, S)."""
        empty = cls._empty(layer, group_filters, group_channels)
        mask = weight_mask.reshape(layer.groups, layer.group_out_channels, layer.group_in_channels, -1)
        per_group = len(empty.filters)

        def find(index: int) -> None:
            group, row = divmod(index, per_group)
            filters = mask[group, row * group_filters : (row + 1) * group_filters]
            _find_kept(filters, group_channels, empty.rows[group, row], empty.positions[group, row])

        run_slices(find, range(layer.groups * per_group))
        return empty

    @classmethod
    def full(cls, layer: Layer, group_filters: int, group_channels: int) -> Self:
        """Of a layer that keeps everything."""
        groups = cls._empty(layer, group_filters, group_channels)
        groups.rows[:] = _every_row(groups.filters, groups.rows)
        groups.positions[:] = True
        return groups

    @classmethod
    def _empty(cls, layer: Layer, group_filters: int, group_channels: int) -> Self:
        filters, channels = (
            np.minimum(step, size - np.arange(0, size, step))
            for size, step in (
                (layer.group_out_channels, group_filters),
                (layer.group_in_channels, group_channels),
            )
        )
        shape = (layer.groups, len(filters), len(channels))
        taps = layer.weight_count // (layer.out_channels * layer.group_in_channels)
        return cls(filters, channels, np.zeros((*shape, group_filters), bool), np.zeros((*shape, taps), bool))

    @cached_property
    def row_counts(self) -> np.ndarray:
        """int64 (G, row groups, column groups): rows kept."""
        return self.rows.sum(axis=3)

    @property
    def drops_rows(self) -> bool:
        """Whether any group of the layer drops a row."""
        return bool((self.row_counts < self.filters[:, None]).any())

    @property
    def drops_positions(self) -> bool:
        """Whether any group of the layer drops a kernel position."""
        return not self.positions.all()

    def modes(self) -> Iterator[Self]:
        """What a machine may compute of them: with lists of rows, of positions, of both or of none.

        What a mode does not list, it takes whole. A layer that drops none has no lists of it.
        """
        for by_row, by_position in itertools.product(*((True, False) if drops else (False,) for drops in self._drops)):
            rows = self.rows if by_row else np.broadcast_to(_every_row(self.filters, self.rows), self.rows.shape)
            positions = self.positions if by_position else np.ones_like(self.positions)
            yield replace(self, rows=rows, positions=positions)

    @property
    def _drops(self) -> tuple[bool, bool]:
        return self.drops_rows, self.drops_positions

    @cached_property
    def position_counts(self) -> np.ndarray:
        """int64 (G, row groups, column groups): kernel positions kept."""
        return self.positions.sum(axis=3)

    @cached_property
    def kept_weights(self) -> np.ndarray:
        """int64 (G, row groups, column groups): weights at kept rows and positions, zeros among them."""
        return self.row_counts * self.position_counts * self.channels

    def index_bits(self, row_bits: int, position_bits: int) -> np.ndarray:
        """Int64 (G, row groups, column groups): bits of the lists of kept rows and positions.

        A layer none of whose groups drops rows has no list of rows; likewise positions.
        """
        rows, positions = self.row_counts, self.position_counts
        row_list = row_bits if self.drops_rows else 0
        position_list = position_bits if self.drops_positions else 0
        return row_list * rows + position_list * positions


def _every_row(filters: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Bool (row groups, 1, GM): which of `rows` are filters; the last group may have fewer."""
    return (np.arange(rows.shape[-1]) < filters[:, None])[:, None]


def by_tile(values: np.ndarray, row_groups: int) -> np.ndarray:
    """Values (G, row groups) as (G, filter tiles, row groups of a tile), filled up with zeros."""
    padded = np.pad(values, ((0, 0), (0, -values.shape[1] % row_groups)))
    return padded.reshape(len(values), -1, row_groups)


@kernel
def _find_kept(mask: np.ndarray, group_channels: int, rows: np.ndarray, positions: np.ndarray) -> None:
    """Fill rows (column groups, GM) and positions (column groups, taps) of a row group's mask (filters, C/G, taps)."""
    for row in range(mask.shape[0]):
        for c in range(mask.shape[1]):
            group = c // group_channels
            for tap in range(mask.shape[2]):
                if mask[row, c, tap]:
                    rows[group, row] = True
                    positions[group, tap] = True
