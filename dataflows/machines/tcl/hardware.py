"""What TCL's front end is built of, and what its parts do in a layer.

Source: Delmas Lascorz et al., ASPLOS 2019, and the authors' simulator for what is stored. A tile reads a word of a
filter's weights for every row that it executes, and beside it the bits that tell each multiplier's selector which
activation to take: its own lane's, or one of the places in reach, of which a tile holds the rows.

Assumptions: the rows of a window are read from the central eDRAM once a round for all tiles, and written into each
tile's registers, rows that are left out among them; a selector works for every weight that is not zero; sums are
written in every executed row; counts of rows left out come with the selections, uncounted. A product has a register of
its own, as on DaDianNao. Embedded DRAM is priced by the tables of SRAM where they have none of its own.
"""

from __future__ import annotations

import math

from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.hardware.parts import add_products, adders, buffer, leave, multipliers, sum_registers
from dataflows.machines.tcl.spec import TclSpec
from dataflows.schedule import LayerSchedule, Tensor
from dataflows.tiling.group_packs import GroupPacks
from workloads.whole_numbers import ceil_div

FILTER_ROWS = "filter_rows"
"""What a schedule counts: executed rows times the filters of their sets, at every window."""


def components(spec: TclSpec) -> tuple[Component, ...]:
    """The parts of the whole machine."""
    bits, lanes = spec.value_bits, spec.lanes
    products, vector_bits = spec.filters * lanes, lanes * bits
    slot_bits = bits + spec.select_bits
    words = max(1, 8 * spec.synapse_edram_bytes // (spec.tiles * lanes * slot_bits))
    select_bits = max(1, lanes * spec.select_bits)
    return (
        multipliers(products, bits),
        sum_registers("product_registers", products, bits),
        adders(products, bits),
        sum_registers("sum_registers", spec.filters, bits),
        Component("weight_edram", Kind.EDRAM, spec.tiles, vector_bits, words, purpose="storage"),
        Component("selection_edram", Kind.EDRAM, spec.tiles, select_bits, words, purpose="sparsity"),
        buffer("central_edram", spec.central_edram_bytes, vector_bits, kind=Kind.EDRAM),
        Component("fat_tree", Kind.BUS, spec.tiles, vector_bits),
        Component(
            "activation_rows", Kind.REGISTERS, spec.tiles, bits, (spec.lookahead + 1) * lanes, purpose="sparsity"
        ),
        Component("selectors", Kind.SELECTOR, products, bits, inputs=len(spec.rule.places) + 1, purpose="sparsity"),
    )


def count(
    spec: TclSpec, parts: tuple[Component, ...], packs: GroupPacks, schedule: LayerSchedule, effectual_macs: int
) -> ActionCounts:
    """Actions of a layer, whose packs are those of its schedule."""
    counts, layer = ActionCounts.of(parts), packs.layer
    issued = add_products(counts, schedule, effectual_macs)
    executed = schedule.counts[FILTER_ROWS]
    counts.access("weight_edram", reads=executed)
    counts.access("selection_edram", reads=executed)
    counts.access("sum_registers", writes=executed)
    counts.add("selectors", Action.SELECT, issued)
    filters = packs.filters(spec.filters)  # (packs, rounds)
    windows = layer.batch * math.prod(layer.output_size)
    vectors = ceil_div(packs.together * layer.group_in_channels, spec.lanes)
    rows = windows * math.prod(layer.kernel_size) * vectors
    received = rows * int(ceil_div(filters, spec.filters_per_tile).sum())
    counts.access("activation_rows", reads=issued, writes=received * spec.lanes)
    outputs = ceil_div(layer.output_count, spec.lanes)
    counts.access("central_edram", reads=rows * filters.size, writes=outputs)
    counts.add("fat_tree", Action.TRAVERSE, received + outputs)
    _fill(counts, spec, schedule)
    leave(counts, "central_edram", schedule)
    return counts


def _fill(counts: ActionCounts, spec: TclSpec, schedule: LayerSchedule) -> None:
    """What comes over DRAM: activations in vectors, scheduled rows as words of weights and of their selections."""
    vector_bits = counts.components["central_edram"].bits
    counts.access("central_edram", writes=ceil_div(8 * schedule.loads.bytes_of(Tensor.INPUT), vector_bits))
    word_bits = spec.lanes * (spec.value_bits + spec.select_bits)
    words = ceil_div(8 * schedule.loads.bytes_of(Tensor.WEIGHT), word_bits)
    counts.access("weight_edram", writes=words)
    counts.access("selection_edram", writes=words)
