"""Eyeriss v2: a PE takes the non-zero weights of every non-zero activation; PEs meet at the end of a wave of rows.

With one PE of one multiplier, ports that never hold it up and weights that come beside, cycles are effectual products,
and one for the sums of each wave that has none. What several PEs do was worked out wave by wave, from the description of the search, loads and waves.
"""

import numpy as np

from tests.conformance.hand_derived.layers import DEPTHWISE, FC_BATCH, PLAIN, POINTWISE, STRIDED, conv
from tests.conformance.hand_derived.masks import channels, every, grid
from tests.conformance.hand_derived.pairs import Pair, each_pair

PORTS = {"weight_port_values": 1 << 20, "input_port_values": 1 << 20, "sum_port_values": 1 << 20}
SINGLE = {"cluster_rows": 1, "cluster_columns": 1, "pe_rows": 1, "pe_columns": 1}
ROOM = {"input_buffer_bytes": 1 << 30, "sum_buffer_bytes": 1 << 30}
ONE_PE = SINGLE | PORTS | ROOM | {"macs_per_pe": 1, "weight_loads": "beside"}
# A filter each: with two multipliers an activation that meets the one weight takes a cycle all the same.
ONE_FILTER = ONE_PE | {"macs_per_pe": 2, "sums_per_pe": 1}
FOUR_PES = {
    "cluster_rows": 1, "cluster_columns": 2, "pe_rows": 2, "pe_columns": 1, "sums_per_pe": 4, "weights_per_pe": 8,
    "columns_per_pe": 4, "weight_port_values": 2, "input_port_values": 2, "sum_port_values": 2,
    "input_buffer_bytes": 1000, "sum_buffer_bytes": 1000,
}  # fmt: skip
TWO_PES = SINGLE | PORTS | ROOM | {"pe_columns": 2, "weight_loads": "beside"}
SMALL = conv("strided by two", 1, 1, 3, 3, stride=2, padding=1)


def first_and_last_row(shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[:, :, [0, -1]] = True
    return mask


PAIRS = [
    # Of 28 x 3 rows and taps two read the padding: 82 x 82 places. Blocks without remainder are of 4 channels and 16
    # filters; the first and the last kernel row have a wave in the padding, of 16 x 4 blocks each.
    Pair("eyeriss-v2", PLAIN, 64 * 64 * 82 * 82 + 2 * 16 * 4, ONE_PE),
    Pair("eyeriss-v2", PLAIN, 64 * 32 * 82 * 82 + 2 * 16 * 4, ONE_PE, activations=channels(2)),
    Pair("eyeriss-v2", POINTWISE, 70 * 125 * 13 * 13, ONE_PE, weights=every(2)),
    # Six rows are empty; blocks without remainder are of 2 channels and 14 filters.
    Pair("eyeriss-v2", POINTWISE, 70 * 250 * 7 * 7 + 6 * 125 * 5, ONE_PE, activations=grid(2)),
    # Windows from -1 to 27 in steps of 2: one tap lies in front of the map and one behind it. Of blocks
    # without remainder those of 2 channels and 20 filters, 10 x 2 of them, have the fewest addresses.
    Pair("eyeriss-v2", STRIDED, 20 * 40 * 43 * 43 + 2 * 10 * 2, ONE_PE),
    Pair("eyeriss-v2", DEPTHWISE, 20 * 34 * 34 + 2 * 20, ONE_FILTER),
    Pair("eyeriss-v2", FC_BATCH, 4 * 300 * 70, ONE_PE),
    # Pairs of 70 filters, an activation's two weights at once.
    Pair("eyeriss-v2", POINTWISE, 35 * 250 * 13 * 13, ONE_PE | {"macs_per_pe": 2, "sums_per_pe": 14}),
    # Two rows side by side: in both waves a PE has a full row of 4 and the other one waits. Without the barrier each
    # would have 4 cycles in all.
    Pair("eyeriss-v2", conv("four rows", 1, 1, 4, 1), 4 + 4, TWO_PES, activations=first_and_last_row),
    # Two output rows side by side and two passes, of kernel rows 0 and 1 on the two rows of PEs, and of kernel row 2.
    # A load of 3 weights takes 2 cycles, and in either wave the fullest PE has 2 + 2 products.
    Pair("eyeriss-v2", SMALL, 2 + 4 + 2 + 4, FOUR_PES),
    # One of two groups meets an activation, the other one waits: a cycle of loading and one of work.
    Pair("eyeriss-v2", conv("two groups of 1x1", 2, 2, 1, 1, groups=2), 1 + 1, FOUR_PES, activations=channels(2)),
    # Without any product sums pass all the same.
    Pair("eyeriss-v2", conv("nothing", 2, 3, 1, 1), 1, FOUR_PES, weights=lambda shape: np.zeros(shape, bool)),
]


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
