"""TCL, the front end of Bit-Tactical: weights are scheduled before the run, so that rows of zero weights fall away.

Source: Delmas Lascorz et al., "Bit-Tactical: A Software/Hardware Approach to Exploiting Value and Bit Sparsity in
Neural Networks", ASPLOS 2019, and the scheduler of the authors' simulator (DNNsim), whose rule stands in
`weight_schedule`. The paper's back ends multiply bit by bit and skip zero bits of activations (TCLe) or unused
precision (TCLp). They are not modelled: here a slot takes a weight a cycle, as in the dense machine, and no activation
is skipped.

A filter is rows of 16 weights, those of 16 neighbouring channels at a kernel position; dense, a row takes a cycle.
Where a slot of a row holds a zero, a weight is promoted into it from the next rows (lookahead), of the same lane or a
few others (lookaside): a multiplexer before each multiplier then selects the activation of the place it came from. A
row of which nothing is left is left out, at most h = 2 of them one after the other, which is how far activations are
held ahead.

The cycles: a tile has 16 filters, a set, that go through their rows together, so that a row is left out where it is
empty for all of them. One that stays though it is empty takes a cycle without a product (index). The 16 tiles have sets
of their own and meet at the end of a window (imbalance); a tile without filters in a round has nothing to do
(unmapped). Zero activations, and the padding, are multiplied like others.

What the machine is taken to do where neither says:

- Its shape and memory are DaDianNao's, with which it is compared: a tile computes one window at a time (the authors'
  simulator has 1 or 16 beside each other).
- Groups lie side by side as on DaDianNao (`groups`): zeros between them are slots that weights are promoted into.
- Scheduled rows are stored as they run: all slots of all rows that are not left out, each with the bits that select its
  activation, and each row with a count of those left out before it. So they come from DRAM, too.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.machines.tcl import hardware
from dataflows.machines.tcl.promoted_products import multiply_set
from dataflows.machines.tcl.spec import TclSpec
from dataflows.machines.tcl.weight_schedule import SetSchedules
from dataflows.schedule import BufferUse, Cause, LayerSchedule, Tensor, no_cycles
from dataflows.sizing import Scaling
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.group_packs import GroupPacks
from dataflows.tiling.kept_maps import KeptMaps
from dataflows.tiling.matrix_product import product_layer
from dataflows.tiling.residency import residency_notes, resident
from dataflows.tiling.strip_plan import StripPlan
from dataflows.tiling.strip_schedule import StripWork, strip_schedule
from dataflows.tiling.strip_traffic import StripTraffic
from dataflows.tiling.strips import strip_orders
from dataflows.tiling.windows import PaddedMap
from workloads.layer import Layer
from workloads.trace import LayerTrace


class Tcl(Accelerator[TclSpec]):
    """The front end with bit-parallel multipliers; a PE is a tile, with filters x lanes as multipliers."""

    name = "tcl"
    display = "TCL"
    title = "TCL: weights promoted into the slots of zeros before the run, bit-parallel (Bit-Tactical, ASPLOS 2019)"
    Spec = TclSpec
    baseline_name = "dadiannao"
    needs_constant_weights = "its weights are scheduled before the run, and another layer's results cannot be"
    scaling = Scaling(
        factors=("tiles", "filters_per_tile", "lanes"),
        growing=("tiles",),
        buffers={"synapse_edram_bytes": "", "central_edram_bytes": ""},
        reason="tiles are added, as with DaDianNao",
    )

    def baseline_settings(self) -> dict[str, Any]:
        """DaDianNao of the same shape and memory."""
        spec = self.spec
        same = ("tiles", "synapse_edram_bytes", "central_edram_bytes", "weights_resident")
        return {key: getattr(spec, key) for key in same} | {
            "neurons_per_tile": spec.filters_per_tile,
            "inputs_per_neuron": spec.lanes,
        }

    def issued_products(self, trace: LayerTrace) -> int:
        """Each non-zero weight at every output position, padding included."""
        return trace.weight_nonzeros * trace.layer.batch * math.prod(trace.layer.output_size)

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each pack of groups, image and strip of rows, in this order."""
        self.require(trace.layer)
        spec, layer = self.spec, product_layer(trace.layer)
        packs = self._packs(layer)
        sets = SetSchedules.of(packs, trace.weight_mask, self._set_filters(packs), spec.rule)
        maps = KeptMaps(layer, trace.input_in_dram, spec.central_edram_bytes // 2, spec.value_bits)
        room, stored_bytes = spec.synapse_edram_bytes, self._stored_bytes(sets)
        weight_bytes = int(stored_bytes.sum())
        held = resident(spec.weights_resident, fits=weight_bytes <= room)
        plans = self._plans(packs, maps, sets)
        # Weights that are there already make no difference to the order.
        traffic = StripTraffic.of_fewest_bytes(plans[:1] if held else plans, spec.value_bits, room)
        plan = traffic.plan
        buffers = (
            BufferUse("central_edram_inputs", Tensor.INPUT, maps.room_bytes, streamed=plan.strips.streams_inputs),
            BufferUse("synapse_edram", Tensor.WEIGHT, room, streamed=not traffic.holds_weights),
            BufferUse("central_edram_outputs", Tensor.OUTPUT, maps.room_bytes),
        )
        moved = maps.transfers(traffic, buffers, weight_bytes, resident=held)
        schedule = strip_schedule(
            spec,
            self._work(plan, sets),
            replace(moved, notes=(*residency_notes("scheduled weights", weight_bytes, room, held=held), *moved.notes)),
            pe_grid=(1, spec.tiles),
            lanes_per_pe=spec.filters_per_tile * spec.lanes,
            expected_issued=self.issued_products(trace),
        )
        windows = layer.batch * math.prod(layer.output_size)
        return replace(schedule, counts={hardware.FILTER_ROWS: int((sets.executed * sets.filters).sum()) * windows})

    def _packs(self, layer: Layer) -> GroupPacks:
        return GroupPacks.of(layer, self.spec.groups, inputs=self.spec.lanes, filters=self.spec.filters)

    def _set_filters(self, packs: GroupPacks) -> np.ndarray:
        """Int64 (packs, rounds, tiles): filters of each tile's set."""
        first = np.arange(self.spec.tiles) * self.spec.filters_per_tile
        return np.clip(packs.filters(self.spec.filters)[..., None] - first, 0, self.spec.filters_per_tile)

    def _stored_bytes(self, sets: SetSchedules) -> np.ndarray:
        """Int64 (packs, rounds): scheduled rows of all tiles, each tile's in whole bytes."""
        spec = self.spec
        row_bits = sets.filters * spec.lanes * (spec.value_bits + spec.select_bits) + spec.skip_bits
        return bits_to_bytes(sets.executed * row_bits).sum(axis=-1)

    def _plans(self, packs: GroupPacks, maps: KeptMaps, sets: SetSchedules) -> list[StripPlan]:
        """In the orders of strips and filter blocks that there are."""
        spec, layer = self.spec, packs.layer
        # Positions are held as the largest pack needs them, as with DaDianNao.
        position_bytes = bits_to_bytes(spec.value_bits * int(packs.channels.max()))
        inputs = maps.input_positions(maps.room_bytes // position_bytes)
        columns = np.full(packs.count, layer.weight_count // layer.out_channels)
        filters = packs.filters(spec.filters)
        orders, stored = strip_orders(layer, layer.output_size[-1], inputs=inputs), self._stored_bytes(sets)
        return [StripPlan(layer, columns, filters, strips, packs, weight_bytes=stored) for strips in orders]

    def _work(self, plan: StripPlan, sets: SetSchedules) -> StripWork:
        """Cycles and products; what a window costs does not depend on the window."""
        mapped = sets.filters > 0
        slowest = sets.executed.max(axis=-1, keepdims=True)
        window = np.zeros((len(sets.filters), self.spec.tiles, len(Cause)), np.int64)
        for cause, part in (
            (Cause.BUSY, sets.executed - sets.empty),
            (Cause.INDEX, sets.empty),
            (Cause.IMBALANCE, mapped * (slowest - sets.executed)),
            (Cause.UNMAPPED, ~mapped * slowest),
        ):
            window[..., cause] = part.sum(axis=1)
        pixels = plan.strips.pixels[:, None]
        cycles = no_cycles(*plan.shape, self.spec.tiles)
        cycles += window[:, None, None] * pixels[..., None]
        issued = np.broadcast_to(sets.weights.sum(axis=1)[:, None, None] * pixels, cycles.shape[:-1])
        return StripWork(
            cycles.reshape(plan.tiles, self.spec.tiles, -1),
            issued.reshape(plan.tiles, self.spec.tiles),
            np.zeros(plan.tiles, np.int64),
        )

    def components(self) -> tuple[Component, ...]:
        """See `hardware`."""
        return hardware.components(self.spec)

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """See `hardware`."""
        return hardware.count(self.spec, self.parts, self._packs(product_layer(trace.layer)), schedule, effectual_macs)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs set by set and row by row, without zero weights, each with the activation that it selects."""
        self.require(layer)
        packs, lanes = self._packs(layer), self.spec.lanes
        spread, padded = packs.block_weights(weights), PaddedMap.of(packs.block_layer(), _widened(packs, activations))
        channels, vectors = spread.shape[1], -(-spread.shape[1] // lanes)
        # (k, c, taps) to (k, tap, vector, lane), with lanes beyond the channels empty; reads likewise.
        ragged = ((0, 0), (0, vectors * lanes - channels), (0, 0))
        rows, reads = (
            np.pad(part.reshape(-1, channels, math.prod(layer.kernel_size)), ragged)
            .reshape(len(part), vectors, lanes, -1)
            .transpose(0, 3, 1, 2)
            .reshape(len(part), -1, lanes)
            for part in (spread, padded.columns[None])
        )
        outputs = np.zeros((layer.batch, len(padded.windows), layer.out_channels), np.int64)
        edges = np.append(0, np.cumsum(self._set_filters(packs).reshape(packs.count, -1)))
        for number, (first, last) in enumerate(itertools.pairwise(edges.tolist())):
            own = np.ascontiguousarray(rows[first:last])
            values = np.ascontiguousarray(padded.values[:, number * packs.count // (len(edges) - 1)])
            outputs[..., first:last] = multiply_set(own, reads[0], self.spec.rule, values, padded.windows)
        return outputs.transpose(0, 2, 1).reshape(layer.output_shape)


def _widened(packs: GroupPacks, activations: np.ndarray) -> np.ndarray:
    """Activations (N, C, [D,] H, W) with the empty channels of groups that the last pack has not."""
    missing = packs.block_layer().in_channels - activations.shape[1]
    return np.pad(activations, ((0, 0), (0, missing), *[(0, 0)] * (activations.ndim - 2)))
