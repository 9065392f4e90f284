"""Dual-side sparse tensor cores: outer products of condensed vectors, in steps of 8 x 16; tiles of 32 x 32 outputs.

The last five stand in the machine's description, worked out there by its reader, on steps of 2 x 4 and tiles of 4 x 4.
"""

from tests.conformance.hand_derived.layers import BATCH, DEPTHWISE, FC, GROUPS_2, PLAIN, conv
from tests.conformance.hand_derived.masks import channels
from tests.conformance.hand_derived.pairs import Pair, each_pair
from workloads.layer import Layer

SMALL = {
    "cores": 1,
    "step_rows": 2,
    "step_columns": 4,
    "tile_rows": 4,
    "tile_columns": 4,
    "tile_depth": 2,
    "shared_bytes_per_cycle": 1 << 20,
}
ROW = Layer.conv("a row", in_channels=3, out_channels=5, input_size=(1, 3), kernel_size=1)


def row_inputs(shape):
    """By channel 111, 000 and 100."""
    mask = channels(4)(shape)
    mask[0, 2, 0, 0] = True
    return mask


def row_weights(shape):
    """Filters 0 to 2: 110, filter 3: 010, filter 4: 111."""
    mask = channels(2)(shape)
    mask[:4, 2] = False
    mask[3, 0] = False
    mask[:, 1] = True
    return mask


def nothing(shape):
    return channels(2)(shape) & False


PAIRS = [
    # A tile amid the map has 30 positions at least at every kernel position: 4 x 2 steps; all 50 tiles at once.
    Pair("dstc", PLAIN, 576 * 8),
    # 9 of 18 places have no weight, and none of the chunks of 16 is empty: each costs the front end a cycle.
    Pair("dstc", PLAIN, 288 * 8 + 288, weights=channels(2)),
    Pair("dstc", PLAIN, 288 * 8 + 288, activations=channels(2)),
    Pair("dstc", PLAIN, 288 * 8, {"set_cycles": 0}, weights=channels(2)),
    # 9 of 36 places have a weight: of nine chunks of 16 in 144 places 1, 3, 5, 6, 7 and 8 hold some of them.
    Pair("dstc", PLAIN, 144 * 8 + (4 * 6 * 16 - 144), weights=channels(4)),
    # The images' positions are one row of tiles: 74 of them, two of filters each.
    Pair("dstc", BATCH, 576 * 8),
    # 24 filters a group are ceil(24 / 16) steps beside, or ceil(24 / 8) before 29 positions or more.
    Pair("dstc", GROUPS_2, 144 * 4 * 2),
    Pair("dstc", GROUPS_2, 144 * 3 * 2, {"left": "weights"}),
    # One position: 33 values of 16 bits and 33 bits of bitmaps are 561 bits, more than two cycles' 512.
    Pair("dstc", FC, 548),
    Pair("dstc", FC, 250 * 4, {"left": "weights"}),
    Pair("dstc", FC, 3 * 548 + 250, {"cores": 1}),
    # One filter: ceil(29 / 8) steps at nine kernel positions, 100 tiles at once.
    Pair("dstc", DEPTHWISE, 9 * 4),
    Pair("dstc", ROW, 3 + 4, SMALL, weights=row_weights, activations=row_inputs),
    Pair("dstc", ROW, 4, SMALL | {"cores": 2}, weights=row_weights, activations=row_inputs),
    Pair("dstc", ROW, 3 + 4 + 2 * 2, SMALL | {"tile_fill_cycles": 2}, weights=row_weights, activations=row_inputs),
    # Four windows: by kernel position 1 2 1 2 4 2 1 2 1 of them lie inside the map.
    Pair("dstc", conv("strided", 1, 1, 3, 3, stride=2, padding=1), 10, SMALL),
    Pair("dstc", ROW, 0, SMALL, activations=nothing),
]  # fmt: skip


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
