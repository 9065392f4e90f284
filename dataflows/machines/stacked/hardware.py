"""What the stacked machine is built of, and what its parts do in a layer.

Source: `stacked`, whose array is our reading. For every block of positions a PE's decoder reads the stored entries of
its filter: fillers and weights of larger levels, too, where a list has them. Every weight of the level takes a vector
of inputs out of the PE's queue. The input memory reads a vector once for all PEs of a turn that need it and delivers it
to each. Sums stay in the PE until its filter is done.

Assumptions: a vector is a word of the input buffer wherever it begins; an entry is a value with its run of zeros, and
the level's code in a coded list; a decoder compares every entry's code, or run, once.
"""

from __future__ import annotations

import math

import numpy as np

from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.hardware.parts import adders, buffer, fill, leave, multipliers, sum_registers
from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices
from dataflows.machines.stacked.nested_levels import stored_entries
from dataflows.machines.stacked.spec import StackedSpec
from dataflows.machines.stacked.stored_filters import StoredFilters
from dataflows.schedule import LayerSchedule, Tensor
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div, even_slices

_ELEMENT_NANOSECONDS = 0.1
_SLICES = 64


def components(spec: StackedSpec) -> tuple[Component, ...]:
    """The parts of all PEs."""
    pes, bits = spec.pes, spec.value_bits
    lanes, vector_bits = pes * spec.lanes, spec.lanes * bits
    entry_bits = bits + spec.index_bits + (code_bits(spec) if spec.storage == "coded" else 0)
    return (
        multipliers(lanes, bits),
        adders(lanes, bits),
        sum_registers("sum_registers", lanes, bits),
        buffer("input_buffer", spec.input_buffer_bytes, vector_bits, banks=spec.input_ports),
        Component("input_queues", Kind.REGISTERS, pes, vector_bits, spec.input_queue_depth, purpose="sparsity"),
        Component("vector_bus", Kind.BUS, pes, vector_bits),
        buffer("weight_buffer", spec.weight_buffer_bytes, entry_bits, banks=pes),
        Component("decoders", Kind.COMPARATOR, pes * spec.decoded_entries, spec.index_bits, purpose="sparsity"),
        buffer("output_buffer", spec.output_buffer_bytes, vector_bits, banks=pes),
    )


def code_bits(spec: StackedSpec) -> int:
    """Bits that tell the levels apart."""
    return (len(spec.densities) - 1).bit_length()


def count(
    spec: StackedSpec,
    parts: tuple[Component, ...],
    layer: Layer,
    filters: StoredFilters,
    schedule: LayerSchedule,
    effectual_macs: int,
) -> ActionCounts:
    """Actions of a layer."""
    counts, issued = ActionCounts.of(parts), schedule.issued_slots
    # All strips end in a full block but the image's last.
    blocks = layer.batch * ceil_div(math.prod(layer.output_size), spec.lanes)
    vectors = schedule.busy_pe_cycles
    read = filters.entries if filters.all_read else stored_entries(filters.codes, filters.lists, spec.index_bits)
    entries = int(read.sum()) * blocks
    counts.multiply(schedule, effectual_macs)
    counts.add("adders", Action.ADD, issued)
    counts.access("sum_registers", writes=issued)
    sent = sent_vectors(filters.codes, filters.lists, spec.running, spec.pes, layer.group_out_channels)
    counts.access("input_buffer", reads=sent * blocks)
    counts.add("vector_bus", Action.TRAVERSE, vectors)
    counts.access("input_queues", reads=vectors, writes=vectors)
    counts.access("weight_buffer", reads=entries)
    counts.add("decoders", Action.COMPARE, entries)
    counts.access("output_buffer", writes=layer.out_channels * blocks)
    fill(counts, "input_buffer", schedule, Tensor.INPUT)
    fill(counts, "weight_buffer", schedule, Tensor.WEIGHT)
    leave(counts, "output_buffer", schedule)
    return counts


def sent_vectors(codes: np.ndarray, lists: list[tuple[int, int]], level: int, pes: int, group_filters: int) -> int:
    """Vectors that the input memory reads for a block of positions: one for all filters of a turn and a group.

    codes  uint8 (K, columns): level of each weight, 0 where there is none; filter k on PE k mod PEs
    lists  first and last level of each stored list that is read; each list has the vectors of its own weights sent
    """
    filters = len(codes)
    # Where a turn or a group begins, filters share with none of those before.
    begins = np.union1d(np.arange(0, filters, pes), np.arange(0, filters, group_filters))
    read = np.array([(first, min(last, level)) for first, last in lists], np.uint8)
    if codes.strides[0] == 0:  # all filters are the same one
        return len(begins) * _sent(np.ascontiguousarray(codes[:1]), read, np.array([0, 1]))
    ends = np.append(begins, filters)
    parts = even_slices(len(begins), _SLICES)
    found = run_slices(
        lambda part: _sent(codes, read, ends[part[0] : part[1] + 1]), parts, codes.size * _ELEMENT_NANOSECONDS
    )
    return int(sum(found))


@kernel
def _sent(codes: np.ndarray, lists: np.ndarray, bounds: np.ndarray) -> int:
    """See `sent_vectors`; filters bounds[i] to bounds[i + 1] share."""
    seen = np.zeros(codes.shape[1], np.uint8)
    total = 0
    for i in range(bounds.size - 1):
        for n in range(len(lists)):
            first, last = lists[n, 0], lists[n, 1]
            seen[:] = 0
            for k in range(bounds[i], bounds[i + 1]):
                row = codes[k]
                for j in range(seen.size):  # no branch, so that it runs on vectors
                    seen[j] |= np.uint8((row[j] >= first) & (row[j] <= last))
            count = np.uint32(0)
            for j in range(seen.size):
                count = np.uint32(count + np.uint32(seen[j]))
            total += np.int64(count)
    return int(total)
