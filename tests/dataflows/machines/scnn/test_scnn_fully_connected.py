"""Fully connected layers of SCNN whose activations leave the chip, counted by hand: images, rounds and uneven PEs."""

import numpy as np
import pytest

from dataflows.machines.scnn.scnn import Scnn
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from dataflows.schedule import Tensor
from workloads.layer import Layer
from workloads.trace import LayerTrace

# Two PEs have 66 and 65 of the 131 outputs; 64 accumulators take them in two rounds, of 64 + 64 and of 2 + 1 outputs.
# Of the ten inputs the first image has nine, five of them on the fuller PE: 13 bytes of 20-bit entries; the others
# have six and two.
LAYER = Layer.dense("fc", in_features=10, out_features=131, batch=3)
WEIGHTS = [64 * 2 * 10 * 20 // 8, 3 * 10 * 20 // 8]
INPUTS = [-(-9 * 20 // 8), 6 * 20 // 8, 2 * 20 // 8]
OUTPUTS = [128 * 20 // 8, -(-3 * 20 // 8)]


def schedule(iaram_bytes, oaram_bytes, *, input_in_dram=False):
    spec = ScnnSpec(pe_rows=2, pe_columns=1, accumulator_entries=64, iaram_bytes=iaram_bytes, oaram_bytes=oaram_bytes)
    inputs = np.ones(LAYER.input_shape, bool)
    for image, active in enumerate((9, 6, 2)):
        inputs[image, active:] = False
    trace = LayerTrace(LAYER, np.ones(LAYER.weight_shape, bool), inputs, input_in_dram=input_in_dram)
    return Scnn(spec).schedule(trace)


def moved(runs, tensor):
    """(tile, bytes, last tile) of a tensor's transfers, in their order."""
    rows = runs.tensor == tensor
    return list(zip(*(column[rows].tolist() for column in (runs.tile, runs.size_bytes, runs.last_tile)), strict=True))


def test_inputs_that_overflow_pass_once_a_round_and_outputs_leave_in_the_tile_that_makes_them():
    """Image after image, round after round: each tile reads its image's inputs and writes its round's outputs."""
    both = schedule(12, 164)
    assert both.issued.sum(axis=1).tolist() == [active * outputs for active in (9, 6, 2) for outputs in (128, 3)]
    assert moved(both.loads, Tensor.WEIGHT) == [(tile, WEIGHTS[tile % 2], tile) for tile in range(6)]
    assert moved(both.loads, Tensor.INPUT) == [(tile, INPUTS[tile // 2], tile) for tile in range(6)]
    assert moved(both.stores, Tensor.OUTPUT) == [(tile, OUTPUTS[tile % 2], tile) for tile in range(6)]


def test_what_must_move_is_each_weight_once_and_the_overflowing_activations_of_every_image():
    """Rounds and images that read again are the order's doing, so that they are not compulsory."""
    inputs, outputs = sum(INPUTS), 3 * sum(OUTPUTS)
    cases = {(13, 165): 0, (12, 165): inputs, (13, 164): outputs, (12, 164): inputs + outputs}
    for rams, activations in cases.items():
        assert schedule(*rams).compulsory_bytes == sum(WEIGHTS) + activations


@pytest.mark.parametrize(("iaram_bytes", "oaram_bytes", "spills"), [(13, 165, False), (12, 165, True), (13, 164, True)])
def test_the_fullest_pe_decides_what_overflows(iaram_bytes, oaram_bytes, spills):
    """Five of nine inputs and 66 of 131 outputs lie on one PE, not the four and 65 of an even share rounded down."""
    assert schedule(iaram_bytes, oaram_bytes).spills == spills


def test_inputs_in_dram_that_fit_come_once_an_image_and_stay_for_its_rounds():
    held = schedule(13, 165, input_in_dram=True)
    assert moved(held.loads, Tensor.INPUT) == [(2 * image, INPUTS[image], 2 * image + 1) for image in range(3)]
    assert held.compulsory_bytes == sum(WEIGHTS) + sum(INPUTS)


def test_addresses_follow_one_another_and_are_read_again_where_they_are():
    both = schedule(12, 164)
    rows = both.loads.tensor == Tensor.INPUT
    assert both.loads.address[rows].tolist() == np.repeat([0, INPUTS[0], sum(INPUTS[:2])], 2).tolist()
    assert both.loads.address[~rows].tolist() == 3 * [8192, 8192 + WEIGHTS[0]]
    ends = np.cumsum(both.stores.size_bytes)
    assert (both.stores.address - both.stores.address[0]).tolist() == [0, *ends[:-1]]
