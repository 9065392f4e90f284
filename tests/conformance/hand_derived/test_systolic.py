"""Systolic: a fold takes n + r + c - 2 cycles; the first fold's operands take a cycle a row before it.

Unless a pair says otherwise folds run one after the other.
"""

from dataclasses import replace

from tests.conformance.hand_derived.layers import (
    BATCH,
    DEPTHWISE,
    DILATED,
    FC_BATCH,
    GROUPS_2,
    IMAGE,
    NARROW,
    PLAIN,
    POINTWISE,
    STRIDED,
    VOLUME,
    WIDE,
    conv,
)
from tests.conformance.hand_derived.pairs import Pair, each_pair
from workloads.layer import Layer

ONE_BY_ONE = {"fold_overlap": "none"}
BACK_TO_BACK = {"fold_overlap": "back_to_back"}

PAIRS = [
    # depth 576 = 4 * 128 + 64 rows, 64 columns, 784 positions pass.
    Pair("systolic", PLAIN, 128 + 4 * (784 + 128 + 64 - 2) + (784 + 64 + 64 - 2)),
    # Without shadow registers each fold waits for its own rows.
    Pair("systolic", PLAIN, 4 * (128 + 784 + 128 + 64 - 2) + (64 + 784 + 64 + 64 - 2), {"shadow_registers": False}),
    Pair("systolic", IMAGE, 27 + (784 + 27 + 64 - 2)),
    Pair("systolic", STRIDED, 128 + (225 + 128 + 40 - 2) + (225 + 52 + 40 - 2)),
    Pair("systolic", POINTWISE, 128 + (169 + 128 + 70 - 2) + (169 + 122 + 70 - 2)),
    Pair("systolic", DILATED, 128 + (196 + 128 + 24 - 2) + (196 + 52 + 24 - 2)),
    # depth 500 = 3 * 128 + 116.
    Pair("systolic", WIDE, 128 + 3 * (196 + 128 + 33 - 2) + (196 + 116 + 33 - 2)),
    # The images of a fully connected layer are positions.
    Pair("systolic", FC_BATCH, 128 + 2 * (4 + 128 + 70 - 2) + (4 + 44 + 70 - 2)),
    # depth 540 = 4 * 128 + 28.
    Pair("systolic", VOLUME, 128 + 4 * (400 + 128 + 40 - 2) + (400 + 28 + 40 - 2)),
    # 4,096 positions are twice what half the accumulators hold: two blocks, each of one fold.
    Pair("systolic", conv("two blocks", 3, 64, 64, 3, padding=1), 27 + 2 * (2048 + 27 + 64 - 2)),
    # 250 filters: 128 and 122 columns.
    Pair("systolic", conv("250 filters", 64, 250, 10, 1), 64 + (100 + 64 + 128 - 2) + (100 + 64 + 122 - 2)),
    # A group's depth of 144 exceeds the rows, so that none lies beside it: 128 + 16.
    Pair("systolic", GROUPS_2, 128 + 2 * ((196 + 128 + 24 - 2) + (196 + 16 + 24 - 2))),
    # Output stationary: 784 = 6 * 128 + 16 positions in rows, depth passes; sums are not waited for.
    Pair("systolic", PLAIN, 6 * (576 + 128 + 64 - 2) + (576 + 16 + 64 - 2), {"dataflow": "output"}),
    Pair("systolic", FC_BATCH, 300 + 4 + 70 - 2, {"dataflow": "output"}),
    # The two products that the description works out itself.
    Pair("systolic", Layer.dense("2x2x2", in_features=2, out_features=2, batch=2), 4,
         {"dataflow": "output", "rows": 2, "columns": 2}),
    Pair("systolic", Layer.dense("4x4x4", in_features=4, out_features=4, batch=4), 10,
         {"dataflow": "output", "rows": 4, "columns": 4}),
    # Input stationary: depth in rows, positions in columns, filters pass.
    Pair("systolic", PLAIN,
         128 + 6 * (4 * (64 + 128 + 128 - 2) + (64 + 64 + 128 - 2)) + 4 * (64 + 128 + 16 - 2) + (64 + 64 + 16 - 2),
         {"dataflow": "input"}),
    Pair("systolic", BATCH, 128 + 3 * (4 * (784 + 128 + 64 - 2) + (784 + 64 + 64 - 2))),
    Pair("systolic", NARROW, 48 + (90 + 48 + 18 - 2)),
    # Two blocks of two filters; the second's first 128 rows take longer than the 65 cycles of the fold before.
    Pair("systolic", Layer.dense("waits", in_features=192, out_features=4), 128 + 129 + 65 + (128 - 65) + 129 + 65,
         {"columns": 2}),
    # Likewise two blocks of two positions through which one filter passes.
    Pair("systolic", conv("waits", 192, 1, 2, 1), 128 + 129 + 65 + (128 - 65) + 129 + 65,
         {"dataflow": "input", "columns": 2}),
    # Groups lie side by side. That rule was also seen as code.
    # 14 groups of depth 9 fit 128 rows; six are left.
    Pair("systolic", DEPTHWISE, 126 + (144 + 126 + 14 - 2) + (144 + 54 + 6 - 2)),
    # 14 groups of depth 9 fit 128 rows: 126 rows, 14 columns, twice.
    Pair("systolic", conv("28 depthwise", 28, 28, 12, 3, padding=1, groups=28), 126 + 2 * (144 + 126 + 14 - 2)),
    # One after the other: 9 rows and one column each.
    Pair("systolic", DEPTHWISE, 9 + 20 * (144 + 9 + 1 - 2), {"groups": "alone"}),
    # Behind the first fold's rows, 784 cycles a fold; the skew of the last, of 64 rows, shows.
    Pair("systolic", PLAIN, 128 + 5 * 784 + (64 + 64 - 2), BACK_TO_BACK),
    Pair("systolic", IMAGE, 27 + 784 + (27 + 64 - 2), BACK_TO_BACK),
    Pair("systolic", POINTWISE, 128 + 2 * 169 + (122 + 70 - 2), BACK_TO_BACK),
    # Output stationary: 6 folds of 128 positions and one of 16, through each of which 576 values pass.
    Pair("systolic", PLAIN, 7 * 576 + (16 + 64 - 2), {**BACK_TO_BACK, "dataflow": "output"}),
]  # fmt: skip
PAIRS = [replace(pair, settings=ONE_BY_ONE | pair.settings) for pair in PAIRS]


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
