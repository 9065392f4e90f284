"""Blocks of consecutive filters whose compressed weights fit an on-chip buffer."""

from __future__ import annotations

import numpy as np


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
