"""What EIE is built of, and what its parts do in a layer.

Source: Han et al., ISCA 2016, section IV and table II, all parts a PE's: a column's two pointers come from two banks,
its entries from the sparse matrix SRAM by words of its port; a code is looked up in the codebook, the runs of zeros add
up to a row number, and sums are read from and written to the destination register file. Every non-zero activation of
the source file is found by the leading non-zero detection, broadcast, and queued before all PEs.

What an entry costs: a filler moves the row number on and goes no further. Words of the matrix SRAM are those that a
column's entries lie in; a column that begins amid a word reads it again. A vector that exceeds the register files is
read from the activation SRAM, and results that exceed them are written there by words of the port.

Assumptions: a block of rows begins with a word; a queue's entry is a value and 16 bits of its column; the detection
compares every activation of a vector once, by one comparator a PE; sums are as wide as values (section VI: 16 bits).
Pointers that come over DRAM are counted as words of the matrix SRAM.
"""

from __future__ import annotations

import numpy as np

from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.hardware.parts import buffer, fill, leave, multipliers
from dataflows.kernels.compiled import kernel
from dataflows.machines.eie.csc_columns import ColumnEntries
from dataflows.machines.eie.spec import EieSpec
from dataflows.machines.eie.vector_tiles import VectorTiles
from dataflows.schedule import Cause, LayerSchedule, Tensor
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div

_COLUMN_BITS = 16


def components(spec: EieSpec) -> tuple[Component, ...]:
    """The parts of all PEs."""
    pes, bits, port = spec.pes, spec.value_bits, spec.sram_port_bits
    return (
        multipliers(pes, bits),
        Component("adders", Kind.ADDER, pes, bits),
        Component("activation_files", Kind.REGISTERS, 2 * pes, bits, spec.accumulators_per_pe, purpose="storage"),
        buffer("activation_sram", spec.activation_sram_bytes, port, count=pes),
        buffer("weight_sram", spec.weight_sram_bytes, port, count=pes),
        buffer(
            "pointer_sram", spec.pointer_sram_bytes, spec.pointer_bits, count=pes, banks=2, purpose="sparsity"
        ),
        Component("codebook", Kind.REGISTERS, pes, bits, 1 << spec.code_bits, purpose="storage"),
        Component(
            "activation_queue", Kind.REGISTERS, pes, bits + _COLUMN_BITS, spec.queue_depth, purpose="sparsity"
        ),
        Component("row_adders", Kind.ADDER, pes, max(1, spec.accumulators_per_pe.bit_length()), purpose="sparsity"),
        Component("nonzero_detection", Kind.COMPARATOR, pes, bits, purpose="sparsity"),
        Component("broadcast", Kind.BUS, pes, bits + _COLUMN_BITS),
    )  # fmt: skip


def count(
    spec: EieSpec,
    parts: tuple[Component, ...],
    tiles: VectorTiles,
    trace: LayerTrace,
    columns: list[ColumnEntries],
    schedule: LayerSchedule,
) -> ActionCounts:
    """Actions of a layer."""
    counts = ActionCounts.of(parts)
    issued = schedule.issued_slots
    counts.multiply(schedule, issued)
    counts.add("adders", Action.ADD, issued)
    counts.access("codebook", reads=issued)
    counts.access("activation_files", reads=issued, writes=issued)
    counts.add("row_adders", Action.ADD, issued + int(schedule.cycles[..., Cause.INDEX].sum()))
    vectors = trace.layer.batch * tiles.positions
    length = trace.layer.group_in_channels
    scanned = vectors * length * len(tiles.block_rows)
    counts.add("nonzero_detection", Action.COMPARE, scanned)
    _count_columns(counts, spec, tiles.vectors(trace.activation_mask), columns)
    if length > spec.pes * spec.accumulators_per_pe:
        words = ceil_div(length * spec.value_bits, spec.sram_port_bits)
        counts.access("activation_sram", reads=words * vectors * len(tiles.block_rows))
    counts.access("activation_sram", writes=int(schedule.cycles[..., Cause.DRAIN].sum()))
    fill(counts, "activation_sram", schedule, Tensor.INPUT)
    fill(counts, "weight_sram", schedule, Tensor.WEIGHT)
    leave(counts, "activation_sram", schedule)
    return counts


def _count_columns(counts: ActionCounts, spec: EieSpec, vectors: np.ndarray, columns: list[ColumnEntries]) -> None:
    """What every broadcast activation makes the PEs do, block of rows by block of rows.

    vectors  bool (N, G, positions, C/G);  columns  of each block of rows
    """
    per_word = max(1, spec.sram_port_bits // (spec.code_bits + spec.run_bits))
    sent = np.count_nonzero(vectors, axis=(0, 2))  # of each group and column
    for unit, own in enumerate(columns):
        of_group = sent[unit * len(sent) // len(columns)]
        total = int(of_group.sum())
        counts.access("activation_files", reads=total)
        counts.add("broadcast", Action.TRAVERSE, total * own.pes)
        counts.access("activation_queue", reads=total * own.pes, writes=total * own.pes)
        counts.access("pointer_sram", reads=2 * total * own.pes)
        entries = own.entries.reshape(len(own.entries), -1)
        counts.access("weight_sram", reads=words_read(entries, of_group, per_word))


@kernel
def words_read(entries: np.ndarray, sent: np.ndarray, per_word: int) -> int:
    """Words that all PEs read; entries uint32 (columns, PEs), sent int64 (columns,): how often each column is read."""
    inside = np.zeros(entries.shape[1], np.uint32)  # entries of the last word begun
    total = 0
    for j in range(entries.shape[0]):
        words = np.uint32(0)
        for pe in range(inside.size):
            # Five entries behind six of words of eight lie in two words, and three are in the last.
            end = np.uint32(inside[pe] + entries[j, pe])
            touched = np.uint32((end + np.uint32(per_word - 1)) // np.uint32(per_word))
            words = np.uint32(words + (touched if entries[j, pe] else np.uint32(0)))
            inside[pe] = end % np.uint32(per_word)
        total += np.int64(words) * sent[j]
    return total
