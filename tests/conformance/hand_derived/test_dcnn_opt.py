"""DCNN-opt: the cycles of DCNN's multipliers, whatever is zero."""

from math import ceil

from tests.conformance.hand_derived.layers import DEPTHWISE, FC, PLAIN, STRIDED
from tests.conformance.hand_derived.pairs import Pair, each_pair

PAIRS = [
    Pair("dcnn-opt", PLAIN, ceil(28 / 8) ** 2 * 9 * (64 // 16) * 64),
    Pair("dcnn-opt", STRIDED, ceil(15 / 8) ** 2 * 9 * ceil(20 / 16) * 40),
    Pair("dcnn-opt", DEPTHWISE, ceil(12 / 8) ** 2 * 9 * ceil(1 / 16) * 20),
    Pair("dcnn-opt", FC, ceil(100 / 64) * ceil(250 / 16)),
]


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
