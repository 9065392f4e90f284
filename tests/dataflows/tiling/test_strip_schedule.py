"""What the strip machines share, by hand: filters block by block, and what has to cross DRAM whatever the order."""

import numpy as np

from dataflows.schedule import CAUSES, Cause, Tensor
from dataflows.specs import AcceleratorSpec
from dataflows.tiling.filter_blocks import cut_layer
from dataflows.tiling.strip_plan import StripPlan
from dataflows.tiling.strip_schedule import StripWork, strip_schedule
from dataflows.tiling.strip_traffic import StripTraffic
from dataflows.tiling.strips import PixelStrips
from workloads.layer import Layer

# One image of 2 x 4 inputs; strips of one row, four positions each; five filters in blocks of three and two.
LAYER = Layer.conv("l", in_channels=6, out_channels=5, input_size=(2, 4), kernel_size=1)


def two_strips() -> StripPlan:
    strips = PixelStrips.of(LAYER, 4, inputs=8, outputs=4)
    return StripPlan(LAYER, np.array([6]), np.array([3, 2]), strips)


def test_elements_meet_at_the_end_of_each_block_of_filters():
    cycles = np.zeros((1, 2, 2, CAUSES), np.int64)  # one tile, two blocks of filters, two PEs
    cycles[0, 0, :, Cause.BUSY] = 3, 5
    cycles[0, 1, 0, Cause.BUSY] = 4
    work = StripWork.of_filter_blocks(cycles, np.array([[6, 10], [8, 0]]), np.array([7]))
    assert {
        Cause(cause): work.cycles[0, :, cause].tolist() for cause in np.flatnonzero(work.cycles.any(axis=(0, 1)))
    } == {
        Cause.BUSY: [7, 5],
        Cause.IMBALANCE: [2, 0],
        Cause.UNMAPPED: [0, 4],
    }
    assert work.issued.tolist() == [[14, 10]]
    assert work.drain_cycles.tolist() == [7]


def test_products_are_those_of_every_tile_they_are_alike_in():
    work = StripWork.of_filter_blocks(np.zeros((1, 3, 2, 2, 1, CAUSES), np.int64), np.array([[2], [5]]))
    assert work.issued.tolist() == [[7]] * 6
    assert work.drain_cycles.tolist() == [0] * 6


def test_a_schedule_of_strips_moves_what_their_traffic_says():
    plan = two_strips()
    moved = StripTraffic(plan, 16, 60, indexed=True).transfers(96, 80)
    work = StripWork.of_filter_blocks(np.zeros((*plan.block_shape, 4, CAUSES), np.int64), np.zeros(4, np.int64))
    schedule = strip_schedule(
        AcceleratorSpec(prefetch_tiles=3), work, moved, pe_grid=(2, 2), lanes_per_pe=8, expected_issued=0
    )
    assert (schedule.tiles, schedule.multipliers, schedule.prefetch_tiles) == (2, 32, 3)
    # Weights of 60 bytes fit but for their list of six entries of three bits, 3 bytes, so that they come twice.
    assert schedule.loads.bytes_of(Tensor.WEIGHT) == 3 + 2 * 60
    assert schedule.notes == ("the kept weights exceed their buffer: they are read again for every strip",)
    assert schedule.loads.bytes_of(Tensor.INPUT) == 2 * 4 * 6 * 2
    assert schedule.stores.size_bytes.tolist() == [4 * 5 * 2] * 2
    assert [use.capacity_bytes for use in schedule.buffers] == [96, 60, 80]
    # Weights, inputs and outputs, each once; no list, since no format is the only one.
    assert schedule.compulsory_bytes == 60 + 96 + 80


def test_weights_that_are_stored_otherwise_count_as_they_are_stored():
    plan = cut_layer(
        LAYER, np.array([4, 0, 9, 9, 1]), turn=2, pixels=4, value_bits=16, input_bytes=1000, weight_bytes=1000
    )
    assert np.array_equal(plan.weight_bytes, [[3]])  # 23 bits
    moved = StripTraffic(plan, 16, 1000, indexed=False).transfers(1000, 1000)
    assert moved.loads.bytes_of(Tensor.WEIGHT) == 3
    assert moved.compulsory_bytes == 3 + 96 + 80


def test_without_weights_no_input_is_needed():
    plan = cut_layer(LAYER, np.zeros(5, np.int64), turn=2, pixels=4, value_bits=16, input_bytes=1000, weight_bytes=1000)
    moved = StripTraffic(plan, 16, 1000, indexed=False).transfers(1000, 1000)
    assert moved.loads.total_bytes == 0
    assert moved.compulsory_bytes == moved.stores.total_bytes == 80
