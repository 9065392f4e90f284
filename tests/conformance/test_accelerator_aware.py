"""Accelerator-aware pruning on the machines that it is for: what it gains at equal density, and by which mechanism."""

import math

import numpy as np
import pytest

from dataflows.machines.cambricon_x.cambricon_x import CambriconX, CambriconXSpec
from dataflows.registry import create
from dataflows.schedule import Cause
from simulator.network_simulation import MachineRun
from workloads.layer import Layer
from workloads.pruning import parse
from workloads.trace import LayerTrace

CONV4_2 = Layer.conv("conv4_2", in_channels=512, out_channels=512, input_size=(28, 28), kernel_size=3, padding=1)


def report(machine, pruning, layer=CONV4_2, **settings):
    weights = parse(pruning).keep(layer, np.ones(layer.weight_shape, bool), np.random.default_rng(1))
    activations = np.random.default_rng(2).random(layer.input_shape) < 0.4
    settings["dram"] = {"bandwidth_gbs": float("inf")}
    return MachineRun(create(machine, settings)).layer(LayerTrace(layer, weights, activations))


@pytest.mark.parametrize(
    ("settings", "low", "high"),
    [
        ({"fetch": "shared", "window": 64}, 1.7, 2.2),  # the published claim: doubled
        ({"fetch": "asynchronous", "window": 64}, 1.4, 1.6),  # PEs that run apart wait less, but round up as often
        ({"fetch": "asynchronous"}, 1.1, 1.2),  # and a window of 256 hides most of the rounding
    ],
)
@pytest.mark.parametrize("pruning", ["aap:conv_g=8,conv_p=6", "aap:conv_g=16,conv_p=12"])
def test_equal_counts_in_every_fetch_double_a_shared_fetch(settings, low, high, pruning):
    aware = report("cambricon-x", pruning, **settings)
    free = report("cambricon-x", "unstructured:density=0.25", **settings)
    assert aware.issued_macs == free.issued_macs
    assert low < free.cycles / aware.cycles < high
    assert aware.utilization == 1
    assert aware.pe_cycle_stack[Cause.BUSY.key] == aware.pes * aware.cycles
    assert aware.cycles == 9 * 512 // 64 * (512 // 16) * 28 * 28  # a cycle for every fetch


def test_a_shared_fetch_by_hand():
    # Windows of 4, two neurons a cycle. Filters 0 and 1 share fetches of 2 and 1, then 1 and 2 cycles; filter 2, which
    # follows on PE 0, takes 1 and 1 while PE 1 has no filter and waits. Three positions.
    layer = Layer.conv("l", in_channels=8, out_channels=3, input_size=(1, 3), kernel_size=1)
    mask = np.array([[int(digit) for digit in row] for row in ("11010000", "01001111", "00000110")], bool)
    spec = CambriconXSpec(pes=3, multipliers_per_pe=2, window=4, index_bits=2, fetch="shared")
    alone = CambriconX(spec.model_copy(update={"pes": 2}))
    given = LayerTrace(layer, mask.reshape(layer.weight_shape), np.ones(layer.input_shape, bool))
    cycles = alone.schedule(given).cycles[0]
    assert cycles[:, Cause.BUSY].tolist() == [3 * (2 + 0 + 0 + 1), 3 * (1 + 2)]
    assert cycles[:, Cause.INDEX].tolist() == [3 * (0 + 1 + 1 + 0), 0]
    assert cycles[:, Cause.IMBALANCE].tolist() == [3 * (0 + 1 + 0 + 0), 3 * (1 + 0 + 1 + 1)]
    assert cycles.sum(axis=1).tolist() == [3 * 6, 3 * 6]
    cycles = CambriconX(spec).schedule(given).cycles[0]  # with a PE for every filter there are two fetches only
    assert cycles.sum(axis=1).tolist() == [3 * 4] * 3


def scnn(pruning, **settings):
    return report("scnn", pruning, **settings)


def test_scnn_needs_no_mode_and_gains_only_what_its_vectors_waste():
    """A group of filters that keeps a multiple of F weights fills every vector; the PEs, which all get the same weights,
    were never unbalanced by them."""
    aware = scnn("aap:orientation=filters,conv_g=8,conv_p=4")  # 4 weights x 9 positions in a block of 8 filters
    free = scnn("unstructured:density=0.5")
    assert aware.fragmented_lanes < 0.85 * free.fragmented_lanes
    assert 1.03 < free.cycles / aware.cycles < 1.07
    assert aware.load_imbalance == pytest.approx(free.load_imbalance, rel=0.01)


def test_scnn_loses_when_a_block_keeps_no_multiple_of_its_vector():
    """2 of 8 filters leave 18 weights in a block: always 5 vectors of 4, where unstructured blocks need 4.9 on average."""
    aware, free = scnn("aap:orientation=filters"), scnn("unstructured:density=0.25")
    kept = np.arange(73)
    chance = np.array([math.comb(72, k) for k in kept], float) * 0.25**kept * 0.75 ** (72 - kept)
    vectors = (chance * -(-kept // 4)).sum()
    assert 4.8 < vectors < 5
    busy = free.pe_cycle_stack[Cause.BUSY.key] / aware.pe_cycle_stack[Cause.BUSY.key]
    assert busy == pytest.approx(vectors / 5, rel=0.01)  # fillers for long runs of zeros come on top
    assert 0.97 < free.cycles / aware.cycles < 1
