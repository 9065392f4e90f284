"""Cnvlutin: a DaDianNao whose neuron lanes skip zero inputs, and wait for each other at the end of every window.

Source: Albericio et al., "Cnvlutin: Ineffectual-Neuron-Free Deep Neural Network Computing", ISCA 2016. Of its text only
the abstract could be read again; what is told here of the machine is from memory of the paper.

Neurons lie in bricks of 16 along the channels (ZFNAf): the non-zeros of a brick, each with an offset of 4 bits that
tells which synapses it meets; bricks stay aligned, so that a map takes the room that it takes without. A unit of
DaDianNao is split into 16 subunits, each a neuron lane with the synapses of 16 filters for it. All 16 units get the
same neurons.

A cycle: each lane takes one neuron of its brick, and multiplies it in all units with the synapses of its round's
filters. A brick of zeros takes a cycle (index), whose neurons lie in the padding as well as in the map. Filters sum the
products of all lanes, so that no lane begins a window before the slowest has ended the one before: those that are done
wait (imbalance), those that no brick is dealt to have nothing to do (unmapped). Rounds of filters repeat the windows.

What the machine is taken to do where the paper is silent, or not remembered:

- The bricks of a window are dealt to the lanes in turn, kernel position by kernel position (`slices`). With a multiple
  of 256 channels that is the published order, a slice of the depth a lane.
- So lanes take bricks of different kernel positions at a time, each from a bank of its own that is never another's.
- The network's own input is not encoded (`first_layer`): a chunk of 16 channels a cycle, zeros and padding included.
  Fully connected layers are (`fully_connected`).
- Groups lie side by side as on DaDianNao (`groups`), at most as many as fill a brick of every lane; a brick may hold
  the channels of several, of which each meets the filters of its own group. Bricks begin with the first channel of what
  runs together, also where that is no multiple of 16. More groups have more bricks to a window, which lanes may share
  less evenly: where half as many, a quarter and so on, down to a group alone, take fewer cycles of computing over the
  whole layer, so many run together (the most of those that take equally long).
- Bricks are fetched ahead, a brick a lane and cycle, and outputs encoded beside the next windows: neither is waited
  for.
- Offsets have memory of their own, and a map that does not fit crosses DRAM without them.

Memory is DaDianNao's: synapses and maps lie in eDRAM where they fit.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.machines.cnvlutin import hardware
from dataflows.machines.cnvlutin.brick_lanes import BrickWindows, LaneWork, multiply_neurons
from dataflows.machines.cnvlutin.spec import CnvlutinSpec
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
from dataflows.truth.products import count_meetings
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div


class Cnvlutin(Accelerator[CnvlutinSpec]):
    """The Cnvlutin machine; a PE is a neuron lane, with a multiplier for each filter of a round."""

    name = "cnvlutin"
    display = "Cnvlutin"
    title = "Cnvlutin: DaDianNao whose lanes skip zero activations, brick by brick (ISCA 2016)"
    Spec = CnvlutinSpec
    baseline_name = "dadiannao"
    scaling = Scaling(
        factors=("units", "lanes", "filters_per_unit"),
        growing=("units",),
        buffers={"synapse_edram_bytes": "", "central_edram_bytes": ""},
        reason="units are added, as with DaDianNao",
    )

    def baseline_settings(self) -> dict[str, Any]:
        """DaDianNao of the same shape and memory."""
        spec = self.spec
        same = ("synapse_edram_bytes", "central_edram_bytes", "weights_resident")
        return {key: getattr(spec, key) for key in same} | {
            "tiles": spec.units,
            "neurons_per_tile": spec.filters_per_unit,
            "inputs_per_neuron": spec.lanes,
        }

    def idle_settings(self) -> dict[str, str]:
        """A lane alone takes every brick."""
        return {"slices": "a single lane takes every brick"} if self.spec.lanes == 1 else {}

    def issued_products(self, trace: LayerTrace) -> int:
        """Each non-zero neuron in each window that reads it, with its group's filters; all where it runs densely."""
        return self._issued(trace, dense=self._runs_densely(trace))

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each pack of groups, image and strip of rows, in this order."""
        return self._schedule(trace, dense=self._runs_densely(trace))

    def with_inputs_from_dram(self, trace: LayerTrace, schedule: LayerSchedule) -> LayerSchedule:
        """What another layer has made comes back as it was encoded, from wherever it lies."""
        del schedule
        return self._schedule(replace(trace, input_in_dram=True), dense=self._runs_densely(trace))

    def _runs_densely(self, trace: LayerTrace) -> bool:
        first = trace.input_in_dram and self.spec.first_layer == "dense"
        return first or (trace.layer.fully_connected and self.spec.fully_connected == "dense")

    def _issued(self, trace: LayerTrace, *, dense: bool) -> int:
        layer = trace.layer
        return layer.dense_macs if dense else count_meetings(trace) * layer.group_out_channels

    def _schedule(self, trace: LayerTrace, *, dense: bool) -> LayerSchedule:
        spec, (layer, mask) = self.spec, _as_run(trace)
        maps = KeptMaps(layer, trace.input_in_dram, spec.central_edram_bytes // 2, spec.value_bits)
        packs = self._packs(layer, mask, dense=dense)
        room = spec.synapse_edram_bytes
        synapse_bytes = bits_to_bytes(layer.weight_count * spec.value_bits)
        # What another layer makes in the same run lies with the maps, not among the synapses.
        held = not layer.moving_weights and resident(spec.weights_resident, fits=synapse_bytes <= room)
        plans = self._plans(packs, maps)
        # Synapses that are there already make no difference to the order.
        traffic = StripTraffic.of_fewest_bytes(plans[:1] if held else plans, spec.value_bits, room)
        plan = traffic.plan
        buffers = (
            BufferUse("central_edram_inputs", Tensor.INPUT, maps.room_bytes, streamed=plan.strips.streams_inputs),
            BufferUse("synapse_edram", Tensor.WEIGHT, room, streamed=not traffic.holds_weights),
            BufferUse("central_edram_outputs", Tensor.OUTPUT, maps.room_bytes),
        )
        moved = maps.transfers(traffic, buffers, synapse_bytes, resident=held)
        return strip_schedule(
            spec,
            self._dense_work(plan) if dense else self._work(plan, packs, mask),
            replace(moved, notes=(*residency_notes("synapses", synapse_bytes, room, held=held), *moved.notes)),
            pe_grid=(1, spec.lanes),
            lanes_per_pe=spec.filters,
            expected_issued=self._issued(trace, dense=dense),
        )

    def _plans(self, packs: GroupPacks, maps: KeptMaps) -> list[StripPlan]:
        """In the orders of strips and filter blocks that there are."""
        spec, layer = self.spec, packs.layer
        # Positions are held as the largest pack needs them, as with DaDianNao.
        position_bytes = bits_to_bytes(spec.value_bits * int(packs.channels.max()))
        inputs = maps.input_positions(maps.room_bytes // position_bytes)
        columns, filters = np.full(packs.count, layer.weight_count // layer.out_channels), packs.filters(spec.filters)
        orders = strip_orders(layer, layer.output_size[-1], inputs=inputs)
        return [StripPlan(layer, columns, filters, strips, packs) for strips in orders]

    def _packs(self, layer: Layer, mask: np.ndarray, *, dense: bool) -> GroupPacks:
        """Groups side by side: in a vector of all lanes where zeros are not skipped, else those that are fastest.

        mask  (N, C, [D,] H, W), of which nothing is asked where all ways are one
        """
        spec = self.spec
        if dense:
            return GroupPacks.of(layer, spec.groups, inputs=spec.lanes, filters=spec.filters)
        choices = GroupPacks.choices(layer, spec.groups, inputs=spec.lanes * spec.brick, filters=spec.filters)
        best, least, dealt = choices[0], math.inf, self._dealt(layer)
        neurons = 0
        for packs in choices if len(choices) > 1 else ():
            # Lanes that never waited for one another would take so long: no walk where even that is no gain.
            if neurons >= least * dealt.mapped(int(packs.channels[0])):
                continue
            work = LaneWork.of(packs, dealt, mask, np.zeros(1, np.int64), spec.empty_brick_cycles)
            neurons, length = int(work.neurons.sum()), int(work.length.sum())
            if length < least:
                best, least = packs, length
        return best

    def _work(self, plan: StripPlan, packs: GroupPacks, mask: np.ndarray) -> StripWork:
        """Cycles and products where zeros are skipped."""
        spec, dealt = self.spec, self._dealt(plan.layer)
        work = LaneWork.of(packs, dealt, mask, plan.strips.first_pixel, spec.empty_brick_cycles)
        mapped = np.arange(spec.lanes) < np.array([dealt.mapped(size) for size in packs.channels.tolist()])[:, None]
        return self._of_lanes(
            plan,
            busy=work.neurons,
            index=work.empty * spec.empty_brick_cycles,
            length=work.length[..., None],
            mapped=mapped[:, None, None],
        )

    def _dense_work(self, plan: StripPlan) -> StripWork:
        """Cycles and products as on DaDianNao: a vector of channels a cycle, whatever they hold."""
        lane, channels = np.arange(self.spec.lanes), plan.channels[:, None, None, None]
        steps = plan.strips.pixels[:, None] * math.prod(plan.layer.kernel_size)
        # Of 20 channels on 16 lanes the first four have two each, the others one.
        own = np.maximum(ceil_div(channels - lane, self.spec.lanes), 0)
        vectors = ceil_div(channels, self.spec.lanes)
        shape = (*plan.shape, self.spec.lanes)
        return self._of_lanes(
            plan,
            busy=np.broadcast_to(own * steps, shape),
            index=np.zeros(shape, np.int64),
            length=np.broadcast_to(vectors * steps, (*plan.shape, 1)),
            mapped=own > 0,
        )

    def _of_lanes(
        self, plan: StripPlan, *, busy: np.ndarray, index: np.ndarray, length: np.ndarray, mapped: np.ndarray
    ) -> StripWork:
        """Of what lanes do in one round, int64 (packs, N, strips, lanes); all rounds of filters repeat it."""
        cycles = no_cycles(*plan.shape, self.spec.lanes)
        cycles[..., Cause.BUSY] = busy
        cycles[..., Cause.INDEX] = index
        cycles[..., Cause.IMBALANCE] = mapped * (length - busy - index)
        cycles[..., Cause.UNMAPPED] = ~mapped * length
        cycles *= plan.filters.shape[-1]
        # Over all rounds together a neuron meets the filters of its group once.
        issued = busy * plan.layer.group_out_channels
        return StripWork(
            cycles.reshape(plan.tiles, self.spec.lanes, -1),
            issued.reshape(plan.tiles, self.spec.lanes),
            np.zeros(plan.tiles, np.int64),
        )

    def _dealt(self, layer: Layer) -> BrickWindows:
        spec = self.spec
        return BrickWindows.of(layer, spec.brick, spec.lanes, by_depth=spec.slices == "depth")

    def components(self) -> tuple[Component, ...]:
        """See `hardware`."""
        return hardware.components(self.spec)

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """See `hardware`."""
        dense = self._runs_densely(trace)
        layer, mask = _as_run(trace)
        packs = self._packs(layer, mask, dense=dense)
        return hardware.count(self.spec, self.parts, packs, schedule, effectual_macs, dense=dense)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs round by round, window by window and lane by lane, without the products of neurons that are zero.

        Where the network's input runs densely, its zeros are multiplied too, which adds nothing.
        """
        dealt = self._dealt(layer)
        padded = np.pad(activations, ((0, 0), (0, 0), *layer.padding)).reshape(*activations.shape[:2], -1)
        # (g, c, taps, k): the synapses that a neuron meets lie side by side.
        by_filter = weights.reshape(layer.groups, layer.group_out_channels, layer.group_in_channels, -1)
        synapses = np.ascontiguousarray(by_filter.transpose(0, 2, 3, 1))
        outputs = np.zeros((layer.batch, len(dealt.windows), layer.out_channels), np.int64)
        together = self._packs(layer, activations != 0, dense=False).together
        multiply_neurons(padded, dealt, synapses, self.spec.filters, together, outputs)
        return outputs.transpose(0, 2, 1).reshape(layer.output_shape)


def _as_run(trace: LayerTrace) -> tuple[Layer, np.ndarray]:
    """The layer and its activation mask as the machine takes them: a fully connected batch is positions of one row."""
    layer, mask = product_layer(trace.layer), trace.activation_mask
    if layer is trace.layer:
        return layer, mask
    # (N, C, 1, 1) as (1, C, 1, N)
    return layer, np.ascontiguousarray(mask.reshape(mask.shape[:2]).T).reshape(1, mask.shape[1], 1, -1)
