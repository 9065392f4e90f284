"""`Described`: the machine that a description is. Its rules are those of docs/describing.md.

Approximations, beside those that the rules say: formats are decoded as fast as PEs take what they hold; groups of a
convolution follow one another; sums take no cycles of their own, and outputs leave beside the next tile.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.described.filters import Rounds, stored_weights
from dataflows.described.lists import places_of
from dataflows.described.spec import DescriptionSpec
from dataflows.described.traffic import Traffic, strips_of, weight_bytes
from dataflows.described.work import LayerWork
from dataflows.schedule import LayerSchedule
from dataflows.sizing import Scaling
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.matrix_product import product_layer
from dataflows.tiling.packed_maps import stored_bits
from dataflows.tiling.strip_schedule import StripWork, strip_schedule
from dataflows.truth.products import count_meetings, count_products, positions_inside
from workloads.layer import Layer
from workloads.trace import LayerTrace


class Described(Accelerator[DescriptionSpec]):
    """A machine as it is described; its dense baseline is itself on full masks. See `described_machine`."""

    Spec = DescriptionSpec
    scaling: ClassVar[Scaling] = Scaling(
        reason="the array of a described machine is what its mapping says", unsized="its buffers are as described"
    )

    @property
    def multipliers(self) -> int:
        """Of all PEs."""
        nest = self.spec.nest
        return nest.pes * nest.lanes_per_pe

    @property
    def on_chip_bytes(self) -> int:
        """Its three buffers."""
        storage = self.spec.storage
        return storage.input_buffer_bytes + storage.weight_buffer_bytes + storage.output_buffer_bytes

    def refusal(self, layer: Layer) -> str | None:
        """Products of two activations, where weights are compressed before the run."""
        if layer.moving_weights and self.spec.skip.weights:
            return (
                "its weights are compressed before the run, and nothing on the chip compresses another layer's results"
            )
        return super().refusal(layer)

    def idle_settings(self) -> dict[str, str]:
        """What has no effect in a description."""
        idle, skip = dict[str, str](), self.spec.skip
        if self.spec.nest.broadcast:
            idle["skip.spans"] = "a broadcast sends the list entry by entry"
        if skip.activations and skip.padding == "absent" and not skip.least_cycles:
            idle["skip.padding"] = "activations outside the map are skipped either way, and an empty step costs nothing"
        return idle

    def stored_map_bytes(self, values: int, nonzeros: int) -> int:
        """A bit for each value and the non-zeros, where maps are bitmaps."""
        sparse = self.spec.storage.activations == "bitmap"
        return bits_to_bytes(int(stored_bits(values, np.array(nonzeros), self.spec.value_bits, sparse=sparse)))

    def issued_products(self, trace: LayerTrace) -> int:
        """Products of stored weights and activations that are not skipped, counted without any tile."""
        layer, skip = trace.layer, self.spec.skip
        outside = skip.padding == "zeros" and not skip.activations
        if not skip.weights:
            if skip.activations:
                return count_meetings(trace) * layer.group_out_channels
            inside = int(positions_inside(layer).sum()) * layer.group_in_channels * layer.out_channels * layer.batch
            return layer.dense_macs if outside else inside
        stored, _ = stored_weights(self.spec, layer, trace.weight_mask)
        whole = replace(trace, weights=stored.reshape(layer.weight_shape))
        if skip.activations:
            return count_products(whole).effectual_macs
        return (
            int(stored.sum()) * layer.output_count // layer.out_channels
            if outside
            else count_products(whole).weight_macs
        )

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """Tiles by group, image and strip; with filters first by group, round, image and strip."""
        self.require(trace.layer)
        spec, layer = self.spec, product_layer(trace.layer)
        mask = as_product(layer, trace.activation_mask)
        stored, held = stored_weights(spec, layer, trace.weight_mask)
        rounds, strips = Rounds.of(spec, layer, stored), strips_of(spec, layer)
        channels_last = mask.reshape(layer.batch, layer.groups, layer.group_in_channels, -1).swapaxes(2, 3)
        work = LayerWork(spec, layer, stored, np.ascontiguousarray(channels_last), rounds, strips)
        cycles, issued = work.cycles()
        filters = rounds.filters[0].sum(axis=1)
        traffic = Traffic(
            spec,
            layer,
            strips,
            filters.sum(keepdims=True) if spec.nest.broadcast else filters,
            weight_bytes(spec, layer, rounds, stored, held=held),
        )
        moved = traffic.transfers(trace, mask)
        dense = () if held else (f"its weights are not {spec.skip.kept}: all are stored",)
        return strip_schedule(
            spec,
            StripWork(cycles, issued, np.zeros(len(cycles), np.int64)),
            replace(moved, notes=(*dense, *moved.notes)),
            pe_grid=spec.nest.grid,
            lanes_per_pe=spec.nest.lanes_per_pe,
            expected_issued=self.issued_products(trace),
        )

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs tile by tile, round by round and window by window, from the candidates alone."""
        self.require(layer)
        spec, whole = self.spec, product_layer(layer)
        values = as_product(whole, activations).reshape(whole.batch, whole.groups, whole.group_in_channels, -1)
        stored, _ = stored_weights(spec, whole, weights != 0)
        rounds = Rounds.of(spec, whole, stored)
        places = np.ascontiguousarray(values.swapaxes(2, 3))
        work = LayerWork(spec, whole, stored, places != 0, rounds, strips_of(spec, whole))
        lists = np.where(stored, weights.reshape(stored.shape), 0).transpose(0, 2, 1)
        lists = lists.reshape(whole.groups, whole.group_out_channels, -1)
        positions = int(np.prod(whole.output_size))
        outputs = np.zeros((whole.batch, whole.groups, whole.group_out_channels, positions), np.int64)
        for tile in work.tiles:
            at = np.arange(tile.first, tile.first + tile.count)
            reads = places_of(whole, at)
            own = places[tile.image, tile.group]
            inputs = np.where(reads[..., None] >= 0, own[reads], 0).reshape(len(at), -1)
            numbers = range(rounds.count) if spec.nest.broadcast else range(*tile.rounds)
            for number in numbers:
                filters = rounds.in_order(tile.group, number)
                kernels = lists[tile.group, filters]
                for first, end in work.cut.bounds() if not spec.nest.broadcast else [(0, lists.shape[2])]:
                    part = kernels[:, first:end] @ inputs[:, first:end].T
                    outputs[tile.image, tile.group, filters, tile.first : tile.first + tile.count] += part
        if whole is not layer:
            return outputs.reshape(layer.out_channels, -1).T.reshape(layer.output_shape)
        return outputs.reshape(layer.output_shape)


def as_product(layer: Layer, activations: np.ndarray) -> np.ndarray:
    """Activations (N, C, ...) of a layer, or of the images that are its positions (`product_layer`)."""
    if activations.shape == layer.input_shape:
        return activations
    return np.ascontiguousarray(activations.reshape(len(activations), -1).T).reshape(layer.input_shape)
