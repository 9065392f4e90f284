"""What ResNet-18 moves between its layers, counted by hand from its shapes; values are 16 bits, maps are stored dense.

Maps: a 64 x 56 x 56 (401,408 bytes), b 128 x 28 x 28 (200,704), c 256 x 14 x 14 (100,352), d 512 x 7 x 7 (50,176).
"""

import pytest

from dataflows.registry import create
from simulator.network_simulation import simulate
from workloads.catalog import load_workload

A, B, C, D = 401_408, 200_704, 100_352, 50_176


@pytest.fixture(scope="module")
def moved():
    """Bytes of the network beyond those of its layers alone, by machine: read and written."""

    def beyond(name):
        (report,) = simulate([create(name)], load_workload("resnet18"))
        alone, network = report.total.dram, report.network
        assert network is not None
        return network.read_bytes - alone.all.read_bytes, network.write_bytes - alone.all.write_bytes

    return {name: beyond(name) for name in ("diannao", "dadiannao", "systolic")}


def test_a_machine_that_keeps_no_map(moved):
    """Each of the eight sums reads its other map; conv1 leaves pooled, the average of d is a pass over it."""
    operands = 2 * (A + B + C + D)
    pooled_away = 64 * 112 * 112 * 2 - A
    assert moved["diannao"] == (operands + D, -pooled_away + 512 * 2)


@pytest.mark.parametrize("machine", ["dadiannao", "systolic"])
def test_a_machine_that_keeps_the_next_layer_s_map(moved, machine):
    """Written and read again: what a later sum adds, and what a second layer reads.

    Blocks without a convolution in their shortcut: the map that they begin with, for their sum (two of a, one of b, c
    and d). Blocks with one: that map for the shortcut's convolution (a, b, c), and the result of the main path, which
    the shortcut's convolution adds (b, c, d). At the end d, for the average over it, and the 512 averages.
    """
    through_dram = (2 * A + B + C + D) + (A + B + C) + (B + C + D) + D + 512 * 2
    assert moved[machine] == (through_dram, through_dram)
