"""What DaDianNao is built of, and what its parts do in a layer.

Source: Chen et al., MICRO 2014. In a step a vector of inputs from the central eDRAM goes over the fat tree to every
tile with work, and each of its neurons takes a vector of synapses from the tile's eDRAM; sums stay with the neuron
until a position is done, and go back over the tree to the central eDRAM.

Assumptions: eDRAM is read by words of one neuron's vector, from four banks a tile as published; the central one, too,
has four. A sum has a register of its own, a product one between multiplier and tree. What other chips hold of the
inputs is received once a layer. Embedded DRAM is priced by the tables of SRAM where they have none of its own.
"""

from __future__ import annotations

from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.hardware.parts import add_products, adders, buffer, fill, leave, multipliers, sum_registers
from dataflows.machines.diannao.dadiannao_spec import DaDianNaoSpec
from dataflows.schedule import Cause, LayerSchedule, Tensor
from dataflows.tiling.matrix_product import product_layer
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div

_BANKS = 4


def components(spec: DaDianNaoSpec) -> tuple[Component, ...]:
    """The parts of all chips together."""
    bits, tiles = spec.value_bits, spec.chips * spec.tiles
    lanes, vector_bits = spec.neurons * spec.inputs_per_neuron, spec.inputs_per_neuron * bits
    return (
        multipliers(lanes, bits),
        sum_registers("product_registers", lanes, bits),
        adders(lanes, bits),
        sum_registers("sum_registers", spec.neurons, bits),
        buffer(
            "synapse_edram", max(1, spec.synapse_edram_bytes // spec.tiles), vector_bits,
            count=tiles, banks=_BANKS, kind=Kind.EDRAM,
        ),
        buffer(
            "central_edram", spec.central_edram_bytes, vector_bits, count=spec.chips, banks=_BANKS, kind=Kind.EDRAM
        ),
        Component("fat_tree", Kind.BUS, tiles, vector_bits),
        Component("links", Kind.BUS, spec.chips, bits),
    )  # fmt: skip


def count(
    spec: DaDianNaoSpec,
    parts: tuple[Component, ...],
    layer: Layer,
    schedule: LayerSchedule,
    effectual_macs: int,
) -> ActionCounts:
    """Actions of a layer."""
    counts = ActionCounts.of(parts)
    issued = add_products(counts, schedule, effectual_macs)
    # A neuron takes ceil(C/G / lanes) vectors for the C/G products of a position and kernel position.
    channels = product_layer(layer).group_in_channels
    vectors = issued // channels * ceil_div(channels, spec.inputs_per_neuron)
    busy = schedule.cycles[..., Cause.BUSY].reshape(schedule.tiles, spec.chips, spec.tiles)
    outputs = ceil_div(layer.output_count, spec.inputs_per_neuron)
    counts.access("synapse_edram", reads=vectors)
    counts.access("sum_registers", writes=vectors)
    counts.access("central_edram", reads=int(busy.max(axis=2).sum()), writes=outputs)
    counts.add("fat_tree", Action.TRAVERSE, int(busy.sum()) + outputs)
    received = spec.chips > 1 and not schedule.loads.bytes_of(Tensor.INPUT)
    # Each chip has an even share of the inputs and receives the others'.
    counts.add("links", Action.TRAVERSE, layer.input_count * (spec.chips - 1) if received else 0)
    fill(counts, "central_edram", schedule, Tensor.INPUT)
    fill(counts, "synapse_edram", schedule, Tensor.WEIGHT)
    leave(counts, "central_edram", schedule)
    return counts
