"""DaDianNao: as DianNao, with 16 x 16 output neurons."""

from math import ceil

from tests.conformance.hand_derived.layers import (
    BATCH,
    DEPTHWISE,
    DILATED,
    FC_BATCH,
    GROUPS_2,
    NARROW,
    PLAIN,
    STRIDED,
    VOLUME,
    WIDE,
    conv,
)
from tests.conformance.hand_derived.pairs import Pair, each_pair

PAIRS = [
    Pair("dadiannao", PLAIN, 28 * 28 * 9 * (64 // 16) * ceil(64 / 256)),
    Pair("dadiannao", conv("300 filters", 250, 300, 13, 1), 13 * 13 * ceil(250 / 16) * ceil(300 / 256)),
    Pair("dadiannao", STRIDED, 15 * 15 * 9 * ceil(20 / 16) * 1),
    Pair("dadiannao", WIDE, 14 * 14 * 25 * ceil(20 / 16) * 1),
    Pair("dadiannao", DILATED, 14 * 14 * 9 * ceil(20 / 16) * 1),
    Pair("dadiannao", FC_BATCH, 4 * ceil(300 / 16) * 1),
    Pair("dadiannao", VOLUME, 4 * 10 * 10 * 27 * ceil(20 / 16) * 1),
    Pair("dadiannao", GROUPS_2, 2 * 14 * 14 * 9 * (16 // 16) * 1),
    Pair("dadiannao", BATCH, 3 * 28 * 28 * 9 * 4),
    Pair("dadiannao", NARROW, 10 * 9 * 3 * (16 // 16)),
    # Groups lie side by side. That rule was also seen as code.
    Pair("dadiannao", DEPTHWISE, 12 * 12 * 9 * ceil(20 / 16)),
    Pair("dadiannao", DEPTHWISE, 12 * 12 * 9 * 20, {"groups": "alone"}),
    Pair("dadiannao", conv("eight groups", 32, 32, 14, 3, padding=1, groups=8), 14 * 14 * 9 * (8 // 4)),
]


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
