"""Eyeriss: a PE takes its filters x channels x taps x positions in a wave of rows; buses carry words beside it.

With one PE, buses that never hold it up and weights that come beside, every product takes its cycle. What several PEs
do was worked out wave by wave, from the description of the search, loads and waves.
"""

from tests.conformance.hand_derived.layers import DEPTHWISE, FC_BATCH, GROUPS_2, STRIDED, VOLUME, conv
from tests.conformance.hand_derived.pairs import Pair, each_pair

WIDE_BUSES = {"weight_port_values": 1 << 20, "input_port_values": 1 << 20, "sum_port_values": 1 << 20}
ONE_PE = {"pe_rows": 1, "pe_columns": 1, "weight_loads": "beside", "global_buffer_bytes": 1 << 30} | WIDE_BUSES
FOUR_PES = {
    "pe_rows": 2, "pe_columns": 2, "sums_per_pe": 4, "weights_per_pe": 8, "values_per_pe": 4,
    "weight_port_values": 2, "input_port_values": 2, "sum_port_values": 2, "global_buffer_bytes": 2000,
}  # fmt: skip

PAIRS = [
    Pair("eyeriss", STRIDED, 15 * 15 * 20 * 40 * 9, ONE_PE),
    Pair("eyeriss", GROUPS_2, 2 * 14 * 14 * 16 * 24 * 9, ONE_PE),
    Pair("eyeriss", DEPTHWISE, 20 * 12 * 12 * 9, ONE_PE),
    Pair("eyeriss", FC_BATCH, 4 * 300 * 70, ONE_PE),
    Pair("eyeriss", VOLUME, 4 * 10 * 10 * 20 * 40 * 27, ONE_PE),
    # Three filters side by side, each on a PE with both channels: 3 x 2 weights come in 3 cycles, 2 products in 2.
    Pair("eyeriss", conv("1x1 of a position", 2, 3, 1, 1), 3 + 2, FOUR_PES),
    # Two output rows side by side, chains of two of the three kernel rows, so that there are two passes. Loads of 6 and
    # 3 weights, 3 and 2 cycles, and two waves of 3 taps x 2 positions; rows in the padding are multiplied as well.
    Pair("eyeriss", conv("strided by two", 1, 1, 3, 3, stride=2, padding=1), 3 + 6 + 2 + 6, FOUR_PES),
]


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
