"""The pattern machine's tiles by hand, every cause provoked, what patterns gain."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from dataflows.machines.pattern.kernel_batches import Batches
from dataflows.machines.pattern.kernel_patterns import KernelPatterns
from dataflows.machines.pattern.pattern import PatternMachine, PatternSpec
from dataflows.registry import create
from dataflows.schedule import Cause, Tensor
from simulator.network_simulation import MachineRun
from tests.dataflows.machines.pattern.cases import PCONV, SMALL, kernels, stack, tile_cycles
from workloads.layer import Layer
from workloads.pruning import parse
from workloads.trace import LayerTrace


def test_a_tile_by_hand():
    # Patterns A and B have four weights, five together. 6 positions are 2 blocks, so a batch of n < 8 positions takes
    # 2n + 3 cycles. Channel 0: (0A 1A) (2B), 11 + 11 cycles; (0A) (1A 2B) would take 11 + 13. Channel 1: filter 0 has
    # B, filter 1 nothing, filter 2 two weights beside B: together 6 positions, 15 cycles, apart 11 + 7.
    a, b, none, odd = PCONV[0], PCONV[1], np.zeros(9, bool), np.eye(9, dtype=bool)[0] | np.eye(9, dtype=bool)[8]
    trace = kernels([[a, b], [a, none], [b, odd]], columns=8)
    spec = PatternSpec(arrays=1, kernels_parallel=2, pixels_parallel=4, patterns=2, switch_cycles=3, fill_cycles=5)
    schedule = PatternMachine(spec).schedule(trace)
    assert schedule.tiles == 1
    first, second = schedule.cycles[0]
    assert (first[Cause.BUSY], first[Cause.BANK_CONFLICT]) == (2 * (4 + 4 + 4), 2 * (6 - 4))
    assert (first[Cause.INDEX], first[Cause.IMBALANCE]) == (3 * 3, 0)
    assert (second[Cause.BUSY], second[Cause.BANK_CONFLICT]) == (2 * (4 + 2), 2 * (6 - 2))
    assert (second[Cause.INDEX], second[Cause.IMBALANCE]) == (2 * 3, 11)
    assert first[Cause.FILL] == second[Cause.FILL] == 5
    assert schedule.issued.tolist() == [[6 * 12, 6 * 6]]
    # 18 values, 5 kernels with a code of 2 bits and a channel of 1; the odd one has a bit for each of 9 positions.
    bits = [8 * 16 + 2 * 3, 4 * 16 + 3, 6 * 16 + 2 * 3 + 9]
    assert schedule.loads.bytes_of(Tensor.WEIGHT) == math.ceil(sum(bits) / 8)
    assert schedule.loads.bytes_of(Tensor.INPUT) == 2 * 3 * 8 * 2
    assert schedule.stores.total_bytes == 3 * 6 * 2


def test_arrays_share_a_batch_by_hand():
    # One batch of five positions (1 3 4 5 7; A lacks 7, B lacks 5) over 2 blocks of 4 and 2 positions: 3 cycles for
    # setting the array and 10 reads, 5 cycles each for 3 arrays. The first: setting, both blocks of 1. The second: both
    # of 3 and of 4, the first of 5. The third: the second of 5, both of 7.
    trace = kernels([[PCONV[0]], [PCONV[1]]], columns=8)
    spec = PatternSpec(arrays=3, kernels_parallel=2, pixels_parallel=4, switch_cycles=3, fill_cycles=0)
    schedule = PatternMachine(spec).schedule(trace)
    cycles = schedule.cycles[0].reshape(3, 2, -1)
    assert cycles[..., Cause.INDEX].tolist() == [[3, 3], [0, 0], [0, 0]]
    assert cycles[..., Cause.BUSY].tolist() == [[2, 2], [5, 4], [1, 2]]
    assert cycles[..., Cause.BANK_CONFLICT].tolist() == [[0, 0], [0, 1], [2, 1]]
    assert schedule.issued.reshape(3, 2).tolist() == [[6, 6], [6 + 6 + 4, 6 + 6], [2, 6]]


def test_the_pattern_set_puts_kernels_of_a_pattern_together_by_hand():
    # Filters A B A B: in this order 2 x 5 positions, by pattern (A A) (B B) 2 x 4. A C B A, where C holds three weights
    # of A and of B: in the order of the filters (A C) (B A) take 4 + 5. A is held by most; C saves then as much as B and
    # has the lower code. So A and C are a set of two, and (A A) (C B) take 4 + 4.
    a, b = PCONV[0], PCONV[1]
    part = a & ~np.eye(9, dtype=bool)[5]
    trace = kernels([[a], [b], [a], [b]])
    assert [stack(trace, patterns=size)[0]["busy"] for size in (0, 2)] == [16, 16]
    assert [tile_cycles(trace, PatternSpec(**SMALL, patterns=size)).tolist() for size in (0, 2)] == [[10], [8]]
    trace = kernels([[a], [part], [b], [a]])
    assert [tile_cycles(trace, PatternSpec(**SMALL, patterns=size)).tolist() for size in (0, 2)] == [[9], [8]]
    batches = Batches.of(KernelPatterns.of(trace.weight_mask, 4, 2), (0, 4), 2, reads=1, switch_cycles=0)
    assert batches.filters.tolist() == [0, 3, 1, 2]


def test_index_alone_by_other_positions_than_all():
    trace = kernels([[PCONV[0], PCONV[1]], [PCONV[0], PCONV[1]]])
    found, _ = stack(trace, switch_cycles=4)
    assert found == {"busy": 2 * 8, "index": 2 * 2 * 4}


def test_positions_that_nobody_needs_are_read_where_that_is_no_longer():
    trace = kernels([[PCONV[0], PCONV[1]], [PCONV[0], PCONV[1]]])
    assert stack(trace, switch_cycles=5)[0] == {"busy": 2 * 8, "bank_conflict": 2 * 2 * 5}


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
    assert speedup(CONV4_2, "unstructured:density=0.4444", patterns=0) < 1.1
    assert speedup(CONV4_2, "unstructured:density=0.4444") < 1.3  # kernels that chance made alike
    assert 1.5 < speedup(CONV4_2, "pattern", patterns=0) < 1.9  # mixed PCONV patterns need all five places of the cross
    assert speedup(CONV4_2, "pattern:connectivity=0.5") > 0.85 * 9 / 2


@pytest.mark.parametrize("pruning", ["unstructured:density=0.7", "unstructured:density=0.3", "pattern"])
def test_fewer_weights_take_fewer_cycles(pruning):
    """As on VGG-16's conv3_2, where fewer weights once took half as many cycles again and a larger set still more."""
    layer = Layer.conv("conv", in_channels=32, out_channels=128, input_size=(28, 28), kernel_size=3, padding=1)
    sixteen, eight, none = (1 / speedup(layer, pruning, patterns=size) for size in (16, 8, 0))
    assert sixteen <= eight < none <= 1


def test_few_filters_of_several_patterns_share_their_batches():
    layer = Layer.conv("few", in_channels=64, out_channels=16, input_size=(28, 28), kernel_size=3, padding=1)
    assert 1.75 < speedup(layer, "pattern") <= 9 / 5  # all four patterns in one batch: the five places of the cross


def test_fewer_patterns_than_the_kernels_have_cost_conflicts():
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
