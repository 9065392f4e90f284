"""DaDianNao: DianNao's datapath in sixteen tiles, with all synapses and maps in embedded DRAM on the chip.

Source: Chen et al., "DaDianNao: A Machine-Learning Supercomputer", MICRO 2014. Each of 16 tiles multiplies the same
vector of 16 inputs with the synapses of its own 16 output neurons: 4,096 multipliers, which skip nothing:
N·[O·]P·Q·[T·]R·S·ceil(C/G / 16)·ceil(K/G / 256)·G cycles for G groups one at a time. With groups packed
(`group_packs`) those whose channels fit the vector share it, so that G counts packs.

Synapses lie in the eDRAM of the tiles, inputs and outputs in the halves of a central one. A layer whose synapses fit
has them there before it starts; those that do not fit stream in over the links, behind which all memory outside lies,
the synapses of each round of 256 output neurons when they are needed. Inputs and outputs that fit are those of the
layers before and behind and do not leave the chip, but for the network's input, which comes once; a map that does not
fit comes, or goes, in strips of whole rows. The images of a fully connected layer are positions of one product, so that
they share its synapses.

Several chips spread output neurons, and with them synapses, over all of their tiles. The outputs of a layer then lie
where they were made, and each chip receives those of the others over its links while the next layer computes; what the
links need beyond that is waited for (port).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.machines.diannao import dadiannao_hardware as hardware
from dataflows.machines.diannao.dadiannao_spec import DaDianNaoSpec
from dataflows.machines.diannao.neuron_outputs import neuron_outputs
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
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div


class DaDianNao(Accelerator[DaDianNaoSpec]):
    """The DaDianNao machine; a PE is a tile with neurons x inputs as lanes. Its dense baseline is itself.

    Approximations: the synapses of a layer fit when the tiles' eDRAM together has room for them, whatever other layers
    need; what several chips exchange is spread evenly over a layer's outputs.
    """

    name = "dadiannao"
    display = "DaDianNao"
    title = "DaDianNao: dense, 16 tiles of 16 x 16 multipliers, synapses in eDRAM (MICRO 2014)"
    Spec = DaDianNaoSpec
    skips_zeros = False
    scaling = Scaling(
        factors=("chips", "tiles", "neurons_per_tile", "inputs_per_neuron"),
        growing=("tiles",),
        buffers={"synapse_edram_bytes": "chips", "central_edram_bytes": "chips"},
        reason="tiles are added (assumption)",
    )

    def idle_settings(self) -> dict[str, str]:
        """A single chip exchanges nothing."""
        return {"link_gbs": "a single chip receives nothing from others"} if self.spec.chips == 1 else {}

    def issued_products(self, trace: LayerTrace) -> int:
        """All of them."""
        return trace.layer.dense_macs

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each pack of groups, image and strip of rows, in this order."""
        spec, layer = self.spec, product_layer(trace.layer)
        maps = KeptMaps(layer, trace.input_in_dram, spec.map_bytes, spec.value_bits)
        room = spec.chips * spec.synapse_edram_bytes
        synapse_bytes = bits_to_bytes(layer.weight_count * spec.value_bits)
        # What another layer makes in the same run lies with the maps, not among the synapses.
        held = not layer.moving_weights and resident(spec.weights_resident, fits=synapse_bytes <= room)
        plans = self._plans(layer, maps)
        # Synapses that are there already make no difference to the order.
        traffic = StripTraffic.of_fewest_bytes(plans[:1] if held else plans, spec.value_bits, room)
        plan = traffic.plan
        buffers = (
            BufferUse("central_edram_inputs", Tensor.INPUT, spec.map_bytes, streamed=plan.strips.streams_inputs),
            BufferUse("synapse_edram", Tensor.WEIGHT, room, streamed=not traffic.holds_weights),
            BufferUse("central_edram_outputs", Tensor.OUTPUT, spec.map_bytes),
        )
        moved = maps.transfers(traffic, buffers, synapse_bytes, resident=held)
        return strip_schedule(
            spec,
            self._work(plan, maps),
            replace(moved, notes=(*residency_notes("synapses", synapse_bytes, room, held=held), *moved.notes)),
            pe_grid=(spec.chips, spec.tiles),
            lanes_per_pe=spec.neurons_per_tile * spec.inputs_per_neuron,
            expected_issued=self.issued_products(trace),
        )

    def _work(self, plan: StripPlan, maps: KeptMaps) -> StripWork:
        """Cycles and products; a tile lasts at least as long as the links need for its inputs."""
        spec, layer = self.spec, plan.layer
        pes = spec.chips * spec.tiles
        first_neuron = np.arange(pes) * spec.neurons_per_tile
        # 20 filters on PEs of 16 neurons are 16 on the first, 4 on the second and none on the others.
        neurons = np.clip(plan.filters[..., None] - first_neuron, 0, spec.neurons_per_tile)  # (packs, rounds, PEs)
        neurons = neurons[:, None, None]
        steps = plan.strips.pixels[:, None, None] * math.prod(layer.kernel_size)
        blocks = no_cycles(*plan.block_shape, pes)
        # A tile with one neuron of its 16 takes as long as a full one; the lanes of the other 15 are empty slots.
        blocks[..., Cause.BUSY] = steps * ceil_div(layer.group_in_channels, spec.inputs_per_neuron) * (neurons > 0)
        work = StripWork.of_filter_blocks(blocks, steps * layer.group_in_channels * neurons)
        waiting = np.maximum(self._exchange(plan, maps) - work.cycles.sum(axis=2).max(axis=1), 0)
        work.cycles[..., Cause.PORT] = waiting[:, None] * (work.cycles[..., Cause.BUSY] > 0)
        return work

    def _exchange(self, plan: StripPlan, maps: KeptMaps) -> np.ndarray:
        """Int64 (tiles,): cycles in which each chip receives what others hold of the inputs, an even share a tile."""
        spec, layer = self.spec, plan.layer
        # Inputs that come from DRAM reach every chip over the links from there, and those bytes count as memory's.
        if spec.chips == 1 or not maps.inputs_stay or maps.input_in_dram:
            return np.zeros(plan.tiles, np.int64)
        # An even share of the inputs lies on each chip already.
        received = layer.input_count * spec.value_bits / 8 * (spec.chips - 1) / spec.chips
        share = np.broadcast_to(plan.channels[:, None, None] * plan.strips.pixels, plan.shape).reshape(-1)
        ends = np.cumsum(share) * (received * spec.clock_hz / (spec.link_gbs * 1e9) / share.sum())
        # The running sum is rounded and not each tile, so that no more than one cycle is added in all.
        return np.diff(np.ceil(ends).astype(np.int64), prepend=0)

    def components(self) -> tuple[Component, ...]:
        """See `dadiannao_hardware`."""
        return hardware.components(self.spec)

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """See `dadiannao_hardware`."""
        return hardware.count(self.spec, self.parts, trace.layer, schedule, effectual_macs)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs round by round, chunk by chunk; every product is made."""
        spec = self.spec
        return neuron_outputs(
            layer, weights, activations, neurons=spec.neurons, lanes=spec.inputs_per_neuron, groups=spec.groups
        )

    def _plans(self, layer: Layer, maps: KeptMaps) -> list[StripPlan]:
        """In the orders of strips and filter blocks that there are."""
        spec = self.spec
        packs = GroupPacks.of(layer, spec.groups, inputs=spec.inputs_per_neuron, filters=spec.neurons)
        # Positions are held as the largest pack needs them; the last one may have fewer
        # channels and leaves room unused.
        position_bytes = bits_to_bytes(spec.value_bits * int(packs.channels.max()))
        inputs = maps.input_positions(spec.map_bytes // position_bytes)
        columns, filters = np.full(packs.count, layer.weight_count // layer.out_channels), packs.filters(spec.neurons)
        orders = strip_orders(layer, layer.output_size[-1], inputs=inputs)
        return [StripPlan(layer, columns, filters, strips, packs) for strips in orders]
