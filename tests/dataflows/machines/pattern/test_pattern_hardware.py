"""The pattern machine's actions against a slow twin: every cycle of every batch, row by row."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given

from dataflows.machines.pattern.kernel_patterns import KernelPatterns
from dataflows.machines.pattern.pattern import PatternMachine
from tests.dataflows.hardware.counting import INPUT, WEIGHT, assert_counts, assert_products, counted, loads_of, words
from tests.dataflows.machines.pattern import twin as pattern_twin
from tests.dataflows.machines.pattern.cases import specs, traces
from tests.draws import quarter_of_cases


def batches(spec, trace, plan):
    """Every batch of every tile with the blocks that it meets, (positions, reads) each."""
    layer = trace.layer
    kernels, taps = pattern_twin.kernels_of(layer, trace.weight_mask), math.prod(layer.kernel_size)
    library = pattern_twin.library_of(list(kernels.values()), spec.patterns, taps)
    places = list(np.ndindex(layer.output_size))
    blocks = [places[i : i + spec.pixels_parallel] for i in range(0, len(places), spec.pixels_parallel)]
    ends = np.cumsum(plan.strips.blocks).tolist()
    for _image in range(layer.batch):
        for end, size in zip(ends, plan.strips.blocks.tolist(), strict=True):
            own_blocks = [(len(b), pattern_twin.reads_of(spec, layer, b)) for b in blocks[end - size : end]]
            reads, first = sum(own for _, own in own_blocks), 0
            for count in plan.filters.tolist():
                for c in range(layer.in_channels):
                    own = tuple(kernels[k, c] for k in range(first, first + count) if (k, c) in kernels)
                    for batch in pattern_twin.batches_of(spec, own, library, taps, reads):
                        yield batch, own_blocks
                first += count


@pytest.mark.twin
@quarter_of_cases
@given(specs(), traces())
def test_counts_as_its_twin(spec, trace):
    layer, machine = trace.layer, PatternMachine(spec)
    found, schedule = counted(machine, trace)
    assert_products(found, trace, schedule)
    plan = machine._plan(layer, KernelPatterns.of(trace.weight_mask, layer.group_out_channels, spec.patterns))
    twin = Counter()
    for batch, blocks in batches(spec, trace, plan):
        twin["pattern_table", "read"] += batch.set_first and spec.switch_cycles > 0
        for kernel in batch.kernels:
            twin["kernel_registers", "write"] += len(kernel)
            twin["weight_buffer", "read"] += len(kernel)
        for at in batch.read:
            for positions, reads in blocks:
                twin["input_buffer", "read"] += reads
                for kernel in batch.kernels:
                    if at in kernel:
                        for what in (
                            ("kernel_registers", "read"), ("output_buffer", "read"), ("output_buffer", "write")
                        ):  # fmt: skip
                            twin[what] += 1
                        twin["adders", "add"] += positions
    twin["input_buffer", "write"] = loads_of(machine, "input_buffer", schedule, INPUT)
    twin["weight_buffer", "write"] = loads_of(machine, "weight_buffer", schedule, WEIGHT)
    twin["output_buffer", "read"] += words(machine, "output_buffer", schedule.stores.total_bytes)
    assert_counts(found, twin | {key: n for key, n in found.items() if key[0] == "multipliers"})
