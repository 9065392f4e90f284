"""Weights in another storage format: its exact bits cross DRAM, and a slow decoder shows as index."""

import numpy as np
import pytest

from dataflows.registry import create
from dataflows.schedule import CAUSES, Cause, Tensor
from dataflows.tiling.stored_weights import FormattedWeights, spread, wait_for_decoder
from simulator.network_simulation import MachineRun
from tests.conformance.layers import LAYERS, random_trace
from workloads import formats
from workloads.layer import Layer
from workloads.trace import LayerTrace

BY_NAME = {layer.name: layer for layer in LAYERS}
CONV = Layer.conv("conv", in_channels=64, out_channels=64, input_size=(14, 14), kernel_size=3, padding=1)
FC = Layer.dense("fc", in_features=512, out_features=300)


@pytest.mark.parametrize("layer", [CONV, FC], ids=["conv", "fc"])
@pytest.mark.parametrize("text", ["dense", "csr", "csc", "bitmap", "relative:index_bits=3"])
def test_weight_bytes_are_those_of_the_format(layer, text):
    trace = random_trace(layer, 0.2, 0.5)
    schedule = create("scnn", {"weight_format": text}).schedule(trace)
    if layer is CONV:
        slices = [trace.weight_mask[k : k + 8] for k in range(0, 64, 8)]
    else:  # 64 PEs take 5 outputs each
        slices = [trace.weight_mask[k : k + 5] for k in range(0, 300, 5)]
    expected = sum(-(-formats.parse(text).bits(part) // 8) for part in slices)
    assert schedule.loads.bytes_of(Tensor.WEIGHT) == expected


@pytest.mark.parametrize("layer", ["plain", "strided", "grouped", "depthwise", "fully_connected", "small_head"])
def test_a_format_changes_bytes_and_waits_but_no_product(layer):
    trace = random_trace(BY_NAME[layer], 0.3, 0.5)
    native, slow = (MachineRun(create("scnn", s)).layer(trace) for s in ({}, {"weight_format": "csc"}))
    assert slow.issued_macs == native.issued_macs
    assert slow.pe_cycle_stack["busy"] == native.pe_cycle_stack["busy"]
    assert slow.pe_cycle_stack["index"] >= native.pe_cycle_stack["index"]


def test_a_decoder_slower_than_its_pes_is_index_and_a_faster_one_is_not():
    trace = random_trace(FC, 0.3, 0.5)
    infinite = {"dram": {"bandwidth_gbs": float("inf")}}
    index = [
        MachineRun(create("scnn", infinite | {"weight_format": f"csc:decode_entries_per_cycle={rate}"}))
        .layer(trace)
        .pe_cycle_stack["index"]
        for rate in (1, 2, 4, 16, 0)
    ]
    assert index == sorted(index, reverse=True)
    assert index[0] > 0
    assert index[-1] == 0


def test_a_hand_worked_wait():
    """Tile 0: PEs of 5 and 3 cycles, a decoder of 9 feeds both. Tile 1 is longer than its decoder; PE 1 is idle."""
    cycles = np.zeros((2, 2, CAUSES), np.int64)
    cycles[:, :, Cause.BUSY] = [[5, 3], [6, 0]]
    wait_for_decoder(cycles, np.array([9, 4]))
    assert cycles[:, :, Cause.INDEX].tolist() == [[4, 4], [0, 0]]
    own = np.zeros((1, 2, CAUSES), np.int64)
    own[0, :, Cause.BUSY] = [5, 3]
    wait_for_decoder(own, np.array([[7, 2]]))
    assert own[0, :, Cause.INDEX].tolist() == [2, 0]


def test_empty_slices_take_nothing():
    mask = np.ones((4, 2, 1, 1), bool)
    stored = FormattedWeights.of("csr:decode_entries_per_cycle=1", mask, np.array([0, 2, 2, 4]))
    assert stored.size_bytes[1] == stored.decode_cycles[1] == 0
    assert stored.decode_cycles.tolist() == [4, 0, 4]


def test_an_unknown_format_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match="unknown format 'cs'"):
        create("scnn", {"weight_format": "cs"})


def test_weights_stored_filter_by_filter_are_gathered_kernel_by_kernel():
    """2 filters of 2 channels, tiles of both: channel 0 of filters 0 and 1, then channel 1; 20-bit entries."""
    layer = Layer.conv("hand", in_channels=2, out_channels=2, input_size=(3, 3), kernel_size=(1, 2))
    weights = np.array([[[[1, 1]], [[0, 1]]], [[[1, 0]], [[1, 1]]]], bool)
    schedule = create("scnn", {"weight_layout": "filters"}).schedule(
        LayerTrace(layer, weights, np.ones(layer.input_shape, bool))
    )
    loads = schedule.loads
    start = loads.address.min()
    # entries 2, 1, 1, 2 of 20 bits in filter order: bits 0-40, 40-60, 60-80, 80-120
    assert (loads.address - start).tolist() == [0, 7, 5, 10]
    assert loads.size_bytes.tolist() == [5, 3, 3, 5]


def test_gathered_kernels_waste_most_of_their_bursts():
    trace = random_trace(CONV, 0.3, 0.5)
    packed, gathered = (
        MachineRun(create("scnn", {"weight_layout": layout, "dram": {"kind": "banked"}})).layer(trace)
        for layout in ("tiles", "filters")
    )
    assert gathered.issued_macs == packed.issued_macs
    waste = [r.dram.tensors["weight"].wasted_bytes / r.dram.tensors["weight"].burst_bytes for r in (packed, gathered)]
    assert waste[0] < 0.05
    assert waste[1] > 0.7


def test_cambricon_x_decodes_a_filter_once_an_output():
    """16 filters, one a PE, of one window: at one entry a cycle an output takes as many cycles as entries."""
    layer = Layer.conv("hand", in_channels=64, out_channels=16, input_size=(4, 4), kernel_size=1)
    trace = random_trace(layer, 0.5, 1.0)
    settings = {"dram": {"bandwidth_gbs": float("inf")}, "weight_format": "csr:decode_entries_per_cycle=1"}
    slow = create("cambricon-x", settings).schedule(trace)
    kept = trace.weight_mask.reshape(16, -1).sum(axis=1)
    assert slow.cycles.sum(axis=(0, 2)).tolist() == (16 * kept).tolist()
    assert slow.cycles[:, :, Cause.BUSY].sum(axis=0).tolist() == (16 * -(-kept // 16)).tolist()
    assert slow.loads.bytes_of(Tensor.WEIGHT) == sum(
        -(-formats.parse("csr").bits(trace.weight_mask[k : k + 1]) // 8) for k in range(16)
    )


def test_spread_keeps_totals_whole():
    shares = np.array([[1, 2, 3], [0, 0, 0], [5, 0, 0]])
    assert spread(np.array([7, 4, 9]), shares).tolist() == [[1, 2, 4], [4, 0, 0], [9, 0, 0]]
