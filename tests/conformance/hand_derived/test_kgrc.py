"""KGRC: the published equations, in which steps, outputs and their transfers overlap.

With 16 bits: TM 32, TN 8, tiles of 4 x 14 x 14, TK 9; PM 16 over 4 row groups, so 4 rows of each; PF 4, PK 3; Ab 4 and
ports of 8 values. With neither start nor list cycles the published equations stand alone:

    tile = steps · max(Lin, Lwgt, Lcmpt) + Lcmpt, layer = tiles · max(tile, Lout) + Lout

The formula of `start` and of the dense design without start cycles was settled with the simulator's answer in sight.
"""

from math import ceil

from tests.conformance.hand_derived.layers import BATCH, DEPTHWISE, GROUPS_2, NARROW, PLAIN, conv
from tests.conformance.hand_derived.masks import ALL_TAPS, CENTRE, NORTH, SOUTH, kernel_groups, taps
from tests.conformance.hand_derived.pairs import Pair, each_pair
from workloads.layer import Layer

ALONE = {"start_cycles": 0, "row_list_cycles": 0}
POINT_OUT = 32 // 4 * ceil(14 * 14 / 8)  # Lout of 32 filters x 14 x 14 outputs: 8 * 25 = 200

PAIRS = [
    # 2 x 4 tiles, 8 steps. Lcmpt = 49 * 3 * 2 = 294 exceeds Lin = 2 * ceil(15 * 15 / 8) = 58 and Lwgt = 64 * 2 = 128.
    Pair("kgrc", PLAIN, 8 * (8 * 294 + 294) + POINT_OUT, ALONE),
    # 4 of 9 positions: Lcmpt = 49 * ceil(4 / 3) * 2 = 196.
    Pair("kgrc", PLAIN, 8 * (8 * 196 + 196) + POINT_OUT, ALONE, taps(CENTRE, NORTH, SOUTH, (0, 0))),
    # 4 of 8 rows: Lcmpt = 49 * 3 * 1 = 147 exceeds Lwgt = 16 * 2 * 2 = 64.
    Pair("kgrc", PLAIN, 8 * (8 * 147 + 147) + POINT_OUT, ALONE, kernel_groups(4, ALL_TAPS)),
    # 2 of 8 rows and 3 positions: Lcmpt = 49 * 1 * 1 is less than Lin = 58, which every step then takes.
    Pair("kgrc", PLAIN, 8 * (8 * 58 + 49) + POINT_OUT, ALONE, kernel_groups(2, ((0, 0), (1, 1), (2, 2)))),
    # 14 x 14 outputs from 28 x 28 inputs: Lin = 2 * ceil(28 * 28 / 8) = 196 < 294; 2 tiles of 3 steps.
    Pair("kgrc", conv("strided", 24, 64, 28, 3, stride=2, padding=1), 2 * (3 * 294 + 294) + POINT_OUT, ALONE),
    # Lcmpt = 49 * 1 * 2 = 98; Lin = 2 * ceil(196 / 8) = 50, Lwgt = 64.
    Pair("kgrc", conv("1x1", 256, 64, 14, 1), 2 * (32 * 98 + 98) + POINT_OUT, ALONE),
    # Only the 14 rows that a 1x1 kernel reads: Lin = 2 * ceil(14 * 27 / 8) = 96 < 98 (of 27 rows it would be 184).
    Pair("kgrc", conv("1x1 strided", 24, 64, 27, 1, stride=2), 2 * (3 * 98 + 98) + POINT_OUT, ALONE),
    # 25 positions in chunks of 9, 9 and 7, each of Lcmpt = 49 * 3 * 2 = 294; the longest chunk's is added.
    Pair("kgrc", conv("5x5", 24, 32, 14, 5, padding=2), 3 * 3 * 294 + 294 + POINT_OUT, ALONE),
    Pair("kgrc", conv("dilated", 24, 64, 14, 3, dilation=2, padding=2), 2 * (3 * 294 + 294) + POINT_OUT, ALONE),
    # One position: Lcmpt = 2, Lin = 2; Lwgt = 32 * 8 / 4 * 1 = 64 binds; Lout = 8 * 1. Four tiles of 32 steps.
    Pair("kgrc", Layer.dense("fc", in_features=256, out_features=128), 4 * (32 * 64 + 2) + 8, ALONE),
    Pair("kgrc", Layer.dense("fc", in_features=256, out_features=128, batch=4), 16 * (32 * 64 + 2) + 8, ALONE),
    # 784 outputs a tile; Lcmpt = 196 * 3 * 2 = 1176 for each of three chunks; Lout = 8 * 98.
    Pair("kgrc", Layer.conv("volume", in_channels=24, out_channels=64, input_size=(4, 14, 14), kernel_size=3, padding=1),
         2 * (3 * 3 * 1176 + 1176) + 784, ALONE),
    # 40 filters: a tile of 32 and one of 8, whose outputs leave in 8 / 4 * 25 cycles.
    Pair("kgrc", conv("ragged", 24, 40, 14, 3, padding=1), 2 * (3 * 294 + 294) + 8 // 4 * 25, ALONE),
    # Every chunk begins with 20 cycles; Lcmpt itself, which is added once, is as in the equation. Nothing drops rows.
    Pair("kgrc", conv("start", 24, 64, 14, 3, padding=1), 2 * (3 * (20 + 294) + 294) + POINT_OUT),
    # Rows are dropped: their list takes 48 more.
    Pair("kgrc", PLAIN, 8 * (8 * (48 + 20 + 147) + 147) + POINT_OUT, weights=kernel_groups(4, ALL_TAPS)),
    # 7 of 8 rows compute in two turns like 8, so that the mode without a list is faster.
    Pair("kgrc", PLAIN, 8 * (8 * (20 + 294) + 294) + POINT_OUT, weights=kernel_groups(7, ALL_TAPS)),
    # A group of 16 channels exceeds TN and runs alone: a tile of 24 filters, 2 steps; Lout = 24 / 4 * 25.
    Pair("kgrc", GROUPS_2, 2 * (2 * 294 + 294) + 150, ALONE),
    # The dense design (TM 56, TN 4, PM 56, PF 8, PK 1) skips nothing: Lcmpt = ceil(196 / 8) * 9 = 225 exceeds Lin = 29 and
    # Lwgt = 56 * 2 = 112; tiles of 56 and of 8 filters, the last of which leaves in 8 / 4 * 25; 8 cycles a chunk.
    Pair("kgrc", PLAIN, 8 * (16 * 225 + 225) + 50, {**ALONE, "design": "dense"}, kernel_groups(4, ALL_TAPS)),
    Pair("kgrc", PLAIN, 8 * (16 * (8 + 225) + 225) + 50, {"design": "dense"}),
    # With 8 bits PF is 8: Lcmpt = 25 * 3 * 2; Ab 8 and ports of 16: Lout = 32 / 8 * ceil(196 / 16).
    Pair("kgrc", PLAIN, 8 * (8 * 150 + 150) + 4 * 13, {**ALONE, "value_bits": 8}),
    # Images are tiles; all boxes of one filter tile come before the next.
    Pair("kgrc", BATCH, 3 * 8 * (8 * 294 + 294) + POINT_OUT, ALONE),
    # 90 outputs: Lcmpt = 23 * 1 * 2, Lin = 2 * ceil(20 * 9 / 8) = 46, Lwgt = ceil(18 * 8 / 4) * 1 = 36, two steps; Lout
    # of 18 filters = ceil(18 / 4) * 12.
    Pair("kgrc", NARROW, 2 * 46 + 46 + 5 * 12, ALONE),
    # Groups lie side by side. That rule was also seen as code.
    # 8 channels a step: packs of 8, 8 and 4 groups. Lcmpt = 36 * 3 * 2, of 4 filters 36 * 3 * 1; Lout = 4 / 4 * 18.
    Pair("kgrc", DEPTHWISE, 2 * (216 + 216) + (108 + 108) + 18, ALONE),
    Pair("kgrc", DEPTHWISE, 20 * (108 + 108) + 18, {**ALONE, "groups": "alone"}),
    # Found by derivation where the simulator was wrong, or the description said too little.
    # Lcmpt = 49 * 1 * 2 = 98; no store goes before the first tile, which takes 98 + 98; then Lout = 200 binds.
    Pair("kgrc", conv("stores", 8, 64, 14, 1), 98 + 98 + 2 * POINT_OUT, ALONE),
]  # fmt: skip


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
