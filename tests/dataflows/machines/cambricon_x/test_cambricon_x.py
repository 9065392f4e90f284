"""Cambricon-X: a tile by hand, every cause provoked, what the settings do, and outputs in the machine's own order."""

import numpy as np
import pytest
from pydantic import ValidationError

from dataflows.machines.cambricon_x.cambricon_x import CambriconX, CambriconXSpec
from dataflows.registry import create
from dataflows.schedule import Cause, Tensor
from dataflows.truth.convolution import reference_convolution
from simulator.network_simulation import MachineRun
from tests.conformance.layers import LAYERS, random_trace
from workloads.layer import Layer
from workloads.trace import LayerTrace

INFINITE = {"bandwidth_gbs": float("inf")}


def pointwise(channels, filters, columns=3):
    return Layer.conv("l", in_channels=channels, out_channels=filters, input_size=(1, columns), kernel_size=1)


def trace(layer, rows):
    """A trace of 1 x 1 filters given as texts of 0 and 1."""
    mask = np.array([[digit == "1" for digit in row] for row in rows])
    return LayerTrace(layer, mask.reshape(layer.weight_shape), np.ones(layer.input_shape, bool))


def stack(given, settings=None):
    """Cycles by cause, those that are not zero."""
    report = MachineRun(create("cambricon-x", settings)).layer(given)
    return {cause: cycles for cause, cycles in report.pe_cycle_stack.items() if cycles}, report


def full_mask(layer, weights=None):
    return LayerTrace(
        layer, np.ones(layer.weight_shape, bool) if weights is None else weights, np.ones(layer.input_shape, bool)
    )


def test_a_tile_by_hand():
    # Windows of 4, two neurons a cycle. Filter 0: 3 weights, then none. Filter 1: 1, then 4. Filter 2, after 0 on
    # PE 0: none, then 2. Three positions each.
    spec = CambriconXSpec(pes=2, multipliers_per_pe=2, window=4, index_bits=2)
    schedule = CambriconX(spec).schedule(trace(pointwise(8, 3), ["11010000", "01001111", "00000110"]))
    assert schedule.tiles == 1
    assert schedule.cycles[0, :, Cause.BUSY].tolist() == [3 * (2 + 1), 3 * (1 + 2)]
    assert schedule.cycles[0, :, Cause.INDEX].tolist() == [3 * (1 + 1), 0]
    assert schedule.issued[0].tolist() == [3 * (3 + 2), 3 * 5]
    assert schedule.expected_issued == 30
    # 3 positions of 8 neurons; 10 synapses of 16 + 2 bits; 3 positions of 3 outputs.
    assert schedule.loads.bytes_of(Tensor.INPUT) == 48
    assert schedule.loads.bytes_of(Tensor.WEIGHT) == -(-10 * 18 // 8)
    assert schedule.stores.total_bytes == 18


@pytest.mark.parametrize(
    ("spans", "busy", "index"),
    [
        ("kernel", [1 + 1, 1], [0, 1]),  # (1 0 0 1)(1 1): two weights each; (0 1 0 1)(0 0): two and none
        ("position", [1 + 2, 1 + 1], [0, 0]),  # (1 0 0)(1 1 1): one and three; (0 1 0)(1 0 0): one each
    ],
)
def test_a_tile_by_hand_of_windows_that_span_the_kernel_or_a_position(spans, busy, index):
    # Kernel of 1 x 2, three channels; windows of 4 inputs, two selected a cycle; two output positions.
    layer = Layer.conv("l", in_channels=3, out_channels=2, input_size=(1, 3), kernel_size=(1, 2))
    filters = [[[1, 0, 0], [1, 1, 1]], [[0, 1, 0], [1, 0, 0]]]  # (K, kernel position, C)
    mask = np.array(filters, bool).transpose(0, 2, 1).reshape(layer.weight_shape)
    spec = CambriconXSpec(pes=2, multipliers_per_pe=2, window=4, index_bits=2, window_spans=spans)
    schedule = CambriconX(spec).schedule(full_mask(layer, mask))
    assert schedule.cycles[0, :, Cause.BUSY].tolist() == [2 * cycles for cycles in busy]
    assert schedule.cycles[0, :, Cause.INDEX].tolist() == [2 * cycles for cycles in index]
    assert schedule.issued[0].tolist() == [2 * 4, 2 * 2]


@pytest.mark.parametrize(("spans", "windows"), [("kernel", 2), ("position", 121)])
def test_few_channels_leave_windows_of_a_position_nearly_empty(spans, windows):
    layer = Layer.conv("l", in_channels=3, out_channels=16, input_size=(11, 11), kernel_size=11)
    empty = full_mask(layer, np.zeros(layer.weight_shape, bool))
    assert busiest(empty, {"window_spans": spans}) == windows  # a cycle each


@pytest.mark.parametrize(
    ("index_bits", "row", "busy", "index"),
    [
        (3, "00000001", 1, 0),
        (2, "00000001", 1, 0),  # one filler beside the weight
        (1, "00000001", 1, 1),  # three fillers
        (0, "00000001", 1, 3),  # every zero is a filler
        (1, "00100001", 2, 1),  # filler and weight; two fillers; weight
        (1, "10000000", 1, 0),  # zeros after the last weight are not stored
    ],
)
def test_fillers_cost_cycles(index_bits, row, busy, index):
    spec = CambriconXSpec(pes=1, multipliers_per_pe=2, window=8, index_bits=index_bits)
    schedule = CambriconX(spec).schedule(trace(pointwise(8, 1, columns=1), [row]))
    assert schedule.cycles[0, 0, Cause.BUSY] == busy
    assert schedule.cycles[0, 0, Cause.INDEX] == index


def test_the_first_window_that_an_index_does_not_span_takes_a_filler():
    spec = CambriconXSpec(pes=1, multipliers_per_pe=1, window=9, index_bits=3)
    spans, exceeds = (
        CambriconX(spec).schedule(trace(pointwise(len(row), 1, columns=1), [row])) for row in ("00000001", "000000001")
    )
    assert spans.cycles[0, 0, Cause.INDEX] == 0
    assert exceeds.cycles[0, 0, Cause.INDEX] == 1


def test_index_alone_by_fillers():
    settings = {"pes": 1, "multipliers_per_pe": 2, "window": 8, "index_bits": 1, "dram": INFINITE}
    causes, _ = stack(trace(pointwise(8, 1), ["00000001"]), settings)
    assert causes == {"busy": 3, "index": 3}


def test_index_alone_by_empty_windows():
    layer = pointwise(512, 16)
    causes, report = stack(full_mask(layer, np.zeros(layer.weight_shape, bool)), {"dram": INFINITE})
    assert causes == {"index": 16 * 3 * 2}
    assert report.cycles == 3 * 2


def test_imbalance_alone():
    layer = pointwise(256, 16)
    weights = np.zeros(layer.weight_shape, bool)
    weights[:, :16] = True
    weights[3, :32] = True
    causes, _ = stack(full_mask(layer, weights), {"dram": INFINITE})
    assert causes == {"busy": 3 * 17, "imbalance": 3 * 15}


def test_all_weights_in_one_filter_of_sixteen_is_the_worst_imbalance():
    layer = pointwise(256, 16)
    weights = np.zeros(layer.weight_shape, bool)
    weights[5] = True
    causes, report = stack(full_mask(layer, weights), {"dram": INFINITE})
    assert report.load_imbalance == 16
    assert causes == {"busy": 3 * 16, "index": 3 * 15, "imbalance": 3 * 15 * 15}


def test_unmapped_alone():
    causes, _ = stack(full_mask(pointwise(16, 3)), {"dram": INFINITE})
    assert causes == {"busy": 9, "unmapped": 13 * 3}


def test_memory_alone():
    layer = Layer.dense("fc", in_features=2048, out_features=2048)
    causes, report = stack(full_mask(layer), {"dram": {"bandwidth_gbs": 16.0}})
    assert set(causes) == {"busy", "memory"}
    assert report.cycles == pytest.approx(2048 * 2048 * 3 / 16, rel=0.01)  # synapses once, 24 bits each


def test_fully_connected_layers_are_bound_by_their_synapses():
    layer = Layer.dense("fc", in_features=4096, out_features=1024)
    _, report = stack(random_trace(layer, 0.1, 0.5))
    assert report.bounds.memory_cycles > report.bounds.compute_cycles
    assert report.cycles == pytest.approx(report.bounds.memory_cycles, rel=0.1)


def test_padded_positions_take_multiplier_slots():
    layer = Layer.conv("l", in_channels=4, out_channels=4, input_size=(4, 4), kernel_size=3, padding=1)
    assert CambriconX().schedule(full_mask(layer)).expected_issued == layer.dense_macs


def busiest(given, settings):
    return int(create("cambricon-x", settings).schedule(given).cycles.sum(axis=2).max(axis=1).sum())


def test_a_wider_selector_takes_fewer_cycles():
    given = random_trace(Layer.conv("l", in_channels=64, out_channels=32, input_size=(8, 8), kernel_size=3), 0.3, 1.0)
    cycles = [busiest(given, {"multipliers_per_pe": width}) for width in (1, 2, 4, 8, 16, 32)]
    assert cycles == sorted(cycles, reverse=True)
    assert cycles[0] > 10 * cycles[-1]


def test_a_wider_window_takes_fewer_cycles_and_a_narrower_index_more():
    given = random_trace(Layer.conv("l", in_channels=64, out_channels=32, input_size=(8, 8), kernel_size=3), 0.1, 1.0)
    cycles = [busiest(given, {"window": window, "index_bits": 10}) for window in (16, 32, 64, 128, 256, 512)]
    assert cycles == sorted(cycles, reverse=True)
    assert cycles[0] > 2 * cycles[-1]
    cycles = [busiest(given, {"index_bits": bits}) for bits in (0, 1, 2, 3, 4, 8)]
    assert cycles == sorted(cycles, reverse=True)
    assert cycles[0] > 2 * cycles[-1]


@pytest.mark.parametrize("order", ["inputs_outer", "weights_outer"])
@pytest.mark.parametrize("bandwidth_gbs", [2.0, 16.0, 256.0])
def test_the_loop_order_is_the_one_that_takes_less_time(order, bandwidth_gbs):
    layer = Layer.conv("l", in_channels=64, out_channels=256, input_size=(28, 28), kernel_size=3, padding=1)
    given, memory = random_trace(layer, 0.3, 1.0), {"dram": {"bandwidth_gbs": bandwidth_gbs}}
    best, other = (
        MachineRun(create("cambricon-x", memory | settings)).layer(given).cycles
        for settings in ({}, {"loop_order": order})
    )
    assert best <= 1.001 * other


def test_weights_that_fit_the_sbs_are_loaded_once():
    given = random_trace(Layer.conv("l", in_channels=16, out_channels=16, input_size=(64, 64), kernel_size=3), 0.5, 1.0)
    schedule = CambriconX().schedule(given)
    assert schedule.loads.bytes_of(Tensor.WEIGHT) == given.weight_nonzeros * 3


MACHINES = [
    {},
    {"pes": 3, "multipliers_per_pe": 2, "window": 16, "nbin_bytes": 128, "nbout_bytes": 64, "sb_bytes": 40},
    {"pes": 5, "window": 7, "index_bits": 1, "nbin_bytes": 64, "nbout_bytes": 64, "loop_order": "weights_outer"},
    {"pes": 3, "window": 5, "window_spans": "position", "nbin_bytes": 48, "nbout_bytes": 64, "sb_bytes": 40},
]


@pytest.mark.parametrize("settings", MACHINES)
@pytest.mark.parametrize(
    "layer", [layer for layer in LAYERS if layer.axes == 2 and not layer.moving_weights], ids=lambda layer: layer.name
)
def test_outputs_equal_the_reference_convolution(layer, settings):
    random = np.random.default_rng(3)
    weights = random.integers(-9, 10, layer.weight_shape) * (random.random(layer.weight_shape) < 0.4)
    activations = random.integers(-9, 10, layer.input_shape) * (random.random(layer.input_shape) < 0.6)
    outputs = create("cambricon-x", settings).execute(layer, weights, activations)
    np.testing.assert_array_equal(outputs, reference_convolution(layer, weights, activations))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"nbin_bytes": 1022}, "nbin_bytes = 1022: half of it cannot hold a window of 256 neurons"),
        ({"nbout_bytes": 62}, "nbout_bytes = 62: half of it cannot hold a sum for each of 16 PEs"),
    ],
)
def test_buffers_that_cannot_hold_a_step_are_refused(settings, text):
    with pytest.raises(ValidationError, match=text):
        CambriconXSpec(**settings)


def test_volumes_are_refused():
    volume = next(layer for layer in LAYERS if layer.axes == 3)
    assert "two-dimensional" in (CambriconX().refusal(volume) or "")
