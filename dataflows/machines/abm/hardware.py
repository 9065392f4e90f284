"""What ABM-SpConv and Sparse-YOLO are built of, and what their parts do in a layer.

Sources: Wang et al., DAC 2019 and IEEE Access 2020. For every block of positions a core reads each non-zero of its
kernel, turns the place that is stored with it into an address, and reads a vector of activations, which its adders add
to the sums of the value. When a value is done its sums go, one by one, to the core's multipliers, and the products are
added to the outputs.

Multipliers are few: they make as many products as there are sums of a value, and a slot of the schedule is an adder's.
So the machine has no `multipliers` whose slots the schedule counts, but `value_multipliers`; its additions are the
issued ones. What is multiplied counts as two non-zeros: a sum that is zero by chance is not looked for.

Assumptions: an adder has a register for its sum; sums of finished values wait in a register each; a vector of
activations is a word of the input buffer wherever it begins; products are as wide as two values, and outputs are
written once.
"""

from __future__ import annotations

import math

from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.hardware.parts import adders, buffer, fill, leave, sum_registers
from dataflows.machines.abm.spec import AbmSpec
from dataflows.schedule import LayerSchedule, Tensor
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div


def components(spec: AbmSpec) -> tuple[Component, ...]:
    """The parts of all cores."""
    bits, lanes = spec.value_bits, spec.cores * spec.adders_per_core
    products, vector_bits = spec.cores * spec.multipliers_per_core, spec.adders_per_core * bits
    return (
        Component("value_multipliers", Kind.MULTIPLIER, products, bits),
        adders(lanes, bits),
        sum_registers("sum_registers", lanes, bits),
        sum_registers("value_sums", lanes, bits),
        adders(products, bits, "product_adders"),
        sum_registers("output_registers", lanes, bits),
        Component("address_adders", Kind.ADDER, spec.cores, spec.encoded_weight_bits, purpose="sparsity"),
        buffer("input_buffer", spec.input_buffer_bytes, vector_bits, banks=spec.cores),
        buffer("weight_buffer", spec.weight_buffer_bytes, spec.encoded_weight_bits, banks=spec.cores),
        buffer("output_buffer", spec.output_buffer_bytes, vector_bits, banks=spec.cores),
    )


def count(
    spec: AbmSpec, parts: tuple[Component, ...], trace: LayerTrace, distinct: int, schedule: LayerSchedule
) -> ActionCounts:
    """Actions of a layer; distinct: different values of each kernel, summed over kernels."""
    counts, layer = ActionCounts.of(parts), trace.layer
    positions = math.prod(layer.output_size)
    # All strips end in a full block but the image's last.
    blocks = layer.batch * ceil_div(positions, spec.adders_per_core)
    added, products = schedule.issued_slots, distinct * positions * layer.batch
    read = trace.weight_nonzeros * blocks
    counts.add("adders", Action.ADD, added)
    counts.access("sum_registers", writes=added)
    counts.access("value_sums", writes=products)
    counts.add("value_multipliers", Action.MULTIPLY, products)
    counts.add("product_adders", Action.ADD, products)
    counts.access("output_registers", writes=products)
    counts.add("address_adders", Action.ADD, read)
    counts.access("input_buffer", reads=read)
    counts.access("weight_buffer", reads=read)
    counts.access("output_buffer", writes=layer.out_channels * blocks)
    fill(counts, "input_buffer", schedule, Tensor.INPUT)
    fill(counts, "weight_buffer", schedule, Tensor.WEIGHT)
    leave(counts, "output_buffer", schedule)
    return counts
