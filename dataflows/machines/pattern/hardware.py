"""What the pattern machine is built of, and what its parts do in a layer.

Source: `pattern`, whose reading of Li et al., FCCM 2020, is all there is. A kernel's weights are loaded into its row's
registers once a strip. In every read an array takes a vector of activations from its port; each row with a weight for
it (busy) reads that weight once for all of its multipliers and adds its products to a vector of partial sums, which
comes from the output buffer and goes back there, since the next vector is another block's.

Assumptions: a vector is a word of the input buffer, and one whose banks conflict is read as often as its port takes;
the pattern table names the positions that an array is set to, once for each time it is set; sums are as wide as values
(as in `pattern`, which counts the buffer's room so). Reordered rows and shared ports need no hardware of their own.
"""

from __future__ import annotations

from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.hardware.parts import adders, buffer, fill, leave, multipliers
from dataflows.machines.pattern.spec import PatternSpec
from dataflows.schedule import Cause, LayerSchedule, Tensor
from workloads.trace import LayerTrace

_KERNEL_WEIGHTS = 9


def components(spec: PatternSpec) -> tuple[Component, ...]:
    """The parts of all arrays."""
    bits, rows = spec.value_bits, spec.arrays * spec.kernels_parallel
    lanes, vector_bits = rows * spec.pixels_parallel, spec.pixels_parallel * bits
    return (
        multipliers(lanes, bits),
        adders(lanes, bits),
        Component("kernel_registers", Kind.REGISTERS, rows, bits, _KERNEL_WEIGHTS, purpose="storage"),
        buffer("input_buffer", spec.input_buffer_bytes, vector_bits, banks=spec.arrays),
        buffer("weight_buffer", spec.weight_buffer_bytes, bits, banks=rows),
        buffer("output_buffer", spec.output_buffer_bytes, vector_bits, banks=rows),
        Component(
            "pattern_table", Kind.REGISTERS, spec.arrays, _KERNEL_WEIGHTS, max(1, spec.patterns), purpose="sparsity"
        ),
    )


def count(
    spec: PatternSpec,
    parts: tuple[Component, ...],
    trace: LayerTrace,
    schedule: LayerSchedule,
    effectual_macs: int,
) -> ActionCounts:
    """Actions of a layer."""
    counts = ActionCounts.of(parts)
    counts.multiply(schedule, effectual_macs)
    counts.add("adders", Action.ADD, schedule.issued_slots)
    by_row = schedule.cycles.reshape(schedule.tiles, spec.arrays, spec.kernels_parallel, -1)
    busy = int(by_row[..., Cause.BUSY].sum())
    # The first row holds a kernel of every batch: it is busy with a vector or waits while another is read.
    first = by_row[:, :, 0]
    reads = int(first[..., Cause.BUSY].sum() + first[..., Cause.BANK_CONFLICT].sum())
    loaded = trace.weight_nonzeros * schedule.tiles  # every strip meets all filters
    counts.access("kernel_registers", reads=busy, writes=loaded)
    counts.access("input_buffer", reads=reads)
    counts.access("weight_buffer", reads=loaded)
    counts.access("output_buffer", reads=busy, writes=busy)
    if spec.switch_cycles:
        counts.access("pattern_table", reads=int(first[..., Cause.INDEX].sum()) // spec.switch_cycles)
    fill(counts, "input_buffer", schedule, Tensor.INPUT)
    fill(counts, "weight_buffer", schedule, Tensor.WEIGHT)
    leave(counts, "output_buffer", schedule)
    return counts
