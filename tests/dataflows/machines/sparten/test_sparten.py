"""SparTen, beside its slow twin, its own rules and what it moves."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from dataflows.machines.sparten.sparse_maps import strips_of
from dataflows.machines.sparten.sparten import Sparten
from dataflows.machines.sparten.spec import SpartenSpec
from dataflows.schedule import Cause, Tensor
from dataflows.truth.convolution import reference_convolution
from simulator.engine.capacities import check_capacities
from tests.dataflows.machines.sparten.cases import specs, wide_traces
from tests.dataflows.machines.sparten.twin import twin
from tests.dataflows.small_layers import positions_read, small_traces
from workloads.layer import Layer
from workloads.trace import LayerTrace


def assert_equals_the_twin(spec, trace):
    schedule = Sparten(spec).schedule(trace)
    strips = strips_of(spec, trace.layer).first_pixel.tolist()
    cycles, issued = twin(spec, trace.layer, trace.weight_mask, trace.activation_mask, strips)
    np.testing.assert_array_equal(schedule.cycles, cycles)
    np.testing.assert_array_equal(schedule.issued, issued)
    assert schedule.expected_issued == issued.sum()


@pytest.mark.twin
@given(specs(), small_traces())
def test_every_tile_equals_the_twin(spec, trace):
    assert_equals_the_twin(spec, trace)


@pytest.mark.twin
@given(specs(chunks=(1, 63, 64, 65, 100, 128, 130, 200)), wide_traces())
def test_chunks_of_several_words_equal_the_twin(spec, trace):
    assert_equals_the_twin(spec, trace)


SMALL = {"clusters": 2, "units": 2, "chunk": 4, "balancing": "none", "output_buffer_bytes": 64}
ONE = Layer.conv("one", in_channels=6, out_channels=3, input_size=(1, 1), kernel_size=1)
ONE_WEIGHTS = np.array([[1, 0, 1, 1, 1, 1], [0, 0, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1]], bool).reshape(3, 6, 1, 1)
ONE_INPUTS = np.array([1, 1, 0, 1, 0, 1], bool).reshape(1, 6, 1, 1)
CORNERS = Layer.conv("corners", in_channels=1, out_channels=1, input_size=(3, 3), kernel_size=3, stride=2, padding=1)


def scheduled(layer, weights, activations, **settings):
    return Sparten(SpartenSpec(**{**SMALL, **settings})).schedule(LayerTrace(layer, weights, activations))


def causes(schedule, tile=0):
    """By unit, what it does apart from nothing."""
    return [
        {Cause(cause).key: int(cycles) for cause, cycles in enumerate(unit) if cycles} for unit in schedule.cycles[tile]
    ]


def test_few_positions_share_out_their_rounds():
    schedule = scheduled(ONE, ONE_WEIGHTS, ONE_INPUTS)
    # By chunk filter 0 has 2 and 1 matches, filter 1 none, filter 2 has 3 and 1: two rounds on two clusters.
    assert causes(schedule) == [{"busy": 3}, {"index": 2, "imbalance": 1}, {"busy": 4}, {"unmapped": 4}]
    assert schedule.issued.tolist() == [[3, 0, 4, 0]]


def test_units_that_hold_two_filters_take_one_after_the_other():
    # Filters have 5, 1 and 6 weights: the densest is alone.
    schedule = scheduled(ONE, ONE_WEIGHTS, ONE_INPUTS, balancing="gb-s")
    assert causes(schedule) == [{"busy": 4, "imbalance": 1}, {"busy": 3, "index": 2}, {}, {}]


def test_a_thin_network_holds_the_units_up():
    # Three sums a chunk, one a cycle: the second chunk's units are done after two.
    schedule = scheduled(ONE, ONE_WEIGHTS, ONE_INPUTS, balancing="gb-h", permute_share=2)
    assert causes(schedule) == [
        {"busy": 4, "imbalance": 1, "port": 1},
        {"busy": 3, "index": 2, "port": 1},
        {},
        {},
    ]


def test_chunks_in_the_padding_are_not_broadcast():
    weights, activations = np.ones(CORNERS.weight_shape, bool), np.ones(CORNERS.input_shape, bool)
    schedule = scheduled(CORNERS, weights, activations, chunks_of="window")
    # Taps 0-3, 4-7 and 8 are chunks. Four taps of each window are inside; cluster 0 has positions 0 and 2.
    assert causes(schedule) == [{"busy": 8}, {"unmapped": 8}] * 2


def test_filters_are_paired_anew_for_every_chunk():
    # By chunk 4 0, 0 4, 3 1 and 1 3 weights: 4, 4, 4 and 4 in all, in whose order gb-s pairs 0 with 3 and 1 with 2.
    layer = Layer.conv("anew", in_channels=8, out_channels=4, input_size=(1, 1), kernel_size=1)
    kept = [(0, 1, 2, 3), (4, 5, 6, 7), (0, 1, 2, 4), (0, 4, 5, 6)]
    weights = np.zeros(layer.weight_shape, bool)
    for k, places in enumerate(kept):
        weights[k, list(places)] = True
    activations = np.ones(layer.input_shape, bool)
    once = scheduled(layer, weights, activations, balancing="gb-s")
    # Chunk 0: 4 + 1 and 1 (an empty chunk) + 3; chunk 1: 1 + 3 and 4 + 1.
    assert causes(once)[:2] == [
        {"busy": 8, "index": 1, "imbalance": 1},
        {"busy": 8, "index": 1, "imbalance": 1},
    ]
    # Chunk 0 by weights: 0, 2, 3, 1: 4 + 1 and 3 + 1; chunk 1: 1, 3, 2, 0: 4 + 1 and 3 + 1.
    anew = scheduled(layer, weights, activations, balancing="gb-h", permute_share=1)
    assert causes(anew)[:2] == [{"busy": 8, "index": 2}, {"busy": 8, "imbalance": 2}]


@given(specs(), small_traces())
def test_outputs_are_those_of_the_convolution(spec, trace):
    random = np.random.default_rng(trace.weight_nonzeros)
    weights = trace.weight_mask * random.integers(1, 9, trace.layer.weight_shape)
    activations = trace.activation_mask * random.integers(1, 9, trace.layer.input_shape)
    found = Sparten(spec).execute(trace.layer, weights, activations)
    np.testing.assert_array_equal(found, reference_convolution(trace.layer, weights, activations))


@given(specs(), small_traces())
def test_tiles_move_whole_sparse_maps(spec, trace):
    """Places that a strip reads, with a bit a channel and the values of those that are not zero."""
    layer, schedule = trace.layer, Sparten(spec).schedule(trace)
    check_capacities(schedule)
    channels = layer.group_in_channels
    kept = trace.activation_mask.reshape(layer.batch, layer.groups, channels, *layer.input_size).sum(axis=2)
    bits = channels + kept * spec.value_bits if spec.sparse_inputs else kept * 0 + channels * spec.value_bits
    fibres = -(-bits // 8)
    ends = np.cumsum(fibres)
    loads = schedule.loads
    inputs = loads.tensor == Tensor.INPUT
    assert set(loads.address[inputs].tolist()) <= {0, *ends.tolist()}
    assert set((loads.address + loads.size_bytes)[inputs].tolist()) <= set(ends.tolist())
    once = {(a, b) for a, b in zip(loads.address[inputs].tolist(), loads.size_bytes[inputs].tolist(), strict=True)}
    covered = np.zeros(int(ends[-1]), bool)
    for address, size in once:
        covered[address : address + size] = True
    starts = (ends - fibres.reshape(-1)).reshape(fibres.shape)
    for output in np.ndindex(*layer.output_size):
        for at in positions_read(layer, output):
            for start, size in zip(starts[:, :, *at].reshape(-1), fibres[:, :, *at].reshape(-1), strict=True):
                assert covered[start : start + size].all()


@given(specs(), small_traces())
def test_weights_and_outputs_take_a_bit_each_and_their_non_zeros(spec, trace):
    trace = replace(trace, output_density=0.4)
    layer, schedule = trace.layer, Sparten(spec).schedule(trace)
    kept = trace.weight_mask.reshape(layer.out_channels, -1)
    filters = [
        math.ceil((k.size + int(k.sum()) * spec.value_bits if spec.sparse_weights else k.size * spec.value_bits) / 8)
        for k in kept
    ]
    moved = schedule.loads.bytes_of(Tensor.WEIGHT)
    assert moved >= sum(filters)
    assert moved == sum(filters) or "weights" in " ".join(schedule.notes)
    every = layer.output_count
    bits = every + every * 0.4 * spec.value_bits if spec.sparse_inputs else every * spec.value_bits
    assert bits / 8 <= schedule.stores.total_bytes <= bits / 8 + len(schedule.stores.tile) * (1 + spec.value_bits / 8)
    assert schedule.loads.total_bytes + schedule.stores.total_bytes >= schedule.compulsory_bytes


def test_balancing_is_idle_where_all_filters_take_equally_long():
    assert "balancing" in Sparten(SpartenSpec(skips="inputs")).idle_settings()
    assert "barrier" in Sparten(SpartenSpec(skips="neither")).idle_settings()
    assert Sparten().idle_settings() == {}


def test_outputs_that_do_not_fit_twice_are_refused():
    with pytest.raises(ValueError, match="two rounds of outputs of every cluster, 4096 bytes"):
        SpartenSpec(output_buffer_bytes=4095)


def test_images_of_a_fully_connected_layer_are_the_positions_of_one():
    random = np.random.default_rng(3)
    layer = Layer.dense("fc", in_features=150, out_features=90, batch=5)
    row = Layer.conv("row", in_channels=150, out_channels=90, input_size=(1, 5), kernel_size=1)
    weights = random.random(layer.weight_shape) < 0.3
    inputs = random.random(layer.input_shape) < 0.5
    machine = Sparten()
    batch, positions = (
        machine.schedule(LayerTrace(one, weights, activations))
        for one, activations in ((layer, inputs), (row, inputs.reshape(5, 150).T.reshape(row.input_shape)))
    )
    np.testing.assert_array_equal(batch.cycles, positions.cycles)
    assert batch.loads.total_bytes == positions.loads.total_bytes
    assert batch.expected_issued == positions.expected_issued == batch.issued.sum()
