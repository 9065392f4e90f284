"""The pattern machine: its laws, tiles by hand, every cause provoked, what patterns gain, outputs in its own order."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from dataflows.machines.pattern.kernel_batches import Batches
from dataflows.machines.pattern.kernel_patterns import KernelPatterns
from dataflows.machines.pattern.pattern import PatternMachine, PatternSpec
from dataflows.registry import create
from dataflows.schedule import Cause, Tensor
from dataflows.tiling.filter_blocks import filter_blocks
from dataflows.truth.convolution import reference_convolution
from simulator.engine.capacities import check_capacities
from simulator.network_simulation import MachineRun
from tests.dataflows.small_layers import assert_transfers_are_whole, small_traces
from workloads.layer import Layer
from workloads.pruning import parse
from workloads.trace import LayerTrace


@st.composite
def specs(draw):
    rows, pixels, value_bits = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.sampled_from([8, 16]))
    return PatternSpec(
        arrays=draw(st.integers(1, 3)),
        kernels_parallel=rows,
        pixels_parallel=pixels,
        patterns=draw(st.sampled_from([0, 1, 2, 8])),
        reconfigurable=draw(st.booleans()),
        reordered_rows=draw(st.booleans()),
        switch_cycles=draw(st.integers(0, 3)),
        fill_cycles=draw(st.integers(0, 2)),
        value_bits=value_bits,
        input_buffer_bytes=draw(st.sampled_from([1, 30, 100, 4096])),
        weight_buffer_bytes=draw(st.sampled_from([1, 20, 100, 4096])),
        output_buffer_bytes=rows * pixels * value_bits // 4 + draw(st.sampled_from([1, 40, 4096])),
    )


@st.composite
def traces(draw):
    trace = draw(small_traces())
    assume(trace.layer.axes == 2)
    if draw(st.booleans()):
        return trace
    patterns = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random((2, *trace.layer.kernel_size)) < 0.5
    chosen = np.random.default_rng(1).integers(0, 2, trace.layer.weight_shape[:2])
    return LayerTrace(trace.layer, trace.weights & patterns[chosen], trace.activations)


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


def tile_cycles(trace, spec):
    """Cycles of each tile, int64 (tiles,)."""
    return PatternMachine(spec).schedule(trace).cycles.sum(axis=2).max(axis=1)


def roomy(spec, **changes):
    """The machine with buffers in which every small layer is one block of filters, whatever its zeros."""
    return spec.model_copy(update=dict.fromkeys(("weight_buffer_bytes", "output_buffer_bytes"), 1 << 20) | changes)


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


PCONV = np.array([[int(x) for x in text] for text in ("010111000", "010110010", "000111010", "010011010")], bool)
SMALL = {"arrays": 1, "kernels_parallel": 2, "pixels_parallel": 4, "fill_cycles": 0, "switch_cycles": 0}


def kernels(rows, columns=6, stride=1):
    """A layer of 3x3 filters (K, C, 9) over one row of output positions, all activations non-zero."""
    weights = np.asarray(rows, bool)
    layer = Layer.conv(
        "l",
        in_channels=weights.shape[1],
        out_channels=len(weights),
        input_size=(3, columns),
        kernel_size=3,
        stride=stride,
    )
    return LayerTrace(layer, weights.reshape(layer.weight_shape), np.ones(layer.input_shape, bool))


def stack(trace, **settings):
    """Cycles by cause, those that are not zero."""
    machine = create("pattern", {"dram": {"bandwidth_gbs": float("inf")}} | SMALL | settings)
    report = MachineRun(machine).layer(trace)
    return {cause: cycles for cause, cycles in report.pe_cycle_stack.items() if cycles}, report


def test_a_tile_by_hand():
    # Patterns A and B have four weights, five together. 6 positions are 2 blocks, so a batch of n < 8 positions takes
    # 2n + 3 cycles. Channel 0: (0A 1A) (2B), 11 + 11 cycles; (0A) (1A 2B) would take 11 + 13. Channel 1: filter 0 has
    # B, filter 1 nothing, filter 2 two weights beside B: together 6 positions, 15 cycles, apart 11 + 7.
    a, b, none, odd = PCONV[0], PCONV[1], np.zeros(9, bool), np.eye(9, dtype=bool)[0] | np.eye(9, dtype=bool)[8]
    trace = kernels([[a, b], [a, none], [b, odd]], columns=8)
    spec = PatternSpec(arrays=1, kernels_parallel=2, pixels_parallel=4, patterns=2, switch_cycles=3, fill_cycles=5)
    schedule = PatternMachine(spec).schedule(trace)
    assert schedule.tiles == 1
    first, second = schedule.cycles[0]
    assert (first[Cause.BUSY], first[Cause.BANK_CONFLICT]) == (2 * (4 + 4 + 4), 2 * (6 - 4))
    assert (first[Cause.INDEX], first[Cause.IMBALANCE]) == (3 * 3, 0)
    assert (second[Cause.BUSY], second[Cause.BANK_CONFLICT]) == (2 * (4 + 2), 2 * (6 - 2))
    assert (second[Cause.INDEX], second[Cause.IMBALANCE]) == (2 * 3, 11)
    assert first[Cause.FILL] == second[Cause.FILL] == 5
    assert schedule.issued.tolist() == [[6 * 12, 6 * 6]]
    # 18 values, 5 kernels with a code of 2 bits and a channel of 1; the odd one has a bit for each of 9 positions.
    bits = [8 * 16 + 2 * 3, 4 * 16 + 3, 6 * 16 + 2 * 3 + 9]
    assert schedule.loads.bytes_of(Tensor.WEIGHT) == math.ceil(sum(bits) / 8)
    assert schedule.loads.bytes_of(Tensor.INPUT) == 2 * 3 * 8 * 2
    assert schedule.stores.total_bytes == 3 * 6 * 2


def test_arrays_share_a_batch_by_hand():
    # One batch of five positions (1 3 4 5 7; A lacks 7, B lacks 5) over 2 blocks of 4 and 2 positions: 3 cycles for
    # setting the array and 10 reads, 5 cycles each for 3 arrays. The first: setting, both blocks of 1. The second: both
    # of 3 and of 4, the first of 5. The third: the second of 5, both of 7.
    trace = kernels([[PCONV[0]], [PCONV[1]]], columns=8)
    spec = PatternSpec(arrays=3, kernels_parallel=2, pixels_parallel=4, switch_cycles=3, fill_cycles=0)
    schedule = PatternMachine(spec).schedule(trace)
    cycles = schedule.cycles[0].reshape(3, 2, -1)
    assert cycles[..., Cause.INDEX].tolist() == [[3, 3], [0, 0], [0, 0]]
    assert cycles[..., Cause.BUSY].tolist() == [[2, 2], [5, 4], [1, 2]]
    assert cycles[..., Cause.BANK_CONFLICT].tolist() == [[0, 0], [0, 1], [2, 1]]
    assert schedule.issued.reshape(3, 2).tolist() == [[6, 6], [6 + 6 + 4, 6 + 6], [2, 6]]


def test_the_pattern_set_puts_kernels_of_a_pattern_together_by_hand():
    # Filters A B A B: in this order 2 x 5 positions, by pattern (A A) (B B) 2 x 4. A C B A, where C holds three weights
    # of A and of B: in the order of the filters (A C) (B A) take 4 + 5. A is held by most; C saves then as much as B and
    # has the lower code. So A and C are a set of two, and (A A) (C B) take 4 + 4.
    a, b = PCONV[0], PCONV[1]
    part = a & ~np.eye(9, dtype=bool)[5]
    trace = kernels([[a], [b], [a], [b]])
    assert [stack(trace, patterns=size)[0]["busy"] for size in (0, 2)] == [16, 16]
    assert [tile_cycles(trace, PatternSpec(**SMALL, patterns=size)).tolist() for size in (0, 2)] == [[10], [8]]
    trace = kernels([[a], [part], [b], [a]])
    assert [tile_cycles(trace, PatternSpec(**SMALL, patterns=size)).tolist() for size in (0, 2)] == [[9], [8]]
    batches = Batches.of(KernelPatterns.of(trace.weight_mask, 4, 2), (0, 4), 2, reads=1, switch_cycles=0)
    assert batches.filters.tolist() == [0, 3, 1, 2]


def test_index_alone_by_other_positions_than_all():
    trace = kernels([[PCONV[0], PCONV[1]], [PCONV[0], PCONV[1]]])
    found, _ = stack(trace, switch_cycles=4)
    assert found == {"busy": 2 * 8, "index": 2 * 2 * 4}


def test_positions_that_nobody_needs_are_read_where_that_is_no_longer():
    trace = kernels([[PCONV[0], PCONV[1]], [PCONV[0], PCONV[1]]])
    assert stack(trace, switch_cycles=5)[0] == {"busy": 2 * 8, "bank_conflict": 2 * 2 * 5}


def test_bank_conflict_alone_by_mixed_patterns():
    trace = kernels([[PCONV[0]], [PCONV[2]]])  # they share the three weights of the middle row
    found, _ = stack(trace, patterns=0)
    assert found == {"busy": 2 * 4, "bank_conflict": 2 * 1}


def test_bank_conflict_alone_by_rows_as_in_the_map():
    trace = kernels([[PCONV[0]], [PCONV[0]]], columns=9, stride=2)  # windows 0, 2, 4, 6 lie in two of four banks
    assert stack(trace)[0] == {"busy": 2 * 4}
    assert stack(trace, reordered_rows=False)[0] == {"busy": 2 * 4, "bank_conflict": 2 * 4}


def test_imbalance_alone_by_a_batch_that_is_not_full():
    trace = kernels([[PCONV[0], PCONV[0]], [PCONV[0], np.zeros(9)]])
    assert stack(trace)[0] == {"busy": 3 * 4, "imbalance": 4}


def test_imbalance_alone_by_channels_that_stay_with_their_array():
    every, none = PCONV[0], np.zeros(9)
    trace = kernels([[every, every, every, none]] * 2)
    settings = {"arrays": 2, "kernels_parallel": 2}
    assert stack(trace, **settings, reconfigurable=False)[0] == {"busy": 4 * 6, "imbalance": 2 * 4}
    trace = kernels([[every, none, every, none]] * 2)
    assert stack(trace, **settings, reconfigurable=False)[0] == {"busy": 4 * 4, "unmapped": 2 * 8}
    assert stack(trace, **settings)[0] == {"busy": 4 * 4}


def test_fill_alone_and_fragmented_lanes():
    found, report = stack(kernels([[PCONV[0]], [PCONV[0]]], columns=8), fill_cycles=7)
    assert found == {"busy": 2 * 2 * 4, "fill": 2 * 7}
    assert report.fragmented_lanes == 2 * 4 * 2


def test_memory_alone():
    found, report = stack(kernels([[PCONV[0]], [PCONV[0]]]), dram={"bandwidth_gbs": 0.01})
    assert found["memory"] > 0.5 * report.pes * report.cycles
    assert set(found) <= {"busy", "memory", "unmapped"}


CONV4_2 = Layer.conv("conv4_2", in_channels=512, out_channels=512, input_size=(28, 28), kernel_size=3, padding=1)
POINTWISE = Layer.conv("1x1", in_channels=64, out_channels=256, input_size=(28, 28), kernel_size=1)


def speedup(layer, pruning, **settings):
    weights = parse(pruning).keep(layer, np.ones(layer.weight_shape, bool), np.random.default_rng(1))
    trace = LayerTrace(layer, weights, np.ones(layer.input_shape, bool))
    report = MachineRun(create("pattern", {"dram": {"bandwidth_gbs": float("inf")}} | settings)).layer(trace)
    return report.dense_cycles / report.cycles


def test_patterns_gain_most_of_what_they_drop_and_unstructured_masks_little():
    assert 0.9 * 9 / 4 < speedup(CONV4_2, "pattern") <= 9 / 4
    assert speedup(CONV4_2, "unstructured:density=0.4444", patterns=0) < 1.1
    assert speedup(CONV4_2, "unstructured:density=0.4444") < 1.3  # kernels that chance made alike
    assert 1.5 < speedup(CONV4_2, "pattern", patterns=0) < 1.9  # mixed PCONV patterns need all five places of the cross
    assert speedup(CONV4_2, "pattern:connectivity=0.5") > 0.85 * 9 / 2


@pytest.mark.parametrize("pruning", ["unstructured:density=0.7", "unstructured:density=0.3", "pattern"])
def test_fewer_weights_take_fewer_cycles(pruning):
    """As on VGG-16's conv3_2, where fewer weights once took half as many cycles again and a larger set still more."""
    layer = Layer.conv("conv", in_channels=32, out_channels=128, input_size=(28, 28), kernel_size=3, padding=1)
    sixteen, eight, none = (1 / speedup(layer, pruning, patterns=size) for size in (16, 8, 0))
    assert sixteen <= eight < none <= 1


def test_few_filters_of_several_patterns_share_their_batches():
    layer = Layer.conv("few", in_channels=64, out_channels=16, input_size=(28, 28), kernel_size=3, padding=1)
    assert 1.75 < speedup(layer, "pattern") <= 9 / 5  # all four patterns in one batch: the five places of the cross


def test_fewer_patterns_than_the_kernels_have_cost_conflicts():
    enough, short = (speedup(CONV4_2, "pattern:set=patdnn,size=12", patterns=size) for size in (12, 6))
    assert enough > 1.3 * short


def test_patterns_take_nothing_from_pointwise_layers():
    assert speedup(POINTWISE, "pattern") == 1


def test_a_dense_layer_is_stored_without_index_and_fills_the_multipliers():
    layer = Layer.conv("dense", in_channels=16, out_channels=64, input_size=(16, 16), kernel_size=3, padding=1)
    schedule = PatternMachine().schedule(
        LayerTrace(layer, np.ones(layer.weight_shape, bool), np.ones(layer.input_shape, bool))
    )
    assert schedule.loads.bytes_of(Tensor.WEIGHT) == 2 * layer.weight_count
    assert schedule.cycles[..., Cause.BUSY].max() == 9 * 16 * 16 * 16 // 16
    assert schedule.issued.sum() == schedule.cycles[..., Cause.BUSY].sum() * 16 == layer.dense_macs


def test_settings_that_cannot_be_or_have_no_effect():
    with pytest.raises(
        ValidationError, match="output_buffer_bytes = 1023 cannot hold two blocks of outputs of every row"
    ):
        PatternSpec(output_buffer_bytes=1023)
    assert list(PatternMachine(PatternSpec(arrays=1)).idle_settings()) == ["reconfigurable"]
    assert PatternMachine().idle_settings() == {}


def test_volumes_are_refused():
    volume = Layer.conv("v", in_channels=1, out_channels=1, input_size=(2, 2, 2), kernel_size=1)
    assert "two-dimensional kernels" in (PatternMachine().refusal(volume) or "")
