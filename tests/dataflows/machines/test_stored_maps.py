"""Bytes of maps that a machine would keep on the chip, once they are written for somebody else."""

import pytest

from dataflows.registry import create, machines


@pytest.mark.parametrize("name", sorted(set(machines()) - {"scnn", "dcnn-opt", "ideal", "sparten", "sigma", "dstc"}))
@pytest.mark.parametrize(("bits", "size"), [(16, 22), (8, 11), (4, 6)])
def test_most_machines_store_every_value(name, bits, size):
    try:
        machine = create(name, {"value_bits": bits})
    except ValueError:
        pytest.skip("no values of so few bits")
    assert machine.stored_map_bytes(11, 3) == size


def test_scnn_stores_non_zeros_with_their_zero_runs():
    assert create("scnn").stored_map_bytes(11, 3) == 8  # 3 x 20 bits
    assert create("scnn", {"zero_run_bits": 8}).stored_map_bytes(11, 3) == 9


def test_scnn_that_skips_weights_alone_stores_zeros_as_well():
    assert create("scnn", {"skip": "weights"}).stored_map_bytes(11, 3) == 22


def test_sparten_stores_a_bit_for_each_value_and_the_non_zeros():
    assert create("sparten").stored_map_bytes(11, 3) == 5  # 11 + 3 x 8 bits
    assert create("sparten", {"skips": "weights"}).stored_map_bytes(11, 3) == 11


def test_the_ideal_machine_stores_nothing():
    assert create("ideal").stored_map_bytes(11, 3) == 0


@pytest.mark.parametrize("name", ["sigma", "dstc"])
def test_bitmaps_take_a_bit_for_each_value_beside_the_non_zeros(name):
    assert create(name).stored_map_bytes(11, 3) == 8  # 11 + 3 x 16 bits
