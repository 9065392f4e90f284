import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.diannao.diannao import DianNao, DianNaoSpec
from dataflows.schedule import Cause, Tensor
from dataflows.truth.convolution import reference_convolution
from simulator.engine.capacities import check_capacities
from simulator.network_simulation import MachineRun, dense_trace
from tests.dataflows.machines.diannao.diannao_twin import DianNaoTwin, inputs_of, strips
from tests.dataflows.small_layers import (
    assert_transfers_are_whole,
    bytes_loaded,
    packs,
    position_bytes,
    small_layers,
    small_traces,
)
from workloads.layer import Layer
from workloads.network import load_network
from workloads.trace import LayerTrace


@st.composite
def specs(draw):
    return DianNaoSpec(
        output_neurons=draw(st.integers(1, 6)),
        inputs_per_neuron=draw(st.integers(1, 6)),
        nbin_bytes=draw(st.sampled_from([1, 24, 64, 200, 2048])),
        sb_bytes=draw(st.sampled_from([1, 60, 400, 32768])),
        nbout_bytes=draw(st.sampled_from([24, 40, 100, 2048])),
        value_bits=draw(st.sampled_from([4, 8, 16, 32])),
        pipeline_fill_cycles=draw(st.integers(0, 3)),
        groups=draw(st.sampled_from(["packed", "alone"])),
    )


@pytest.mark.twin
@given(specs(), small_traces(many_groups=True), st.sampled_from([1, 6, 1024]))
def test_every_tile_equals_the_twin(spec, trace, tiles_about):
    machine = DianNao(spec)
    machine.tiles_about = tiles_about
    schedule = machine.schedule(trace)
    merged, _ = strips(spec, trace.layer, tiles_about)
    cycles, issued = DianNaoTwin(spec, trace, merged).run()
    np.testing.assert_array_equal(schedule.cycles, cycles)
    np.testing.assert_array_equal(schedule.issued, issued)
    assert not schedule.drain_cycles.any()
    assert schedule.expected_issued == issued.sum()


@given(specs(), small_traces(many_groups=True))
def test_a_tile_loads_every_input_its_windows_read_and_all_its_synapses(spec, trace):
    layer = trace.layer
    schedule = DianNao(spec).schedule(trace)
    check_capacities(schedule)
    assert_transfers_are_whole(layer, schedule, spec.value_bits)
    bands, across = strips(spec, layer)
    loads = schedule.loads
    found = packs(layer, spec.groups, spec.inputs_per_neuron, spec.output_neurons)
    together = len(found[0])
    for tile in range(len(bands)):  # the first image's first round
        loaded = bytes_loaded(layer, schedule, tile)
        assert all(
            loaded[position_bytes(layer, spec.value_bits, at, together)].all() for at in inputs_of(layer, bands[tile])
        )
    columns = layer.weight_count // layer.out_channels
    streamed = schedule.buffers[1].streamed
    rounds = -(-layer.group_out_channels // spec.output_neurons) * len(found)
    times = layer.batch * len(bands) * across if streamed else 1
    assert (loads.tensor == Tensor.WEIGHT).sum() == rounds * times
    if spec.value_bits >= 8:
        assert loads.bytes_of(Tensor.WEIGHT) == times * layer.out_channels * columns * spec.value_bits // 8


@given(small_layers(many_groups=True), specs(), st.integers(0, 2**32 - 1))
def test_outputs_are_the_convolution(layer, spec, seed):
    random = np.random.default_rng(seed)
    weights, activations = random.integers(-7, 8, layer.weight_shape), random.integers(-7, 8, layer.input_shape)
    computed = DianNao(spec).execute(layer, weights, activations)
    np.testing.assert_array_equal(computed, reference_convolution(layer, weights, activations))


def test_a_tile_by_hand():
    """3 channels on 2 lanes and 3 filters on 2 neurons: two steps a kernel position, the second half empty; two rounds,
    the second with one neuron unmapped."""
    layer = Layer.conv("hand", in_channels=3, out_channels=3, input_size=(3, 2), kernel_size=(2, 1))
    spec = DianNaoSpec(output_neurons=2, inputs_per_neuron=2, pipeline_fill_cycles=5)
    schedule = DianNao(spec).schedule(dense_trace(layer))
    assert schedule.tiles == 2
    assert schedule.cycles[:, :, Cause.BUSY].tolist() == [[16, 16], [16, 0]]
    assert schedule.cycles[:, :, Cause.FILL].tolist() == [[5, 5], [5, 0]]
    assert schedule.issued.tolist() == [[24, 24], [24, 0]]


DEPTHWISE = Layer.conv("depthwise", in_channels=5, out_channels=5, input_size=(3, 3), kernel_size=2, groups=5)


def test_groups_share_a_round_by_hand():
    """Five groups of 1 channel and 1 filter on 3 lanes and 4 neurons: packs of 3 and 2; 4 positions of 4 kernel
    positions each, in which a neuron multiplies the one channel of its group."""
    spec = DianNaoSpec(output_neurons=4, inputs_per_neuron=3)
    schedule = DianNao(spec).schedule(dense_trace(DEPTHWISE))
    assert schedule.cycles[:, :, Cause.BUSY].tolist() == [[16, 16, 16, 0], [16, 16, 0, 0]]
    assert schedule.issued.tolist() == schedule.cycles[:, :, Cause.BUSY].tolist()
    one_by_one = DianNao(spec.model_copy(update={"groups": "alone"})).schedule(dense_trace(DEPTHWISE))
    assert one_by_one.cycles[:, :, Cause.BUSY].tolist() == [[16, 0, 0, 0]] * 5


def test_tensors_lie_image_by_image_and_inside_an_image_group_by_group():
    """Two images of two groups, each a map of 2 x 2 positions of 3 two-byte channels: 24 bytes a group, 48 an image;
    tiles go pack by pack and inside a pack image by image, and write one after the other."""
    layer = Layer.conv("order", in_channels=6, out_channels=4, input_size=(2, 2), kernel_size=1, groups=2, batch=2)
    schedule = DianNao(DianNaoSpec(groups="alone", prefetch_tiles=1)).schedule(dense_trace(layer))
    loads, stores = schedule.loads, schedule.stores
    rows = loads.tensor == Tensor.INPUT
    first = {tile: int(loads.address[rows & (loads.tile == tile)].min()) for tile in range(4)}
    assert first == {0: 0, 1: 48, 2: 24, 3: 72}
    assert loads.address[~rows].tolist() == [8192, 8192 + 2 * 3 * 2]
    assert loads.last_tile[~rows].tolist() == [1, 3]
    assert (stores.address - stores.address[0]).tolist() == [0, 16, 32, 48]


@pytest.mark.parametrize(("channels", "filters", "together"), [(4, 4, 4), (5, 1, 3), (1, 6, 2), (9, 1, 1), (1, 17, 1)])
def test_a_round_takes_the_groups_whose_channels_and_filters_fit(channels, filters, together):
    layer = Layer.conv("grouped", in_channels=12 * channels, out_channels=12 * filters, input_size=(2, 2),
                       kernel_size=1, groups=12)  # fmt: skip
    schedule = DianNao().schedule(dense_trace(layer))
    rounds = -(-12 // together) * -(-filters // 16)
    assert schedule.cycles.sum(axis=2).max(axis=1).sum() == 4 * rounds
    assert schedule.issued.sum() == layer.dense_macs


def alone(layer, **settings):
    """The cycle stack with a memory that never waits, without the causes that are zero."""
    spec = DianNaoSpec.model_validate({"dram": {"bandwidth_gbs": float("inf"), "latency_ns": 0.0}, **settings})
    report = MachineRun(DianNao(spec)).layer(dense_trace(layer))
    return {cause: cycles for cause, cycles in report.pe_cycle_stack.items() if cycles}, report


FITTING = Layer.conv("fitting", in_channels=32, out_channels=32, input_size=(8, 8), kernel_size=3, padding=1)


def test_a_layer_that_fits_the_array_is_busy_only():
    stack, report = alone(FITTING)
    assert list(stack) == ["busy"]
    assert report.utilization == 1
    assert report.fragmented_lanes == 0


def test_fill_alone():
    stack, _ = alone(FITTING, pipeline_fill_cycles=3)
    assert stack == {"busy": 16 * 64 * 9 * 4, "fill": 16 * 3 * 2}


def test_unmapped_alone():
    layer = Layer.conv("ragged", in_channels=16, out_channels=20, input_size=(4, 4), kernel_size=1)
    stack, report = alone(layer)
    assert stack == {"busy": 20 * 16, "unmapped": 12 * 16}
    assert report.fragmented_lanes == 0


def test_fragmented_lanes_alone():
    layer = Layer.conv("ragged", in_channels=20, out_channels=16, input_size=(4, 4), kernel_size=1)
    stack, report = alone(layer)
    assert list(stack) == ["busy"]
    assert report.fragmented_lanes == 16 * 16 * 12


def test_synapses_are_held_when_half_of_sb_has_room_and_streamed_otherwise():
    layer = Layer.conv("held", in_channels=56, out_channels=32, input_size=(20, 20), kernel_size=3)
    kept, streamed = (DianNao(DianNaoSpec(sb_bytes=size)).schedule(dense_trace(layer)) for size in (32256, 32255))
    assert kept.loads.bytes_of(Tensor.WEIGHT) == layer.weight_count * 2
    assert kept.notes == ()
    assert streamed.loads.bytes_of(Tensor.WEIGHT) == 9 * kept.loads.bytes_of(Tensor.WEIGHT)  # blocks of 6 x 6 outputs
    assert streamed.notes == ("the synapses of a round exceed half of SB: they stream in for every block",)


@pytest.mark.parametrize("layer", load_network("vgg16").layers, ids=lambda layer: layer.name)
def test_published_cycle_rule_on_vgg16(layer):
    positions, taps = math.prod(layer.output_size), math.prod(layer.kernel_size)
    schedule = DianNao().schedule(dense_trace(layer))
    expected = positions * taps * -(-layer.in_channels // 16) * -(-layer.out_channels // 16)
    assert schedule.cycles.sum(axis=2).max(axis=1).sum() == expected
    assert schedule.tiles < 2000


def test_zeros_change_nothing():
    layer = Layer.conv("zeros", in_channels=4, out_channels=5, input_size=(6, 6), kernel_size=3)
    empty = LayerTrace(layer, np.zeros(layer.weight_shape, bool), np.zeros(layer.input_shape, bool))
    first, second = (DianNao().schedule(trace) for trace in (dense_trace(layer), empty))
    np.testing.assert_array_equal(first.cycles, second.cycles)
    assert first.loads.total_bytes == second.loads.total_bytes


def test_nbout_too_small_for_one_position_is_refused():
    with pytest.raises(ValueError, match="nbout_bytes = 31 cannot hold 16 partial sums, 32 bytes"):
        DianNaoSpec(nbout_bytes=31)
