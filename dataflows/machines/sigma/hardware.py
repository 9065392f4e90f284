"""What SIGMA is built of, and what its parts do in a layer.

Source: Qin et al., HPCA 2020, sections IV and V. A stationary value leaves its SRAM once, over the network between
Flex-DPEs and through the Benes network of one, into its multiplier's buffer. Of a streamed vector every value leaves
the SRAM for which the fold has a use, goes to all Flex-DPEs of its group there, and through the Benes network of each
to the multipliers that want it, one delivery a product. Products go down the adders of the FAN, one addition each with
the one that joins parts of a dot product. The controller (1,024 AND and OR gates and counters, 128 tables of sources
and destinations) holds a mapped value against every bit of its column, counts a non-zero of both operands once a fold,
and writes and reads an entry of a table for each product.

Assumptions: a sum is written to a register once for each addition; a part of a row that lies in a fold has its sum
added to what was there in the output SRAM, for every vector, and no read the first time; SRAMs give and take words of
256 bits, bitmaps too, which come once for what stays and once a pass for what is streamed; an entry of a table is two
places in a Flex-DPE; gates of AND and OR are priced as comparators of a bit. Marked as hardware for sparsity: Benes
networks and the controller. The FAN's links beside a plain tree are not counted.
"""

from __future__ import annotations

from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.hardware.parts import add_products, adders, buffer, fill, leave, multipliers, sum_bits, sum_registers
from dataflows.machines.sigma.spec import SigmaSpec
from dataflows.schedule import LayerSchedule, Tensor
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div

WORD_BITS = 256
_GATES = 1024


def components(spec: SigmaSpec) -> tuple[Component, ...]:
    """The parts of the whole machine."""
    lanes, bits, size = spec.multipliers, spec.value_bits, spec.multipliers_per_pe
    place_bits = 2 * max(1, (size - 1).bit_length())
    banks = spec.buffers.banks
    return (
        multipliers(lanes, bits),
        sum_registers("product_registers", lanes, bits),
        adders(lanes, bits),
        sum_registers("sum_registers", lanes, bits),
        Component("stationary_registers", Kind.REGISTERS, lanes, bits, purpose="storage"),
        Component("pe_network", Kind.BUS, 1, bits, outputs=spec.pes, purpose="storage"),
        Component("benes_networks", Kind.CROSSBAR, spec.pes, bits, inputs=size, outputs=size, purpose="sparsity"),
        Component("bitmap_gates", Kind.COMPARATOR, 2 * _GATES, 1, purpose="sparsity"),
        Component("bitmap_counters", Kind.COUNTER, _GATES, place_bits // 2, purpose="sparsity"),
        Component("source_tables", Kind.REGISTERS, spec.pes, place_bits, size, purpose="sparsity"),
        buffer("input_buffer", spec.input_buffer_bytes, WORD_BITS, banks=banks),
        buffer("weight_buffer", spec.weight_buffer_bytes, WORD_BITS, banks=banks),
        buffer("output_buffer", spec.output_buffer_bytes, WORD_BITS, banks=banks),
    )


def count(spec: SigmaSpec, parts: tuple[Component, ...], layer: Layer, schedule: LayerSchedule) -> ActionCounts:
    """Actions of a layer, from what its schedule counted (`stationary_walk.Passes`)."""
    counts, counted = ActionCounts.of(parts), schedule.counts
    issued = schedule.issued_slots
    depth, filters = layer.weight_count // layer.out_channels, layer.group_out_channels
    positions = layer.output_count // layer.out_channels
    rows, vectors = (filters, positions) if counted["weights_stay"] else (positions, filters)
    add_products(counts, schedule, issued)  # all that it issues are of two non-zeros
    counts.access("sum_registers", writes=issued)
    counts.access("stationary_registers", writes=counted["mapped"])
    counts.add("pe_network", Action.TRAVERSE, counted["mapped"] + counted["deliveries"])
    counts.add("benes_networks", Action.TRAVERSE, counted["mapped"] + issued)
    counts.add("bitmap_gates", Action.COMPARE, counted["mapped"] * vectors)
    counts.add("bitmap_counters", Action.COUNT, counted["mapped"] + counted["words"])
    counts.access("source_tables", reads=issued, writes=issued)
    # Values, and the bitmaps that they are found by.
    stays = counted["mapped"] * spec.value_bits + layer.groups * rows * depth
    streams = counted["words"] * spec.value_bits + counted["passes"] * vectors * depth
    names = ("weight_buffer", "input_buffer") if counted["weights_stay"] else ("input_buffer", "weight_buffer")
    for name, bits in zip(names, (stays, streams), strict=True):
        counts.access(name, reads=ceil_div(bits, WORD_BITS))
    again = counted["segments"] - counted["rows"]
    sums = sum_bits(spec.value_bits)
    counts.access(
        "output_buffer",
        reads=ceil_div(again * vectors * sums, WORD_BITS),
        writes=ceil_div(counted["segments"] * vectors * sums, WORD_BITS),
    )
    fill(counts, "input_buffer", schedule, Tensor.INPUT)
    fill(counts, "weight_buffer", schedule, Tensor.WEIGHT)
    leave(counts, "output_buffer", schedule)
    return counts
