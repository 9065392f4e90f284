"""A layer cut into strips of output positions by blocks of filters whose compressed weights fit a buffer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.strip_plan import StripPlan
from dataflows.tiling.strips import PixelStrips
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div


def cut_layer(
    layer: Layer,
    filter_bits: np.ndarray,
    *,
    turn: int,
    pixels: int,
    value_bits: int,
    input_bytes: int,
    weight_bytes: int,
    sums: int | None = None,
) -> StripPlan:
    """The tiles.

    The plan's layer has one group: a strip holds the inputs of all.

    filter_bits  int64 (K,): bits of each filter's compressed weights
    turn         filters that a block has at least
    pixels       output positions of a block
    value_bits   bits of an activation;  input_bytes, weight_bytes  sizes of the buffers
    sums         partial sums of a block of filters that a strip may have; None: none wait for others
    """
    whole = replace(layer, groups=1)
    # Each turn more needs the sums of as many filters at every position of a block.
    most_turns = None if sums is None else sums // (pixels * turn)
    filters, sizes = filter_blocks(filter_bits, turn, buffer_bytes=weight_bytes, most_turns=most_turns)
    # Rounded down: a position is held with the channels of all groups or not at all.
    inputs = input_bytes // bits_to_bytes(layer.in_channels * value_bits)
    # Room for 1,000 sums and blocks of up to 64 filters let a strip have 15 positions, each
    # with a sum for every filter.
    outputs = None if sums is None else sums // int(filters.max())
    strips = PixelStrips.of(whole, pixels, inputs=inputs, outputs=outputs)
    return StripPlan(whole, np.array([filter_bits.sum()]), filters, strips, weight_bytes=sizes[None])


def filter_blocks(
    filter_bits: np.ndarray, turn: int, *, buffer_bytes: int, most_turns: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Filters of each block and bytes of their weights: int64 (blocks,), (blocks,).

    PEs meet at the end of a block, since the weights of the next but one take its place. All filters are one block
    where their weights fit the buffer for good. Otherwise a block has 1, 2, 4, ... turns of `turn` filters, as many as
    fit half of the buffer, so that blocks for a larger buffer are made of those for a smaller one and meet less often.
    `most_turns` limits either.

    filter_bits  int64 (K,)
    """
    every = len(filter_bits)

    def bytes_of(turns: int) -> np.ndarray:
        # Filters of 10, 20, 30, 40 and 50 bits in turns of two: blocks of one turn have 30, 70 and 50 bits, of two 100
        # and 50.
        return bits_to_bytes(np.add.reduceat(filter_bits, np.arange(0, every, turns * turn)))

    all_turns, turns = ceil_div(every, turn), 1
    most = all_turns if most_turns is None else most_turns
    held = int(bytes_of(all_turns).max()) <= buffer_bytes
    if held and all_turns <= most:
        turns = all_turns
    else:
        # Half of the buffer, since the next block arrives beside this one; weights that are all held need no other
        # half.
        while 2 * turns <= min(most, all_turns) and (held or 2 * int(bytes_of(2 * turns).max()) <= buffer_bytes):
            turns *= 2
    starts = np.arange(0, every, turns * turn)
    # The last block has what is left: seven filters in turns of two, two turns a block, are blocks of 4 and 3.
    return np.minimum(turns * turn, every - starts), bytes_of(turns)
