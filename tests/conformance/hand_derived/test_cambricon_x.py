"""Cambricon-X: for an output the sum over windows of 256 of max(1, ceil(non-zeros / 16)); filter k on PE k mod 16."""

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
)
from tests.conformance.hand_derived.masks import CENTRE, channels, filters, last_of_windows, taps
from tests.conformance.hand_derived.pairs import Pair, each_pair
from workloads.layer import Layer

PAIRS = [
    # 576 inputs: windows of 256, 256 and 64.
    Pair("cambricon-x", PLAIN, 28 * 28 * 4 * (16 + 16 + 4)),
    # Zero activations are not skipped.
    Pair("cambricon-x", PLAIN, 28 * 28 * 4 * (16 + 16 + 4), activations=channels(2)),
    # Every 8th channel: 8 of 64 at each position, 32, 32 and 8 a window.
    Pair("cambricon-x", PLAIN, 28 * 28 * 4 * (2 + 2 + 1), weights=channels(8)),
    # The first kernel row alone: 192 weights in the first window; empty windows take a cycle each.
    Pair("cambricon-x", PLAIN, 28 * 28 * 4 * (12 + 1 + 1), weights=taps((0, 0), (0, 1), (0, 2))),
    # One weight a kernel, the centre: list places 256 to 319, so the second window has all 64.
    Pair("cambricon-x", PLAIN, 28 * 28 * 4 * (1 + 4 + 1), weights=taps(CENTRE)),
    # Filter 0 alone is there: its PE takes 36 cycles and three for each of its three empty filters.
    Pair("cambricon-x", PLAIN, 28 * 28 * (36 + 3 * 3), weights=filters(0, of=64)),
    Pair("cambricon-x", PLAIN, 28 * 28 * (36 + 3 * 3), {"fetch": "shared"}, filters(0, of=64)),
    Pair("cambricon-x", PLAIN, 28 * 28 * 4 * (2 + 2 + 1), {"fetch": "shared"}, channels(8)),
    Pair("cambricon-x", IMAGE, 28 * 28 * 4 * ceil(27 / 16)),
    Pair("cambricon-x", STRIDED, 15 * 15 * 3 * ceil(180 / 16)),
    Pair("cambricon-x", POINTWISE, 13 * 13 * 5 * ceil(250 / 16)),
    Pair("cambricon-x", DILATED, 14 * 14 * 2 * ceil(180 / 16)),
    # 500 = 256 + 244.
    Pair("cambricon-x", WIDE, 14 * 14 * 3 * (16 + 16)),
    Pair("cambricon-x", FC, 7 * ceil(250 / 16)),
    Pair("cambricon-x", FC_BATCH, 4 * 5 * (16 + ceil(44 / 16))),
    # 4,096 inputs are twice what half of NBin holds: two chunks or more, in which all PEs take equally long.
    Pair("cambricon-x", Layer.dense("chunks", in_features=4096, out_features=100), 7 * 16 * 16),
    # Groups in flight together: 48 filters are three turns of the PEs, 20 are two.
    Pair("cambricon-x", GROUPS_2, 14 * 14 * 3 * 9),
    Pair("cambricon-x", DEPTHWISE, 12 * 12 * 2 * 1),
    Pair("cambricon-x", BATCH, 3 * 28 * 28 * 4 * (16 + 16 + 4)),
    Pair("cambricon-x", NARROW, 10 * 9 * 2 * (48 // 16)),
    # 100 multipliers take 256 weights in three cycles.
    Pair("cambricon-x", PLAIN, 28 * 28 * 4 * (3 + 3 + 1), {"multipliers_per_pe": 100}),
    # Runs of up to 15 zeros: in each window of 256 the last weight alone stands behind 255 zeros, 15 fillers that stand
    # for 16 each, and with it they are one selection of 16; the third window is empty.
    Pair("cambricon-x", PLAIN, 28 * 28 * 4 * 3, {"index_bits": 4}, last_of_windows),
    # With three bits the fillers, which stand for 8, are 31: two selections of 16.
    Pair("cambricon-x", PLAIN, 28 * 28 * 4 * (2 + 2 + 1), {"index_bits": 3}, last_of_windows),
]


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
