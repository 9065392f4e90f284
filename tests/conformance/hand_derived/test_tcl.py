"""TCL: rows of 16 weights of 16 filters a tile, those that stay after promotion; 16 tiles, 256 filters a round."""

import numpy as np

from tests.conformance.hand_derived.layers import DEPTHWISE, FC, FC_BATCH, GROUPS_2, PLAIN, POINTWISE, conv
from tests.conformance.hand_derived.masks import channels, filters, taps
from tests.conformance.hand_derived.pairs import Pair, each_pair

PAIRS = [
    Pair("tcl", POINTWISE, 13 * 13 * 16),
    Pair("tcl", conv("300 filters", 250, 300, 13, 1), 2 * 13 * 13 * 16),
    Pair("tcl", FC, 16),
    Pair("tcl", FC_BATCH, 4 * 19),
    Pair("tcl", GROUPS_2, 2 * 14 * 14 * 9),
    # Even slots are full. Every odd one takes the next row's slot to its left first, so that two rows become one.
    Pair("tcl", POINTWISE, 13 * 13 * 8, weights=channels(2)),
    # Places of the same lane alone: an odd slot reaches odd ones, which are empty.
    Pair("tcl", POINTWISE, 13 * 13 * 16, {"lookaside": 0}, weights=channels(2)),
    # Every second filter is empty, and its rows run with those of the others.
    Pair("tcl", POINTWISE, 13 * 13 * 16, weights=filters(0, of=2)),
    # 36 empty rows: two are left out, one runs empty, and so on.
    Pair("tcl", PLAIN, 28 * 28 * 12, weights=lambda shape: np.zeros(shape, bool)),
    Pair("tcl", PLAIN, 28 * 28 * 18, {"lookahead": 1}, weights=lambda shape: np.zeros(shape, bool)),
    # Rows 16 to 19 are full, all others empty. Rows 2, 5, 8 and 11 run empty; row 14 takes row 16, two lanes to the left
    # each; 15 and 16 are left out; 17 to 19 run, and of the 16 empty rows behind them 22, 25, 28, 31 and 34.
    Pair("tcl", PLAIN, 28 * 28 * (5 + 3 + 5), weights=taps((1, 1))),
    # Packs of 16 and 4 groups. A filter has one weight a row, in a lane of its own; other lanes reach those of the next
    # two rows, and three rows become one.
    Pair("tcl", DEPTHWISE, 2 * 12 * 12 * 3),
    Pair("tcl", DEPTHWISE, 20 * 12 * 12 * 3, {"groups": "alone"}),
    # One row ahead, in the same lane, which holds the row's own weight.
    Pair("tcl", DEPTHWISE, 2 * 12 * 12 * 9, {"lookahead": 1, "lookaside": 0}),
]


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
