"""What Cnvlutin is built of, and what its parts do in a layer.

Source: Albericio et al., ISCA 2016, from memory. A lane's bricks come from a bank of the central eDRAM, neurons and
offsets, and wait in the dispatcher. A neuron goes with its offset to the lane's subunit in each unit, where the offset
chooses a word of the subunit's synapses, those of the unit's filters. The products of all lanes are added up, a sum a
filter and cycle. Outputs leave through an encoder, which compares each with zero.

Assumptions: every unit that holds filters in a round takes the neuron and reads its word, zeros between packed groups
among them; bricks of the padding are not read, and those of the map are read again for every window and round; sums are
written in every cycle of a window; the network's own input, where it runs densely, is read and sent a vector at a time,
without offsets and past the dispatcher's buffers. Offsets have a memory as deep as the central eDRAM. Embedded DRAM is
priced by the tables of SRAM where they have none of its own.
"""

from __future__ import annotations

import math

import numpy as np

from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.hardware.parts import add_products, adders, buffer, fill, leave, multipliers, sum_registers
from dataflows.machines.cnvlutin.spec import CnvlutinSpec
from dataflows.schedule import Cause, LayerSchedule, Tensor
from dataflows.tiling.group_packs import GroupPacks
from dataflows.truth.products import positions_inside
from workloads.whole_numbers import ceil_div


def components(spec: CnvlutinSpec) -> tuple[Component, ...]:
    """The parts of the whole machine."""
    bits, subunits = spec.value_bits, spec.units * spec.lanes
    products, brick_bits = subunits * spec.filters_per_unit, spec.brick * bits
    offset_bits = max(1, (spec.brick - 1).bit_length())
    central_words = max(1, 8 * spec.central_edram_bytes // brick_bits)
    banks = min(spec.lanes, central_words)
    return (
        multipliers(products, bits),
        sum_registers("product_registers", products, bits),
        adders(products, bits),
        sum_registers("sum_registers", spec.filters, bits),
        buffer(
            "synapse_edram",
            max(1, spec.synapse_edram_bytes // subunits),
            spec.filters_per_unit * bits,
            count=subunits,
            kind=Kind.EDRAM,
        ),
        buffer("central_edram", spec.central_edram_bytes, brick_bits, banks=banks, kind=Kind.EDRAM),
        Component(
            "offset_edram", Kind.EDRAM, 1, spec.brick * offset_bits, central_words, banks=banks, purpose="sparsity"
        ),
        Component("brick_buffers", Kind.REGISTERS, spec.lanes, bits + offset_bits, spec.brick, purpose="sparsity"),
        Component("neuron_bus", Kind.BUS, subunits, bits),
        Component("offset_bus", Kind.BUS, subunits, offset_bits, purpose="sparsity"),
        Component("output_bus", Kind.BUS, spec.units, brick_bits),
        Component("encoders", Kind.COMPARATOR, spec.units, bits, purpose="sparsity"),
    )


def count(
    spec: CnvlutinSpec,
    parts: tuple[Component, ...],
    packs: GroupPacks,
    schedule: LayerSchedule,
    effectual_macs: int,
    *,
    dense: bool,
) -> ActionCounts:
    """Actions of a layer, whose packs are those of its schedule."""
    counts, layer = ActionCounts.of(parts), packs.layer
    add_products(counts, schedule, effectual_macs)
    filters = packs.filters(spec.filters)  # (packs, rounds)
    rounds = filters.shape[1]
    # By pack, in one round: neurons that lanes take, and cycles of its windows.
    per_pack = schedule.cycles.reshape(packs.count, -1, *schedule.cycles.shape[1:])
    neurons = per_pack[..., Cause.BUSY].sum(axis=(1, 2)) // rounds
    length = per_pack[:, :, 0].sum(axis=(1, 2)) // rounds
    delivered = int((neurons[:, None] * ceil_div(filters, spec.filters_per_unit)).sum())
    counts.add("neuron_bus", Action.TRAVERSE, delivered)
    counts.access("synapse_edram", reads=delivered)
    counts.access("sum_registers", writes=int((length[:, None] * filters).sum()))
    if dense:
        words = int(length.sum()) * rounds * ceil_div(spec.lanes, spec.brick)
    else:
        words = _bricks_read(spec, packs) * rounds
        counts.add("offset_bus", Action.TRAVERSE, delivered)
        counts.access("offset_edram", reads=words)
        counts.access("brick_buffers", reads=int(neurons.sum()) * rounds, writes=words * spec.brick)
    outputs = ceil_div(layer.output_count, spec.brick)
    counts.access("central_edram", reads=words, writes=outputs)
    counts.access("offset_edram", writes=outputs)
    counts.add("output_bus", Action.TRAVERSE, outputs)
    counts.add("encoders", Action.COMPARE, layer.output_count)
    fill(counts, "central_edram", schedule, Tensor.INPUT)
    fill(counts, "synapse_edram", schedule, Tensor.WEIGHT)
    leave(counts, "central_edram", schedule)
    return counts


def _bricks_read(spec: CnvlutinSpec, packs: GroupPacks) -> int:
    """Bricks of the map that all windows of a round read, over all packs and images."""
    bricks = int(np.sum(ceil_div(packs.channels, spec.brick)))
    return bricks * math.prod((packs.layer.batch, int(positions_inside(packs.layer).sum())))
