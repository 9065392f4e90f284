"""A layer cut into tiles (strips of output positions by blocks of filters), and what each tile moves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dataflows.layout import Layout, bits_to_bytes
from dataflows.pixel_strips import PixelStrips
from dataflows.schedule import BufferUse, Runs, Tensor
from workloads.layer import Layer


def require_two_blocks(output_buffer_bytes: int, values: int, value_bits: int, what: str) -> None:
    """Raise `ValueError` when the output buffer cannot hold two blocks of so many values; `what` describes them."""
    needed = 2 * bits_to_bytes(values * value_bits)
    if needed > output_buffer_bytes:
        raise ValueError(f"output_buffer_bytes = {output_buffer_bytes} cannot hold {what}, {needed} bytes")


@dataclass(frozen=True, eq=False)
class ColumnPlan:
    """One layer cut into tiles: (group, image, strip of pixel blocks, filter block), in this order.

    columns  int64 (groups,): kept columns Z of each group
    filters  int64 (filter blocks,): filters of each block of a group
    strips   the output positions of an image
    """

    layer: Layer
    columns: np.ndarray
    filters: np.ndarray
    strips: PixelStrips

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Tiles by group, image, strip and filter block."""
        return self.layer.groups, self.layer.batch, self.strips.count, len(self.filters)

    @cached_property
    def tile_index(self) -> np.ndarray:
        """int64 of `shape`: the number of each tile."""
        return np.arange(math.prod(self.shape)).reshape(self.shape)


class ColumnTraffic:
    """The transfers of a plan. Inputs of a strip are held for all its filter blocks; weights as long as they fit.

    In DRAM inputs lie as (n, g, [d,] h, w, c), the channels of a position in whole bytes; weights as (g, filter block,
    kept column, k) after the group's index list; outputs in the order of the tiles. A dense machine has no list
    (`indexed` False), and the weights that it holds come when their filter block is first needed. A machine that stores
    something else than kept columns gives the bytes of its filter blocks: int64 (groups, filter blocks).
    """

    def __init__(
        self,
        plan: ColumnPlan,
        value_bits: int,
        weight_buffer_bytes: int,
        *,
        indexed: bool = True,
        weight_bytes: np.ndarray | None = None,
    ) -> None:
        self._plan, self._bits, layer = plan, value_bits, plan.layer
        self._indexed, self._weight_buffer_bytes = indexed, weight_buffer_bytes
        entry_bits = max(1, (layer.weight_count // layer.out_channels - 1).bit_length()) if indexed else 0
        self._list_bytes = -(-plan.columns * entry_bits // 8)
        column_bytes = -(-np.outer(plan.columns, plan.filters) * value_bits // 8)  # (groups, filter blocks)
        self._weight_bytes = column_bytes if weight_bytes is None else weight_bytes
        self._group_bytes = self._list_bytes + self._weight_bytes.sum(axis=1)
        self._position_bytes = bits_to_bytes(layer.group_in_channels * value_bits)
        self._map_bytes = self._position_bytes * math.prod(layer.input_size)
        input_bytes = self._map_bytes * layer.batch * layer.groups
        self._layout = Layout.of(input_bytes, int(self._group_bytes.sum()))
        self._holds_groups = min(2, layer.groups) * int(self._group_bytes.max()) <= weight_buffer_bytes
        largest = int((self._list_bytes + self._weight_bytes.max(axis=1)).max())
        # Where the next filter block's weights find no room beside these, a strip of one block had better stream them.
        needed = largest if int(plan.strips.blocks.max()) > 1 else 2 * largest
        self.streams_weights = not self._holds_groups and needed > weight_buffer_bytes

    def buffers(
        self, input_bytes: int, output_bytes: int, *, streams_weights: bool | None = None
    ) -> tuple[BufferUse, ...]:
        """The machine's three buffers; `streams_weights` where its weights pass through whatever fits."""
        streams = self.streams_weights if streams_weights is None else streams_weights
        return (
            BufferUse("input_buffer", Tensor.INPUT, input_bytes, streamed=self._plan.strips.streams_inputs),
            BufferUse("weight_buffer", Tensor.WEIGHT, self._weight_buffer_bytes, streamed=streams),
            BufferUse("output_buffer", Tensor.OUTPUT, output_bytes),
        )

    def notes(self) -> tuple[str, ...]:
        """What had to be read again because it did not fit."""
        notes = []
        if self._plan.strips.streams_inputs:
            notes.append("the inputs of a pixel block exceed the input buffer: they stream in for every filter block")
        if self.streams_weights:
            notes.append("the kept weights of a filter block exceed their buffer: they stream in for every pixel block")
        elif not self._holds_groups and self._plan.strips.count * self._plan.layer.batch > 1:
            notes.append("the kept weights exceed their buffer: they are read again for every strip")
        return tuple(notes)

    def loads(self) -> Runs:
        """Inputs, then weights."""
        return Runs.merge(self._inputs(), self._weights())

    def _inputs(self) -> Runs:
        plan, layer, strips = self._plan, self._plan.layer, self._plan.strips
        image_map = np.arange(layer.batch) * layer.groups + np.arange(layer.groups)[:, None]
        start = image_map[..., None] * self._map_bytes + strips.run_start * self._position_bytes
        size = strips.run_positions * self._position_bytes * (plan.columns > 0)[:, None, None]
        tiles = plan.tile_index[:, :, strips.run_strip]  # (groups, images, runs, filter blocks)
        users = tiles if strips.streams_inputs else tiles[..., :1]
        last = tiles if strips.streams_inputs else tiles[..., -1:]
        rows = np.broadcast_arrays(users, start[..., None], size[..., None], last)
        tile, address, size_bytes, last_tile = (row.reshape(-1) for row in rows)
        order = np.argsort(tile, kind="stable")
        keep = order[size_bytes[order] > 0]
        address = self._layout.input_address + address[keep]
        return Runs.per_tile(Tensor.INPUT, tile[keep], address, size_bytes[keep], last_tile=last_tile[keep])

    def _weights(self) -> Runs:
        plan = self._plan
        group_start = self._layout.weight_address + np.cumsum(self._group_bytes) - self._group_bytes
        first, last = plan.tile_index[:, 0, 0, 0], plan.tile_index[:, -1, -1, -1]
        if self._holds_groups and self._indexed:
            return Runs.per_tile(Tensor.WEIGHT, first, group_start, self._group_bytes, last_tile=last)
        lists = Runs.per_tile(Tensor.WEIGHT, first, group_start, self._list_bytes, last_tile=last)
        before = np.cumsum(self._weight_bytes, axis=1) - self._weight_bytes
        starts = (group_start + self._list_bytes)[:, None] + before
        if self._holds_groups:
            users, size = plan.tile_index[:, 0, 0].reshape(-1), self._weight_bytes.reshape(-1)
            held_until = np.repeat(last, len(plan.filters))
            return Runs.per_tile(Tensor.WEIGHT, users, starts.reshape(-1), size, last_tile=held_until)
        times = np.broadcast_to(plan.strips.blocks[:, None] if self.streams_weights else 1, plan.shape).reshape(-1)
        tile, address, size = (
            np.repeat(np.broadcast_to(part, plan.shape).reshape(-1), times)
            for part in (plan.tile_index, starts[:, None, None], self._weight_bytes[:, None, None])
        )
        return Runs.merge(lists, Runs.per_tile(Tensor.WEIGHT, tile, address, size))

    def stores(self) -> Runs:
        """Each tile's outputs."""
        plan = self._plan
        size = -(-plan.strips.pixels[:, None] * plan.filters * self._bits // 8)
        size = np.broadcast_to(size, plan.shape).reshape(-1)
        address = self._layout.output_address + np.cumsum(size) - size
        return Runs.per_tile(Tensor.OUTPUT, np.arange(len(size)), address, size)
