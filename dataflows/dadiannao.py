"""DaDianNao: DianNao's datapath in sixteen tiles, with all synapses and maps in embedded DRAM on the chip.

Source: Chen et al., "DaDianNao: A Machine-Learning Supercomputer", MICRO 2014. Each of 16 tiles multiplies the same
vector of 16 inputs with the synapses of its own 16 output neurons: 4,096 multipliers, which skip nothing:
N·[O·]P·Q·[T·]R·S·ceil(C/G / 16)·ceil(K/G / 256)·G cycles.

Synapses lie in the eDRAM of the tiles, inputs and outputs in the halves of a central one. A layer whose synapses fit is
loaded once, the synapses of each round of 256 output neurons when they are first needed. Inputs and outputs that fit
are those of the layers before and behind and do not leave the chip, but for the network's input, which comes once; a
map that does not fit comes, or goes, in strips of whole rows. The images of a fully connected layer are positions of
one product, so that they share its synapses.
"""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from dataflows.accelerator import Accelerator, AcceleratorSpec, Count, DramSpec
from dataflows.column_plan import ColumnPlan, ColumnTraffic, join_filter_blocks
from dataflows.layout import bits_to_bytes
from dataflows.neuron_outputs import neuron_outputs
from dataflows.pixel_strips import PixelStrips
from dataflows.product_layer import product_layer
from dataflows.schedule import CAUSES, BufferUse, Cause, LayerSchedule, Runs, Tensor
from dataflows.sizing import Scaling
from dataflows.windows import inputs_read
from workloads.layer import Layer
from workloads.trace import LayerTrace

_MIB = 1024 * 1024


class DaDianNaoSpec(AcceleratorSpec):
    """Parameters of a DaDianNao chip; defaults are the published machine (Chen et al., MICRO 2014) unless marked."""

    tiles: Count = Field(16, description="tiles of the chip")
    neurons_per_tile: Count = Field(16, description="output neurons computed together in a tile")
    inputs_per_neuron: Count = Field(16, description="inputs multiplied for each of them in a cycle")
    synapse_edram_bytes: Count = Field(32 * _MIB, description="eDRAM of all tiles together, bytes (2 MB a tile)")
    central_edram_bytes: Count = Field(
        4 * _MIB,
        description="central eDRAM, bytes: half for inputs, half for outputs (4 MB; the split is an assumption)",
    )
    clock_hz: Count = Field(606_000_000, description="accelerator clock, Hz (606 MHz)")
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=25.6),  # type: ignore[call-arg]
        description="assumption: memory behind the chip's four HyperTransport links of 6.4 GB/s",
    )


class DaDianNao(Accelerator):
    """The DaDianNao machine; a PE is a tile with neurons x inputs as lanes. Its dense baseline is itself.

    Approximation: the synapses of a layer fit when the tiles' eDRAM together has room for them.
    """

    name = "dadiannao"
    title = "DaDianNao: dense, 16 tiles of 16 x 16 multipliers, synapses in eDRAM (MICRO 2014)"
    Spec = DaDianNaoSpec
    skips_zeros = False
    scaling = Scaling(
        factors=("tiles", "neurons_per_tile", "inputs_per_neuron"),
        growing=("tiles",),
        buffers={"synapse_edram_bytes": "", "central_edram_bytes": ""},
        reason="tiles are added (assumption)",
    )

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each group, image and strip of rows, in this order."""
        spec, layer = self.spec, product_layer(trace.layer)
        plan = self._plan(layer)
        first_neuron = np.arange(spec.tiles) * spec.neurons_per_tile
        neurons = np.clip(plan.filters[:, None] - first_neuron, 0, spec.neurons_per_tile)  # (rounds, tiles)
        steps = plan.strips.pixels[:, None, None] * math.prod(layer.kernel_size)
        cycles = np.zeros((*plan.block_shape, spec.tiles, CAUSES), np.int64)
        cycles[..., Cause.BUSY] = steps * -(-layer.group_in_channels // spec.inputs_per_neuron) * (neurons > 0)
        issued = (steps * layer.group_in_channels * neurons).sum(axis=1)  # (strips, tiles)
        moved = ColumnTraffic(plan, spec.value_bits, spec.synapse_edram_bytes, indexed=False)
        half = spec.central_edram_bytes // 2
        return LayerSchedule(
            pe_grid=(1, spec.tiles),
            lanes_per_pe=spec.neurons_per_tile * spec.inputs_per_neuron,
            cycles=join_filter_blocks(cycles),
            issued=np.tile(issued, (layer.groups * layer.batch, 1)),
            drain_cycles=np.zeros(plan.tiles, np.int64),
            accumulator_copies=2,
            loads=self._loads(plan, moved, input_in_dram=trace.input_in_dram),
            stores=Runs.none() if self._stays(layer.output_count) else moved.stores(),
            buffers=(
                BufferUse("central_edram_inputs", Tensor.INPUT, half, streamed=plan.strips.streams_inputs),
                BufferUse("synapse_edram", Tensor.WEIGHT, spec.synapse_edram_bytes, streamed=not moved.holds_weights),
                BufferUse("central_edram_outputs", Tensor.OUTPUT, half),
            ),
            prefetch_tiles=spec.prefetch_tiles,
            expected_issued=layer.dense_macs,
            compulsory_bytes=self._compulsory_bytes(layer, input_in_dram=trace.input_in_dram),
            notes=moved.notes(),
            outputs_as_made=True,
            spills=not (self._stays(layer.input_count) and self._stays(layer.output_count)),
        )

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs round by round, chunk by chunk; every product is made."""
        spec = self.spec
        neurons = spec.tiles * spec.neurons_per_tile
        return neuron_outputs(layer, weights, activations, neurons=neurons, lanes=spec.inputs_per_neuron)

    def _plan(self, layer: Layer) -> ColumnPlan:
        spec, half = self.spec, self.spec.central_edram_bytes // 2
        neurons = spec.tiles * spec.neurons_per_tile
        filters = np.minimum(neurons, layer.group_out_channels - np.arange(0, layer.group_out_channels, neurons))
        position_bytes = bits_to_bytes(spec.value_bits * layer.group_in_channels)
        whole = 2 * math.prod(layer.input_size)  # a map that stays needs no strips
        inputs = whole if self._stays(layer.input_count) else half // position_bytes
        strips = PixelStrips.of(layer, layer.output_size[-1], inputs=inputs)
        return ColumnPlan(layer, np.full(layer.groups, layer.weight_count // layer.out_channels), filters, strips)

    def _stays(self, values: int) -> bool:
        """Whether a map of the whole batch stays in its half of the central eDRAM."""
        return bits_to_bytes(values * self.spec.value_bits) <= self.spec.central_edram_bytes // 2

    def _loads(self, plan: ColumnPlan, moved: ColumnTraffic, *, input_in_dram: bool) -> Runs:
        loads = moved.loads()
        if not self._stays(plan.layer.input_count):
            return loads
        kept = loads.tensor != Tensor.INPUT
        weights = Runs(*(getattr(loads, name)[kept] for name in Runs.__dataclass_fields__))
        return Runs.merge(self._whole_maps(plan), weights) if input_in_dram else weights

    def _whole_maps(self, plan: ColumnPlan) -> Runs:
        """Each image's and group's input map, once; they lie one after the other from address 0, as (n, g)."""
        layer, tiles = plan.layer, plan.tile_index
        maps = layer.batch * layer.groups
        edges = -(-np.arange(maps + 1) * (layer.input_count // maps) * self.spec.value_bits // 8)
        order = np.arange(maps).reshape(layer.batch, layer.groups).T.reshape(-1)
        first, last = tiles[:, :, 0].reshape(-1), tiles[:, :, -1].reshape(-1)
        return Runs.per_tile(Tensor.INPUT, first, edges[order], np.diff(edges)[order], last_tile=last)

    def _compulsory_bytes(self, layer: Layer, *, input_in_dram: bool) -> int:
        values = layer.weight_count
        if input_in_dram or not self._stays(layer.input_count):
            values += layer.batch * layer.in_channels * inputs_read(layer)
        if not self._stays(layer.output_count):
            values += layer.output_count
        return values * self.spec.value_bits // 8
