"""What Eyeriss and Eyeriss v2 are built of, and what their parts do in a layer.

Sources: Chen et al., JSSC 2017 and JETCAS 2019. A PE reads an activation and a weight of its scratchpads for a
product, and reads and writes the sum that it is added to; when a wave is over its sums go down the chain, each PE
adding its own. For an activation that is zero Eyeriss multiplies nothing and reads neither weight nor sum. Eyeriss v2
reads an activation and the address of its column once, and a word of weights for every cycle.

Assumptions: a scratchpad of activations is written with the whole row of its channels for each wave, one of weights
with a word for every `macs_per_pe` weights that reach it; the buffer of activations is read once for every cluster that
a row goes to, that of sums once for every pass but the first and written for every pass. Buses are deliveries to PEs;
the mesh's routers and the counts and addresses of activations are not counted. Weights pass no buffer.
"""

from __future__ import annotations

import numpy as np

from dataflows.hardware.actions import MULTIPLIERS, ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.hardware.parts import buffer, fill, leave, multipliers
from dataflows.machines.eyeriss.chain_steps import Counted, Ports
from dataflows.machines.eyeriss.mapping import Limits, Rows
from dataflows.machines.eyeriss.row_strips import LaidOut
from dataflows.machines.eyeriss.spec import EyerissV2Spec, RowStationarySpec
from dataflows.schedule import LayerSchedule, Tensor
from dataflows.truth.products import count_meetings
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div


def components(spec: RowStationarySpec, limits: Limits, ports: Ports) -> tuple[Component, ...]:
    """PEs with their scratchpads, what brings them data, and the global buffer."""
    pes, bits, sums = limits.rows * limits.columns, spec.value_bits, spec.sum_bits
    clusters = pes // (ports.rows * ports.columns)
    stored = bits + (spec.count_bits if isinstance(spec, EyerissV2Spec) else 0)
    words = max(1, limits.weights // limits.lanes)
    parts = [
        multipliers(pes * limits.lanes, bits),
        Component("adders", Kind.ADDER, pes * limits.lanes, sums),
        Component("input_spads", Kind.REGISTERS, pes, stored, limits.taps, purpose="storage"),
        Component("weight_spads", Kind.SRAM, pes, limits.lanes * stored, words, purpose="storage"),
        Component("sum_spads", Kind.REGISTERS, pes, sums, limits.filters, purpose="storage"),
        Component("input_bus", Kind.BUS, clusters, stored, outputs=pes // clusters),
        Component("weight_bus", Kind.BUS, clusters, stored, outputs=pes // clusters),
        Component("sum_links", Kind.BUS, pes, sums),
        buffer("input_buffer", limits.input_room // 8, bits, banks=clusters),
    ]
    if limits.sum_room is not None:
        parts.append(buffer("sum_buffer", limits.sum_room // 8, sums, banks=clusters))
    if isinstance(spec, EyerissV2Spec):
        addresses = max(1, spec.address_bits)
        parts.append(
            Component("weight_addresses", Kind.REGISTERS, pes, addresses, limits.taps, purpose="sparsity")
        )  # fmt: skip
    return tuple(parts)


def counts_of(laid: LaidOut, counted: Counted, passed: np.ndarray) -> dict[str, int]:
    """What a schedule counts for `count`: words that passed the ports, and how many PEs took them."""
    layer, way = laid.layer, laid.way
    tap_blocks = ceil_div(layer.kernel_size[-1], way.taps)
    rows = counted.words.sum(axis=(0, 2), dtype=np.int64)[counted.read]
    copies = layer.batch * laid.strips.count * way.rows
    return {
        "input_words": int(passed[1]),
        "sum_words": int(passed[3]),
        "input_deliveries": int(rows.sum()) * len(counted.filters) * tap_blocks,
        "weight_deliveries": int(counted.weights.sum(dtype=np.int64)) * copies,
    }


def count(
    parts: tuple[Component, ...],
    laid: LaidOut,
    trace: LayerTrace,
    schedule: LayerSchedule,
    effectual_macs: int,
    *,
    skips: bool,
) -> ActionCounts:
    """Actions of a layer."""
    counts, layer, way = ActionCounts.of(parts), laid.layer, laid.way
    issued, busy = schedule.issued_slots, schedule.busy_pe_cycles
    meetings = count_meetings(trace)
    visits = meetings * ceil_div(layer.group_out_channels, way.filters)
    # Of a dense machine's products those of an activation that is not zero.
    added = issued if skips else meetings * layer.group_out_channels
    sent = layer.output_count * Rows(layer).entries(way.channels, way.taps)
    counts.add(MULTIPLIERS, Action.MULTIPLY, effectual_macs)
    counts.add(MULTIPLIERS, Action.MULTIPLY_ZERO, added - effectual_macs)
    counts.add(MULTIPLIERS, Action.GATE, issued - added)
    counts.add("adders", Action.ADD, added + sent)
    counts.add("sum_links", Action.TRAVERSE, sent)
    inputs, weights = (schedule.counts[f"{name}_deliveries"] for name in ("input", "weight"))
    per_word = counts.components["weight_spads"].bits // counts.components["weight_bus"].bits
    counts.access("input_spads", reads=visits if skips else issued, writes=inputs)
    counts.access("weight_spads", reads=busy if skips else added, writes=ceil_div(weights, per_word))
    counts.access("sum_spads", reads=added + sent, writes=added)
    counts.add("input_bus", Action.TRAVERSE, inputs)
    counts.add("weight_bus", Action.TRAVERSE, weights)
    sums = "sum_buffer" if "sum_buffer" in counts.components else "input_buffer"
    words, scale = schedule.counts["sum_words"], _words_of(counts, sums, counts.components["sum_spads"].bits)
    counts.access("input_buffer", reads=schedule.counts["input_words"])
    counts.access(sums, reads=(words - layer.output_count) * scale, writes=words * scale)
    if "weight_addresses" in counts.components:
        counts.access("weight_addresses", reads=visits)
    fill(counts, "input_buffer", schedule, Tensor.INPUT)
    leave(counts, sums, schedule)
    return counts


def _words_of(counts: ActionCounts, name: str, bits: int) -> int:
    """Words of a buffer that a value of so many bits takes."""
    return ceil_div(bits, counts.components[name].bits)
