"""The pattern machine against its twin, and tiles worked by hand from its description."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dataflows.machines.pattern.kernel_patterns import KernelPatterns
from dataflows.machines.pattern.pattern import PatternMachine, PatternSpec
from dataflows.schedule import CAUSES, Cause
from simulator.engine.capacities import check_capacities
from tests.dataflows.joined import sums_of_blocks, tiles_of_blocks
from tests.dataflows.machines.pattern import twin as pattern_twin
from tests.dataflows.small_layers import DENSITIES, small_traces
from workloads.layer import Layer
from workloads.trace import LayerTrace

KERNELS = st.sampled_from([(3, 3)] * 6 + [(2, 2), (1, 3), (2, 4), (2, 5), (1, 1), (4, 4), (8, 8), (9, 8)])
ROOM = [1, 20, 100, 4096, 1 << 16, 1 << 16, 1 << 16, 1 << 16]  # bytes; mostly enough for all filters in a block


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
        switch_cycles=draw(st.sampled_from([0, 0, 1, 1, 2, 5, 20])),
        fill_cycles=draw(st.integers(0, 3)),
        value_bits=value_bits,
        input_buffer_bytes=draw(st.sampled_from(ROOM)),
        weight_buffer_bytes=draw(st.sampled_from(ROOM)),
        output_buffer_bytes=2 * math.ceil(rows * pixels * value_bits / 8) + draw(st.sampled_from(ROOM)),
    )


@st.composite
def patterned_traces(draw):
    """Up to ten filters a group, so that batches can be cut and ordered in many ways; kernels of a few patterns."""
    kernel, groups = draw(KERNELS), draw(st.sampled_from([1, 1, 1, 2]))
    layer = Layer.conv(
        "patterned",
        in_channels=groups * draw(st.integers(1, 3)),
        out_channels=groups * draw(st.integers(4 // groups, 10)),
        input_size=tuple(draw(st.integers(max(1, size - 2), size + 3)) for size in kernel),
        kernel_size=kernel,
        stride=(draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        padding=((1, 1), (draw(st.integers(1, 2)), 1)),
        groups=groups,
        batch=draw(st.sampled_from([1, 1, 2])),
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return LayerTrace(layer, patterned_mask(draw, random, layer), random.random(layer.input_shape) < draw(DENSITIES))


def patterned_mask(draw, random, layer):
    """Kernels of one to six patterns, of equal or random sizes or nested; some lose a weight, some all."""
    positions = math.prod(layer.kernel_size)
    used = random.permutation(positions)[: draw(st.sampled_from([4, 6, 9, positions]))]
    pool = np.zeros((draw(st.integers(1, 6)), positions), bool)
    equal, nested = draw(st.integers(0, 4)), draw(st.sampled_from([0, 0, 0.5]))
    for i in range(len(pool)):
        pool[i, random.permutation(used)[: equal or int(random.integers(1, len(used) + 1))]] = True
        if i and random.random() < nested:
            pool[i] &= pool[random.integers(0, i)]
    pool[-1, used if draw(st.booleans()) else []] = True
    mask = pool[random.integers(0, len(pool), layer.weight_shape[:2])]
    mask &= random.random(mask.shape) < draw(st.sampled_from([0.7, 0.95, 1.0, 1.0]))
    mask &= (random.random(mask.shape[:2]) < draw(st.sampled_from([0.5, 0.9, 1.0, 1.0])))[..., None]
    return mask.reshape(layer.weight_shape)


def strips_of(spec, layer, plan):
    """Strips of blocks of output positions (p, q)."""
    positions = list(np.ndindex(layer.output_size))
    blocks = [positions[i : i + spec.pixels_parallel] for i in range(0, len(positions), spec.pixels_parallel)]
    ends = np.cumsum(plan.strips.blocks).tolist()
    return [blocks[end - size : end] for end, size in zip(ends, plan.strips.blocks.tolist(), strict=True)]


@pytest.mark.twin
@given(specs(), st.one_of(small_traces(), patterned_traces(), patterned_traces()))
def test_every_tile_equals_the_twin(spec, trace):
    layer, machine = trace.layer, PatternMachine(spec)
    assume(layer.axes == 2)
    schedule = machine.schedule(trace)
    kernels = KernelPatterns.of(trace.weight_mask, layer.group_out_channels, spec.patterns)
    plan = machine._plan(layer, kernels)
    strips = strips_of(spec, layer, plan)
    cycles, issued = pattern_twin.run(spec, layer, trace.weight_mask, strips, plan.filters.tolist())
    np.testing.assert_array_equal(schedule.cycles, tiles_of_blocks(cycles, len(plan.filters)))
    np.testing.assert_array_equal(schedule.issued, sums_of_blocks(issued, len(plan.filters)))
    assert schedule.expected_issued == issued.sum()
    check_capacities(schedule)


def check_by_hand(spec, layer, kernels, by_hand):
    """The tiles of the machine and of its twin; a row is its cycles by cause and its products.

    kernels   (filters, channels) of the positions that hold a weight
    """
    mask = np.zeros((*layer.weight_shape[:2], math.prod(layer.kernel_size)), bool)
    for at, positions in np.ndenumerate(kernels):
        mask[at][list(positions)] = True
    mask = mask.reshape(layer.weight_shape)
    schedule = PatternMachine(spec).schedule(LayerTrace(layer, mask, np.ones(layer.input_shape, bool)))
    plan = PatternMachine(spec)._plan(layer, KernelPatterns.of(mask, layer.group_out_channels, spec.patterns))
    twin = pattern_twin.run(spec, layer, mask, strips_of(spec, layer, plan), plan.filters.tolist())
    cycles = np.zeros((len(by_hand), len(by_hand[0]), CAUSES), np.int64)
    for at, (causes, _) in np.ndenumerate(as_objects(by_hand)):
        for cause, count in causes.items():
            cycles[(*at, cause)] = count
    issued = np.array([[products for _, products in rows] for rows in by_hand])
    blocks = len(plan.filters)
    for found, expected in zip(twin, (cycles, issued), strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(schedule.cycles, tiles_of_blocks(cycles, blocks))
    np.testing.assert_array_equal(schedule.issued, sums_of_blocks(issued, blocks))


def as_objects(nested):
    """A list of equal lists as an array of two axes whose entries stay whole."""
    array = np.empty((len(nested), len(nested[0])), object)
    for at in np.ndindex(array.shape):
        array[at] = nested[at[0]][at[1]]
    return array


BUSY, INDEX, CONFLICT, IMBALANCE, FILL = Cause.BUSY, Cause.INDEX, Cause.BANK_CONFLICT, Cause.IMBALANCE, Cause.FILL
UNMAPPED = ({}, 0)


def test_sorted_kernels_and_an_array_that_goes_on_where_another_ends():
    # Five filters of one channel: A = {0, 1} thrice, B = {4, 5} twice, in the order A B A B A. Three output positions
    # are blocks of two and one: two reads a position. Whole kernels take 9 * 2 = 18 cycles, a pattern 2 * 2 + 1 = 5,
    # A and B together 4 * 2 + 1 = 9. In the order of the filters: A B | A B | A, 9 + 9 + 5 = 23. The library: any
    # kernel reads 4 positions, A saves 3 * 2, B 2 * 2. Sorted by A alone: A A | A | B B, 5 + 5 + 5 = 15 (the first
    # batch is the largest: not A | A A | B B). Two arrays: 8 and 7 cycles.
    # Array 0: A A (set, 0 0 1 1), of A set and both reads of 0. Row 1 has no kernel in the second: 3 waits.
    # Array 1: both reads of 1 of A, then B B. The reads are of 2 and 1 positions.
    spec = PatternSpec(arrays=2, kernels_parallel=2, pixels_parallel=2, patterns=2, switch_cycles=1, fill_cycles=3)
    layer = Layer.conv("l", in_channels=1, out_channels=5, input_size=(3, 5), kernel_size=3)
    array_0 = [({FILL: 3, INDEX: 2, BUSY: 6}, 9), ({FILL: 3, INDEX: 1, BUSY: 4, IMBALANCE: 3}, 6)]
    array_1 = [({FILL: 3, INDEX: 1, BUSY: 6}, 9), ({FILL: 3, INDEX: 1, BUSY: 4, IMBALANCE: 2}, 6)]
    a, b = (0, 1), (4, 5)
    check_by_hand(spec, layer, as_objects([[a], [b], [a], [b], [a]]), [array_0 + array_1])


def test_banks_of_the_padded_map_and_channels_that_stay_with_an_array():
    # Kernels of 1x3, a map of 2x4 padded to rows of six, a stride of two to the right: windows start at 0, 2, 6, 8.
    # Three banks: the block 0, 2, 6 has two addresses in bank 0 and takes two reads, the block 8 takes one.
    # Whole kernels take 3 * 3 = 9 cycles, one position 3 + 4 = 7, two 2 * 3 + 4 = 10, more than whole ones.
    # Channel 0, array 0: {0} and {0} in one batch, 4 of setting, then busy, conflict, busy.
    # Channel 1, array 1: {0, 1} and {1} in one batch of 9 (apart 9 + 7), not set: the two rows wait at 2, row 1 at 0.
    spec = PatternSpec(
        arrays=2,
        kernels_parallel=3,
        pixels_parallel=3,
        patterns=0,
        reconfigurable=False,
        reordered_rows=False,
        switch_cycles=4,
        fill_cycles=2,
    )
    layer = Layer.conv(
        "l",
        in_channels=2,
        out_channels=2,
        input_size=(2, 4),
        kernel_size=(1, 3),
        stride=(1, 2),
        padding=((0, 0), (1, 1)),
    )
    array_0 = [({FILL: 2, INDEX: 4, BUSY: 2, CONFLICT: 1}, 4)] * 2 + [UNMAPPED]
    array_1 = [({FILL: 2, BUSY: 4, CONFLICT: 5}, 8), ({FILL: 2, BUSY: 2, CONFLICT: 7}, 4), UNMAPPED]
    check_by_hand(spec, layer, as_objects([[(0,), (0, 1)], [(0,), (1,)]]), [array_0 + array_1])


def test_equals_and_groups():
    # Two groups of one channel and four filters, 2x2 kernels, one output position: whole kernels take 4 cycles.
    # Channel 0: {2}, {1}, {0} and an empty kernel. {2} {1} | {0} takes 3 + 2 and so does {2} | {1} {0}: the first batch
    # is the largest. The library is {0}, {1}, {2}; sorted they take no less: the order of the filters stays.
    # Channel 1: {0, 1, 2} takes 3 + 1, no less than 4: it reads all four positions without being set.
    # 9 cycles: array 0 has 5, all of channel 0, and array 1 has 4. The second image's tile has no fill.
    spec = PatternSpec(arrays=2, kernels_parallel=2, pixels_parallel=2, patterns=4, switch_cycles=1, fill_cycles=2)
    layer = Layer.conv("l", in_channels=2, out_channels=8, input_size=(2, 2), kernel_size=2, groups=2, batch=2)
    kernels = as_objects([[(2,)], [(1,)], [(0,)], [()], [()], [(0, 1, 2)], [()], [()]])

    def rows(fill):
        return [
            (fill | {INDEX: 2, BUSY: 2, CONFLICT: 1}, 2),
            (fill | {INDEX: 1, BUSY: 1, CONFLICT: 1, IMBALANCE: 2}, 1),
            (fill | {BUSY: 3, CONFLICT: 1}, 3),
            UNMAPPED,
        ]

    check_by_hand(spec, layer, kernels, [rows({FILL: 2}), rows({})])


def test_a_kernel_belongs_to_the_smallest_pattern_that_holds_it():
    # Channel 0: P = {0, 1, 2, 3} and Q = {0, 1} in the order P Q P Q; channel 1: one whole kernel of 9 cycles. Any kernel
    # reads 9 positions: P saves 5 * 4, as it holds Q too, Q alone 7 * 2; then Q saves 2 * 2. One output position.
    # P Q | P Q takes 4 + 1 twice, in the order of the filters and sorted by P. By P and Q: P P | Q Q, 4 + 1 + 2 + 1.
    spec = PatternSpec(arrays=1, kernels_parallel=2, pixels_parallel=4, patterns=2, switch_cycles=1, fill_cycles=0)
    layer = Layer.conv("l", in_channels=2, out_channels=4, input_size=(3, 3), kernel_size=3)
    p, q, whole = range(4), range(2), range(9)
    rows = [({INDEX: 2, BUSY: 15}, 15), ({INDEX: 2, BUSY: 6, IMBALANCE: 9}, 6)]
    check_by_hand(spec, layer, as_objects([[p, whole], [q, ()], [p, ()], [q, ()]]), [rows])
