"""What a systolic array is built of, and what its parts do in a layer.

Sources: Kung 1982; Jouppi et al., ISCA 2017. What passes goes from cell to cell, a register a hop: an operand through
all columns of a fold, a sum through all of its rows. What stays is shifted in from the edge, so that row i's values go
through i + 1 registers, and is copied once more where shadow registers hold it until its fold begins. Where sums stay,
both operands pass, a cell writes its sum for every product, and sums leave row by row as operands come.

    stays    hops                   edge reads, a fold of r rows, c columns, n values passing
    weight   input, sum             n r inputs, r c weights; n c sums to and from the accumulators
    input    weight, sum            n r weights, r c inputs; n c sums to and from the accumulators
    output   input, weight          n r inputs, n c weights

Assumptions: cells outside a fold are not clocked, so that nothing hops there; buffers give and take words of 256 bits,
each of values that one row or column uses one after the other, from banks of which there are as many as the spec says.
"""

from __future__ import annotations

import numpy as np

from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.hardware.parts import adders, buffer, fill, leave, multipliers, sum_bits, sum_registers
from dataflows.machines.systolic.array_folds import Folds, FoldSequence
from dataflows.machines.systolic.spec import SystolicSpec
from dataflows.schedule import LayerSchedule, Tensor
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div

WORD_BITS = 256


def components(spec: SystolicSpec) -> tuple[Component, ...]:
    """The parts of the array and its buffers."""
    cells, bits, banks = spec.rows * spec.columns, spec.value_bits, spec.buffers.banks
    sizes = {
        "input_buffer": spec.input_buffer_bytes,
        "weight_buffer": spec.weight_buffer_bytes,
        "output_buffer": spec.output_buffer_bytes,
    }
    passing = 2 if spec.dataflow == "output" else 1
    parts = [
        multipliers(cells, bits),
        adders(cells, bits),
        Component("operand_registers", Kind.REGISTERS, passing * cells, bits, purpose="storage"),
        sum_registers("sum_registers", cells, bits),
        *(buffer(name, size, WORD_BITS, banks=banks) for name, size in sizes.items()),
    ]
    if spec.dataflow != "output":
        copies = 2 if spec.shadow_registers else 1
        parts.append(Component("stationary_registers", Kind.REGISTERS, copies * cells, bits, purpose="storage"))
        words = spec.accumulators_per_column
        parts.append(
            Component("accumulators", Kind.SRAM, spec.columns, sum_bits(bits), words, purpose="storage")
        )  # fmt: skip
    return tuple(parts)


def count(
    spec: SystolicSpec,
    parts: tuple[Component, ...],
    layer: Layer,
    sequence: FoldSequence,
    schedule: LayerSchedule,
    effectual_macs: int,
) -> ActionCounts:
    """Actions of a layer."""
    counts = ActionCounts.of(parts)
    counts.multiply(schedule, effectual_macs)
    counts.add("adders", Action.ADD, schedule.issued_slots)
    read = {"input_buffer": 0, "weight_buffer": 0}
    for folds, times in ((sequence.whole, sequence.times), (sequence.last, np.ones_like(sequence.times))):

        def total(values: np.ndarray, times: np.ndarray = times) -> int:
            return int((values * times).sum())

        rows, columns, passing = folds.rows, folds.columns, folds.passing
        cells, shifts = total(passing * rows * columns), total(_shifts(folds, spec.rows))
        if spec.dataflow == "output":
            counts.access("operand_registers", writes=2 * cells)
            counts.access("sum_registers", writes=cells + shifts)
            read["input_buffer"] += total(passing * rows)
            read["weight_buffer"] += total(passing * columns)
            continue
        counts.access("operand_registers", writes=cells)
        counts.access("sum_registers", writes=cells)
        stays = total(rows * columns)
        counts.access("stationary_registers", writes=shifts + (stays if spec.shadow_registers else 0))
        sums = total(passing * columns * folds.count)
        counts.access("accumulators", reads=sums, writes=sums)
        passes, held = ("input", "weight") if spec.dataflow == "weight" else ("weight", "input")
        read[f"{passes}_buffer"] += total(passing * rows)
        # Where groups lie together, the cells of other groups hold zeros, which nobody reads.
        read[f"{held}_buffer"] += total(folds.own_rows * columns)
    per_word = max(1, WORD_BITS // spec.value_bits)
    for name, values in read.items():
        counts.access(name, reads=ceil_div(values, per_word))
    counts.access("output_buffer", writes=ceil_div(layer.output_count, per_word))
    fill(counts, "input_buffer", schedule, Tensor.INPUT)
    fill(counts, "weight_buffer", schedule, Tensor.WEIGHT)
    leave(counts, "output_buffer", schedule)
    return counts


def _shifts(folds: Folds, rows: int) -> np.ndarray:
    """Registers that what stays goes through on its way in, or out, by block: 1 + 2 + ... + r in each column."""
    last = folds.last_rows
    return ((folds.count - 1) * (rows * (rows + 1) // 2) + last * (last + 1) // 2) * folds.columns
