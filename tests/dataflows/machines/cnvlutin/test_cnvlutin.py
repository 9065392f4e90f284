"""Cnvlutin: the twin, fully connected batches, a window by hand, and what the network's own input changes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.cnvlutin.cnvlutin import Cnvlutin, CnvlutinSpec
from dataflows.registry import create
from dataflows.schedule import CAUSES, Cause
from dataflows.truth.convolution import reference_convolution
from tests.dataflows.machines.cnvlutin import twin as cnvlutin_twin
from tests.dataflows.small_layers import DENSITIES, assert_transfers_are_whole, small_traces
from workloads.layer import Layer
from workloads.trace import LayerTrace


@st.composite
def specs(draw):
    return CnvlutinSpec(
        units=draw(st.integers(1, 3)),
        lanes=draw(st.integers(1, 5) | st.just(16)),
        filters_per_unit=draw(st.integers(1, 4)),
        brick=draw(st.integers(1, 5)),
        slices=draw(st.sampled_from(["window", "depth"])),
        empty_brick_cycles=draw(st.integers(0, 1)),
        first_layer=draw(st.sampled_from(["dense", "skipping"])),
        fully_connected=draw(st.sampled_from(["skipping", "dense"])),
        groups=draw(st.sampled_from(["packed", "alone"])),
        central_edram_bytes=draw(st.sampled_from([8, 60, 200, 1 << 20])),
        synapse_edram_bytes=draw(st.sampled_from([10, 1 << 20])),
        weights_resident=draw(st.sampled_from(["fitting", "always", "never"])),
    )


@st.composite
def fully_connected(draw):
    layer = Layer.dense(
        "fc", in_features=draw(st.integers(1, 40)), out_features=draw(st.integers(1, 9)), batch=draw(st.integers(1, 4))
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return LayerTrace(layer, np.ones(layer.weight_shape, bool), random.random(layer.input_shape) < draw(DENSITIES))


@pytest.mark.twin
@given(specs(), small_traces(many_groups=True) | small_traces() | fully_connected(), st.booleans())
def test_every_lane_does_what_the_twin_does(spec, trace, input_in_dram):
    trace = replace(trace, input_in_dram=input_in_dram)
    schedule = Cnvlutin(spec).schedule(trace)
    described, first = spec, input_in_dram
    if trace.layer.fully_connected and spec.fully_connected == "dense":  # as a first layer would
        described, first = spec.model_copy(update={"first_layer": "dense"}), True
    cycles, issued = cnvlutin_twin.twin(described, trace.layer, trace.activation_mask, first)
    shape = (*cycles.shape[:2], -1, spec.lanes)  # strips, whose number is the plan's affair, add up
    np.testing.assert_array_equal(schedule.cycles.reshape(*shape, CAUSES).sum(axis=2), cycles)
    np.testing.assert_array_equal(schedule.issued.reshape(shape).sum(axis=2), issued)
    assert schedule.expected_issued == issued.sum() == Cnvlutin(spec).issued_products(trace)
    if len(schedule.stores.tile):
        assert_transfers_are_whole(trace.layer, schedule, spec.value_bits)


@given(specs(), small_traces(many_groups=True), st.integers(0, 2**32 - 1))
def test_outputs_equal_a_convolution(spec, trace, seed):
    random, layer = np.random.default_rng(seed), trace.layer
    weights = random.integers(-9, 10, layer.weight_shape)
    activations = random.integers(-9, 10, layer.input_shape) * trace.activations
    found = Cnvlutin(spec).execute(layer, weights, activations)
    np.testing.assert_array_equal(found, reference_convolution(layer, weights, activations))


def window(spec, channels):
    """Cycles by lane and cause of one window of a 1x1 layer whose channels hold these neurons."""
    mask = np.array(channels, bool).reshape(1, -1, 1, 1)
    layer = Layer.conv("one", in_channels=mask.size, out_channels=3, input_size=(1, 1), kernel_size=1)
    return Cnvlutin(spec).schedule(LayerTrace(layer, np.ones(layer.weight_shape, bool), mask)).cycles[0]


def test_a_window_by_hand():
    # Bricks of four on three lanes: 2 neurons, none, 4 neurons, then 1 for the first lane again; a fourth lane has none.
    cycles = window(CnvlutinSpec(lanes=3, brick=4), [1, 0, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 1])
    expected = np.zeros((3, CAUSES), int)
    expected[:, Cause.BUSY], expected[:, Cause.INDEX], expected[:, Cause.IMBALANCE] = [3, 0, 4], [0, 1, 0], [1, 3, 0]
    np.testing.assert_array_equal(cycles, expected)
    cycles = window(CnvlutinSpec(lanes=3, brick=8), [1, 0, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 1])
    assert cycles[2, Cause.UNMAPPED] == cycles[0].sum() == cycles[1, Cause.BUSY] == 5


def tile(settings, mask, filters, **more):
    """Cycles by lane (busy, index, imbalance, unmapped) and products of a small layer, all of its tiles together."""
    settings = {"lanes": 2, "brick": 2, "units": 1, "filters_per_unit": 2, **settings}
    mask = np.array(mask, bool)
    layer = Layer.conv("tile", in_channels=mask.shape[1], out_channels=filters, input_size=mask.shape[2:], **more)
    trace = LayerTrace(
        layer, np.ones(layer.weight_shape, bool), mask, input_in_dram=settings.get("first_layer") == "dense"
    )
    schedule = create("cnvlutin", settings).schedule(trace)
    shown = schedule.cycles.sum(axis=0)[:, [Cause.BUSY, Cause.INDEX, Cause.IMBALANCE, Cause.UNMAPPED]]
    return shown.tolist(), schedule.issued.sum(axis=0).tolist()


def test_tiles_by_hand():
    # Two rounds of filters; bricks 10 and 1 on lane 0, 00 on lane 1.
    five = np.array([1, 0, 0, 0, 1]).reshape(1, 5, 1, 1)
    assert tile({}, five, 3, kernel_size=1) == ([[4, 0, 0, 0], [0, 2, 2, 0]], [6, 0])
    assert tile({"first_layer": "dense"}, five, 3, kernel_size=1) == ([[6, 0, 0, 0], [4, 0, 2, 0]], [9, 6])
    # Four windows, each with one kernel position inside the map and three in the padding, all of one brick.
    ones, strided = np.ones((1, 2, 2, 2)), {"kernel_size": 2, "stride": 2, "padding": 1}
    assert tile({}, ones, 2, **strided) == ([[4, 6, 2, 0], [4, 6, 2, 0]], [8, 8])
    assert tile({"slices": "depth"}, ones, 2, **strided) == ([[8, 12, 0, 0], [0, 0, 0, 20]], [16, 0])
    # Groups 0 and 1 in a pack, whose brick is full; group 2 alone, whose brick is empty.
    three, grouped = np.array([1, 1, 0]).reshape(1, 3, 1, 1), {"kernel_size": 1, "groups": 3}
    assert tile({}, three, 3, **grouped) == ([[2, 1, 0, 0], [0, 0, 0, 3]], [2, 0])
    assert tile({"first_layer": "dense"}, three, 3, **grouped) == ([[2, 0, 0, 0], [1, 0, 0, 1]], [2, 1])
    assert tile({"empty_brick_cycles": 0}, np.zeros((1, 3, 2, 2)), 1, kernel_size=1) == ([[0] * 4] * 2, [0, 0])


def test_only_the_network_s_own_input_runs_densely():
    layer = Layer.conv("one", in_channels=32, out_channels=8, input_size=(6, 6), kernel_size=3)
    random = np.random.default_rng(0)
    trace = LayerTrace(layer, np.ones(layer.weight_shape, bool), random.random(layer.input_shape) < 0.3)
    machine, first = create("cnvlutin"), replace(trace, input_in_dram=True)
    sparse, dense = machine.schedule(trace), machine.schedule(first)
    assert dense.cycles[0, 0].sum() == 4 * 9 * 2 * 4  # 16 windows of 9 positions of 2 vectors
    assert dense.issued.sum() == layer.dense_macs
    np.testing.assert_array_equal(create("cnvlutin", {"first_layer": "skipping"}).schedule(first).cycles, sparse.cycles)
    # A map that another layer wrote to DRAM was encoded before it left.
    spilled = machine.with_inputs_from_dram(trace, sparse)
    np.testing.assert_array_equal(spilled.cycles, sparse.cycles)
    assert spilled.loads.total_bytes == dense.loads.total_bytes > 0
