"""A layer cut into tiles (strips of output positions, each met by all filters), and what each tile moves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dataflows.schedule import BufferUse, Cause, Runs, Tensor
from dataflows.tiling.dram_layout import Layout, bits_to_bytes
from dataflows.tiling.group_packs import GroupPacks
from dataflows.tiling.strips import PixelStrips
from workloads.layer import Layer
from workloads.whole_numbers import starts


def require_two_blocks(output_buffer_bytes: int, values: int, value_bits: int, what: str) -> None:
    """Raise `ValueError` when the output buffer cannot hold two blocks of so many values; `what` describes them."""
    needed = 2 * bits_to_bytes(values * value_bits)
    if needed > output_buffer_bytes:
        raise ValueError(f"output_buffer_bytes = {output_buffer_bytes} cannot hold {what}, {needed} bytes")


@dataclass(frozen=True, eq=False)
class ColumnPlan:
    """One layer cut into tiles: (group, image, strip of pixel blocks), in this order.

    A group is a convolution group, or the pack of several that an array takes together (`packs`).

    Inside a tile filters go block by block. Any of them meet any of its positions, so that a tile begins with the first
    inputs and weights and goes on as both arrive, however large the buffers are: a larger strip reads less twice and
    never waits longer.

    columns  int64 (groups,): kept columns Z of each group
    filters  int64 (filter blocks,): filters of each block of a group; (groups, filter blocks) where groups differ
    strips   the output positions of an image
    packs    the packs that take the place of groups; `columns` are those of one filter all the same
    """

    layer: Layer
    columns: np.ndarray
    filters: np.ndarray
    strips: PixelStrips
    packs: GroupPacks | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Tiles by group, image and strip."""
        return len(self.columns), self.layer.batch, self.strips.count

    @property
    def block_shape(self) -> tuple[int, int, int, int]:
        """Blocks of filters by tile."""
        return *self.shape, self.filters.shape[-1]

    @property
    def channels(self) -> np.ndarray:
        """Int64 (groups,): input channels that each reads."""
        if self.packs is not None:
            return self.packs.channels
        return np.full(len(self.columns), self.layer.group_in_channels)

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return math.prod(self.shape)

    @cached_property
    def tile_index(self) -> np.ndarray:
        """int64 of `shape`: the number of each tile."""
        return np.arange(self.tiles).reshape(self.shape)


def join_filter_blocks(cycles: np.ndarray) -> np.ndarray:
    """Int64 (tiles, PEs, CAUSES) of (*tiles, filter blocks, PEs, CAUSES): PEs meet at the end of each block of filters.

    Example: two blocks in which PE 0 is busy for 3 and 4 cycles and PE 1 for 5 and none: both take 5 + 4 cycles; PE 0
    waits 2 of them for the other (imbalance), PE 1 has no work in the last 4 (unmapped).
    """
    local = cycles.sum(axis=-1)
    slowest = local.max(axis=-1, keepdims=True)
    joined = cycles.sum(axis=-3)
    joined[..., Cause.IMBALANCE] += np.where(local > 0, slowest - local, 0).sum(axis=-2)
    joined[..., Cause.UNMAPPED] += np.where(local > 0, 0, slowest).sum(axis=-2)
    return joined.reshape(-1, *joined.shape[-2:])


class ColumnTraffic:
    """The transfers of a plan. Inputs of a strip are held for all its filters; weights for the layer where they fit.

    In DRAM inputs lie as (n, g, [d,] h, w, c), the channels of a position in whole bytes; weights as (g, filter block,
    kept column, k) after the group's index list; outputs in the order of the tiles. A dense machine has no list
    (`indexed` False). A machine that stores something else than kept columns gives the bytes of its filter blocks:
    int64 (groups, filter blocks).
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
        self._weight_buffer_bytes = weight_buffer_bytes
        entry_bits = max(1, (layer.weight_count // layer.out_channels - 1).bit_length()) if indexed else 0
        self._list_bytes = bits_to_bytes(plan.columns * entry_bits)
        column_bytes = bits_to_bytes(plan.columns[:, None] * plan.filters * value_bits)  # (groups, filter blocks)
        self._weight_bytes = column_bytes if weight_bytes is None else weight_bytes
        self._group_bytes = self._list_bytes + self._weight_bytes.sum(axis=1)
        self._position_bytes = bits_to_bytes(plan.channels * value_bits)  # (groups,)
        self._map_bytes = self._position_bytes * math.prod(layer.input_size)
        self._layout = Layout.of(int(self._map_bytes.sum()) * layer.batch, int(self._group_bytes.sum()))
        self.holds_weights = min(2, len(plan.columns)) * int(self._group_bytes.max()) <= weight_buffer_bytes
        # A block of filters that fits meets the whole strip; else its weights come with every block of pixels.
        largest = int((self._list_bytes + self._weight_bytes.max(axis=1)).max())
        self.streams_weights = not self.holds_weights and largest > weight_buffer_bytes

    def buffers(self, input_bytes: int, output_bytes: int) -> tuple[BufferUse, ...]:
        """The machine's three buffers."""
        return (
            BufferUse("input_buffer", Tensor.INPUT, input_bytes, streamed=self._plan.strips.streams_inputs),
            BufferUse("weight_buffer", Tensor.WEIGHT, self._weight_buffer_bytes, streamed=not self.holds_weights),
            BufferUse("output_buffer", Tensor.OUTPUT, output_bytes),
        )

    def notes(self) -> tuple[str, ...]:
        """What had to be read again because it did not fit."""
        notes, strips = [], self._plan.strips
        if strips.streams_inputs and self._plan.filters.shape[-1] > 1:
            notes.append("the inputs of a pixel block exceed the input buffer: they stream in for every filter block")
        if self.streams_weights and int(strips.blocks.max()) > 1:
            notes.append("the kept weights of a filter block exceed their buffer: they stream in for every pixel block")
        elif not self.holds_weights and strips.count * self._plan.layer.batch > 1:
            notes.append("the kept weights exceed their buffer: they are read again for every strip")
        return tuple(notes)

    def loads(self) -> Runs:
        """Inputs, then weights."""
        return Runs.merge(self._inputs(), self._weights())

    def _inputs(self) -> Runs:
        plan, layer, strips = self._plan, self._plan.layer, self._plan.strips
        position_bytes = self._position_bytes[:, None, None]
        map_start = np.arange(layer.batch) * self._map_bytes.sum() + starts(self._map_bytes)[:, None]
        start = map_start[..., None] + strips.run_start * position_bytes
        size = strips.run_positions * position_bytes * (plan.columns > 0)[:, None, None]
        tile, last = plan.tile_index[:, :, strips.run_strip], plan.tile_index[:, :, strips.run_last_strip]
        rows = (row.reshape(-1) for row in np.broadcast_arrays(tile, start, size, last))
        columns = np.stack([row[np.argsort(tile.reshape(-1), kind="stable")] for row in rows])
        if strips.streams_inputs:
            columns = np.repeat(columns, plan.filters.shape[-1], axis=1)
        tile, start, size, last = columns
        return Runs.per_tile(Tensor.INPUT, tile, self._layout.input_address + start, size, last_tile=last)

    def _weights(self) -> Runs:
        """A group's list and weights, once where they are held, else its list once and the weights for each strip."""
        plan = self._plan
        start = self._layout.weight_address + starts(self._group_bytes)
        first, last = plan.tile_index[:, 0, 0], plan.tile_index[:, -1, -1]
        if self.holds_weights:
            return Runs.per_tile(Tensor.WEIGHT, first, start, self._group_bytes, last_tile=last)
        lists = Runs.per_tile(Tensor.WEIGHT, first, start, self._list_bytes)
        times = plan.strips.blocks if self.streams_weights else np.ones_like(plan.strips.blocks)
        again = np.repeat(plan.tile_index, times, axis=2)
        columns = (again, (start + self._list_bytes)[:, None, None], self._weight_bytes.sum(axis=1)[:, None, None])
        tile, address, size = (column.reshape(-1) for column in np.broadcast_arrays(*columns))
        return Runs.merge(lists, Runs.per_tile(Tensor.WEIGHT, tile, address, size))

    def stores(self) -> Runs:
        """Each tile's outputs."""
        plan = self._plan
        filters = np.broadcast_to(plan.filters.sum(axis=-1), len(plan.columns))
        size = bits_to_bytes(plan.strips.pixels * filters[:, None, None] * self._bits)
        size = np.broadcast_to(size, plan.shape).reshape(-1)
        address = self._layout.output_address + starts(size)
        return Runs.per_tile(Tensor.OUTPUT, np.arange(len(size)), address, size)
