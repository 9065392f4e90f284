"""Positions of a strip: in blocks, and the blocks on position PEs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from dataflows.described.mapping import Nest
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div

NO_POSITION = -1


@dataclass(frozen=True, eq=False)
class Blocks:
    """The blocks of a strip, those of one team after the other.

    positions  int64 (blocks, lanes of P Q): output positions, `NO_POSITION` behind the last
    team       int64 (blocks,): which team has the block; ascending
    shares     PEs that share the rounds of a block; PE team * shares + j has the rounds j, j + shares ...

    Example: three positions on eight position PEs: three blocks of teams 0, 1 and 2; of five rounds two PEs of each
    team have three and two.
    """

    positions: np.ndarray
    team: np.ndarray
    shares: int

    @classmethod
    def of(cls, nest: Nest, layer: Layer, first: int, count: int, rounds: int) -> Self:
        """Of the positions first to first + count, which are the whole image where PEs have blocks of the map."""
        together = nest.lanes["P Q"]
        if nest.planar:
            parts = _rectangles(nest, layer)
            blocks = [_cut(own, together) for own in parts]
            team = np.repeat(np.arange(len(parts)), [len(own) for own in blocks])
            return cls(np.concatenate(blocks), team, 1)
        blocks = _cut(np.arange(first, first + count), together)
        pes = nest.size_of("P Q")
        teams = min(pes, len(blocks))
        team = np.arange(len(blocks)) % teams
        order = np.argsort(team, kind="stable")
        return cls(blocks[order], team[order], min(rounds, pes // teams))


def _cut(positions: np.ndarray, together: int) -> np.ndarray:
    count = ceil_div(len(positions), together)
    blocks = np.full(count * together, NO_POSITION, np.int64)
    blocks[: len(positions)] = positions
    return blocks.reshape(count, together)


def _rectangles(nest: Nest, layer: Layer) -> list[np.ndarray]:
    """Positions of each position PE, rows of the array outermost; of a volume those of every slice."""
    height, width = layer.output_size[-2:]
    places = np.arange(math.prod(layer.output_size)).reshape(-1, height, width)

    def ranges(size: int, pes: int) -> list[slice]:
        each = ceil_div(size, pes)
        return [slice(pe * each, (pe + 1) * each) for pe in range(pes)]

    return [
        places[:, rows, columns].reshape(-1)
        for rows in ranges(height, nest.size_of("P"))
        for columns in ranges(width, nest.size_of("Q"))
    ]
