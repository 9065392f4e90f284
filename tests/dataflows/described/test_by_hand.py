"""The layers that docs/describing.md works out by hand, and others."""

from typing import Any

import pytest

from tests.dataflows.described.descriptions import COMPRESSED, described, level, mapping, of_pe, pointwise

WEIGHTS = [[1, 1, 0, 1], [0, 1, 0, 0], [1, 0, 1, 1]]
POSITIONS = [[1, 1, 0, 1], [0, 1, 1, 1]]
BOTH = {
    "mapping": mapping(("K", level("K", 2, "columns"))),
    "skip": {"operand": "both", "window": 2},
    "storage": COMPRESSED,
}


def test_skipping_both_and_meeting_at_steps():
    schedule = described(**BOTH, synchronization={"columns": "step"}).schedule(pointwise(WEIGHTS, POSITIONS))
    assert of_pe(schedule, 0) == {"busy": 9, "index": 1}
    assert of_pe(schedule, 1) == {"busy": 2, "index": 2, "imbalance": 1, "unmapped": 5}
    assert schedule.issued.sum(axis=0).tolist() == [9, 2]


def test_meeting_at_the_tile_leaves_all_waits_to_its_end():
    schedule = described(**BOTH, synchronization={"columns": "tile"}).schedule(pointwise(WEIGHTS, POSITIONS))
    assert of_pe(schedule, 1) == {"busy": 2, "index": 2}


def test_a_filter_that_shares_a_pe_with_a_sparse_one():
    # Sorted k0 (3 weights), k2 (3), k1 (1): PE 0 has k0 and nothing, as the fourth place is empty, PE 1 k2 and k1.
    schedule = described(**BOTH, balance="paired").schedule(pointwise(WEIGHTS, POSITIONS))
    assert of_pe(schedule, 0) == {"busy": 3 + 2, "imbalance": (1 + 1 + 1 + 1 - 3) + (1 + 1 + 2 + 1 - 2)}
    # At x0 k2 has 1 and 1, k1 1 and none; at x1 k2 none and 2, k1 1 and none.
    assert of_pe(schedule, 1) == {"busy": 3 + 3, "index": 1 + 2}


def test_a_broadcast_with_a_queue_of_one():
    levels = mapping(("K", level("K", 2, "columns")))
    levels[3:] = [levels[-1], *levels[3:-1]]
    machine = described(
        mapping=levels,
        skip={"operand": "both", "least_cycles": 0},
        storage=COMPRESSED,
        synchronization={"columns": "step", "queue": 1},
    )
    schedule = machine.schedule(pointwise([WEIGHTS[0], [0, 1, 0, 1], WEIGHTS[2]], [[1, 0, 1, 1]]))
    assert of_pe(schedule, 0) == {"busy": 5, "port": 1, "fill": 3}
    assert of_pe(schedule, 1) == {"busy": 1, "imbalance": 3, "port": 2, "fill": 3}


def queued(depth: int) -> Any:
    """Two parts of the list on PEs, outputs in queues."""
    levels = mapping(("R S C", level("R S C", 2, "columns")))
    skip = {"operand": "activations", "window": 2, "padding": "zeros"}
    sync = {"columns": "output"} | ({"queue": depth} if depth else {})
    return described(mapping=levels, skip=skip, synchronization=sync, storage={"activations": "offsets"})


def test_lanes_that_queue_hide_each_others_slow_outputs():
    # Outputs cost the lanes 2 and 1, then 1 and 2 cycles: together 4, apart 3.
    trace = pointwise([[1, 1, 1, 1]], [[1, 1, 0, 1], [1, 0, 1, 1]])
    met = queued(0).schedule(trace)
    assert [of_pe(met, pe) for pe in (0, 1)] == [{"busy": 3, "imbalance": 1}] * 2
    # Sent at 1 and 2, taken at 2 and 3, looked up at 3 and 4: both begin at 3; lane 0 ends at 5 and 6, lane 1 at 4 and
    # then 6, and no look-up shows. 6 cycles with 3 of fill.
    assert [of_pe(queued(4).schedule(trace), pe) for pe in (0, 1)] == [{"busy": 3, "fill": 3}] * 2


@pytest.mark.parametrize("share", [1, 2, 5])
def test_few_positions_share_their_rounds(share):
    # Three positions on 3 x share PEs: each position's five rounds go to as many PEs as are there for it.
    levels = mapping(("P Q", level("P Q", 3 * share, "rows")))
    machine = described(mapping=levels, skip={"operand": "weights"}, storage={"weights": "bitmap"})
    schedule = machine.schedule(pointwise([[1]] * 5, [[1], [1], [1]]))
    rounds = [-(-(5 - j) // share) for j in range(share)]
    assert schedule.issued.sum(axis=0).tolist() == rounds * 3
