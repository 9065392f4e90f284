"""What the tensor cores are built of, and what their parts do in a layer.

Operands go from the L2, by sectors of 256 bits, to shared memory, by words of its port to the registers of a core, and
from there to its multipliers; a tile's come once. Outputs leave through the L2.

2:4 cores (PTX ISA): an instruction reads both operands and all of its sums from registers and writes the sums; the
stored weights' indices come with them, and choose one of four activations for each multiplier in sparse layers. Nothing
gates a zero (assumption).

Dual-side sparse cores (Wang et al., ISCA 2021, from memory): values and bitmaps are read once for an outer product, and
held for its steps (assumption); every bit of one bitmap meets every bit of the other, and the non-zeros of both are
counted. A product is scattered to its sum in the accumulation buffer, which is read and written for it.

Assumptions: registers of 64 KiB and shared memory of 41 KiB (A100) or 24 KiB (V100) a core, a fourth of an SM's, from
memory; words of registers and sums of 32 bits; banks of the L2 of half a MiB; the accumulation buffer has as many banks
as a step has columns. What the SM itself does (fetching, decoding, scheduling, addresses) is not counted.
"""

from __future__ import annotations

from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.hardware.parts import adders, buffer, fill, multipliers
from dataflows.machines.tensor_core.spec import DstcSpec, LaunchSpec, TensorCoreSpec
from dataflows.schedule import LayerSchedule, Tensor
from workloads.layer import Layer
from workloads.units import KIB
from workloads.whole_numbers import ceil_div

SECTOR_BITS, REGISTER_BITS = 256, 32
_REGISTER_BYTES, _L2_BANK_BYTES = 64 * KIB, 512 * KIB


def _memories(spec: LaunchSpec, shared_bytes: int) -> tuple[Component, ...]:
    """Registers, shared memory and L2."""
    banks = ceil_div(spec.l2_bytes, _L2_BANK_BYTES)
    return (
        buffer("registers", _REGISTER_BYTES, REGISTER_BITS, count=spec.cores),
        buffer("shared_memory", shared_bytes, 8 * spec.shared_bytes_per_cycle, count=spec.cores),
        buffer("l2", spec.l2_bytes, SECTOR_BITS, banks=banks),
    )


def tensor_core_components(spec: TensorCoreSpec) -> tuple[Component, ...]:
    """The parts of all cores, and the L2."""
    lanes, bits = spec.cores * spec.macs_per_core, spec.value_bits
    return (
        multipliers(lanes, bits),
        adders(lanes, bits),
        Component("selectors", Kind.SELECTOR, lanes, bits, inputs=spec.group_size, purpose="sparsity"),
        *_memories(spec, 41 * KIB),
    )


def dstc_components(spec: DstcSpec) -> tuple[Component, ...]:
    """The parts of all cores, and the L2."""
    lanes, sums = spec.step_rows * spec.step_columns, spec.tile_rows * spec.tile_columns
    banks = min(spec.step_columns, sums)
    return (
        multipliers(spec.cores * lanes, spec.value_bits),
        adders(spec.cores * lanes, spec.value_bits),
        Component("accumulation_buffer", Kind.SRAM, spec.cores, REGISTER_BITS, sums, banks, purpose="storage"),
        Component(
            "scatter", Kind.CROSSBAR, spec.cores, REGISTER_BITS, inputs=lanes, outputs=banks, purpose="sparsity"
        ),
        Component("bitmap_products", Kind.COMPARATOR, spec.cores * sums, 1, purpose="sparsity"),
        Component("nonzero_counters", Kind.COUNTER, 2 * spec.cores, 8, purpose="sparsity"),
        *_memories(spec, 24 * KIB),
    )  # fmt: skip


def _count_memories(counts: ActionCounts, schedule: LayerSchedule) -> None:
    """What operands and outputs pass on their way."""
    did = schedule.counts
    counts.access("registers", writes=did["register_words"])
    counts.access("shared_memory", reads=did["shared_words"], writes=did["shared_words"])
    outputs = ceil_div(8 * schedule.stores.total_bytes, SECTOR_BITS)
    counts.access("l2", reads=did["sectors"] + outputs, writes=outputs)
    fill(counts, "l2", schedule, Tensor.INPUT)
    fill(counts, "l2", schedule, Tensor.WEIGHT)


def count_tensor_core(
    spec: TensorCoreSpec, parts: tuple[Component, ...], layer: Layer, schedule: LayerSchedule, effectual_macs: int
) -> ActionCounts:
    """Actions of a layer on 2:4 cores; `counts` of its schedule has the steps, and those that were sparse."""
    counts, did = ActionCounts.of(parts), schedule.counts
    counts.multiply(schedule, effectual_macs)
    issued = schedule.issued_slots
    counts.add("adders", Action.ADD, issued)
    counts.add("selectors", Action.SELECT, issued if did["sparse_steps"] else 0)
    _count_memories(counts, schedule)
    sums = spec.step_filters * spec.step_positions
    dense_words, sparse_words = (step_operand_words(spec, sparse=sparse) for sparse in (False, True))
    dense_steps = did["steps"] - did["sparse_steps"]
    reads = dense_steps * dense_words + did["sparse_steps"] * sparse_words + did["steps"] * sums
    counts.access("registers", reads=reads + layer.output_count, writes=did["steps"] * sums)
    return counts


def step_operand_words(spec: TensorCoreSpec, *, sparse: bool) -> int:
    """Words of registers that the operands of a step are read from."""
    index_bits = (spec.group_size - 1).bit_length() if sparse else 0
    weights = spec.step_filters * spec.step_depth * (spec.value_bits + index_bits)
    # 16 stored weights of a filter stand for 32, whose activations all come.
    depth = ceil_div(spec.step_depth * spec.group_size, spec.kept_of_group) if sparse else spec.step_depth
    inputs = spec.step_positions * depth * spec.value_bits
    return ceil_div(weights, REGISTER_BITS) + ceil_div(inputs, REGISTER_BITS)


def count_dstc(
    parts: tuple[Component, ...], layer: Layer, schedule: LayerSchedule, effectual_macs: int
) -> ActionCounts:
    """Actions of a layer on dual-side sparse cores; `counts` of its schedule has the outer products and their bits."""
    counts, did = ActionCounts.of(parts), schedule.counts
    counts.multiply(schedule, effectual_macs)
    issued = schedule.issued_slots
    counts.add("adders", Action.ADD, issued)
    counts.add("scatter", Action.TRAVERSE, issued)
    counts.access("accumulation_buffer", reads=issued + layer.output_count, writes=issued)
    counts.add("bitmap_products", Action.COMPARE, did["bitmap_products"])
    counts.add("nonzero_counters", Action.COUNT, 2 * did["sets"])
    _count_memories(counts, schedule)
    counts.access("registers", reads=did["register_words"])
    return counts
