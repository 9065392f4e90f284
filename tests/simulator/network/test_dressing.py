from fractions import Fraction

import numpy as np
import pytest

from dataflows.schedule import CAUSES, BufferUse, Cause, LayerSchedule, Runs, Tensor
from simulator.network.dressing import dressed, pass_of


def schedule(stores=(), *, drains=(0, 0, 0), room=None) -> LayerSchedule:
    """Three tiles on one PE; stores as (tile, address, size)."""
    tile, address, size = np.array(stores, np.int64).reshape(-1, 3).T
    cycles = np.zeros((3, 1, CAUSES), np.int64)
    cycles[:, :, Cause.BUSY] = 10
    buffers = () if room is None else (BufferUse("out", Tensor.OUTPUT, room),)
    return LayerSchedule(
        pe_grid=(1, 1), lanes_per_pe=1, cycles=cycles, issued=np.full((3, 1), 10, np.int64),
        drain_cycles=np.array(drains, np.int64), accumulator_copies=2,
        loads=Runs.per_tile(Tensor.WEIGHT, [0], [0], [9000]), stores=Runs.per_tile(Tensor.OUTPUT, tile, address, size),
        buffers=buffers, prefetch_tiles=1, expected_issued=30, compulsory_bytes=100,
    )  # fmt: skip


def rows(runs):
    return list(zip(runs.tile.tolist(), runs.address.tolist(), runs.size_bytes.tolist(), strict=True))


def test_what_needs_nothing_is_the_same_object():
    plain = schedule([(0, 100, 10)])
    assert dressed(plain) is plain
    assert dressed(schedule(), stored_share=Fraction(1, 4)).stores.total_bytes == 0


def test_pooled_stores_meet_as_before_and_add_up():
    found = dressed(schedule([(0, 100, 10), (1, 110, 8), (2, 118, 3)]), stored_share=Fraction(1, 4))
    assert rows(found.stores) == [(0, 100, 3), (1, 103, 2), (2, 105, 1)]
    assert found.compulsory_bytes == 100 - 21 + 6


def test_runs_that_shrink_to_nothing_are_no_runs():
    found = dressed(schedule([(0, 100, 8), (1, 108, 1), (2, 109, 1)]), stored_share=Fraction(1, 8))
    assert rows(found.stores) == [(0, 100, 1), (1, 101, 1)]


def test_spread_stores_of_more_than_their_buffer_leave_as_they_are_made():
    plain = schedule([(0, 0, 10), (1, 10, 10), (2, 20, 10)], room=40)
    assert not dressed(plain, stored_share=Fraction(4)).outputs_as_made
    found = dressed(plain, stored_share=Fraction(5))
    assert rows(found.stores) == [(0, 0, 50), (1, 50, 50), (2, 100, 50)]
    assert found.outputs_as_made


@pytest.mark.parametrize(
    ("drains", "expected"),
    [((1, 0, 3), [(0, 16384, 2), (2, 16386, 8)]), ((0, 0, 0), [(0, 16384, 3), (1, 16387, 3), (2, 16390, 4)])],
)
def test_a_kept_map_leaves_with_what_tiles_drain_behind_all_else(drains, expected):
    found = dressed(schedule(drains=drains), kept_bytes=10)
    assert rows(found.stores) == expected
    assert found.compulsory_bytes == 110


def test_a_map_that_leaves_anyway_does_so_once():
    plain = schedule([(0, 100, 10)])
    assert dressed(plain, kept_bytes=10) is plain


def test_operands_come_with_what_tiles_store():
    found = dressed(schedule([(0, 20000, 30), (2, 20030, 10)]), operand_bytes=20)
    assert rows(found.operands) == [(0, 24576, 15), (2, 24591, 5)]
    assert set(found.operands.tensor.tolist()) == {Tensor.INPUT}
    assert found.compulsory_bytes == 120


def test_operands_of_results_that_stay_come_with_what_tiles_drain():
    assert rows(dressed(schedule(drains=(0, 2, 2)), operand_bytes=5).operands) == [(1, 16384, 2), (2, 16386, 3)]


def test_a_pass_moves_its_bytes_in_equal_tiles_and_computes_nothing():
    found = pass_of(schedule([(0, 100, 10)], room=1), 1000, 250)
    assert (found.tiles, found.pes, found.lanes_per_pe) == (64, 1, 1)
    assert (found.loads.total_bytes, found.stores.total_bytes) == (1000, 250)
    assert found.loads.size_bytes.max() - found.loads.size_bytes.min() <= 1
    assert not found.cycles.any()
    assert found.buffers == ()
    assert found.compulsory_bytes == 1250


def test_a_pass_of_little_has_few_tiles():
    assert pass_of(schedule(), 3, 1).tiles == 3
    assert pass_of(schedule(), 0, 0).tiles == 1
