"""Blocks of filters that make a tile: processing elements meet at the end of each, as the twins step them."""

import numpy as np

from dataflows.schedule import Cause


def tiles_of_blocks(blocks, per_tile):
    """Cycles (tiles, PEs, CAUSES) of `per_tile` blocks in a row, given as (blocks, PEs, CAUSES), PE by PE."""
    tiles = []
    for first in range(0, len(blocks), per_tile):
        tile = np.zeros_like(blocks[0])
        for block in blocks[first : first + per_tile]:
            slowest = max(int(pe.sum()) for pe in block)
            for pe, did in enumerate(block):
                tile[pe] += did
                own = int(did.sum())
                tile[pe, Cause.IMBALANCE if own else Cause.UNMAPPED] += slowest - own
        tiles.append(tile)
    return np.array(tiles, np.int64)


def sums_of_blocks(blocks, per_tile):
    """(tiles, ...) of (blocks, ...): what `per_tile` blocks in a row add up to."""
    return np.array([sum(blocks[first : first + per_tile]) for first in range(0, len(blocks), per_tile)])
