"""The pattern machine against its twin, and tiles worked by hand from its description."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dataflows.kernel_patterns import KernelPatterns
from dataflows.pattern import PatternMachine, PatternSpec
from dataflows.schedule import CAUSES, Cause
from simulator.layer_simulation import check_capacities
from tests.dataflows import pattern_twin
from tests.dataflows.small_layers import DENSITIES, small_traces
from workloads.layer import Layer
from workloads.trace import LayerTrace

KERNELS = st.sampled_from([(3, 3), (3, 3), (3, 3), (2, 2), (1, 2), (2, 4), (2, 5), (1, 1), (4, 4), (8, 8), (9, 8)])


@st.composite
def specs(draw):
    rows, pixels = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    value_bits = draw(st.sampled_from([8, 16]))
    return PatternSpec(
        arrays=draw(st.integers(1, 4)),
        kernels_parallel=rows,
        pixels_parallel=pixels,
        patterns=draw(st.integers(0, 5)),
        reconfigurable=draw(st.booleans()),
        reordered_rows=draw(st.booleans()),
        switch_cycles=draw(st.sampled_from([0, 1, 1, 2, 5, 20])),
        fill_cycles=draw(st.integers(0, 3)),
        value_bits=value_bits,
        input_buffer_bytes=draw(st.sampled_from([1, 30, 100, 4096])),
        weight_buffer_bytes=draw(st.sampled_from([1, 20, 100, 4096])),
        output_buffer_bytes=2 * math.ceil(rows * pixels * value_bits / 8) + draw(st.sampled_from([0, 40, 4096])),
    )


@st.composite
def patterned_traces(draw):
    """Up to ten filters a group, so that batches can be cut and ordered in many ways; kernels of a few patterns."""
    kernel, groups = draw(KERNELS), draw(st.sampled_from([1, 1, 1, 2]))
    layer = Layer.conv(
        "patterned",
        in_channels=groups * draw(st.integers(1, 3)),
        out_channels=groups * draw(st.integers(1, 10)),
        input_size=tuple(draw(st.integers(max(1, size - 2), size + 3)) for size in kernel),
        kernel_size=kernel,
        stride=(draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        padding=((1, 1), (draw(st.integers(1, 2)), 1)),
        groups=groups,
        batch=draw(st.sampled_from([1, 1, 2])),
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pool = random.random((draw(st.integers(1, 6)), *kernel)) < draw(DENSITIES)
    mask = pool[random.integers(0, len(pool), layer.weight_shape[:2])]
    mask &= random.random(mask.shape) < draw(st.sampled_from([0.7, 0.95, 1.0, 1.0]))  # some lose a weight
    mask &= (random.random(mask.shape[:2]) < draw(st.sampled_from([0.5, 0.9, 1.0])))[..., None, None]  # or all
    return LayerTrace(layer, mask, random.random(layer.input_shape) < draw(DENSITIES))


def strips_of(spec, layer, plan):
    """Strips of blocks of output positions (p, q)."""
    positions = list(np.ndindex(layer.output_size))
    blocks = [positions[i : i + spec.pixels_parallel] for i in range(0, len(positions), spec.pixels_parallel)]
    ends = np.cumsum(plan.strips.blocks).tolist()
    return [blocks[end - size : end] for end, size in zip(ends, plan.strips.blocks.tolist(), strict=True)]


@pytest.mark.twin
@given(specs(), st.one_of(small_traces(), patterned_traces()))
def test_every_tile_equals_the_twin(spec, trace):
    layer, machine = trace.layer, PatternMachine(spec)
    assume(layer.axes == 2)
    schedule = machine.schedule(trace)
    kernels = KernelPatterns.of(trace.weight_mask, layer.group_out_channels, spec.patterns)
    plan, _ = machine._plan(layer, kernels)
    strips = strips_of(spec, layer, plan)
    cycles, issued = pattern_twin.run(spec, layer, trace.weight_mask, strips, plan.filters.tolist())
    np.testing.assert_array_equal(schedule.cycles, cycles)
    np.testing.assert_array_equal(schedule.issued, issued)
    assert schedule.expected_issued == issued.sum()
    check_capacities(schedule)
