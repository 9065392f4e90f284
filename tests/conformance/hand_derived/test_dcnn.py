"""DCNN: the fullest PE's tile of ceil(P/8) x ceil(Q/8) outputs, R·S·ceil(C/G / 16) cycles each, K times."""

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
)
from tests.conformance.hand_derived.pairs import Pair, each_pair

PAIRS = [
    Pair("dcnn", PLAIN, ceil(28 / 8) ** 2 * 9 * (64 // 16) * 64),
    Pair("dcnn", IMAGE, ceil(28 / 8) ** 2 * 9 * ceil(3 / 16) * 64),
    Pair("dcnn", STRIDED, ceil(15 / 8) ** 2 * 9 * ceil(20 / 16) * 40),
    Pair("dcnn", POINTWISE, ceil(13 / 8) ** 2 * ceil(250 / 16) * 70),
    Pair("dcnn", DILATED, ceil(14 / 8) ** 2 * 9 * ceil(20 / 16) * 24),
    Pair("dcnn", WIDE, ceil(14 / 8) ** 2 * 25 * ceil(20 / 16) * 33),
    # Lanes hold channels of one group: a depthwise layer fills one of 16.
    Pair("dcnn", DEPTHWISE, ceil(12 / 8) ** 2 * 9 * ceil(1 / 16) * 20),
    Pair("dcnn", GROUPS_2, ceil(14 / 8) ** 2 * 9 * (16 // 16) * 48),
    # One output position: output channels are spread over the 64 PEs.
    Pair("dcnn", FC, ceil(100 / 64) * ceil(250 / 16)),
    Pair("dcnn", FC_BATCH, 4 * ceil(70 / 64) * ceil(300 / 16)),
    # A map that spills is cut into parts of the PEs' rows, whose outputs add up to the same.
    Pair("dcnn", PLAIN, ceil(28 / 8) ** 2 * 9 * (64 // 16) * 64, {"sram_bytes": 65536}),
    # A PE keeps its tile in all four slices.
    Pair("dcnn", VOLUME, 4 * ceil(10 / 8) ** 2 * 27 * ceil(20 / 16) * 40),
    Pair("dcnn", BATCH, 3 * ceil(28 / 8) ** 2 * 9 * (64 // 16) * 64),
    Pair("dcnn", NARROW, ceil(10 / 8) * ceil(9 / 8) * 3 * (16 // 16) * 18),
]


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
