"""ABM: for a block of 20 positions a kernel takes max(non-zeros, distinct values x positions / 5) cycles; 48 cores.

Unless a pair says otherwise, every non-zero of a kernel has a value of its own.
"""

from dataclasses import replace

from tests.conformance.hand_derived.layers import (
    BATCH,
    DEPTHWISE,
    FC,
    FC_BATCH,
    GROUPS_2,
    IMAGE,
    NARROW,
    PLAIN,
    POINTWISE,
    STRIDED,
    VOLUME,
)
from tests.conformance.hand_derived.masks import every, filters, grid, own_values, values
from tests.conformance.hand_derived.pairs import Pair, each_pair

PAIRS = [
    # 16 codes: 16 * 20 / 5 = 64 < 576. Core 0 has filters 0 and 48; 784 / 20 is 40 blocks.
    Pair("abm", PLAIN, 2 * 40 * 576, {"codebook_values": 16}),
    # As many values as codes tell apart: 255 * 20 / 5 = 1020; the last 4 positions: 204 < 576.
    Pair("abm", PLAIN, 2 * (39 * 1020 + 576)),
    # Three values by name.
    Pair("abm", PLAIN, 2 * 40 * 576, weights=values(3)),
    # 36 non-zeros a filter, as many values: 36 * 4 = 144, and 36 * 4 / 5 < 36 for the last 4 positions.
    Pair("abm", PLAIN, 2 * (39 * 144 + 36), weights=every(16)),
    Pair("abm", PLAIN, 2 * (39 * 144 + 36), weights=every(16), activations=grid(2)),
    # Filter 0 is whole, others keep 36: core 0 takes 576 and, for filter 48, 16 * 20 / 5 = 64 (or 36) cycles.
    Pair("abm", PLAIN, 39 * (576 + 64) + (576 + 36), {"codebook_values": 16},
         lambda shape: every(16)(shape) | filters(0, of=64)(shape)),
    Pair("abm", IMAGE, 2 * (39 * 27 * 4 + 27)),
    Pair("abm", STRIDED, 11 * 180 * 4 + 180 * 1),
    # 169 = 8 * 20 + 9: 250 * 9 / 5 = 450.
    Pair("abm", POINTWISE, 2 * (8 * 1000 + 450)),
    Pair("abm", FC, 3 * 250),
    Pair("abm", FC_BATCH, 4 * 2 * 300),
    Pair("abm", VOLUME, 20 * 255 * 4),
    # 196 = 9 * 20 + 16: ceil(144 * 16 / 5) = 461; and 144 = 7 * 20 + 4: ceil(9 * 4 / 5) = 8 < 9.
    Pair("abm", GROUPS_2, 9 * 144 * 4 + 461),
    Pair("abm", DEPTHWISE, 7 * 9 * 4 + 9),
    # 64 cores of 16 adders and 4 multipliers, 16 codes: 16 * 16 / 4 = 64 < 576; 27 < 64 in IMAGE.
    Pair("sparse-yolo", PLAIN, 49 * 576),
    Pair("sparse-yolo", IMAGE, 49 * 64),
    Pair("abm", BATCH, 3 * 2 * 40 * 576, {"codebook_values": 16}),
    # 90 = 4 * 20 + 10.
    Pair("abm", NARROW, 4 * 48 * 4 + 48 * 2),
]  # fmt: skip
PAIRS = [replace(pair, weights=own_values(pair.weights)) for pair in PAIRS]


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
