"""The pattern machine: the twin, a tile by hand, every cause provoked, what patterns gain, outputs in its own order."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from dataflows.filter_blocks import filter_blocks
from dataflows.kernel_patterns import KernelPatterns
from dataflows.pattern import PatternMachine, PatternSpec
from dataflows.reference import reference_convolution
from dataflows.registry import create
from dataflows.schedule import Cause, Tensor
from simulator.layer_simulation import check_capacities
from simulator.network_simulation import MachineRun
from tests.dataflows.joined import sums_of_blocks, tiles_of_blocks
from tests.dataflows.pattern_twin import Twin
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


@pytest.mark.twin
@given(specs(), traces())
def test_every_tile_equals_the_twin(spec, trace):
    layer, machine = trace.layer, PatternMachine(spec)
    schedule = machine.schedule(trace)
    kernels = KernelPatterns.of(trace.weight_mask, layer.group_out_channels, spec.patterns)
    plan, weight_bytes = machine._plan(layer, kernels)
    positions = list(np.ndindex(layer.output_size))
    blocks = [positions[i : i + spec.pixels_parallel] for i in range(0, len(positions), spec.pixels_parallel)]
    ends = np.cumsum(plan.strips.blocks).tolist()
    strips = [blocks[end - size : end] for end, size in zip(ends, plan.strips.blocks.tolist(), strict=True)]
    twin = Twin(spec, layer, trace.weight_mask, strips, plan.filters.tolist())
    cycles, issued = twin.run()
    np.testing.assert_array_equal(schedule.cycles, tiles_of_blocks(cycles, len(plan.filters)))
    np.testing.assert_array_equal(schedule.issued, sums_of_blocks(issued, len(plan.filters)))
    assert schedule.expected_issued == issued.sum()
    bits = [twin.filter_bits(k) for k in range(layer.out_channels)]
    assert kernels.filter_bits(spec.value_bits).tolist() == bits
    assert weight_bytes.sum() >= sum(bits) / 8
    check_capacities(schedule)
    # Compressed kernels are loaded once, for every strip, or for every block of positions.
    assert schedule.loads.bytes_of(Tensor.WEIGHT) in {
        int(weight_bytes.sum()) * times for times in (1, layer.batch * len(strips), layer.batch * len(blocks))
    }
    assert_transfers_are_whole(layer, schedule, spec.value_bits)


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
    # Channel 0: filters 0 and 1 have pattern A, filter 2 pattern B. Channel 1: filter 0 has B, filter 1 nothing, filter
    # 2 two weights that are no pattern of the library. Two rows: batches (0A 1A) (2B) (0B) and, alone, filter 2.
    a, b, none, odd = PCONV[0], PCONV[1], np.zeros(9, bool), np.eye(9, dtype=bool)[0] | np.eye(9, dtype=bool)[8]
    trace = kernels([[a, b], [a, none], [b, odd]], columns=8)
    spec = PatternSpec(arrays=1, kernels_parallel=2, pixels_parallel=4, patterns=2, switch_cycles=3, fill_cycles=5)
    schedule = PatternMachine(spec).schedule(trace)
    assert schedule.tiles == 1
    first, second = schedule.cycles[0]
    # 6 positions are 2 blocks; row 0 holds a kernel of every batch: 4 + 4 + 4 + 2 weights, patterns A, B and the odd one.
    assert (first[Cause.BUSY], first[Cause.INDEX], first[Cause.IMBALANCE]) == (2 * 14, 3 * 3, 0)
    assert (second[Cause.BUSY], second[Cause.INDEX], second[Cause.IMBALANCE]) == (2 * 4, 3, 2 * 10 + 2 * 3)
    assert first[Cause.FILL] == second[Cause.FILL] == 5
    assert schedule.issued.tolist() == [[6 * 14, 6 * 4]]
    # 18 values, 5 kernels with a code of 2 bits and a channel of 1; the odd one has a bit for each of 9 positions.
    bits = [8 * 16 + 2 * 3, 4 * 16 + 3, 6 * 16 + 2 * 3 + 9]
    assert schedule.loads.bytes_of(Tensor.WEIGHT) == math.ceil(sum(bits) / 8)
    assert schedule.loads.bytes_of(Tensor.INPUT) == 2 * 3 * 8 * 2
    assert schedule.stores.total_bytes == 3 * 6 * 2


def test_kernels_of_one_pattern_fill_the_array():
    found, report = stack(kernels([[PCONV[0]], [PCONV[0]]]))
    assert found == {"busy": 2 * 4}
    assert report.fragmented_lanes == 0


def test_index_alone_by_a_change_of_pattern():
    trace = kernels([[PCONV[0], PCONV[1]], [PCONV[0], PCONV[1]]])
    found, _ = stack(trace, switch_cycles=5)
    assert found == {"busy": 2 * 8, "index": 2 * 2 * 5}


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
    assert speedup(CONV4_2, "unstructured:density=0.4444") < 1.1
    assert 1.5 < speedup(CONV4_2, "pattern", patterns=0) < 1.9  # mixed PCONV patterns need all five places of the cross
    assert speedup(CONV4_2, "pattern:connectivity=0.5") > 0.85 * 9 / 2


def test_a_library_smaller_than_the_set_costs_conflicts():
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
