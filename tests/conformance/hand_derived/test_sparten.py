"""SparTen: positions in turn over 32 clusters; for each the chunks inside the map, as long as the slowest unit takes.

Outputs of a padded map have fewer kernel positions inside at its edge. Cluster c has the positions c, c + 32, ...:

- 28 x 28, 3x3: clusters 1, 2, 5, 6, ... below 16 have 25 positions, never the first or last of a row, and one each of
  the first and last row: 23 * 9 + 2 * 6 = 219 kernel positions. No other has more.
- 14 x 14, 3x3: cluster 0 has a corner, five inner positions and one of the last row: 4 + 5 * 9 + 6 = 55.
- 12 x 12, 3x3: cluster 1 has 5 positions, one of them in the first row: 6 + 4 * 9 = 42.
- 10 x 9, 3x1: clusters 9 to 25 have 3 positions of 3 kernel positions each.
"""

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
)
from tests.conformance.hand_derived.masks import channels, filters
from tests.conformance.hand_derived.pairs import Pair, each_pair

PAIRS = [
    # 64 filters are a round of two a unit: 128 products in a chunk of 64 channels.
    Pair("sparten", PLAIN, 219 * 128),
    Pair("sparten", BATCH, 3 * 219 * 128),
    Pair("sparten", PLAIN, 2 * 219 * 64, {"balancing": "none"}),
    Pair("sparten", PLAIN, 219 * 64, weights=channels(2)),
    Pair("sparten", PLAIN, 219 * 64, activations=channels(2)),
    Pair("sparten", PLAIN, 2 * 219 * 32, {"skips": "inputs"}, activations=channels(2)),
    Pair("sparten", PLAIN, 2 * 219 * 64, {"skips": "weights", "balancing": "none"}, activations=channels(2)),
    Pair("sparten", PLAIN, 2 * 219 * 64, {"skips": "neither"}, weights=channels(2), activations=channels(2)),
    # Every unit gets a full filter and an empty one, which takes a cycle a chunk.
    Pair("sparten", PLAIN, 219 * (64 + 1), {"balancing": "gb-s"}, weights=filters(0, of=2)),
    Pair("sparten", PLAIN, 219 * (64 + 1), weights=filters(0, of=2)),
    Pair("sparten", PLAIN, 219 * 64, {"least_chunk_cycles": 0}, weights=filters(0, of=2)),
    # In their order two rounds have full filters beside empty ones.
    Pair("sparten", PLAIN, 2 * 219 * 64, {"balancing": "none"}, weights=filters(0, of=2)),
    # 64 sums at four a cycle take longer than six products; in the order of GB-S none of them moves.
    Pair("sparten", IMAGE, 219 * 16),
    Pair("sparten", IMAGE, 219 * 2 * 3, {"permute_share": 1}),
    Pair("sparten", IMAGE, 219 * 2 * 3, {"balancing": "gb-s"}),
    # 169 = 5 * 32 + 9. 70 filters in rounds of 64: 58 are alone and 12 share; the first round has none of these.
    Pair("sparten", POINTWISE, 6 * (250 + 2 * 250)),
    Pair("sparten", POINTWISE, 6 * 3 * 250, {"balancing": "none"}),
    # A group's 24 filters are alone on their units.
    Pair("sparten", GROUPS_2, 2 * 55 * 16),
    Pair("sparten", DEPTHWISE, 20 * 42),
    Pair("sparten", DEPTHWISE, 20 * 42 * 3, {"least_chunk_cycles": 3}),
    Pair("sparten", NARROW, 3 * 3 * 16),
    # One position: two rounds on two clusters, in each of which filters share; four where each is alone.
    Pair("sparten", FC, 2 * 250),
    Pair("sparten", FC, 250, {"balancing": "none"}),
    # Four positions have eight clusters each, and two rounds.
    Pair("sparten", FC_BATCH, 2 * 300),
]  # fmt: skip


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
