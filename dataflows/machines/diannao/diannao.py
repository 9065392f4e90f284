"""DianNao: a dense machine of Tn output neurons times Ti inputs, fed from three small buffers.

Source: Chen et al., "DianNao: A Small-Footprint High-Throughput Accelerator for Ubiquitous Machine-Learning", ASPLOS
2014. In every cycle the NFU multiplies one vector of Ti inputs with Tn x Ti synapses. It skips nothing:
N·[O·]P·Q·[T·]R·S·ceil(C/G / Ti)·ceil(K/G / Tn)·G cycles for G groups one at a time.

With groups packed (`group_packs`) those whose channels fit Ti and whose filters fit Tn share a round, so that G counts
packs.

Loops, from the outside: pack of groups, round of Tn output channels, image, block of output positions, chunk of Ti
input channels, kernel position, output position. A block is as large as its partial sums fit NBout and one chunk of its
inputs fits NBin; so NBin reads every input again for each round and, at the seams, for each block. SB holds a round's
synapses when half of it is room enough, so that the next round's can arrive; otherwise they stream in for every block.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.machines.diannao import hardware
from dataflows.machines.diannao.diannao_spec import DianNaoSpec
from dataflows.machines.diannao.neuron_outputs import neuron_outputs
from dataflows.machines.diannao.position_blocks import PositionBlocks
from dataflows.schedule import CAUSES, BufferUse, Cause, LayerSchedule, Runs, Tensor, no_cycles
from dataflows.sizing import Scaling
from dataflows.tiling.dram_layout import Layout, bits_to_bytes
from dataflows.tiling.group_packs import GroupPacks
from dataflows.tiling.windows import inputs_read
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div, starts


class DianNao(Accelerator[DianNaoSpec]):
    """The DianNao machine; a PE is an output neuron with Ti lanes."""

    name = "diannao"
    display = "DianNao"
    title = "DianNao: dense, 16 output neurons x 16 inputs a cycle (ASPLOS 2014)"
    Spec = DianNaoSpec
    skips_zeros = False
    scaling = Scaling(
        factors=("output_neurons", "inputs_per_neuron"),
        growing=("output_neurons", "inputs_per_neuron"),
        buffers={"nbin_bytes": "", "sb_bytes": "", "nbout_bytes": ""},
        reason="Tn and Ti grow together, as its paper has Tn = Ti (assumption)",
    )
    tiles_about: ClassVar[int] = 256  # bands of blocks are merged into tiles until a layer has at most about so many

    def issued_products(self, trace: LayerTrace) -> int:
        """All of them."""
        return trace.layer.dense_macs

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each pack of groups, round, image and strip of blocks, in this order."""
        spec, layer = self.spec, trace.layer
        packs = self._packs(layer)
        filters = packs.filters(spec.output_neurons)
        blocks = self._blocks(packs, filters)
        places = np.broadcast_to(blocks.strip_positions, (*filters.shape, layer.batch, blocks.strips))
        mapped = np.arange(spec.output_neurons) < filters[:, :, None, None, None]
        steps = math.prod(layer.kernel_size)
        busy = places * (steps * ceil_div(layer.group_in_channels, spec.inputs_per_neuron))
        cycles = no_cycles(*busy.shape, spec.output_neurons)
        cycles[..., Cause.BUSY] = busy[..., None] * mapped
        cycles[:, :, 0, 0, :, Cause.FILL] = spec.pipeline_fill_cycles * mapped[:, :, 0, 0]
        # 20 channels on 16 lanes are two steps a position and kernel position, but 20 products for each neuron.
        issued = (places * (steps * layer.group_in_channels))[..., None] * mapped
        tiles = busy.size
        loads, stores, holds = self._traffic(packs, blocks, filters)
        return LayerSchedule(
            pe_grid=(1, spec.output_neurons),
            lanes_per_pe=spec.inputs_per_neuron,
            cycles=cycles.reshape(tiles, spec.output_neurons, CAUSES),
            issued=issued.reshape(tiles, spec.output_neurons),
            drain_cycles=np.zeros(tiles, np.int64),
            accumulator_copies=1,
            loads=loads,
            stores=stores,
            buffers=(
                BufferUse("nbin", Tensor.INPUT, spec.nbin_bytes, streamed=True),
                BufferUse("sb", Tensor.WEIGHT, spec.sb_bytes, streamed=not holds),
                BufferUse("nbout", Tensor.OUTPUT, spec.nbout_bytes, streamed=True),
            ),
            prefetch_tiles=spec.prefetch_tiles,
            expected_issued=self.issued_products(trace),
            compulsory_bytes=self._compulsory_bytes(layer),
            notes=() if holds else ("the synapses of a round exceed half of SB: they stream in for every block",),
            operands_in_step=True,
            outputs_as_made=True,
        )

    def _packs(self, layer: Layer) -> GroupPacks:
        spec = self.spec
        return GroupPacks.of(layer, spec.groups, inputs=spec.inputs_per_neuron, filters=spec.output_neurons)

    def _blocks(self, packs: GroupPacks, filters: np.ndarray) -> PositionBlocks:
        spec = self.spec
        chunk = min(spec.inputs_per_neuron, int(packs.channels.max()))
        return PositionBlocks.of(
            packs.layer,
            # 2 KiB of NBout are 64 positions with 16 sums of 16 bits each, 2 KiB of NBin as many
            # positions of a chunk of 16 inputs.
            positions=8 * spec.nbout_bytes // (spec.output_neurons * spec.value_bits),
            inputs=8 * spec.nbin_bytes // (chunk * spec.value_bits),
            strips=max(1, self.tiles_about // (filters.size * packs.layer.batch)),
        )

    def _compulsory_bytes(self, layer: Layer) -> int:
        # A bound from below: inputs that no window reads are left out, and bytes are rounded down.
        values = layer.weight_count + layer.batch * layer.in_channels * inputs_read(layer) + layer.output_count
        return values * self.spec.value_bits // 8

    def _traffic(self, packs: GroupPacks, blocks: PositionBlocks, filters: np.ndarray) -> tuple[Runs, Runs, bool]:
        """Loads, stores, and whether SB holds a round's synapses.

        In DRAM inputs lie as (n, pack, [d,] h, w, c), weights as (k, c, [t,] r, s), and outputs in the order of the
        tiles, so that a row of a block, a round's weights and a strip's outputs are single runs. The channels of a
        position and the weights of a round take whole bytes.
        """
        layer, bits, strips, batch = packs.layer, self.spec.value_bits, blocks.strips, packs.layer.batch
        position_bytes = bits_to_bytes(packs.channels * bits)
        map_bytes = position_bytes * math.prod(layer.input_size)
        sizes = bits_to_bytes(filters * (layer.weight_count // layer.out_channels) * bits).reshape(-1)
        layout = Layout.of(int(map_bytes.sum()) * batch, int(sizes.sum()))
        pack, turn, image = (i.reshape(-1, 1) for i in np.indices((*filters.shape, batch)))
        # Strips are innermost, so that entry i of packs, rounds and images begins with tile i times strips.
        first_tile = np.arange(len(pack))[:, None] * strips

        map_start = starts(map_bytes)
        start = image * map_bytes.sum() + map_start[pack] + blocks.run_start * position_bytes[pack]
        inputs = Runs.per_tile(
            Tensor.INPUT,
            (first_tile + blocks.run_strip).reshape(-1),
            layout.input_address + start.reshape(-1),
            (blocks.run_positions * position_bytes[pack]).reshape(-1),
        )

        addresses = layout.weight_address + starts(sizes)
        # Two rounds, since the next one's synapses arrive beside this one's.
        holds = 2 * int(sizes.max()) <= self.spec.sb_bytes
        if holds:
            # Images are innermost in `first_tile`: every batch-th entry is the first tile of a round.
            whole = first_tile[::batch].reshape(-1)
            weights = Runs.per_tile(Tensor.WEIGHT, whole, addresses, sizes, last_tile=whole + batch * strips - 1)
        else:
            block_strip = np.repeat(np.arange(strips), blocks.strip_blocks)
            tile = (first_tile + block_strip).reshape(-1)
            # Every block of every image reads the synapses of its round again, from the same place.
            times = batch * len(block_strip)
            weights = Runs.per_tile(Tensor.WEIGHT, tile, np.repeat(addresses, times), np.repeat(sizes, times))

        size = bits_to_bytes(blocks.strip_positions * filters[pack, turn] * bits).reshape(-1)
        stores = Runs.per_tile(Tensor.OUTPUT, np.arange(len(size)), layout.output_address + starts(size), size)
        return Runs.merge(inputs, weights), stores, holds

    def components(self) -> tuple[Component, ...]:
        """See `hardware`."""
        return hardware.components(self.spec)

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """See `hardware`."""
        return hardware.count(self.parts, trace.layer, schedule, effectual_macs)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs round by round, chunk by chunk; every product is made."""
        spec = self.spec
        return neuron_outputs(
            layer, weights, activations, neurons=spec.output_neurons, lanes=spec.inputs_per_neuron, groups=spec.groups
        )
