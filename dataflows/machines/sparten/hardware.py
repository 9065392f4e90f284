"""What SparTen is built of, and what its parts do in a layer.

Source: Gondimalla et al., MICRO 2019: a unit has buffers of chunks, two prefix sums, a priority encoder and a
multiplier; a cluster of units has a permutation network. Both masks of a join are ANDed, both are summed up, every
match is chosen by the encoder and reads two values. An input chunk goes to all units that have a filter in the round.

Assumptions: a chunk buffer holds two chunks of values, for every filter of a unit; a filter's chunks enter a unit's
buffer once a tile and cluster, as units keep their filters' chunks while inputs pass. Shared buffers have words of a
value; a mask takes as many of them as its bits fill. A prefix sum is a tree of n/2 · log2(n) adders as wide as the
count, all of which work once a join. With GB-H every chunk's sum of a filter crosses the network once. An operand whose
zeros are not skipped has neither masks nor a prefix sum, and where none is there is no encoder either.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.hardware.parts import adders, buffer, fill, leave, multipliers, sum_bits, sum_registers
from dataflows.machines.sparten.inner_join import OUTSIDE, WindowReads
from dataflows.machines.sparten.sparse_chunks import WORD, ChunkCut
from dataflows.machines.sparten.spec import SpartenSpec
from dataflows.schedule import LayerSchedule, Tensor
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div


class Passes(NamedTuple):
    """How often what passes by what, in a layer.

    windows       chunks of windows that are broadcast, each once for all rounds
    values        stored values of these chunks, likewise
    rounds        rounds of a group
    holders       units of a cluster that have a filter, summed over the rounds of a group
    turns         tiles times the parts that their positions are dealt out to, of one group
    kept          stored values of all filters
    """

    windows: int
    values: int
    rounds: int
    holders: int
    turns: int
    kept: int


def components(spec: SpartenSpec) -> tuple[Component, ...]:
    """The parts of all clusters."""
    units, bits, held = spec.clusters * spec.units, spec.value_bits, spec.filters_per_unit
    values = ceil_div(spec.chunk * bits, 8)
    parts = [
        multipliers(units, bits),
        adders(units, bits),
        sum_registers("sum_registers", units * held, bits),
        buffer("input_chunks", 2 * values, bits, count=units, kind=Kind.REGISTERS),
        buffer("filter_chunks", 2 * held * values, bits, count=units, kind=Kind.REGISTERS),
        Component("input_bus", Kind.BUS, units, bits),
        buffer("input_buffer", spec.input_buffer_bytes, bits, banks=spec.clusters),
        buffer("weight_buffer", spec.weight_buffer_bytes, bits, banks=spec.clusters),
        buffer("output_buffer", spec.output_buffer_bytes, bits, banks=spec.clusters),
    ]
    masks = spec.sparse_inputs + held * spec.sparse_weights
    if masks:
        sides = spec.sparse_inputs + spec.sparse_weights
        parts += [
            Component("masks", Kind.REGISTERS, units, spec.chunk, 2 * masks, purpose="sparsity"),
            Component("mask_joins", Kind.COMPARATOR, units, spec.chunk, purpose="sparsity"),
            Component("priority_encoders", Kind.SELECTOR, units, 1, inputs=spec.chunk, purpose="sparsity"),
            Component(
                "prefix_sums", Kind.ADDER, units * sides * _tree(spec), spec.chunk.bit_length(), purpose="sparsity"
            ),
        ]
    if spec.balanced == "gb-h":
        parts.append(
            Component(
                "permute_network",
                Kind.CROSSBAR,
                spec.clusters,
                sum_bits(bits),
                inputs=spec.units,
                outputs=spec.units,
                purpose="sparsity",
            )
        )
    return tuple(parts)


def _tree(spec: SpartenSpec) -> int:
    """Adders of a prefix sum over a mask."""
    return max(1, ceil_div(spec.chunk, 2) * (spec.chunk - 1).bit_length())


def sent_chunks(layer: Layer, cut: ChunkCut) -> int:
    """Chunks that are broadcast for the windows of one image and group: those with an element inside the map."""
    reads = WindowReads.of(layer)
    first, kind = reads.alike()
    sizes = [axis.shape[0] for axis in (reads.depths, reads.rows, reads.columns)]
    inside = [
        axis[at] != OUTSIDE
        for axis, at in zip((reads.depths, reads.rows, reads.columns), np.unravel_index(first, sizes), strict=True)
    ]
    depths, rows, columns = inside
    taps = (depths[:, :, None, None] & rows[:, None, :, None] & columns[:, None, None, :]).reshape(len(first), -1)
    touched = np.zeros((cut.taps, cut.count), np.int64)
    np.put_along_axis(touched, cut.bit_of // (cut.words * WORD), 1, axis=1)
    sends = (taps.astype(np.int64) @ touched > 0).sum(axis=1)
    return int((np.bincount(kind, minlength=len(first)) * sends).sum())


def count(
    spec: SpartenSpec,
    parts: tuple[Component, ...],
    layer: Layer,
    cut: ChunkCut,
    passes: Passes,
    schedule: LayerSchedule,
    effectual_macs: int,
) -> ActionCounts:
    """Actions of a layer."""
    counts, issued = ActionCounts.of(parts), schedule.issued_slots
    joins = passes.windows * layer.group_out_channels
    mask_words = ceil_div(cut.longest, spec.value_bits)
    entered = passes.turns * cut.count * layer.out_channels  # chunks of filters
    counts.multiply(schedule, effectual_macs)
    counts.add("adders", Action.ADD, issued)
    counts.access("sum_registers", writes=issued)
    counts.add("input_bus", Action.TRAVERSE, passes.values * passes.holders)
    counts.access("input_chunks", writes=passes.values * passes.holders, reads=issued)
    counts.access("filter_chunks", writes=passes.turns * passes.kept, reads=issued)
    counts.access("input_buffer", reads=passes.values * passes.rounds)
    counts.access("weight_buffer", reads=passes.turns * passes.kept)
    if spec.sparse_inputs:
        counts.access("masks", writes=passes.windows * passes.holders, reads=joins)
        counts.access("input_buffer", reads=passes.windows * passes.rounds * mask_words)
        counts.add("input_bus", Action.TRAVERSE, passes.windows * passes.holders * mask_words)
    if spec.sparse_weights:
        counts.access("masks", writes=entered, reads=joins)
        counts.access("weight_buffer", reads=entered * mask_words)
    if spec.skips != "neither":
        counts.add("mask_joins", Action.COMPARE, joins)
        counts.add("priority_encoders", Action.SELECT, issued)
        counts.add("prefix_sums", Action.ADD, joins * (spec.sparse_inputs + spec.sparse_weights) * _tree(spec))
    if spec.balanced == "gb-h":
        counts.add("permute_network", Action.TRAVERSE, joins)
    counts.access("output_buffer", writes=layer.out_channels * layer.batch * math.prod(layer.output_size))
    fill(counts, "input_buffer", schedule, Tensor.INPUT)
    fill(counts, "weight_buffer", schedule, Tensor.WEIGHT)
    leave(counts, "output_buffer", schedule)
    return counts
