"""What the tiles of a strip plan move over DRAM, and what has to come again because it does not fit a buffer."""

from __future__ import annotations

import math
from typing import Self

import numpy as np

from dataflows.schedule import BufferUse, Runs, Tensor
from dataflows.tiling.dram_layout import Layout, bits_to_bytes
from dataflows.tiling.strip_plan import StripPlan
from dataflows.tiling.strip_schedule import StripTransfers
from dataflows.tiling.windows import inputs_read
from workloads.whole_numbers import starts


class StripTraffic:
    """The transfers of a plan. Inputs of a strip are held for all its filters; weights for the layer where they fit.

    In DRAM inputs lie as (n, g, [d,] h, w, c), the channels of a position in whole bytes; weights as (g, filter block,
    kept column, k) after the group's index list, where there is one (`indexed`); outputs in the order of the tiles.
    """

    def __init__(self, plan: StripPlan, value_bits: int, weight_buffer_bytes: int, *, indexed: bool) -> None:
        self._plan, self._bits, layer = plan, value_bits, plan.layer
        self._weight_buffer_bytes = weight_buffer_bytes
        # An entry is the number of one of a filter's columns: 576 of them take 10 bits, a single one still takes a bit.
        entry_bits = max(1, (layer.weight_count // layer.out_channels - 1).bit_length()) if indexed else 0
        self._list_bytes = bits_to_bytes(plan.columns * entry_bits)
        column_bytes = bits_to_bytes(plan.columns[:, None] * plan.filters * value_bits)  # (groups, filter blocks)
        self._weight_bytes = column_bytes if plan.weight_bytes is None else plan.weight_bytes
        self._group_bytes = self._list_bytes + self._weight_bytes.sum(axis=1)
        self._position_bytes = bits_to_bytes(plan.channels * value_bits)  # (groups,)
        self._map_bytes = self._position_bytes * math.prod(layer.input_size)
        self._layout = Layout.of(int(self._map_bytes.sum()) * layer.batch, int(self._group_bytes.sum()))
        # A group's weights give way to the next group's, which arrive meanwhile: two groups are there at a time.
        self.holds_weights = min(2, len(plan.columns)) * int(self._group_bytes.max()) <= weight_buffer_bytes
        # A block of filters that fits meets the whole strip; else its weights come with every block of pixels.
        largest = int((self._list_bytes + self._weight_bytes.max(axis=1)).max())
        self.streams_weights = not self.holds_weights and largest > weight_buffer_bytes

    @property
    def plan(self) -> StripPlan:
        """The tiles."""
        return self._plan

    def transfers(self, input_bytes: int, output_bytes: int) -> StripTransfers:
        """All of it, for a machine of three buffers that keeps nothing between layers."""
        return StripTransfers(
            self.loads(),
            self.stores(),
            self.buffers(input_bytes, output_bytes),
            self._compulsory_bytes(),
            self.notes(),
        )

    @classmethod
    def of_fewest_bytes(cls, plans: list[StripPlan], value_bits: int, weight_buffer_bytes: int) -> Self:
        """That of the plan which loads the fewest bytes, the first of equals; without lists of columns."""
        each = [cls(plan, value_bits, weight_buffer_bytes, indexed=False) for plan in plans]
        return min(each, key=lambda traffic: traffic.loads().total_bytes) if len(each) > 1 else each[0]

    def _compulsory_bytes(self) -> int:
        """What no order of tiles avoids: the weights, the inputs of groups that keep any, and all outputs, once."""
        plan, layer = self._plan, self._plan.layer
        # A group that keeps no column has no use for its inputs. Bytes are rounded down, as a bound from below has to
        # be.
        kept = plan.columns > 0
        values = int(plan.channels[kept].sum()) * layer.batch * inputs_read(layer) + layer.output_count
        if plan.weight_bytes is not None:
            return int(plan.weight_bytes.sum()) + values * self._bits // 8
        return (int((plan.columns[:, None] * plan.filters).sum()) + values) * self._bits // 8

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
            # A strip of several blocks only streams where that moves fewer bytes (`of_fewest_bytes`).
            what = "inputs" if int(strips.blocks.max()) > 1 else "inputs of a pixel block"
            notes.append(f"the {what} exceed the input buffer: they stream in for every filter block")
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
        # Where each map begins, (groups, images): two groups of 10 and 20 bytes over two images begin at 0 and 30, and
        # 10 and 40.
        map_start = np.arange(layer.batch) * self._map_bytes.sum() + starts(self._map_bytes)[:, None]
        start = map_start[..., None] + strips.run_start * position_bytes
        size = strips.run_positions * position_bytes * (plan.columns > 0)[:, None, None]
        tile, last = plan.tile_index[:, :, strips.run_strip], plan.tile_index[:, :, strips.run_last_strip]
        rows = (row.reshape(-1) for row in np.broadcast_arrays(tile, start, size, last))
        # Runs are by strip already; tiles of several groups and images come in the order of their numbers.
        columns = np.stack([row[np.argsort(tile.reshape(-1), kind="stable")] for row in rows])
        if strips.streams_inputs:
            # What does not stay comes again for every block of filters of its tile.
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
        # A strip of three blocks of positions reads weights that stream three times, and held blocks of filters once.
        times = plan.strips.blocks if self.streams_weights else np.ones_like(plan.strips.blocks)
        again = np.repeat(plan.tile_index, times, axis=2)
        columns = (again, (start + self._list_bytes)[:, None, None], self._weight_bytes.sum(axis=1)[:, None, None])
        tile, address, size = (column.reshape(-1) for column in np.broadcast_arrays(*columns))
        return Runs.merge(lists, Runs.per_tile(Tensor.WEIGHT, tile, address, size))

    def stores(self) -> Runs:
        """Each tile's outputs."""
        plan = self._plan
        filters = np.broadcast_to(plan.filters.sum(axis=-1), len(plan.columns))
        # Rounded up tile by tile, so that each tile writes whole bytes of its own.
        size = bits_to_bytes(plan.strips.pixels * filters[:, None, None] * self._bits)
        size = np.broadcast_to(size, plan.shape).reshape(-1)
        address = self._layout.output_address + starts(size)
        return Runs.per_tile(Tensor.OUTPUT, np.arange(len(size)), address, size)
