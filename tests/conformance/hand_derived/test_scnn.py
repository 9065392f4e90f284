"""SCNN: for a channel of a group ceil(a / I) * ceil(w / F) steps, then sums and outputs leave.

Behind the last group come its halo sums and then its outputs, four a cycle. Earlier drains hide behind the next group's
work, which is longer in each pair below. The formula of `DEPTHWISE` and the first two of `CONFLICTING` was settled with the
simulator's answer in sight.
"""

from collections.abc import Sequence
from math import ceil

import numpy as np

from dataflows.registry import create
from dataflows.schedule import Cause, LayerSchedule
from tests.conformance.hand_derived.layers import (
    BATCH,
    DEPTHWISE,
    DILATED,
    FC,
    FC_BATCH,
    GROUPS_2,
    IMAGE,
    NARROW,
    PLAIN,
    POINTWISE,
    STRIDED,
    WIDE,
    conv,
)
from tests.conformance.hand_derived.masks import CENTRE, channels, corner, filters, grid, taps, turns
from tests.conformance.hand_derived.pairs import Pair, each_pair
from workloads.layer import Layer
from workloads.trace import LayerTrace

ONE_WEIGHT = {"weights_per_vector": 1}
"""Vectors of one weight: four activations of a tile of 4 x 4 or less go to four different banks, so nothing waits."""

PARTS = conv("parts", 3, 16, 112, 3, padding=1)

PAIRS = [
    # Tiles of 2 x 2 and 8 channels are 32 sums in 32 banks: no two of the 16 products of a step meet. Groups of 8, the
    # last of 6: two weight vectors each. No halo; 6 * 4 outputs leave.
    Pair("scnn", POINTWISE, 9 * 250 * 1 * 2 + 6 * 4 // 4),
    Pair("scnn", POINTWISE, 9 * 250 * 1 * 2 + 6 * 4 // 4, {"queue_depth": 0}),
    Pair("scnn", POINTWISE, 9 * 125 * 1 * 2 + 6 * 4 // 4, activations=channels(2)),
    # 16 products in two of each of 8 banks, which without queues takes two cycles; the last group's second vector has 8.
    Pair("scnn", POINTWISE, 250 * (8 * 2 * 2 + 2 + 1) + 6, {"accumulator_banks": 8, "queue_depth": 0}),
    # One bank takes a product a cycle, with or without a queue.
    Pair("scnn", POINTWISE, 70 * 250 * 4 + 6, {"accumulator_banks": 1, "queue_depth": 0}),
    Pair("scnn", POINTWISE, 70 * 250 * 4 + 6, {"accumulator_banks": 1}),
    # Tiles of 4 x 4, sums of 6 x 6; (36 - 16) * 8 sums to neighbours, 16 * 8 outputs.
    Pair("scnn", PLAIN, 8 * 64 * 4 * 72 + 40 + 32, ONE_WEIGHT),
    Pair("scnn", IMAGE, 8 * 3 * 4 * 72 + 40 + 32, ONE_WEIGHT),
    # One weight a kernel: 8 zeros between two, so no stored zeros; 4 weights stand 36 sums apart and a row of a tile has
    # 4 activations, so that 16 products meet banks 0 to 15 behind some first one.
    Pair("scnn", PLAIN, 8 * 64 * 4 * 2 + 40 + 32, weights=taps(CENTRE)),
    # Empty channels, of activations or weights, cost nothing.
    Pair("scnn", PLAIN, 8 * 32 * 4 * 2 + 40 + 32, weights=taps(CENTRE), activations=channels(2)),
    Pair("scnn", PLAIN, 8 * 32 * 4 * 72 + 40 + 32, ONE_WEIGHT, channels(2)),
    # One activation in each 4 x 4 tile; at its end 15 zeros stand before it, which a run of 4 bits can tell.
    Pair("scnn", PLAIN, 8 * 64 * 1 * 2 + 40 + 32, weights=taps(CENTRE), activations=grid(4)),
    Pair("scnn", PLAIN, 8 * 64 * 1 * 2 + 40 + 32, weights=taps(CENTRE), activations=grid(4, 3)),
    # The last of a group's 72 weights: 71 zeros before it are four stored zeros and 7; five entries are two vectors.
    Pair("scnn", PLAIN, 8 * 64 * 4 * ceil(5 / 4) + 40 + 32,
         weights=lambda shape: taps((2, 2))(shape) & filters(7, of=8)(shape)),
    # A group's 3 * 4 * 2 steps are fewer than the 72 in which its sums leave, one group's after the other's.
    Pair("scnn", IMAGE, 24 + 8 * 72, weights=taps(CENTRE)),
    # With one copy of the accumulators each group waits until the one before has left.
    Pair("scnn", IMAGE, 8 * (24 + 72), {"accumulator_copies": 1}, taps(CENTRE)),
    # PEs that have activations in even channels and those in odd ones take turns. A channel's block is two vectors; a
    # FIFO with room for two blocks lets all go on side by side, one with room for one makes them wait for each other.
    Pair("scnn", PLAIN, 8 * 32 * 4 * 2 + 72, weights=taps(CENTRE), activations=turns),
    Pair("scnn", PLAIN, 8 * 32 * 4 * 2 + 72, {"weight_fifo_vectors": 4}, taps(CENTRE), turns),
    Pair("scnn", PLAIN, 8 * 64 * 4 * 2 + 72, {"weight_fifo_vectors": 2}, taps(CENTRE), turns),
    # Zeros of activations are stored and multiplied.
    Pair("scnn", PLAIN, 8 * 64 * 4 * 2 + 40 + 32, {"skip": "weights"}, taps(CENTRE), grid(4)),
    # A stride of 2 makes 4 virtual channels of 15 x 15 or less, whose 1 + 2 + 2 + 4 weights a kernel never go to waste;
    # tiles of 2 x 2, sums of 3 x 3: (9 - 4) * 8 and 4 * 8 leave.
    Pair("scnn", STRIDED, 5 * 20 * 1 * 72 + 10 + 8, ONE_WEIGHT),
    # Tiles of 2 x 2, sums of 6 x 6.
    Pair("scnn", DILATED, 3 * 20 * 1 * 72 + 64 + 8, ONE_WEIGHT),
    # 33 filters: four groups of 8 and one of a single filter.
    Pair("scnn", WIDE, 20 * 1 * 33 * 25 + 32 // 4 + 1, ONE_WEIGHT),
    # Tiles of 14 x 14 make 16 x 16 sums, twice the 128 that accumulators hold for each of 8 channels; the fewest parts
    # that fit are three, for 5, 5 and 4 rows (7 x 16 sums). 196 activations are 49 vectors: 16, 16 and 17 in a channel of
    # one turn, 16, 17 and 16, then 17, 16 and 16 in the next ones, so that each part has 49 of three channels. Last leave
    # 6 x 16 sums: (96 - 56) * 8 to neighbours, 56 * 8 outputs.
    Pair("scnn", PARTS, 2 * 3 * 49 * 72 + 80 + 112, ONE_WEIGHT),
    # Windows of positions: 70 and 56 activations are 18 and 14 vectors.
    Pair("scnn", PARTS, 2 * 3 * (18 + 18 + 14) * 72 + 80 + 112, ONE_WEIGHT | {"tile_cut": "positions"}),
    # A filter meets the 16 channels of its own group; sums of 4 x 4.
    Pair("scnn", GROUPS_2, 48 * 16 * 1 * 9 + 24 + 8, ONE_WEIGHT),
    # Output channels are accumulated eight together whatever their groups: 8, 8 and 4. A filter meets one channel.
    Pair("scnn", DEPTHWISE, 20 * 1 * 9 + 4 * (16 - 4) // 4 + 4 * 4 // 4, ONE_WEIGHT),
    # Fully connected: PEs have slices of the filters, one activation at a time: 2, 4 and 10 filters are 1, 1, 3 vectors.
    Pair("scnn", FC, 250 * 1 + 1),
    Pair("scnn", Layer.dense("fc 4", in_features=250, out_features=256), 250 * 1 + 1),
    Pair("scnn", Layer.dense("fc 10", in_features=250, out_features=640), 250 * 3 + ceil(10 / 4)),
    Pair("scnn", Layer.dense("fc 10", in_features=250, out_features=640), 125 * 3 + 3, activations=channels(2)),
    Pair("scnn", FC_BATCH, 4 * 300 * 1 + 1),
    Pair("scnn", BATCH, 3 * 8 * 64 * 4 * 72 + 40 + 32, ONE_WEIGHT),
    # Virtual maps of 10 x 9, tiles of 2 x 2, sums of 3 x 2; the last of three groups has two filters.
    Pair("scnn", NARROW, 18 * 16 * 1 * 3 + 1 + 2, ONE_WEIGHT),
    # One PE alone has activations: it is as slow as all.
    Pair("scnn", PLAIN, 8 * 64 * 4 * 2 + 40 + 32, weights=taps(CENTRE), activations=corner),
]  # fmt: skip

# SCNN's kernels of 3x3 with vectors of 4 x 4: neighbouring positions meet neighbouring activations in one bank, and what
# queues of 4 cannot hold is not in the description. 16 products a step meet 32 banks, so there is little to hold.

CONFLICTING = [
    Pair("scnn", PLAIN, 8 * 64 * 4 * 18 + 40 + 32),
    Pair("scnn", IMAGE, 8 * 3 * 4 * 18 + 40 + 32),
    Pair("scnn", STRIDED, 5 * 20 * 1 * (2 + 4 + 4 + 8) + 10 + 8),
    Pair("scnn", DILATED, 3 * 20 * 1 * 18 + 64 + 8),
    Pair("scnn", WIDE, 20 * 1 * (4 * 50 + 7) + 8 + 1),
    Pair("scnn", GROUPS_2, 6 * 16 * 1 * 18 + 24 + 8),
]


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles


@each_pair(CONFLICTING)
def test_conflicts_add_little_to_the_derived_steps(pair: Pair) -> None:
    assert pair.cycles <= pair.simulated() <= 1.06 * pair.cycles


# Tiles that exceed the accumulators, one or two PEs. Worked out before the slow twin or the simulator was asked.


def kept(shape: tuple[int, ...], *channels: Sequence[int]) -> np.ndarray:
    """Of each channel (axis 1) those: filters of 1x1 weights, or places of a one-image map, row by row."""
    mask = np.zeros((shape[1], int(np.prod(shape)) // shape[1]), bool)
    for channel, places in enumerate(channels):
        mask[channel, list(places)] = True
    return mask.reshape(shape[1], shape[0], *shape[2:]).swapaxes(0, 1)


def scheduled(
    layer: Layer, weights: Sequence[Sequence[int]], activations: Sequence[Sequence[int]], **settings: object
) -> LayerSchedule:
    """One PE (or as many as the settings say) on a layer of 1x1 weights that are not zero in these filters."""
    spec = {"pe_rows": 1, "pe_columns": 1, **settings}
    trace = LayerTrace(layer, kept(layer.weight_shape, *weights), kept(layer.input_shape, *activations))
    return create("scnn", spec).schedule(trace)


def did(schedule: LayerSchedule, pe: int = 0) -> list[tuple[int, ...]]:
    """What a PE did in each tile: busy, index, bank conflict and imbalance cycles."""
    causes = [Cause.BUSY, Cause.INDEX, Cause.BANK_CONFLICT, Cause.IMBALANCE]
    assert schedule.cycles[:, pe, causes].sum() == schedule.cycles[:, pe].sum()
    return [tuple(tile) for tile in schedule.cycles[:, pe, causes].tolist()]


def test_remainders_of_a_tile_s_vectors_take_turns_over_the_channels() -> None:
    # 5 rows of 3, three filters, 15 sums: three columns of 5 x 1 are the fewest parts with no more than 5 places (two are
    # of 3 x 3 or 5 x 2, and 2 x 3 would be 6). In vectors of 4 the channels have
    #   0: 15 activations, 4 4 4 3, turn 0: 4b / 3 down is 0 1 2 4       -> parts get 4 | 4 | 4 3
    #   1: 14 activations, 4 4 4 2, turn 1: (4b + 1) / 3 is 0 1 3 4      -> 4 | 4 4 | 2
    #   2: 5 activations, 4 1, turn 2: (2b + 2) / 3 is 0 1 2 2           -> 4 | 1 | nothing
    #   3: 5 activations, 4 1, turn 0 again: 2b / 3 is 0 0 1 2           -> nothing | 4 | 1
    # and 3, 2, 3, 1 weights: 2, 1, 2, 1 vectors of two. All 3 * 15 sums have a bank, so nothing waits.
    #   steps     2 + 1 + 2 + 0 = 5 | 2 + 2 + 2 + 1 = 7 | 4 + 1 + 0 + 1 = 6
    #   products  12 + 8 + 12 + 0 = 32 | 12 + 16 + 3 + 4 = 35 | 21 + 4 + 0 + 1 = 26
    # Each part has 3 * 5 sums to write, four a cycle.
    layer = Layer.conv("turns", in_channels=4, out_channels=3, input_size=(5, 3), kernel_size=1)
    weights = [(0, 1, 2), (0, 2), (0, 1, 2), (1,)]
    activations = [range(15), range(14), range(5), range(10, 15)]
    settings = {"accumulator_entries": 15, "accumulator_banks": 64, "weights_per_vector": 2}
    schedule = scheduled(layer, weights, activations, **settings)
    assert did(schedule) == [(5, 0, 0, 0), (7, 0, 0, 0), (6, 0, 0, 0)]
    assert schedule.issued[:, 0].tolist() == [32, 35, 26]
    assert schedule.drain_cycles.tolist() == [4, 4, 4]
    # Columns with lists of their own have 5 5 5, 5 5 4, 2 2 1 and 1 2 2 activations: 2 2 2, 2 2 1, 1 1 1 and 1 1 1 vectors.
    #   steps     4 + 2 + 2 + 1 = 9 | 4 + 2 + 2 + 1 = 9 | 4 + 1 + 2 + 1 = 8
    #   products  15 + 10 + 6 + 1 = 32 | 15 + 10 + 6 + 2 = 33 | 15 + 8 + 3 + 2 = 28
    columns = scheduled(layer, weights, activations, **settings, tile_cut="positions")
    assert did(columns) == [(9, 0, 0, 0), (9, 0, 0, 0), (8, 0, 0, 0)]
    assert columns.issued[:, 0].tolist() == [32, 33, 28]
    assert columns.drain_cycles.tolist() == [4, 4, 4]


def test_sums_of_a_cut_tile_have_the_banks_of_the_whole_one() -> None:
    # Four rows of one place, two filters of 2 x 1, 6 sums: two parts of two places, 2 * (2 + 1) sums. Only the lower
    # weights are kept, one vector; its two products of an activation in row y lie in y and, for the second filter, 5
    # sums later in the whole tile, 3 later in a part. Four activations, vectors of one: two steps a part, and without
    # queues a second product for one bank costs each of them a cycle.
    layer = Layer.conv("two filters", in_channels=1, out_channels=2, input_size=(4, 1), kernel_size=(2, 1))
    weights, activations = np.zeros(layer.weight_shape, bool), np.ones(layer.input_shape, bool)
    weights[:, :, 1] = True
    settings = {"pe_rows": 1, "pe_columns": 1, "accumulator_entries": 6, "activations_per_vector": 1, "queue_depth": 0}
    for tile_cut, banks, waits in (("vectors", 5, 2), ("vectors", 3, 0), ("positions", 5, 0), ("positions", 3, 2)):
        machine = create("scnn", {**settings, "tile_cut": tile_cut, "accumulator_banks": banks})
        assert did(machine.schedule(LayerTrace(layer, weights, activations))) == [(2, 0, waits, 0)] * 2


def test_rows_of_a_cut_tile_are_as_far_apart_as_those_of_the_whole_one() -> None:
    # 5 rows of 4, one filter, 5 sums: four columns. The first column alone has activations, in the whole tile's sums 0 4
    # 8 12 16, which 4 banks hold all in the first. Vectors 4 1, turn 0: 2b / 4 down is 0 0 1 1 2, so that the second part
    # gets four products for one bank, three of which wait without a queue, and the last part one.
    layer = Layer.conv("one column", in_channels=1, out_channels=1, input_size=(5, 4), kernel_size=1)
    settings = {"accumulator_entries": 5, "accumulator_banks": 4, "queue_depth": 0}
    schedule = scheduled(layer, [(0,)], [range(0, 20, 4)], **settings)
    assert did(schedule) == [(0, 0, 0, 0), (1, 0, 3, 0), (0, 0, 0, 0), (1, 0, 0, 0)]
    # In a part that is this column they are the sums 0 to 4, and of a vector each has its own bank.
    columns = scheduled(layer, [(0,)], [range(0, 20, 4)], **settings, tile_cut="positions")
    assert did(columns) == [(2, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)]


def test_placeholders_fill_vectors_of_a_cut_tile() -> None:
    # Ten rows of one place, four filters, 20 sums: two parts of 5. Two zeros in a row need a placeholder, p. In vectors of
    # two activations and of one weight the channels hold
    #   0: rows 0 1 6 9 -> 0 1, p p, 6 p, 9, turn 0: two vectors each;         filters 0 and 3 -> 0, p, 3
    #   1: rows 4 5 6   -> p p, 4 5, 6, turn 1: (3b + 1) / 2 down is 0 2 3;    filter 2 -> p, 2
    # A step is busy if both its vectors hold a number:
    #   first part   0 1: busy, index, busy; p p: 3 index; then p p: 2 index; 4 5: index, busy
    #   second part  6 p and 9: busy, index, busy each; then 6: index, busy
    # and its products are 2 * 2 + 2 and 2 + 2 + 1. All sums have a bank.
    layer = Layer.conv("runs", in_channels=2, out_channels=4, input_size=(10, 1), kernel_size=1)
    settings = {"accumulator_entries": 20, "accumulator_banks": 64, "zero_run_bits": 1}
    settings |= {"activations_per_vector": 2, "weights_per_vector": 1}
    schedule = scheduled(layer, [(0, 3), (2,)], [(0, 1, 6, 9), (4, 5, 6)], **settings)
    assert did(schedule) == [(3, 7, 0, 0), (5, 3, 0, 0)]
    assert schedule.issued[:, 0].tolist() == [6, 5]
    # Rows 0 to 4 and 5 to 9 with lists of their own: 0 1 and 6 p, 9 (one zero, row 5, needs none); p p, 4 and 5 6.
    #   first part   busy, index, busy; then p p: 2 index; 4: index, busy
    #   second part  twice busy, index, busy; then 5 6: index, busy
    rows = scheduled(layer, [(0, 3), (2,)], [(0, 1, 6, 9), (4, 5, 6)], **settings, tile_cut="positions")
    assert did(rows) == [(3, 4, 0, 0), (5, 3, 0, 0)]
    assert rows.issued[:, 0].tolist() == [5, 6]


def test_a_pe_with_less_of_the_map_has_a_share_of_every_part() -> None:
    # Three rows over two PEs, 2 and 1; one sum, so parts of one place; two channels of one weight, vectors of one. The
    # first PE has a vector of each channel in each part. The second one's single vector falls into the last part in
    # channel 0 (b / 2 down: 0 0 1), into the first in channel 1 (turn 1, (b + 1) / 2: 0 1 1). The FIFO has room for one
    # weight: in the first part the second PE waits a cycle until the first is done with channel 0.
    layer = Layer.conv("ragged", in_channels=2, out_channels=1, input_size=(3, 1), kernel_size=1)
    settings = {"pe_rows": 2, "accumulator_entries": 1, "activations_per_vector": 1, "weight_fifo_vectors": 1}
    schedule = scheduled(layer, [(0,), (0,)], [range(3), range(3)], **settings)
    assert did(schedule, 0) == [(2, 0, 0, 0), (2, 0, 0, 0)]
    assert did(schedule, 1) == [(1, 0, 0, 1), (1, 0, 0, 0)]
    # The second row of its tile is off the map, so that it takes no part in the second part.
    rows = scheduled(layer, [(0,), (0,)], [range(3), range(3)], **settings, tile_cut="positions")
    assert did(rows, 0) == [(2, 0, 0, 0), (2, 0, 0, 0)]
    assert did(rows, 1) == [(2, 0, 0, 0), (0, 0, 0, 0)]
