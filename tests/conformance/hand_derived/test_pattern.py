"""Pattern: batches of at most 16 kernels of a channel, four arrays that take equal parts, behind 8 cycles of fill.

A batch takes min(n * reads + 1, X * reads) cycles for n of X positions, reads being the blocks of 16 positions.
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
from tests.conformance.hand_derived.masks import CENTRE, NORTH, PCONV, SOUTH, WEST, by_filter, channels, filters, taps
from tests.conformance.hand_derived.pairs import Pair, each_pair

PAIRS = [
    Pair("pattern", PLAIN, 64 * 4 * 9 * 49 // 4 + 8),
    Pair("pattern", IMAGE, 3 * 4 * 9 * 49 // 4 + 8),
    Pair("pattern", STRIDED, 20 * 3 * 9 * 15 // 4 + 8),
    # 1x1 kernels gain nothing: 70 kernels are five batches; 13750 cycles, 3437.5 an array.
    Pair("pattern", POINTWISE, ceil(250 * 5 * 1 * 11 / 4) + 8),
    Pair("pattern", DILATED, 20 * 2 * 9 * 13 // 4 + 8),
    Pair("pattern", WIDE, 20 * 3 * 25 * 13 // 4 + 8),
    Pair("pattern", FC, ceil(250 * 7 / 4) + 8),
    Pair("pattern", FC_BATCH, 4 * (300 * 5 // 4) + 8),
    # Channels have kernels in their own group alone.
    Pair("pattern", GROUPS_2, 32 * 2 * 9 * 13 // 4 + 8),
    Pair("pattern", DEPTHWISE, 20 * 1 * 9 * 9 // 4 + 8),
    # One pattern of four positions.
    Pair("pattern", PLAIN, 64 * 4 * (4 * 49 + 1) // 4 + 8, weights=taps(*PCONV[0])),
    # Four patterns with 16 kernels each in every channel: sorted, each fills a batch.
    Pair("pattern", PLAIN, 64 * 4 * (4 * 49 + 1) // 4 + 8, weights=by_filter(*PCONV)),
    # In the order of the filters each batch has all four, which need five positions together.
    Pair("pattern", PLAIN, 64 * 4 * (5 * 49 + 1) // 4 + 8, {"patterns": 0}, by_filter(*PCONV)),
    # Two patterns that share the centre, 8 kernels each: one batch of 7 positions beats two of 4.
    Pair("pattern", conv("16 filters", 64, 16, 28, 3, padding=1), 64 * (7 * 49 + 1) // 4 + 8,
         weights=by_filter((CENTRE, NORTH, SOUTH, WEST), (CENTRE, (0, 0), (2, 2), (0, 2)))),
    # One weight a kernel; setting the array at no cost; at a cost that exceeds the gain (9 * 49 without).
    Pair("pattern", PLAIN, 64 * 4 * (1 * 49 + 1) // 4 + 8, weights=taps(CENTRE)),
    Pair("pattern", PLAIN, 64 * 4 * (1 * 49) // 4, {"switch_cycles": 0, "fill_cycles": 0}, taps(CENTRE)),
    Pair("pattern", PLAIN, 64 * 4 * 9 * 49 // 4 + 8, {"switch_cycles": 400}, taps(CENTRE)),
    # Channels without weights are left out; so are empty filters: 32 of 64 are two batches.
    Pair("pattern", PLAIN, 32 * 4 * 9 * 49 // 4 + 8, weights=channels(2)),
    Pair("pattern", PLAIN, 64 * 2 * 9 * 49 // 4 + 8, weights=filters(0, of=2)),
    # Channel c on array c mod 4: arrays 0 and 1 have 63 of 250.
    Pair("pattern", POINTWISE, 63 * 5 * 11 + 8, {"reconfigurable": False}),
    # Every fourth channel alone: array 0 has all of the work.
    Pair("pattern", PLAIN, 16 * 4 * 9 * 49 + 8, {"reconfigurable": False}, channels(4)),
    Pair("pattern", BATCH, 3 * (64 * 4 * 9 * 49 // 4) + 8),
    Pair("pattern", NARROW, 16 * 2 * 3 * 6 // 4 + 8),
]  # fmt: skip


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
