"""What the tiles of a described machine move over DRAM, by its loops, its formats and what stays on the chip."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from dataflows.described.filters import Rounds
from dataflows.described.spec import DescriptionSpec
from dataflows.schedule import Runs, Tensor
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.packed_maps import bytes_read, fibre_bytes, packed_inputs
from dataflows.tiling.strip_plan import StripPlan
from dataflows.tiling.strip_schedule import StripTransfers
from dataflows.tiling.strip_traffic import StripTraffic
from dataflows.tiling.strips import PixelStrips
from workloads import formats
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import boundaries, starts


def place_bytes(spec: DescriptionSpec, layer: Layer) -> int:
    """Bytes of a group's channels at a place of the map of which none is zero."""
    return bits_to_bytes(layer.group_in_channels * (spec.value_bits + (spec.storage.activations == "bitmap")))


def inputs_stay(spec: DescriptionSpec, layer: Layer) -> bool:
    """Whether the inputs of the whole batch lie on the chip between layers."""
    places = layer.batch * layer.groups * math.prod(layer.input_size)
    return "maps" in spec.storage.resident and places * place_bytes(spec, layer) <= spec.storage.input_buffer_bytes


def strips_of(spec: DescriptionSpec, layer: Layer) -> PixelStrips:
    """Strips of output positions, whole turns of the PEs of positions; a whole image where those have blocks of it."""
    nest = spec.nest
    turn = math.prod(layer.output_size) if nest.planar else nest.size_of("P Q") * nest.lanes["P Q"]
    held = spec.storage.input_buffer_bytes // place_bytes(spec, layer)
    if inputs_stay(spec, layer):
        # A map that is there anyway is not cut; half of so much is the map.
        held = 2 * math.prod(layer.input_size)
    return PixelStrips.of(layer, turn, inputs=held)


def weight_bytes(spec: DescriptionSpec, layer: Layer, rounds: Rounds, stored: np.ndarray, *, held: bool) -> np.ndarray:
    """Int64 (G, rounds): stored bytes of the filters of each round, of all at once in a broadcast.

    stored  bool (K, C/G, taps);  held  whether `skip.kept` could hold them
    """
    numbers = [range(rounds.count)] if spec.nest.broadcast else [range(r, r + 1) for r in range(rounds.count)]
    size = layer.group_out_channels
    order = [
        np.concatenate([rounds.in_order(group, number) for number in of_round]) + group * size
        for group in range(layer.groups)
        for of_round in numbers
    ]
    bounds = boundaries([len(own) for own in order])
    name, _, options = spec.storage.weights.partition(":")
    bits_said = "" if "value_bits=" in options else f"value_bits={spec.value_bits}"
    given = ",".join(part for part in (options, bits_said) if part)
    chosen = formats.parse(f"{name if held else 'dense'}:{given if held else f'value_bits={spec.value_bits}'}")
    bits = chosen.tile_bits(stored[np.concatenate(order)], row_bounds=bounds)[:, 0]
    return bits_to_bytes(bits).reshape(layer.groups, -1)


@dataclass(frozen=True, eq=False)
class Traffic:
    """A layer's transfers.

    filters  int64 (rounds,): filters of each round of a group
    weights  int64 (G, rounds): their bytes
    """

    spec: DescriptionSpec
    layer: Layer
    strips: PixelStrips
    filters: np.ndarray
    weights: np.ndarray

    def transfers(self, trace: LayerTrace, activations: np.ndarray) -> StripTransfers:
        """All of them; activations are the mask of the layer, bool (N, C, [D,] H, W)."""
        spec, layer, storage = self.spec, self.layer, self.spec.storage
        bitmap = storage.activations == "bitmap"
        columns = np.full(layer.groups, layer.weight_count // layer.out_channels)
        filters = self.filters.sum(keepdims=True) if spec.nest.filters_first else self.filters
        sizes = self.weights.sum(axis=1, keepdims=True) if spec.nest.filters_first else self.weights
        plan = StripPlan(layer, columns, filters, self.strips, weight_bytes=sizes)
        traffic = StripTraffic(plan, spec.value_bits + bitmap, storage.weight_buffer_bytes, indexed=False)
        moved = traffic.transfers(storage.input_buffer_bytes, storage.output_buffer_bytes)
        if spec.nest.filters_first:
            moved = self._by_round(plan, moved)
        moved = replace(moved, stores=self._stores(moved.stores, trace.output_density, bitmap=bitmap))
        fibres = fibre_bytes(layer, activations, spec.value_bits, sparse=bitmap)
        moved = replace(
            moved, loads=packed_inputs(moved.loads, boundaries(fibres.reshape(-1)), place_bytes(spec, layer))
        )
        return self._staying(plan, moved, trace, fibres)

    @property
    def _outputs(self) -> np.ndarray:
        """Int64 (tiles,): outputs of each tile."""
        layer, pixels = self.layer, self.strips.pixels
        made = self.filters[:, None, None] if self.spec.nest.filters_first else self.filters.sum()
        shape = (
            layer.groups,
            *((len(self.filters),) if self.spec.nest.filters_first else ()),
            layer.batch,
            len(pixels),
        )
        return np.broadcast_to(made * pixels, shape).reshape(-1)

    def _stores(self, dense: Runs, density: float, *, bitmap: bool) -> Runs:
        outputs, bits = self._outputs, self.spec.value_bits
        nonzeros = np.ceil(outputs * density).astype(np.int64)
        size = bits_to_bytes(outputs + nonzeros * bits if bitmap else outputs * bits)
        address = int(dense.address[0]) + starts(size)
        return Runs.per_tile(Tensor.OUTPUT, np.arange(len(size)), address, size)

    def _by_round(self, plan: StripPlan, moved: StripTransfers) -> StripTransfers:
        """The transfers of tiles by group, round, image and strip, from those by group, image and strip."""
        strips, batch, rounds = self.strips, self.layer.batch, len(self.filters)
        each = batch * strips.count
        loads = moved.loads
        inputs = Runs(*(getattr(loads, name)[loads.tensor == Tensor.INPUT] for name in Runs.__dataclass_fields__))
        first = int(loads.address[loads.tensor == Tensor.WEIGHT][0])
        group = inputs.tile // each
        held = each == 1 and not strips.streams_inputs
        if held:
            parts = [replace(inputs, tile=group * rounds, last_tile=group * rounds + rounds - 1)]
        else:
            parts = [
                replace(inputs, tile=inputs.tile + (group * (rounds - 1) + r) * each,
                        last_tile=inputs.last_tile + (group * (rounds - 1) + r) * each)
                for r in range(rounds)
            ]  # fmt: skip
        tiles = np.arange(plan.tiles * rounds).reshape(plan.shape[0], rounds, batch, strips.count)
        address, room = first + starts(self.weights), self.spec.storage.weight_buffer_bytes
        stays = min(2, self.weights.size) * int(self.weights.max()) <= room
        if stays:
            weights = Runs.per_tile(
                Tensor.WEIGHT, tiles[:, :, 0, 0].reshape(-1), address.reshape(-1), self.weights.reshape(-1),
                last_tile=tiles[:, :, -1, -1].reshape(-1),
            )  # fmt: skip
        else:
            times = strips.blocks if int(self.weights.max()) > room else np.ones_like(strips.blocks)
            again = np.repeat(tiles, times, axis=3)
            columns = np.broadcast_arrays(again, address[:, :, None, None], self.weights[:, :, None, None])
            weights = Runs.per_tile(Tensor.WEIGHT, *(column.reshape(-1) for column in columns))
        buffers = tuple(
            replace(use, streamed=not stays) if use.tensor == Tensor.WEIGHT else use for use in moved.buffers
        )
        notes = () if stays else ("the weights of two rounds exceed their buffer: they are read again for every strip",)
        if rounds > 1 and not held:
            notes += (f"inputs are loaded anew for each of {rounds} rounds of filters",)
        return replace(moved, loads=Runs.merge(*parts, weights), buffers=buffers, notes=notes)

    def _staying(self, plan: StripPlan, moved: StripTransfers, trace: LayerTrace, fibres: np.ndarray) -> StripTransfers:
        """Without what stays on the chip."""
        spec, layer, storage = self.spec, self.layer, self.spec.storage
        weights = int(self.weights.sum())
        there = "weights" in storage.resident and weights <= storage.weight_buffer_bytes and not layer.moving_weights
        maps = "maps" in storage.resident
        kept_in = inputs_stay(spec, layer)
        kept_out = maps and moved.stores.total_bytes <= storage.output_buffer_bytes
        loads = moved.loads
        gone = (loads.tensor == Tensor.WEIGHT) & there | (loads.tensor == Tensor.INPUT) & kept_in
        loads = Runs(*(getattr(loads, name)[~gone] for name in Runs.__dataclass_fields__))
        if kept_in and trace.input_in_dram:
            loads = Runs.merge(self._whole_maps(plan, fibres), loads)
        least = 0 if there else weights
        if trace.input_in_dram or not kept_in:
            least += bytes_read(layer, fibres)
        return replace(
            moved,
            loads=loads,
            stores=Runs.none() if kept_out else moved.stores,
            compulsory_bytes=least + (0 if kept_out else moved.stores.total_bytes),
            spills=maps and not (kept_in and kept_out),
        )

    def _whole_maps(self, plan: StripPlan, fibres: np.ndarray) -> Runs:
        """The network's input, which comes once: each image's and group's map, until its last tile."""
        layer, strips = self.layer, self.strips.count
        rounds = len(self.filters) if self.spec.nest.filters_first else 1
        edges = boundaries(fibres.reshape(layer.batch * layer.groups, -1).sum(axis=1))
        tiles = np.arange(plan.tiles * rounds).reshape(layer.groups, rounds, layer.batch, strips)
        order = np.arange(layer.batch * layer.groups).reshape(layer.batch, layer.groups).T.reshape(-1)
        return Runs.per_tile(
            Tensor.INPUT, tiles[:, 0, :, 0].reshape(-1), edges[order], np.diff(edges)[order],
            last_tile=tiles[:, -1, :, -1].reshape(-1),
        )  # fmt: skip
