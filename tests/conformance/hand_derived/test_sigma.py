"""SIGMA: a fold takes a cycle a Flex-DPE to load, a cycle a streamed vector, and 1 + 1 + 7 cycles of pipeline.

128 Flex-DPEs of 128 multipliers; the better of both stationary operands counts where none is set. A value that stays
fills a multiplier, whatever row it is of; values of two groups share no Flex-DPE. Inputs in the padding are zero: of a
3x3 kernel with padding of 1 over n places 3n - 2 taps an axis read the map.
"""

import numpy as np

from tests.conformance.hand_derived.layers import (
    BATCH,
    DEPTHWISE,
    FC,
    FC_BATCH,
    GROUPS_2,
    PLAIN,
    STRIDED,
    VOLUME,
)
from tests.conformance.hand_derived.masks import channels, every, filters
from tests.conformance.hand_derived.pairs import Pair, each_pair
from workloads.layer import Layer

PAIRS = [
    # 64 x 576 weights are 288 loads in three folds, each of which streams 784 positions.
    Pair("sigma", PLAIN, 288 + 3 * (784 + 9)),
    # 82 x 82 x 64 inputs are 3,362 loads in 27 folds, each of which streams 64 filters.
    Pair("sigma", PLAIN, 3362 + 27 * (64 + 9), {"stationary": "inputs"}),
    # Half of the columns meet an input: 18,432 weights, 144 loads, two folds. Zeros alone are streamed as well.
    Pair("sigma", PLAIN, 144 + 2 * (784 + 9), activations=channels(2)),
    # Half of the filters, with all of their weights: the same folds.
    Pair("sigma", PLAIN, 144 + 2 * (784 + 9), weights=filters(0, of=2)),
    # A sixth of the weights: 6,144, 48 loads.
    Pair("sigma", PLAIN, 48 + 784 + 9, weights=every(6)),
    # Weights leave the SRAM in two cycles a load, or two loads a cycle.
    Pair("sigma", PLAIN, 2 * 288 + 3 * (784 + 9), {"load_words_per_cycle": 64}),
    Pair("sigma", PLAIN, 64 + 64 + 16 + 3 * (784 + 9), {"load_words_per_cycle": 256}),
    # Distribution of 3 cycles, no cycle to multiply, two a level of 64 multipliers: 576 loads in nine folds of 64. The bus
    # fills two such loads a cycle, which was first derived as one.
    Pair("sigma", PLAIN, 288 + 9 * (784 + 3 + 2 * 6),
         {"pes": 64, "multipliers_per_pe": 64, "distribution_cycles": 3, "multiply_cycles": 0, "level_cycles": 2}),
    # All images are streamed through a fold.
    Pair("sigma", BATCH, 288 + 3 * (3 * 784 + 9)),
    # 7,200 weights; the 15 x 15 windows miss the map at both ends.
    Pair("sigma", STRIDED, 57 + 225 + 9),
    Pair("sigma", STRIDED, 289 + 3 * (40 + 9), {"stationary": "inputs"}),  # 43 x 43 x 20
    Pair("sigma", VOLUME, 169 + 2 * (400 + 9)),
    # 3,456 weights a group, 27 loads: both groups in one fold.
    Pair("sigma", GROUPS_2, 2 * 27 + 196 + 9),
    Pair("sigma", GROUPS_2, 2 * (27 + 196 + 9), {"groups": "alone"}),
    # A group has a load of 9 weights.
    Pair("sigma", DEPTHWISE, 20 + 144 + 9),
    # Alone, inputs stay: 34 x 34 of each channel in ten loads, past which its one filter is streamed.
    Pair("sigma", DEPTHWISE, 20 * (10 + 1 + 9), {"groups": "alone"}),
    # 250 inputs stay, and 100 filters are streamed.
    Pair("sigma", FC, 2 + 100 + 9),
    Pair("sigma", FC, 196 + 2 * (1 + 9), {"stationary": "weights"}),
    # 12,500 weights meet an input: 98 loads, and a single vector. With 125 inputs it would be 1 + 100 + 9.
    Pair("sigma", FC, 98 + 1 + 9, activations=channels(2)),
    Pair("sigma", FC_BATCH, 10 + 70 + 9),
    # Vectors of 300 values, 128 a cycle: three cycles each. Inputs would take 10 + 3 * 70 + 9.
    Pair("sigma", FC_BATCH, 165 + 2 * (3 * 4 + 9), {"stream_words_per_cycle": 128}),
    # Scores of three heads: 96 keys' values stay for each, in a Flex-DPE of its own.
    Pair("sigma", Layer.product("scores", heads=3, rows=10, depth=8, columns=12), 3 + 10 + 9),
    # Nothing is mapped.
    Pair("sigma", PLAIN, 0, weights=lambda shape: np.zeros(shape, bool)),
]  # fmt: skip


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
