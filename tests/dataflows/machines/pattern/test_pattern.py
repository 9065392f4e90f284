"""The pattern machine's laws on random layers, and outputs in its own order."""

import itertools
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.pattern.kernel_batches import Batches
from dataflows.machines.pattern.kernel_patterns import KernelPatterns
from dataflows.machines.pattern.pattern import PatternMachine
from dataflows.schedule import Tensor
from dataflows.tiling.filter_blocks import filter_blocks
from dataflows.truth.convolution import reference_convolution
from simulator.engine.capacities import check_capacities
from tests.dataflows.machines.pattern.cases import roomy, specs, tile_cycles, traces
from tests.dataflows.small_layers import assert_transfers_are_whole
from workloads.trace import LayerTrace


@given(specs(), traces())
def test_books(spec, trace):
    layer, machine = trace.layer, PatternMachine(spec)
    schedule = machine.schedule(trace)
    products = int(trace.weight_mask.sum()) * layer.batch * math.prod(layer.output_size)
    assert schedule.expected_issued == schedule.issued.sum() == products
    row = schedule.cycles.sum(axis=2).reshape(schedule.tiles, spec.arrays, -1)
    assert all(len(set(array[array > 0].tolist())) <= 1 for tile in row for array in tile)  # rows of an array agree
    check_capacities(schedule)
    kernels = KernelPatterns.of(trace.weight_mask, layer.group_out_channels, spec.patterns)
    bits = kernels.filter_bits(spec.value_bits)
    assert bits.sum() <= layer.weight_count * spec.value_bits
    assert (bits >= trace.weight_mask.reshape(layer.out_channels, -1).sum(axis=1) * spec.value_bits).all()
    # Compressed kernels are loaded once, for every strip, or for every block of positions.
    plan = machine._plan(layer, kernels)
    assert schedule.loads.bytes_of(Tensor.WEIGHT) in {
        int(plan.weight_bytes.sum()) * times
        for times in (1, layer.batch * plan.strips.count, layer.batch * int(plan.strips.blocks.sum()))
    }
    assert_transfers_are_whole(layer, schedule, spec.value_bits)


@given(specs(), traces(), st.integers(0, 2**32 - 1), st.sampled_from(["one", "many", "kernels"]))
def test_no_zero_adds_a_cycle_without_a_pattern_set(spec, trace, seed, what):
    random, weights = np.random.default_rng(seed), trace.weights
    keep = np.ones(weights.shape, bool)
    if what == "one":
        keep.reshape(-1)[random.integers(keep.size)] = False
    else:
        keep &= random.random(keep.shape if what == "many" else (*keep.shape[:2], 1, 1)) < 0.8
    fewer = LayerTrace(trace.layer, weights & keep, trace.activations)
    spec = roomy(spec, patterns=0)
    assert (tile_cycles(fewer, spec) <= tile_cycles(trace, spec)).all()


@given(specs(), traces())
def test_no_zero_adds_a_cycle_where_the_rows_hold_a_channel(spec, trace):
    spec = roomy(spec, kernels_parallel=trace.layer.group_out_channels, patterns=8)
    now = tile_cycles(trace, spec)
    for place in np.flatnonzero(trace.weights)[:20]:
        fewer = trace.weights.copy()
        fewer.reshape(-1)[place] = False
        assert (tile_cycles(LayerTrace(trace.layer, fewer, trace.activations), spec) <= now).all()


@given(specs(), traces())
def test_pruning_and_patterns_never_lose(spec, trace):
    """At most the cycles of the dense layer, and each pattern more in the set may only take cycles away."""
    layer = trace.layer
    whole = LayerTrace(layer, np.ones(layer.weight_shape, bool), trace.activations)
    tiles = [tile_cycles(trace, roomy(spec, patterns=size)) for size in (16, 8, 4, 2, 1, 0)]
    tiles.append(tile_cycles(whole, roomy(spec)))
    for fewer, more in itertools.pairwise(tiles):
        assert (fewer <= more).all()


@given(specs(), traces())
def test_arrays_and_rows_never_add_a_cycle(spec, trace):
    spec = roomy(spec, reconfigurable=True, patterns=8)
    now = tile_cycles(trace, spec)
    for key in ("arrays", "kernels_parallel"):
        assert (tile_cycles(trace, roomy(spec, **{key: getattr(spec, key) + 1})) <= now).all()


@given(st.lists(st.integers(1, 511), min_size=1, max_size=7), st.integers(1, 4), st.integers(1, 3), st.integers(0, 4))
def test_the_cut_takes_fewest_cycles(codes, rows, reads, switch_cycles):
    """Of one channel without a set, against every cut there is."""
    mask = np.array([[code >> x & 1 for x in range(9)] for code in codes], bool).reshape(-1, 1, 3, 3)
    kernels = KernelPatterns.of(mask, len(codes), 0)

    def cycles(parts):
        read = [int(np.bitwise_or.reduce(part)).bit_count() for part in parts]
        return sum(min(size * reads + switch_cycles, 9 * reads) for size in read)

    def cuts(rest):
        yield from ([rest[:n], *tail] for n in range(1, min(rows, len(rest)) + 1) for tail in cuts(rest[n:]))
        if not rest:
            yield []

    batches = Batches.of(kernels, (0, len(codes)), rows, reads=reads, switch_cycles=switch_cycles)
    found = [codes[first:end] for first, end in itertools.pairwise(batches.first.tolist())]
    assert [code for part in found for code in part] == codes
    assert cycles(found) == min(cycles(parts) for parts in cuts(codes))


@given(traces(), specs(), st.integers(0, 2**32 - 1))
def test_outputs_are_the_convolution(trace, spec, seed):
    layer, random = trace.layer, np.random.default_rng(seed)
    weights = random.integers(-7, 8, layer.weight_shape) * trace.weight_mask
    activations = random.integers(-7, 8, layer.input_shape)
    computed = PatternMachine(spec).execute(layer, weights, activations)
    np.testing.assert_array_equal(computed, reference_convolution(layer, weights, activations))


@given(
    st.lists(st.integers(0, 99), min_size=1, max_size=30), st.integers(1, 4), st.integers(1, 40), st.integers(1, 500)
)
def test_blocks_of_filters_fit(bits, turn, most_turns, buffer_bytes):
    filters, sizes = filter_blocks(np.array(bits), turn, most_turns=most_turns, buffer_bytes=buffer_bytes)
    ends = np.cumsum(filters).tolist()
    assert ends[-1] == len(bits)
    parts = [bits[end - count : end] for end, count in zip(ends, filters.tolist(), strict=True)]
    assert sizes.tolist() == [math.ceil(sum(part) / 8) for part in parts]
    assert max(filters) <= max(1, most_turns) * turn
    room = buffer_bytes if math.ceil(sum(bits) / 8) <= buffer_bytes else buffer_bytes / 2
    assert max(filters) <= turn or max(sizes) <= room
