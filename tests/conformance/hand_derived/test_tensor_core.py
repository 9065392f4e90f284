"""2:4 tensor cores: tiles of 64 x 64 outputs, steps of 16 filters x 8 positions x 16 weights in 8 cycles.

The last four stand in the machine's description, worked out there by its reader, on cores of 2 x 2 x 4 products a cycle.
"""

from tests.conformance.hand_derived.layers import BATCH, DEPTHWISE, FC, PLAIN, conv
from tests.conformance.hand_derived.masks import channels, every
from tests.conformance.hand_derived.pairs import Pair, each_pair

SMALL = {
    "cores": 1,
    "macs_per_core": 16,
    "step_filters": 2,
    "step_positions": 2,
    "step_depth": 4,
    "tile_filters": 4,
    "tile_positions": 4,
    "shared_bytes_per_cycle": 8,
}
TWO_IMAGES = conv("six channels", 6, 3, 1, 1, batch=6)  # six positions


def one_too_many(shape):
    """2:4, but for a single group of three."""
    mask = channels(2)(shape)
    mask[5, 1, 0, 0] = True
    return mask


def some_channels(shape):
    """Channels 0, 3 and 5: groups of 2 and 1."""
    mask = channels(8)(shape)
    mask[:, [3, 5]] = True
    return mask


PAIRS = [
    # 784 positions are 12 tiles of 64 and one of 16, all at once: 4 x 8 x 36 steps of a full one.
    Pair("tensor-core", PLAIN, 4 * 8 * 36 * 8),
    Pair("tensor-core", PLAIN, 4 * 8 * 18 * 8, weights=channels(2)),
    # One of four fills half of the slots, no fewer.
    Pair("tensor-core", PLAIN, 4 * 8 * 18 * 8, weights=channels(4)),
    # Every second or fourth (c, r, s) of 3 x 3 kernels: every second or fourth channel at each kernel position.
    Pair("tensor-core", PLAIN, 4 * 8 * 18 * 8, weights=every(2)),
    Pair("tensor-core", PLAIN, 4 * 8 * 36 * 8, weights=one_too_many),
    Pair("tensor-core", PLAIN, 4 * 8 * 36 * 8, {"sparse": "never"}, weights=every(4)),
    # A step of 8-bit values is twice as deep; with 32 bits one of two is kept, and a step half as deep.
    Pair("tensor-core", PLAIN, 4 * 8 * 18 * 8, {"value_bits": 8}),
    Pair("tensor-core", PLAIN, 4 * 8 * 36 * 8, {"value_bits": 32}, weights=channels(2)),
    # One position: 64 filters' weights and one window, at 256 bits a cycle, take longer than 4 x 16 steps of 8 cycles.
    Pair("tensor-core", FC, 1016),
    # 62 groups of four and one of two keep 2 each, of 18 bits: 64 * 126 * 18 + 250 * 16 bits.
    Pair("tensor-core", FC, 583, weights=channels(2)),
    # Of four tiles 64 x 64 three go to each of four cores thrice; the 37th tile has 48 positions.
    Pair("tensor-core", BATCH, 9 * 9216 + 4 * 6 * 36 * 8, {"cores": 4}),
    # A channel counts as four: 3 steps over 9 x 4; 144 positions are 8 + 8 + 2 steps.
    Pair("tensor-core", DEPTHWISE, 20 * (8 + 8 + 2) * 3 * 8, {"cores": 1}),
    Pair("tensor-core", TWO_IMAGES, 8 + 3 + 4 + 4, SMALL),
    Pair("tensor-core", TWO_IMAGES, 4 + 6 + 2 + 5, SMALL, weights=some_channels),
    Pair("tensor-core", TWO_IMAGES, 8 + 3, SMALL | {"cores": 2}),
    Pair("tensor-core", conv("strided", 4, 1, 3, 3, stride=2, padding=1), 42, SMALL, weights=channels(4)),
]  # fmt: skip


@each_pair(PAIRS)
def test_the_simulator_gives_the_derived_cycles(pair: Pair) -> None:
    assert pair.simulated() == pair.cycles
