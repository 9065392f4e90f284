"""Cnvlutin: a window takes what its slowest lane has: neurons, and a cycle for every brick of zeros or padding.

A window's bricks, kernel position by kernel position, are dealt to 16 lanes in turn.
"""

import numpy as np

from tests.conformance.hand_derived.layers import (
    DEPTHWISE,
    FC,
    FC_BATCH,
    GROUPS_2,
    PLAIN,
    POINTWISE,
    STRIDED,
    conv,
)
from tests.conformance.hand_derived.masks import channels, grid, turns
from tests.conformance.hand_derived.pairs import Pair, each_pair

# Two bricks a kernel position are 18, so that lanes 0 and 1 have those of the positions 0 and 8, others one. Inside both
# are there, at an edge one of the two is in the padding, and in the corners top right and bottom left both.
TWO_BRICKS_EDGE, TWO_BRICKS_CORNERS = 16 + 1, 2 * (16 + 1) + 2 * 16

PAIRS = [
    # 250 channels are 16 bricks, one a lane, the last of 10.
    Pair("cnvlutin", POINTWISE, 13 * 13 * 16),
    Pair("cnvlutin", conv("300 filters", 250, 300, 13, 1), 2 * 13 * 13 * 16),
    Pair("cnvlutin", POINTWISE, 13 * 13 * 8, activations=channels(2)),
    Pair("cnvlutin", POINTWISE, 13 * 13 * 8, activations=turns),
    # 7 x 7 positions have neurons; at the 120 others every lane sees in a cycle that it has none.
    Pair("cnvlutin", POINTWISE, 7 * 7 * 16 + 120, activations=grid(2)),
    Pair("cnvlutin", POINTWISE, 7 * 7 * 16, {"empty_brick_cycles": 0}, activations=grid(2)),
    Pair("cnvlutin", POINTWISE, 13 * 13, activations=lambda shape: np.zeros(shape, bool)),
    Pair("cnvlutin", FC, 16),
    # 19 bricks: lane 0 has two.
    Pair("cnvlutin", FC_BATCH, 4 * 32),
    # 36 bricks of 4 a kernel position: lanes 0 to 3 have those of 0, 4 and 8, lanes 4 to 7 those of 1 and 5, 8 to 11 of 2
    # and 6, 12 to 15 of 3 and 7. At an edge one of 0, 4 and 8 is in the padding; in the corners top right and bottom left
    # two of them are, and the slowest has two others inside.
    Pair("cnvlutin", PLAIN, 26 * 26 * 48 + 4 * 26 * 33 + 2 * 33 + 2 * 32),
    # A lane for each brick of a kernel position.
    Pair("cnvlutin", PLAIN, 26 * 26 * 144 + 4 * 26 * (96 + 3) + 4 * (64 + 5), {"slices": "depth"}),
    # 15 x 15 outputs, of which the first and last rows and columns read padding.
    Pair("cnvlutin", STRIDED, 13 * 13 * 32 + 4 * 13 * TWO_BRICKS_EDGE + TWO_BRICKS_CORNERS),
    Pair("cnvlutin", GROUPS_2, 12 * 12 * 32 + 4 * 12 * TWO_BRICKS_EDGE + TWO_BRICKS_CORNERS),
    Pair("cnvlutin", GROUPS_2, 2 * 14 * 14 * 16, {"groups": "alone"}),
    # All 20 groups side by side would be two bricks, 3,946 cycles; 16 and then 4 are one, which a lane inside has whole.
    Pair("cnvlutin", DEPTHWISE, 12 * 12 * (16 + 4)),
]


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
