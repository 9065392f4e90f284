"""Stacked: filter k on PE k mod 16, a weight a cycle with 16 positions.

A decoder of 4 entries hides single fillers.
"""

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
)
from tests.conformance.hand_derived.masks import every, filters, grid
from tests.conformance.hand_derived.pairs import Pair, each_pair

PAIRS = [
    Pair("stacked", PLAIN, 4 * 576 * 49),
    # The other levels' weights lie anywhere, so that filters drift apart: ports and queues enough for all.
    Pair("stacked", PLAIN, 4 * 288 * 49, {"input_ports": 64, "input_queue_depth": 576}, every(2)),
    Pair("stacked", PLAIN, 4 * 288 * 49, {"levels": "0.5"}, every(2), grid(2)),
    # PE 0 has filter 0, which is whole, and three that keep 36.
    Pair("stacked", PLAIN, (576 + 3 * 36) * 49, {"levels": "0.5"},
         lambda shape: every(16)(shape) | filters(0, of=64)(shape)),
    Pair("stacked", IMAGE, 4 * 27 * 49),
    Pair("stacked", STRIDED, 3 * 180 * ceil(225 / 16)),
    Pair("stacked", POINTWISE, 5 * 250 * ceil(169 / 16)),
    Pair("stacked", DILATED, 2 * 180 * ceil(196 / 16)),
    Pair("stacked", FC, 7 * 250),
    Pair("stacked", FC_BATCH, 4 * 5 * 300),
    Pair("stacked", GROUPS_2, 3 * 144 * ceil(196 / 16)),
    # 16 filters need 16 channels: 16 * 9 vectors through 16 or 8 ports; 4 filters 4 of them a cycle.
    Pair("stacked", DEPTHWISE, (9 + 9) * (144 // 16), {"input_ports": 16}),
    Pair("stacked", DEPTHWISE, (16 * 9 // 8 + 9) * (144 // 16), {"input_ports": 8}),
    # The last of 576 weights alone: 575 zeros take two fillers of 256; a decoder of one entry needs a cycle for each.
    Pair("stacked", PLAIN, 4 * 3 * 49, {"levels": "0.5", "decoded_entries": 1}, every(576, 575)),
    Pair("stacked", PLAIN, 4 * 1 * 49, {"levels": "0.5"}, every(576, 575)),
    Pair("stacked", BATCH, 3 * 4 * 576 * 49),
    Pair("stacked", NARROW, 2 * 48 * ceil(90 / 16)),
]  # fmt: skip


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
