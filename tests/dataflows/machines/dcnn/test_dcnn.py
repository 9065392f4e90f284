import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.dcnn import Dcnn, DcnnSpec
from dataflows.schedule import Cause, Tensor
from simulator.network_simulation import MachineRun
from tests.conformance.layers import LAYERS, random_trace
from tests.dataflows.joined import sums_of_blocks
from tests.dataflows.machines.dcnn.twin import DcnnTwin
from tests.dataflows.truth.test_products import small_traces
from workloads.catalog import load_workload
from workloads.layer import Layer


def machine(**settings) -> Dcnn:
    return Dcnn(DcnnSpec.model_validate(settings))


@pytest.mark.twin
@given(
    trace=small_traces(),
    rows=st.integers(1, 3),
    columns=st.integers(1, 3),
    lanes=st.integers(1, 5),
    group=st.integers(1, 3),
    sram=st.sampled_from([128, 512, 1 << 20]),
)
def test_schedule_equals_twin(trace, rows, columns, lanes, group, sram):
    dcnn = machine(
        pe_rows=rows, pe_columns=columns, multipliers_per_pe=lanes, output_channel_group=group, sram_bytes=sram
    )
    schedule = dcnn.schedule(trace)
    groups = -(
        -trace.layer.out_channels // (group * (rows * columns if math.prod(trace.layer.output_size) == 1 else 1))
    )
    twin = sums_of_blocks(np.array(DcnnTwin(dcnn.spec, trace.layer).run()), groups)
    assert schedule.cycles[:, :, Cause.BUSY].tolist() == twin[:, :, 0].tolist()
    assert schedule.issued.tolist() == twin[:, :, 1].tolist()
    waits = schedule.cycles[:, :, [Cause.BUSY, Cause.IMBALANCE, Cause.UNMAPPED]]
    assert waits.sum() == schedule.cycles.sum(), "PEs only compute, wait for the others or have nothing to do"


@pytest.mark.parametrize(
    ("size", "channels", "outputs", "cycles"),
    [
        ((224, 224), 3, 64, 451_584),  # VGG-16 conv1_1: 28 x 28 outputs of 9 positions, 3 of 16 lanes
        ((56, 56), 256, 256, 1_806_336),
        ((14, 14), 512, 512, 589_824),
        ((27, 27), 40, 64, 27_648),  # 3 steps of 16, 16 and 8 channels for each position
    ],
)
def test_cycles_follow_the_published_rule(size, channels, outputs, cycles):
    """ceil(P/8)·ceil(Q/8)·R·S·ceil(C/16)·K."""
    layer = Layer.conv("vgg", in_channels=channels, out_channels=outputs, input_size=size, kernel_size=3, padding=1)
    report = MachineRun(machine(dram={"bandwidth_gbs": float("inf")})).layer(random_trace(layer, 1, 1))
    assert report.cycles == cycles


ORACLE_BARS = {"conv1_1": 9.4315, "conv1_2": 9.1231, "conv2_1": 3.2963, "conv2_2": 3.5812}


@pytest.mark.parametrize("name", ORACLE_BARS)
def test_cycles_agree_with_the_published_bars_of_the_oracle(name):
    """Oracle over DCNN (Parashar et al., ISCA 2017, figure 9): DCNN's cycles over products of two non-zeros a cycle."""
    workload = load_workload("vgg16@scnn")
    index = [layer.name for layer in workload.layers].index(name)
    trace = workload.trace(index)
    cycles = machine().schedule(trace).cycles.sum(axis=2).max(axis=1).sum()
    products = trace.layer.dense_macs * trace.weight_density * trace.activation_density
    assert cycles / (products / 1024) == pytest.approx(ORACLE_BARS[name], rel=0.004)


def test_a_hand_worked_tile():
    """3x3 outputs of 5 channels on 2x2 PEs of 2 lanes: tiles of 2x2, 2x1, 1x2 and 1x1 outputs, 3 cycles each output."""
    layer = Layer.conv("hand", in_channels=5, out_channels=1, input_size=(3, 3), kernel_size=1)
    schedule = machine(pe_rows=2, pe_columns=2, multipliers_per_pe=2).schedule(random_trace(layer, 1, 1))
    assert schedule.cycles[0, :, Cause.BUSY].tolist() == [12, 6, 6, 3]
    assert schedule.issued[0].tolist() == [20, 10, 10, 5]


def test_outputs_by_hand():
    """A 1x2 kernel over 3 channels of a 3x3 map, on two PEs of 2 lanes: tiles of two rows and one, steps of 2 and 1."""
    layer = Layer.conv("hand", in_channels=3, out_channels=1, input_size=(3, 3), kernel_size=(1, 2))
    weights = np.array([[1, -1], [2, 3], [0, 1]]).reshape(layer.weight_shape)
    activations = np.array([
        [[1, 2, 3], [4, 5, 6], [0, 1, 0]],
        [[0, 1, 0], [2, 0, 1], [1, 1, 0]],
        [[5, 0, 1], [0, 0, 0], [1, 2, 0]],
    ])[None]  # fmt: skip
    expected = [
        [1 - 2 + 0 + 3 + 0, 2 - 3 + 2 + 0 + 1],
        [4 - 5 + 4 + 0 + 0, 5 - 6 + 0 + 3 + 0],
        [0 - 1 + 2 + 3 + 2, 1 - 0 + 2 + 0 + 0],
    ]
    computed = machine(pe_rows=2, pe_columns=1, multipliers_per_pe=2).execute(layer, weights, activations)
    assert computed.tolist() == [[expected]]


def test_lanes_hold_channels_of_one_kernel_position():
    """2x2 outputs of 4 kernel positions x 3 channels on one PE of 2 lanes: 4 x (2 + 1) channels take 8 steps, not 6."""
    layer = Layer.conv("hand", in_channels=3, out_channels=1, input_size=(3, 3), kernel_size=2)
    schedule = machine(pe_rows=1, pe_columns=1, multipliers_per_pe=2).schedule(random_trace(layer, 1, 1))
    assert schedule.cycles[0, :, Cause.BUSY].tolist() == [4 * 8]
    assert schedule.issued[0].tolist() == [4 * 12]


def test_a_depthwise_layer_fills_one_lane():
    """8x8 outputs of 9 positions on 64 PEs: 9 cycles for each of 20 channels, one product in each."""
    layer = Layer.conv(
        "depthwise", in_channels=20, out_channels=20, input_size=(8, 8), kernel_size=3, padding=1, groups=20
    )
    schedule = machine().schedule(random_trace(layer, 1, 1))
    assert schedule.cycles.sum(axis=(0, 2)).tolist() == [20 * 9] * 64
    assert schedule.issued.sum() == 20 * 9 * 64


def test_maps_that_fit_never_leave_the_chip_and_others_cross_it_once():
    layer = Layer.conv("map", in_channels=8, out_channels=8, input_size=(32, 32), kernel_size=3, padding=1)
    inside = machine().schedule(random_trace(layer, 1, 1))
    assert inside.loads.bytes_of(Tensor.INPUT) == inside.stores.total_bytes == 0
    spilled = machine(sram_bytes=16384).schedule(random_trace(layer, 1, 1))
    assert (inside.spills, spilled.spills) == (False, True)
    assert spilled.loads.bytes_of(Tensor.INPUT) == 8 * 32 * 32 * 2
    assert spilled.stores.bytes_of(Tensor.OUTPUT) == 8 * 32 * 32 * 2
    assert spilled.loads.bytes_of(Tensor.WEIGHT) == 4 * inside.loads.bytes_of(Tensor.WEIGHT), "once for each part"


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
@pytest.mark.parametrize("bits", [4, 8, 16, 32])
def test_every_word_width_balances(layer, bits):
    MachineRun(machine(value_bits=bits)).layer(random_trace(layer, 0.5, 0.5))


@pytest.mark.parametrize(
    "layer",
    [
        Layer.conv("wide", in_channels=64, out_channels=8, input_size=(16, 1920), kernel_size=3, padding=1),
        Layer.dense("long", in_features=5000, out_features=20),
    ],
    ids=lambda layer: layer.name,
)
def test_a_map_of_which_not_even_one_row_fits_is_read_again_for_every_group(layer):
    dcnn = machine(sram_bytes=8192, output_channel_group=4)
    report = MachineRun(dcnn).layer(random_trace(layer, 1, 1))
    groups = -(-layer.out_channels // (4 if layer.name == "wide" else 4 * 64))
    read = dcnn.schedule(random_trace(layer, 1, 1)).loads.bytes_of(Tensor.INPUT)
    assert read == groups * layer.input_count * 2
    assert report.cycles > 0
