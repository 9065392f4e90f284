"""DianNao: N·[O·]P·Q·[T·]R·S·ceil(C/G / Ti)·ceil(K/G / Tn)·G cycles."""

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
    VOLUME,
    WIDE,
    conv,
)
from tests.conformance.hand_derived.masks import every, grid
from tests.conformance.hand_derived.pairs import Pair, each_pair

PAIRS = [
    Pair("diannao", PLAIN, 28 * 28 * 9 * (64 // 16) * (64 // 16)),
    Pair("diannao", IMAGE, 28 * 28 * 9 * ceil(3 / 16) * (64 // 16)),
    Pair("diannao", STRIDED, 15 * 15 * 9 * ceil(20 / 16) * ceil(40 / 16)),
    Pair("diannao", POINTWISE, 13 * 13 * ceil(250 / 16) * ceil(70 / 16)),
    Pair("diannao", DILATED, 14 * 14 * 9 * ceil(20 / 16) * ceil(24 / 16)),
    Pair("diannao", WIDE, 14 * 14 * 25 * ceil(20 / 16) * ceil(33 / 16)),
    Pair("diannao", FC, ceil(250 / 16) * ceil(100 / 16)),
    Pair("diannao", FC_BATCH, 4 * ceil(300 / 16) * ceil(70 / 16)),
    Pair("diannao", VOLUME, 4 * 10 * 10 * 27 * ceil(20 / 16) * ceil(40 / 16)),
    # 16 channels of a group fill a vector and its 24 filters need two rounds, so that groups cannot share one.
    Pair("diannao", GROUPS_2, 2 * 14 * 14 * 9 * (16 // 16) * ceil(24 / 16)),
    # A dense machine: zeros change nothing.
    Pair("diannao", PLAIN, 28 * 28 * 9 * 4 * 4, weights=every(4), activations=grid(2)),
    # The pipeline fills once a round of output channels, of which there are 64 / 16.
    Pair("diannao", IMAGE, 28 * 28 * 9 * 4 + 5 * (64 // 16), {"pipeline_fill_cycles": 5}),
    Pair("diannao", BATCH, 3 * 28 * 28 * 9 * 4 * 4),
    Pair("diannao", NARROW, 10 * 9 * 3 * (16 // 16) * ceil(18 / 16)),
    # Groups lie side by side. That rule was also seen as code.
    # 16 groups of one channel and one filter fill vectors and neurons; four are left.
    Pair("diannao", DEPTHWISE, 12 * 12 * 9 * ceil(20 / 16)),
    Pair("diannao", DEPTHWISE, 12 * 12 * 9 * 20, {"groups": "alone"}),
    # Four groups of 4 channels and 4 filters fill a round.
    Pair("diannao", conv("eight groups", 32, 32, 14, 3, padding=1, groups=8), 14 * 14 * 9 * (8 // 4)),
    # Three filters a group: five groups have theirs on 16 neurons, the sixth is left.
    Pair("diannao", conv("multiplier", 6, 18, 7, 3, padding=1, groups=6), 7 * 7 * 9 * 2),
]


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
