"""What a machine of kernel groups moves: inputs by boxes, kept weights with their index lists, outputs by tiles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dataflows.machines.kgrc.kernel_groups import KernelGroups, by_tile
from dataflows.machines.kgrc.output_boxes import OutputBoxes
from dataflows.schedule import Runs, Tensor
from dataflows.tiling.dram_layout import Layout, bits_to_bytes
from dataflows.tiling.group_packs import GroupPacks
from dataflows.tiling.windows import inputs_read
from workloads.layer import Layer
from workloads.whole_numbers import starts


@dataclass(frozen=True, eq=False)
class GroupTraffic:
    """The transfers of tiles (convolution group, image, `row_groups` row groups, box of outputs), in this order.

    G counts convolution groups, or packs of them. In DRAM inputs lie as (n, g, [d,] h, w, c), channels of a position
    in whole bytes; weights by (g, filter tile); outputs in the order of the tiles.
    """

    packs: GroupPacks
    groups: KernelGroups
    boxes: OutputBoxes
    row_groups: int
    value_bits: int
    group_filters: int
    chunk_positions: int

    @cached_property
    def weight_bytes(self) -> np.ndarray:
        """int64 (G, filter tiles): kept weights and index lists; 0 where nothing is kept."""
        row_bits, position_bits = ((size - 1).bit_length() for size in (self.group_filters, self.chunk_positions))
        # A place in a list has as many bits as tell the rows of a group, or the positions of a chunk, apart.
        # One of 8 rows takes 3 bits, one of 9 positions 4.
        bits = self.groups.kept_weights * self.value_bits + self.groups.index_bits(row_bits, position_bits)
        return bits_to_bytes(by_tile(bits.sum(axis=2), self.row_groups).sum(axis=2))

    @property
    def layer(self) -> Layer:
        """The layer whose groups are packed."""
        return self.packs.layer

    @property
    def _position_bytes(self) -> np.ndarray:
        """Int64 (G,)."""
        return bits_to_bytes(self.packs.channels * self.value_bits)

    @property
    def _layout(self) -> Layout:
        input_bytes = int(self._position_bytes.sum()) * math.prod(self.layer.input_size) * self.layer.batch
        return Layout.of(input_bytes, int(self.weight_bytes.sum()))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Tiles by convolution group or pack, image, filter tile and box."""
        return self.packs.count, self.layer.batch, self.weight_bytes.shape[1], self.boxes.count

    def loads(self) -> Runs:
        """Inputs, then weights. A tile that keeps no weight loads nothing."""
        layer, boxes, sizes, layout = self.layer, self.boxes, self.weight_bytes, self._layout
        map_bytes = self._position_bytes * math.prod(layer.input_size)
        tile = np.arange(math.prod(self.shape)).reshape(self.shape)
        # Two packs of 4 and 2 bytes a position over maps of ten positions take 40 and 20 bytes an image: those of
        # image 1 begin at 60 and 100.
        map_start = np.arange(layer.batch) * map_bytes.sum() + starts(map_bytes)[:, None]
        position_bytes = self._position_bytes[:, None, None, None]
        start = layout.input_address + map_start[..., None, None] + boxes.run_start * position_bytes
        # A tile whose filters keep nothing has a size of 0, which is dropped.
        size = boxes.run_positions * position_bytes * (sizes > 0)[:, None, :, None]
        # The weight buffer has room for a step or two, so that a tile of filters brings its weights
        # anew for every image and box.
        first = layout.weight_address + starts(sizes)
        return Runs.merge(
            _runs(Tensor.INPUT, tile[..., boxes.run_box], start, size),
            _runs(Tensor.WEIGHT, tile, first[:, None, :, None], sizes[:, None, :, None]),
        )

    def stores(self, filters: np.ndarray) -> Runs:
        """Each tile's outputs; filters int64 (G, filter tiles)."""
        size = bits_to_bytes(filters[:, None, :, None] * self.boxes.outputs * self.value_bits)
        size = np.broadcast_to(size, self.shape).reshape(-1)
        address = self._layout.output_address + starts(size)
        return Runs.per_tile(Tensor.OUTPUT, np.arange(len(size)), address, size)

    def compulsory_bytes(self) -> int:
        """Kept weights, outputs, and the inputs of groups that keep any weight."""
        # A bound from below counts what no order of tiles avoids: index lists, halos and the
        # ends of bytes are left out.
        layer, kept = self.layer, self.groups.kept_weights.sum(axis=(1, 2))
        inputs = int(self.packs.channels[kept > 0].sum()) * layer.batch * inputs_read(layer)
        return (int(kept.sum()) + inputs + layer.output_count) * self.value_bits // 8


def _runs(tensor: Tensor, tile: np.ndarray, address: np.ndarray, size_bytes: np.ndarray) -> Runs:
    columns = np.broadcast_arrays(tile, address, size_bytes)
    return Runs.per_tile(tensor, *(column.reshape(-1) for column in columns))
