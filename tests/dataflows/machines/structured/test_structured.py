import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.structured import Structured, StructuredSpec, kept_columns
from dataflows.schedule import Cause, Tensor
from dataflows.truth.convolution import reference_convolution
from simulator.engine.capacities import check_capacities
from simulator.network_simulation import MachineRun
from tests.dataflows.joined import sums_of_blocks, tiles_of_blocks
from tests.dataflows.machines.structured.twin import StructuredTwin, inputs_of, strips
from tests.dataflows.small_layers import (
    assert_transfers_are_whole,
    bytes_loaded,
    position_bytes,
    small_layers,
    small_traces,
)
from workloads.layer import Layer
from workloads.network import load_network
from workloads.trace import LayerTrace


@st.composite
def specs(draw):
    return StructuredSpec(
        output_channels_parallel=draw(st.integers(1, 4)),
        pixels_parallel=draw(st.integers(1, 6)),
        index_entries_per_cycle=draw(st.sampled_from([0.1, 0.3, 0.5, 0.75, 0.99, 1.0, 2.5])),
        fill_cycles=draw(st.integers(0, 3)),
        drain_entries_per_cycle=draw(st.sampled_from([1, 2, 3, 8, 64])),
        input_buffer_bytes=draw(st.sampled_from([1, 30, 100, 300, 4096])),
        weight_buffer_bytes=draw(st.sampled_from([1, 40, 200, 4096])),
        output_buffer_bytes=draw(st.sampled_from([192, 256, 500, 4096])),
        value_bits=draw(st.sampled_from([4, 8, 16, 32])),
    )


@pytest.mark.twin
@given(specs(), small_traces())
def test_every_tile_equals_the_twin(spec, trace):
    schedule = Structured(spec).schedule(trace)
    cycles, issued, drains = StructuredTwin(spec, trace, strips(spec, trace.layer)[0]).run()
    filter_blocks = -(-trace.layer.group_out_channels // spec.output_channels_parallel)
    np.testing.assert_array_equal(schedule.cycles, tiles_of_blocks(cycles, filter_blocks))
    np.testing.assert_array_equal(schedule.issued, sums_of_blocks(issued, filter_blocks))
    np.testing.assert_array_equal(schedule.drain_cycles, drains[filter_blocks - 1 :: filter_blocks])
    assert schedule.expected_issued == issued.sum()


@given(specs(), small_traces())
def test_a_tile_loads_what_it_needs_and_buffers_hold_it(spec, trace):
    layer = trace.layer
    schedule = Structured(spec).schedule(trace)
    check_capacities(schedule)
    assert_transfers_are_whole(layer, schedule, spec.value_bits)
    found, streams = strips(spec, layer)
    assert schedule.buffers[0].streamed == streams
    loads = schedule.loads
    columns = kept_columns(trace.weight_mask, layer.groups).sum(axis=1)
    for tile, strip in enumerate(found if columns[0] else ()):  # of the first group's first image
        loaded = bytes_loaded(layer, schedule, tile)
        assert all(loaded[position_bytes(layer, spec.value_bits, at)].all() for at in inputs_of(layer, strip))
    entry_bits = max(1, math.ceil(math.log2(layer.weight_count // layer.out_channels)))
    lists = sum(math.ceil(z * entry_bits / 8) for z in columns.tolist())
    if spec.value_bits >= 8:
        weights = int(columns.sum()) * layer.group_out_channels * spec.value_bits // 8
        times, left = divmod(loads.bytes_of(Tensor.WEIGHT) - lists, weights) if weights else (1, 0)
        assert left == 0
        assert times in (1, layer.batch * len(found), layer.batch * sum(map(len, found)))


@given(small_traces(), specs(), st.integers(0, 2**32 - 1))
def test_outputs_are_the_convolution(trace, spec, seed):
    layer, random = trace.layer, np.random.default_rng(seed)
    weights = random.integers(-7, 8, layer.weight_shape) * trace.weight_mask
    activations = random.integers(-7, 8, layer.input_shape)
    computed = Structured(spec).execute(layer, weights, activations)
    np.testing.assert_array_equal(computed, reference_convolution(layer, weights, activations))


@given(small_layers(), st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.3]))
def test_kept_columns_are_the_union_of_the_filters(layer, seed, density):
    mask = np.random.default_rng(seed).random(layer.weight_shape) < density
    expected = np.zeros((layer.groups, layer.weight_count // layer.out_channels), bool)
    for k in range(layer.out_channels):
        expected[k // layer.group_out_channels] |= mask[k].reshape(-1)
    np.testing.assert_array_equal(kept_columns(mask, layer.groups), expected)


@given(specs(), small_traces(), st.integers(0, 2**32 - 1))
def test_more_zeros_never_take_more_cycles(spec, trace, seed):
    fewer = trace.weight_mask & (np.random.default_rng(seed).random(trace.layer.weight_shape) < 0.7)
    machine = Structured(spec)
    before, after = (machine.schedule(t) for t in (trace, LayerTrace(trace.layer, fewer, trace.activations)))
    assert after.cycles.sum() <= before.cycles.sum()
    assert after.issued.sum() <= before.issued.sum()
    assert after.loads.total_bytes <= before.loads.total_bytes


def shaped_trace(layer, kept):
    """A layer of which all filters keep the first `kept` columns."""
    weights = np.zeros((layer.out_channels, layer.weight_count // layer.out_channels), bool)
    weights[:, :kept] = True
    return LayerTrace(layer, weights.reshape(layer.weight_shape), np.ones(layer.input_shape, bool))


def test_a_tile_by_hand():
    """Six positions on four lanes are two blocks, three filters on two rows are two blocks; a kept column that only one
    filter needs takes the slots of all."""
    layer = Layer.conv("hand", in_channels=2, out_channels=3, input_size=(2, 3), kernel_size=1)
    weights = np.array([[1, 0], [1, 0], [0, 1]], bool).reshape(layer.weight_shape)
    spec = StructuredSpec(
        output_channels_parallel=2,
        pixels_parallel=4,
        fill_cycles=5,
        index_entries_per_cycle=0.75,
        drain_entries_per_cycle=2,
    )
    schedule = Structured(spec).schedule(LayerTrace(layer, weights, np.ones(layer.input_shape, bool)))
    assert schedule.tiles == 1
    assert schedule.cycles[:, :, Cause.BUSY].tolist() == [[4 + 4, 4]]
    assert schedule.cycles[:, :, Cause.INDEX].tolist() == [[2 + 2, 2]]  # ceil(2 / 0.75) = 3 cycles a block
    assert schedule.cycles[:, :, Cause.UNMAPPED].tolist() == [[0, 4 + 2]], "the third filter leaves row 1 idle"
    assert schedule.cycles[:, :, Cause.FILL].tolist() == [[5, 5]]
    # 2 x 4 sums take 4 cycles, 2 x 2 take 2, 1 x 4 take 2, 1 x 2 take 1; a block of 3 cycles hides 3 of the one before.
    assert schedule.cycles[:, :, Cause.DRAIN].tolist() == [[1, 1]]
    assert schedule.drain_cycles.tolist() == [1]
    assert schedule.issued.tolist() == [[12 + 12, 12]]


FITTING = Layer.conv("fitting", in_channels=16, out_channels=8, input_size=(4, 8), kernel_size=1)
QUIET = {
    "output_channels_parallel": 4, "pixels_parallel": 8, "fill_cycles": 0, "drain_entries_per_cycle": 32,
    "dram": {"bandwidth_gbs": float("inf"), "latency_ns": 0.0},
}  # fmt: skip


def stack(trace, **settings):
    """The cycle stack without the causes that are zero."""
    spec = StructuredSpec.model_validate({**QUIET, **settings})
    report = MachineRun(Structured(spec)).layer(trace)
    return {cause: cycles for cause, cycles in report.pe_cycle_stack.items() if cycles}, report


def test_a_layer_that_fits_the_array_only_drains_its_last_block():
    found, report = stack(shaped_trace(FITTING, 6))
    assert found == {"busy": 4 * 2 * 4 * 6, "drain": 4 * 1}
    assert report.fragmented_lanes == 0


@pytest.mark.parametrize(
    ("settings", "lost"),
    [
        ({"index_entries_per_cycle": 0.5}, {"index": 4 * 2 * 4 * 6}),
        ({"fill_cycles": 7}, {"fill": 4 * 7}),
        ({"drain_entries_per_cycle": 4}, {"drain": 4 * (7 * 2 + 8)}),  # 8 cycles a block of 6, and the last alone
    ],
)
def test_each_cause_alone(settings, lost):
    found, _ = stack(shaped_trace(FITTING, 6), **settings)
    assert found == {"busy": 4 * 2 * 4 * 6, "drain": 4 * 1} | lost


def test_unmapped_alone():
    layer = Layer.conv("ragged", in_channels=16, out_channels=6, input_size=(4, 8), kernel_size=1)
    found, report = stack(shaped_trace(layer, 6))
    assert found == {"busy": 6 * 4 * 6, "unmapped": 2 * 4 * 6, "drain": 4 * 1}
    assert report.fragmented_lanes == 0


def test_fragmented_lanes_alone():
    layer = Layer.conv("ragged", in_channels=16, out_channels=8, input_size=(3, 9), kernel_size=1)
    found, report = stack(shaped_trace(layer, 6))
    assert found == {"busy": 4 * 2 * 4 * 6, "drain": 4 * 1}
    assert report.fragmented_lanes == 8 * 5 * 6


@pytest.mark.parametrize("layer", load_network("vgg16").layers, ids=lambda layer: layer.name)
def test_published_cycle_rule_on_vgg16(layer):
    kept = layer.weight_count // layer.out_channels // 3
    spec = StructuredSpec(fill_cycles=0, drain_entries_per_cycle=64 * 21)
    schedule = Structured(spec).schedule(shaped_trace(layer, kept))
    expected = -(-layer.out_channels // 64) * -(-math.prod(layer.output_size) // 21) * kept
    assert schedule.cycles.sum(axis=2).max(axis=1).sum() == expected
    assert schedule.issued.sum() == kept * layer.output_count
    assert schedule.tiles < 2000


@pytest.mark.parametrize(
    ("weight_buffer_bytes", "streamed", "times"),
    [(259, False, 1), (258, True, 4), (67, True, 4), (66, True, 8)],  # once; for every strip; for every pixel block
)
def test_weights_are_held_as_long_as_they_fit(weight_buffer_bytes, streamed, times):
    layer = Layer.conv("held", in_channels=8, out_channels=16, input_size=(4, 8), kernel_size=1, batch=2)
    spec = StructuredSpec(
        output_channels_parallel=4, pixels_parallel=8, input_buffer_bytes=512, weight_buffer_bytes=weight_buffer_bytes
    )
    schedule = Structured(spec).schedule(shaped_trace(layer, 8))
    assert schedule.loads.bytes_of(Tensor.WEIGHT) == 3 + times * 256  # 8 entries of 3 bits, 8 x 16 weights
    assert schedule.buffers[1].streamed == streamed
    assert len(schedule.notes) == (times > 1)


def test_outputs_by_hand():
    """Two filters over 2 channels that share the first tap of one and the second of the other: blocks of 3 and 1 pixels."""
    layer = Layer.conv("hand", in_channels=2, out_channels=2, input_size=(2, 3), kernel_size=(1, 2))
    weights = np.array([[[2, 0], [0, 1]], [[-1, 0], [0, 0]]]).reshape(layer.weight_shape)
    assert kept_columns(weights != 0, 1).tolist() == [[True, False, False, True]]
    activations = np.array([[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [1, 0, 2]]])[None]
    machine = Structured(StructuredSpec(output_channels_parallel=1, pixels_parallel=3))
    first, second = [[2 + 8, 4 + 9], [8 + 0, 10 + 2]], [[-1, -2], [-4, -5]]
    assert machine.execute(layer, weights, activations).tolist() == [[first, second]]


def test_the_fewer_filters_agree_the_less_is_skipped():
    layer = Layer.conv("plain", in_channels=16, out_channels=64, input_size=(14, 14), kernel_size=3, padding=1)
    random = np.random.default_rng(0)
    scattered = random.random(layer.weight_shape) < 0.3
    shared = np.broadcast_to(random.random(layer.weight_shape[1:]) < 0.3, layer.weight_shape)
    ones = np.ones(layer.input_shape, bool)
    issued = [Structured().schedule(LayerTrace(layer, mask, ones)).issued.sum() for mask in (scattered, shared)]
    assert issued[0] == layer.dense_macs
    assert issued[1] == shared[0].sum() * layer.output_count


def test_an_output_buffer_for_less_than_two_blocks_is_refused():
    with pytest.raises(
        ValueError, match="output_buffer_bytes = 100 cannot hold the outputs of two pixel blocks, 5376 bytes"
    ):
        StructuredSpec(output_buffer_bytes=100)


def test_an_index_rate_above_one_is_idle():
    assert list(Structured(StructuredSpec(index_entries_per_cycle=2.0)).idle_settings()) == ["index_entries_per_cycle"]
    assert Structured().idle_settings() == {}


@pytest.mark.parametrize(("bits", "pixels"), [(4, 39), (8, 39), (16, 21), (32, 21)])
def test_narrow_words_have_an_array_of_their_own(bits, pixels):
    assert StructuredSpec(value_bits=bits).pixels_parallel == pixels
    assert StructuredSpec(value_bits=bits, pixels_parallel=7).pixels_parallel == 7
