"""Ideal: products of two non-zeros over multipliers; padding has none."""

from math import ceil

from tests.conformance.hand_derived.layers import DILATED, FC, GROUPS_2, NARROW, PLAIN, STRIDED
from tests.conformance.hand_derived.masks import CENTRE, channels, grid, taps
from tests.conformance.hand_derived.pairs import Pair, each_pair

PAIRS = [
    # On a padded axis of 28 the three positions of a kernel meet 27, 28 and 27 inputs.
    Pair("ideal", PLAIN, ceil(64 * 64 * (27 + 28 + 27) ** 2 / 1024)),
    Pair("ideal", PLAIN, ceil(64 * 64 * 28 * 28 * 9 / 1024), {"skip": "nothing"}),
    # Outputs 0..14 read input 2p - 1 + r: position 0 misses p = 0, position 2 misses p = 14.
    Pair("ideal", STRIDED, ceil(20 * 40 * (14 + 15 + 14) ** 2 / 1024)),
    Pair("ideal", DILATED, ceil(20 * 24 * (12 + 14 + 12) ** 2 / 1024)),
    Pair("ideal", PLAIN, ceil(64 * 32 * (27 + 28 + 27) ** 2 / 1024), activations=channels(2)),
    # The centre of a kernel meets each of the 14 x 14 inputs that are not zero once.
    Pair("ideal", PLAIN, ceil(64 * 64 * 14 * 14 / 1024), weights=taps(CENTRE), activations=grid(2)),
    Pair("ideal", FC, ceil(250 * 100 / 100), {"multipliers": 100}),
    Pair("ideal", GROUPS_2, ceil(2 * 16 * 24 * (13 + 14 + 13) ** 2 / 1024)),
    # Output row 0 misses the first of its three inputs.
    Pair("ideal", NARROW, ceil(16 * 18 * (9 + 10 + 10) * 9 / 1024)),
]


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
