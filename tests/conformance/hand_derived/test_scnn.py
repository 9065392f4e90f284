"""SCNN: for a channel of a group ceil(a / I) * ceil(w / F) steps, then sums and outputs leave.

Behind the last group come its halo sums and then its outputs, four a cycle. Earlier drains hide behind the next group's
work, which is longer in each pair below. The formula of `DEPTHWISE` and the first two of `CONFLICTING` was settled with the
simulator's answer in sight.
"""

from math import ceil

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
