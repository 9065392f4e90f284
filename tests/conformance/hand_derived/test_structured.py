"""Structured: ceil(K/64)·ceil(P·Q/21)·Z, 8 cycles of fill before and the last block's sums, 64 a cycle, behind."""

from math import ceil

import numpy as np

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
from tests.conformance.hand_derived.masks import channels, every, grid
from tests.conformance.hand_derived.pairs import Pair, each_pair

PAIRS = [
    # 38 pixel blocks, the last of 7 positions: 7 * 64 sums.
    Pair("structured", PLAIN, 38 * 576 + 8 + 7),
    Pair("structured", PLAIN, 38 * 144 + 8 + 7, weights=every(4)),
    # Half the columns, those of even filters, and a third, those of odd ones: the union keeps 2/3 of 576.
    Pair("structured", PLAIN, 38 * 384 + 8 + 7,
         weights=lambda shape: np.where((np.arange(64) % 2 == 0)[:, None, None, None], every(2)(shape), every(3)(shape))),
    # Empty channels are empty columns.
    Pair("structured", PLAIN, 38 * 32 * 9 + 8 + 7, weights=channels(2)),
    Pair("structured", PLAIN, 38 * 576 + 8 + 7, activations=grid(2)),
    Pair("structured", IMAGE, 38 * 27 + 8 + 7),
    # 9 columns: a block's 21 * 64 sums take 21 cycles to leave, longer than the next block computes. The first
    # computes, 37 blocks leave one after the other, and so does the last one of 7 positions.
    Pair("structured", IMAGE, 8 + 9 + 37 * 21 + 7, weights=channels(3)),
    Pair("structured", PLAIN, 38 * 576 * 2 + 8 + 7, {"index_entries_per_cycle": 0.5}),
    # 64 x 39 with 8 bits: 784 = 20 * 39 + 4.
    Pair("structured", PLAIN, 21 * 576 + 8 + 4, {"value_bits": 8}),
    # 225 = 10 * 21 + 15 positions; 15 * 40 sums.
    Pair("structured", STRIDED, 11 * 180 + 8 + ceil(15 * 40 / 64)),
    # Filters in blocks of 64 and 6; 169 = 8 * 21 + 1.
    Pair("structured", POINTWISE, 2 * 9 * 250 + 8 + 1),
    # 196 = 9 * 21 + 7; 7 * 24 sums, and 7 * 33.
    Pair("structured", DILATED, 10 * 180 + 8 + ceil(7 * 24 / 64)),
    Pair("structured", WIDE, 10 * 500 + 8 + ceil(7 * 33 / 64)),
    Pair("structured", FC, 2 * 250 + 8 + 1),
    Pair("structured", FC_BATCH, 4 * 2 * 300 + 8 + 1),
    Pair("structured", VOLUME, ceil(400 / 21) * 540 + 8 + 1),
    # A filter block belongs to one group: two of 24 filters and 144 columns; 144 = 6 * 21 + 18.
    Pair("structured", GROUPS_2, 2 * 10 * 144 + 8 + ceil(7 * 24 / 64)),
    Pair("structured", DEPTHWISE, 20 * 7 * 9 + 8 + 1),
    Pair("structured", BATCH, 3 * 38 * 576 + 8 + 7),
    # 90 = 4 * 21 + 6.
    Pair("structured", NARROW, 5 * 48 + 8 + ceil(6 * 18 / 64)),
]  # fmt: skip


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
