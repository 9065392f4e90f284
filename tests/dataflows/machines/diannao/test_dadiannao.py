import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.diannao.dadiannao import DaDianNao, DaDianNaoSpec
from dataflows.schedule import Cause, Tensor
from dataflows.truth.convolution import reference_convolution
from simulator.engine.capacities import check_capacities
from simulator.network_simulation import MachineRun, dense_trace
from tests.dataflows.joined import sums_of_blocks, tiles_of_blocks
from tests.dataflows.machines.diannao.dadiannao_twin import DaDianNaoTwin
from tests.dataflows.machines.structured import twin as structured_twin
from tests.dataflows.small_layers import assert_transfers_are_whole, bytes_loaded, packs, position_bytes, small_layers
from workloads.layer import Layer
from workloads.network import load_network
from workloads.trace import LayerTrace

INFINITE = {"dram": {"bandwidth_gbs": float("inf"), "latency_ns": 0.0}}


@st.composite
def specs(draw):
    return DaDianNaoSpec(
        chips=draw(st.sampled_from([1, 1, 2])),
        groups=draw(st.sampled_from(["packed", "alone"])),
        weights_resident=draw(st.sampled_from(["fitting", "always", "never"])),
        link_gbs=1e6,  # its waits have a test of their own
        tiles=draw(st.integers(1, 3)),
        neurons_per_tile=draw(st.integers(1, 3)),
        inputs_per_neuron=draw(st.integers(1, 4)),
        synapse_edram_bytes=draw(st.sampled_from([1, 60, 400, 4096])),
        central_edram_bytes=draw(st.sampled_from([1, 40, 100, 300, 8192])),
        value_bits=draw(st.sampled_from([4, 8, 16, 32])),
    )


def map_bytes(spec, layer):
    """Bytes of the whole batch's inputs and outputs."""
    return [math.ceil(math.prod(shape) * spec.value_bits / 8) for shape in (layer.input_shape, layer.output_shape)]


def strips(spec, layer):
    """Rows by strip, by the rule of the structured machine with a half of the central eDRAM for a buffer."""
    half, endless = spec.chips * (spec.central_edram_bytes // 2), 1 << 40
    inputs, _ = map_bytes(spec, layer)
    return structured_twin.strips(
        SimpleNamespace(
            pixels_parallel=layer.output_size[-1],
            input_buffer_bytes=endless if inputs <= half else half,
            value_bits=spec.value_bits,
        ),
        layer,
        together(spec, layer),
    )


def together(spec, layer):
    """Groups of the first pack, the largest."""
    return len(packs(layer, spec.groups, spec.inputs_per_neuron, spec.chips * spec.tiles * spec.neurons_per_tile)[0])


@pytest.mark.twin
@given(specs(), small_layers(many_groups=True))
def test_every_tile_equals_the_twin(spec, layer):
    schedule = DaDianNao(spec).schedule(dense_trace(layer))
    held = strips(spec, layer)[0]
    every = len(packs(layer, spec.groups, spec.inputs_per_neuron, spec.chips * spec.tiles * spec.neurons_per_tile))
    # Strips one after the other, or all rows in one; what decides is bytes (`tests/dataflows/tiling/test_strip_orders.py`).
    tiles = len(schedule.cycles) // (every * (1 if layer.fully_connected else layer.batch))
    assert tiles in (1, len(held))
    cycles, issued = DaDianNaoTwin(spec, layer, held if tiles == len(held) else [sum(held)]).run()
    filter_blocks = -(-layer.group_out_channels // (spec.chips * spec.tiles * spec.neurons_per_tile))
    np.testing.assert_array_equal(schedule.cycles, tiles_of_blocks(cycles, filter_blocks))
    np.testing.assert_array_equal(schedule.issued, sums_of_blocks(issued, filter_blocks))
    assert schedule.expected_issued == issued.sum()


@given(specs(), small_layers(many_groups=True))
def test_what_does_not_stay_on_the_chip_is_loaded_and_stored(spec, layer):
    schedule = DaDianNao(spec).schedule(dense_trace(layer))
    check_capacities(schedule)
    half = spec.chips * (spec.central_edram_bytes // 2)
    inputs, outputs = map_bytes(spec, layer)
    if outputs <= half:
        assert schedule.stores.total_bytes == 0
    else:
        assert_transfers_are_whole(layer, schedule, spec.value_bits)
    if inputs <= half:
        assert schedule.loads.bytes_of(Tensor.INPUT) == 0
        return
    found, _ = strips(spec, layer)
    for tile, strip in enumerate(found):
        loaded = bytes_loaded(layer, schedule, tile)
        assert all(
            loaded[position_bytes(layer, spec.value_bits, at, together(spec, layer))].all()
            for at in structured_twin.inputs_of(layer, strip)
        )


@given(small_layers(many_groups=True), specs(), st.integers(0, 2**32 - 1))
def test_outputs_are_the_convolution(layer, spec, seed):
    random = np.random.default_rng(seed)
    weights, activations = random.integers(-7, 8, layer.weight_shape), random.integers(-7, 8, layer.input_shape)
    computed = DaDianNao(spec).execute(layer, weights, activations)
    np.testing.assert_array_equal(computed, reference_convolution(layer, weights, activations))


def test_a_tile_by_hand():
    """3 channels on 2 inputs: two steps a kernel position; 7 filters on 2 tiles of 2: rounds of 4 and 3."""
    layer = Layer.conv("hand", in_channels=3, out_channels=7, input_size=(3, 2), kernel_size=(2, 1))
    spec = DaDianNaoSpec(tiles=2, neurons_per_tile=2, inputs_per_neuron=2)
    schedule = DaDianNao(spec).schedule(dense_trace(layer))
    assert schedule.cycles[:, :, Cause.BUSY].tolist() == [[16 + 16, 16 + 16]]
    assert schedule.issued.tolist() == [[48 + 48, 48 + 24]]


def report(layer, **settings):
    return MachineRun(DaDianNao(DaDianNaoSpec.model_validate(INFINITE | settings))).layer(dense_trace(layer))


def test_a_layer_that_fits_the_array_is_busy_only():
    found = report(Layer.conv("fit", in_channels=32, out_channels=256, input_size=(8, 8), kernel_size=3, padding=1))
    assert {cause for cause, cycles in found.pe_cycle_stack.items() if cycles} == {"busy"}
    assert found.utilization == 1
    assert found.cycles == 64 * 9 * 2


def test_unmapped_alone():
    found = report(Layer.conv("few", in_channels=16, out_channels=80, input_size=(4, 4), kernel_size=1))
    assert found.pe_cycle_stack["busy"] == 5 * 16
    assert found.pe_cycle_stack["unmapped"] == 11 * 16
    assert found.fragmented_lanes == 0


def test_fragmented_lanes_alone():
    found = report(Layer.conv("odd", in_channels=20, out_channels=250, input_size=(4, 4), kernel_size=1))
    assert found.pe_cycle_stack["busy"] == 16 * 32
    assert found.fragmented_lanes == 16 * 32 * 256 - 16 * 20 * 250


def test_memory_alone():
    layer = Layer.conv("heavy", in_channels=256, out_channels=512, input_size=(4, 4), kernel_size=3, padding=1)
    found = report(layer, dram={"bandwidth_gbs": 1.0, "latency_ns": 0.0}, weights_resident="never")
    assert found.pe_cycle_stack["memory"] > 0
    assert found.dram.total_bytes == layer.weight_count * 2  # both maps stay on the chip


def resident_or(setting, layer, **settings):
    schedule = DaDianNao(DaDianNaoSpec(weights_resident=setting, **settings)).schedule(dense_trace(layer))
    return schedule, schedule.loads.tensor == Tensor.WEIGHT


def test_synapses_that_are_not_resident_are_loaded_once_for_all_images_where_they_fit():
    layer = Layer.conv("once", in_channels=64, out_channels=512, input_size=(64, 64), kernel_size=3, padding=1, batch=8)
    schedule, weights = resident_or("never", layer)
    assert schedule.loads.size_bytes[weights].tolist() == [layer.weight_count * 2]
    assert schedule.loads.tile[weights].tolist() == [0]
    assert schedule.loads.last_tile[weights].tolist() == [schedule.tiles - 1]


@pytest.mark.parametrize(("setting", "room", "moved", "note"), [
    ("fitting", 160, 0, None),
    ("fitting", 159, 160, "synapses take 160 bytes, there is room for 159: they stream in"),
    ("always", 159, 0, "synapses take 160 bytes, there is room for 159: they are taken to lie there all the same"),
    ("never", 160, 160, None),
])  # fmt: skip
def test_synapses_stay_where_they_fit(setting, room, moved, note):
    layer = Layer.dense("fc", in_features=8, out_features=10)
    schedule, weights = resident_or(setting, layer, synapse_edram_bytes=room)
    assert schedule.loads.size_bytes[weights].sum() == moved
    assert schedule.compulsory_bytes == moved
    assert schedule.notes == (() if note is None else (note,))


def test_images_of_a_fully_connected_layer_share_synapses_that_do_not_fit():
    layer = next(layer for layer in load_network("vgg16").layers if layer.name == "fc6").with_batch(8)
    schedule, weights = resident_or("fitting", layer)
    assert layer.weight_count * 2 > DaDianNaoSpec().synapse_edram_bytes
    assert schedule.loads.size_bytes[weights].sum() == layer.weight_count * 2
    assert schedule.notes == ("synapses take 205520896 bytes, there is room for 33554432: they stream in",)
    assert schedule.cycles.sum(axis=2).max(axis=1).sum() == 8 * (25088 // 16) * (4096 // 256)
    assert not resident_or("fitting", layer, chips=7)[1].any(), "seven chips hold them"


def test_chips_compute_side_by_side_and_exchange_their_outputs():
    """64 channels, 1,024 filters, 1x1, 4 positions: 4 rounds of 4 x 4 cycles on one chip, one on four. Each of them
    receives 3/4 of 512 bytes: 384 / 25.6 GB/s = 15 ns, 9.09 cycles at 606 MHz, inside the 16; at a quarter of the rate
    36.4, of which 21 are waited for."""
    layer = Layer.conv("spread", in_channels=64, out_channels=1024, input_size=(2, 2), kernel_size=1)
    assert report(layer).cycles == 64
    assert report(layer, chips=4).cycles == 16
    waiting = report(layer, chips=4, link_gbs=6.4)
    assert waiting.cycles == 37
    assert waiting.pe_cycle_stack == report(layer, chips=4).pe_cycle_stack | {"port": 21 * 64}


def test_groups_share_the_vector_by_hand():
    """Five groups of 1 channel and 2 filters on 3 inputs and 2 tiles of 4 neurons: packs of 3 and 2 groups, 6 and 4
    filters; a kernel position a cycle, 4 positions of 4 each."""
    layer = Layer.conv("grouped", in_channels=5, out_channels=10, input_size=(3, 3), kernel_size=2, groups=5)
    spec = DaDianNaoSpec(tiles=2, neurons_per_tile=4, inputs_per_neuron=3)
    schedule = DaDianNao(spec).schedule(dense_trace(layer))
    assert schedule.cycles[:, :, Cause.BUSY].tolist() == [[16, 16], [16, 0]]
    assert schedule.issued.tolist() == [[4 * 16, 2 * 16], [4 * 16, 0]]
    alone = DaDianNao(spec.model_copy(update={"groups": "alone"})).schedule(dense_trace(layer))
    assert alone.cycles[:, :, Cause.BUSY].tolist() == [[16, 0]] * 5


@pytest.mark.parametrize("layer", load_network("vgg16").layers, ids=lambda layer: layer.name)
def test_published_cycle_rule_on_vgg16(layer):
    schedule = DaDianNao().schedule(dense_trace(layer))
    steps = math.prod(layer.output_size) * math.prod(layer.kernel_size)
    expected = steps * -(-layer.in_channels // 16) * -(-layer.out_channels // 256)
    assert schedule.cycles.sum(axis=2).max(axis=1).sum() == expected
    assert schedule.multipliers == 4096
    assert schedule.tiles < 2000


def test_zeros_change_nothing():
    layer = Layer.conv("zeros", in_channels=4, out_channels=5, input_size=(6, 6), kernel_size=3)
    empty = LayerTrace(layer, np.zeros(layer.weight_shape, bool), np.zeros(layer.input_shape, bool))
    first, second = (DaDianNao().schedule(trace) for trace in (dense_trace(layer), empty))
    np.testing.assert_array_equal(first.cycles, second.cycles)
    assert first.loads.total_bytes == second.loads.total_bytes
