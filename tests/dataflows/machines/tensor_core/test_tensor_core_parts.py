"""The parts that both tensor cores are put together from, each by itself: `TensorCore` and `Dstc`."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.machines.tensor_core.condensed_vectors import MapSums
from dataflows.machines.tensor_core.dstc import Dstc
from dataflows.machines.tensor_core.group_slots import GroupSlots, all_groups_keep
from dataflows.machines.tensor_core.launch import deal
from dataflows.machines.tensor_core.spec import DstcSpec, TensorCoreSpec
from dataflows.machines.tensor_core.tensor_core import TensorCore
from dataflows.schedule import Tensor
from tests.dataflows.small_layers import positions_read, small_traces
from workloads.layer import Layer
from workloads.pruning import parse
from workloads.trace import LayerTrace

ROW = Layer.conv("row", in_channels=1, out_channels=1, input_size=(1, 4), kernel_size=1, stride=(1, 2))
FC = Layer.dense("fc", in_features=64, out_features=32)


def test_a_tile_goes_to_the_core_that_has_worked_least():
    core = np.full(5, -1, np.int64)
    deal(np.array([5, 2, 0, 2, 4]), 2, core)
    assert core.tolist() == [0, 1, -1, 1, 1]


@pytest.mark.parametrize(("channels", "slots"), [(6, (72, 36, 36, 54)), (5, (72, 36, 27, 45))])
def test_slots_of_a_filter(channels, slots):
    layer = Layer.conv("l", in_channels=channels, out_channels=1, input_size=(3, 3), kernel_size=3)
    assert GroupSlots.of(layer, 2, 4) == GroupSlots(*slots)


def test_sums_of_a_row():
    sums = MapSums.of(ROW, np.array([[[[1, 0, 1, 1]]]], bool))
    assert sums.sums.tolist() == [[0, 0, 1, 0, 2, 1]]
    start, length, first_piece = sums.pieces(2, 32)
    assert (start.tolist(), length.tolist(), first_piece.tolist()) == ([0], [4], [0, 1])


@given(small_traces(), st.integers(1, 9))
def test_sums_count_what_windows_read(trace, tile):
    layer = trace.layer
    sums = MapSums.of(layer, trace.activation_mask)
    start, length, first_piece = sums.pieces(layer.output_size[-1], tile)
    positions = list(np.ndindex(layer.batch, *layer.output_size))
    for group in range(layer.groups):
        for block, (first, end) in enumerate(pairwise(first_piece.tolist())):
            found = 0
            for piece in range(first, end):
                ends = sums.sums[group, start[piece] + length[piece] + sums.columns]
                found += int((ends - sums.sums[group, start[piece] + sums.columns]).sum())
            expected = sum(
                trace.activation_mask[(image, group * layer.group_in_channels + c, *at)]
                for image, *output in positions[block * tile : (block + 1) * tile]
                for at in positions_read(layer, output)
                for c in range(layer.group_in_channels)
            )
            assert found == expected


@given(st.integers(1, 5), st.integers(1, 13), st.sampled_from([1, 2]), st.integers(0, 4), st.integers(0, 99))
def test_groups_are_looked_at_one_by_one_and_as_words(filters, channels, taps, kept, seed):
    mask = np.random.default_rng(seed).random((filters, channels, 1, taps)) < 0.4
    slow = all(
        mask[k, start : start + 4, 0, tap].sum() <= kept
        for k in range(filters)
        for start in range(0, channels, 4)
        for tap in range(taps)
    )
    assert all_groups_keep(mask, kept, 4) == slow


def trace_of(layer, weights, inputs):
    return LayerTrace(layer, weights, inputs, output_density=0.5)


def test_sparse_weights_take_nine_bits_a_dense_one():
    weights = parse("nm").keep(FC, np.ones(FC.weight_shape, bool), np.random.default_rng(0))
    loads = TensorCore().schedule(trace_of(FC, weights, np.ones(FC.input_shape, bool))).loads
    assert loads.bytes_of(Tensor.WEIGHT) == 64 * 32 * 9 // 8
    assert loads.bytes_of(Tensor.INPUT) == 64 * 2


def test_maps_and_weights_of_dstc_are_bitmaps_and_values():
    weights, inputs = np.zeros(FC.weight_shape, bool), np.zeros(FC.input_shape, bool)
    weights[:, :16], inputs[:, :16] = True, True
    schedule = Dstc().schedule(trace_of(FC, weights, inputs))
    assert schedule.loads.bytes_of(Tensor.WEIGHT) == (64 * 32 + 16 * 32 * 16) // 8
    assert schedule.loads.bytes_of(Tensor.INPUT) == (64 + 16 * 16) // 8
    assert schedule.stores.total_bytes == (32 + 16 * 16) // 8
    assert Dstc().stored_map_bytes(32, 16) == schedule.stores.total_bytes


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        ({}, "it runs dense: its weights are not 2:4"),
        ({"value_bits": 32}, "it runs dense: its weights are not 1:2"),
        ({"kept_of_group": 4}, "it runs dense: stored as 4:4, its 64 channels would take more bits"),
    ],
)
def test_the_report_says_why_a_layer_runs_dense(settings, note):
    trace = trace_of(FC, np.ones(FC.weight_shape, bool), np.ones(FC.input_shape, bool))
    assert note in TensorCore(TensorCoreSpec.model_validate(settings)).schedule(trace).notes


def test_attention_runs_dense():
    layer = Layer.product("heads", heads=2, rows=3, depth=8, columns=5)
    trace = trace_of(layer, np.zeros(layer.weight_shape, bool), np.ones(layer.input_shape, bool))
    schedule = TensorCore().schedule(trace)
    assert schedule.notes == ("it runs dense: its weights are made during the run",)
    assert schedule.expected_issued == layer.dense_macs


@pytest.mark.parametrize(("bits", "values"), [(4, (1024, 64, 2, 4)), (8, (512, 32, 2, 4)), (32, (128, 8, 1, 2))])
def test_other_words_have_rates_of_their_own(bits, values):
    spec = TensorCoreSpec.model_validate({"value_bits": bits})
    assert (spec.macs_per_core, spec.step_depth, spec.kept_of_group, spec.group_size) == values
    assert spec.sparse == ("never" if bits == 4 else "where_possible")
    assert TensorCoreSpec.model_validate({"value_bits": bits, "step_depth": 5}).step_depth == 5


def test_more_cannot_be_kept_than_there_is():
    with pytest.raises(ValueError, match="kept_of_group = 5 exceeds group_size = 4"):
        TensorCoreSpec(kept_of_group=5)


def test_counts_are_bytes():
    with pytest.raises(ValueError, match="less than or equal to 255"):
        DstcSpec(tile_rows=256)
