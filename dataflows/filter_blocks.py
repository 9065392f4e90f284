"""A layer cut into strips of output positions by blocks of filters whose compressed weights fit a buffer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dataflows.column_plan import ColumnPlan
from dataflows.layout import bits_to_bytes
from dataflows.pixel_strips import PixelStrips
from dataflows.windows import inputs_read
from workloads.layer import Layer


def cut_layer(
    layer: Layer,
    filter_bits: np.ndarray,
    *,
    turn: int,
    pixels: int,
    value_bits: int,
    input_bytes: int,
    weight_bytes: int,
    output_bytes: int,
) -> tuple[ColumnPlan, np.ndarray]:
    """The tiles, and the bytes of their compressed weights, int64 (1, blocks of filters).

    The plan's layer has one group: a strip holds the inputs of all. Outputs of a tile fit half of their buffer.

    filter_bits  int64 (K,): bits of each filter's compressed weights
    turn         filters that a block has at least
    pixels       output positions of a block
    value_bits   bits of an activation;  input_bytes, weight_bytes, output_bytes  sizes of the buffers
    """
    whole, outputs = replace(layer, groups=1), 8 * (output_bytes // 2) // value_bits
    filters, sizes = filter_blocks(filter_bits, turn, most_turns=outputs // (pixels * turn), buffer_bytes=weight_bytes)
    strips = PixelStrips.of(
        whole,
        pixels,
        inputs=input_bytes // bits_to_bytes(layer.in_channels * value_bits),
        outputs=outputs // int(filters.max()),
    )
    return ColumnPlan(whole, np.array([filter_bits.sum()]), filters, strips), sizes[None]


def filter_blocks(
    filter_bits: np.ndarray, turn: int, *, most_turns: int, buffer_bytes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Filters of each block and bytes of their weights: int64 (blocks,), (blocks,).

    A block has whole turns of `turn` filters, but for the last: all filters where their weights fit the buffer for
    good, otherwise as many as fit half of it, in any case at least one turn and at most `most_turns`.

    filter_bits  int64 (K,)
    """
    every = len(filter_bits)

    def bytes_of(turns: int) -> np.ndarray:
        return -(-np.add.reduceat(filter_bits, np.arange(0, every, turns * turn)) // 8)

    held = int(bytes_of(-(-every // turn)).max()) <= buffer_bytes
    turns = max(1, min(-(-every // turn), most_turns))
    while turns > 1 and not held and 2 * int(bytes_of(turns).max()) > buffer_bytes:
        turns -= 1
    starts = np.arange(0, every, turns * turn)
    return np.minimum(turns * turn, every - starts), bytes_of(turns)


def compulsory_bytes(layer: Layer, weight_bytes: int, value_bits: int, *, reads_inputs: bool) -> int:
    """Bytes that no order of tiles avoids: weights of so many bytes, the inputs if any are read, and all outputs."""
    inputs = layer.in_channels * layer.batch * inputs_read(layer) if reads_inputs else 0
    return weight_bytes + (inputs + layer.output_count) * value_bits // 8
