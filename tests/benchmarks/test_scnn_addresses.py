"""The search for SCNN's accumulator addresses: what bars leave open, and that the machine's own banks are among them."""

import numpy as np
import pytest

from benchmarks.experiments.scnn_addresses import LAYOUTS, OWN, by_position, distance, layers, left_open, lost_to_banks
from dataflows.machines.scnn.bank_queues import linear_banks
from dataflows.machines.scnn.nonzero_lists import NonzeroLists


def test_the_first_layout_is_the_machines():
    k, y, x = np.ogrid[:8, :6, :5]
    address = LAYOUTS[OWN[0]](k, y, x, 6, 5, 8)
    np.testing.assert_array_equal(address.reshape(-1) % 32, linear_banks(8 * 6 * 5, 32))


def test_every_layout_gives_each_sum_an_address():
    k, y, x = np.ogrid[:8, :6, :5]
    for name, layout in LAYOUTS.items():
        assert np.broadcast_to(layout(k, y, x, 6, 5, 8), (8, 6, 5)).min() >= 0, name


def test_what_bars_leave_open_by_hand():
    # Figure 9 has 1.7258 of an oracle of 3.2963, figure 10 PEs that are 0.9367 full and 0.0298 idle.
    assert left_open()["VGG-16 conv2_1"] == pytest.approx(1 - 1.7258 / (3.2963 * 0.9367 * 0.9702))
    assert set(left_open()) == set(layers())


def test_weights_by_position_are_the_same_weights():
    # Two channels of a region of 4 sums: offsets 1 and 6 and a placeholder, then 5, 1 and 2.
    block = NonzeroLists(np.array([[0, 3, 6]]), np.array([1, -1, 6, 5, 1, 2], np.int32))
    assert by_position(block, 4).offset.tolist() == [1, 6, -1, 1, 5, 2]


def test_a_bar_above_its_product_leaves_nothing():
    assert distance([0.1, 0.3], [-0.5, 0.2]) == pytest.approx(0.1)


@pytest.mark.parametrize(("layer", "lowest", "highest"), [
    ("VGG-16 conv2_1", 0.37, 0.47), ("VGG-16 conv2_2", 0.39, 0.49), ("VGG-16 conv1_1", 0, 0.05), ("VGG-16 conv3_2", 0, 0.01),
])  # fmt: skip
def test_tiles_whose_channels_begin_in_one_bank_lose_what_their_bars_do(layer, lowest, highest):
    """Sixteen sums a row and a column: of all tiles here only these two are a multiple of the banks."""
    assert lowest <= lost_to_banks(layer, *OWN) <= highest
    assert (
        lost_to_banks(layer, OWN[0], OWN[1], 8) <= lost_to_banks(layer, *OWN) <= lost_to_banks(layer, OWN[0], OWN[1], 0)
    )
