"""Strips of output positions, whole blocks of Pp positions each, whose inputs and outputs fit on-chip buffers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from dataflows.windows import read_range
from workloads.layer import Layer


@dataclass(frozen=True, eq=False)
class PixelStrips:
    """One image's output positions, in the order ([o,] p, q), cut into blocks and the blocks gathered into strips.

    blocks         int64 (strips,): blocks of each strip; all have Pp positions but for the image's last
    pixels         int64 (strips,): positions of each strip
    last_pixels    int64 (strips,): positions of each strip's last block
    first_pixel    int64 (strips,): first position of each strip
    run_strip      int64 (runs,): the strip that reads a run of input positions; ascending
    run_start      int64 (runs,): first position of the run in the map ([d,] h, w) of one channel
    run_positions  int64 (runs,): positions in the run
    streams_inputs   True when the inputs of a single block do not fit
    """

    blocks: np.ndarray
    pixels: np.ndarray
    last_pixels: np.ndarray
    first_pixel: np.ndarray
    run_strip: np.ndarray
    run_start: np.ndarray
    run_positions: np.ndarray
    streams_inputs: bool

    @property
    def count(self) -> int:
        """Number of strips."""
        return len(self.blocks)

    @classmethod
    def of(cls, layer: Layer, pixels: int, *, inputs: int, outputs: int) -> Self:
        """Strips as long as they read at most half of `inputs` input positions and make at most `outputs` outputs.

        The next strip arrives in the other half; one strip that is the whole layer may fill the buffer. A strip has at
        least one block of `pixels` positions (Pp).
        """
        total = math.prod(layer.output_size)
        count = -(-total // pixels)
        most = max(1, outputs // pixels)

        def runs_of(first_block: int, blocks: int) -> list[tuple[int, int]]:
            return _runs_read(layer, first_block * pixels, min((first_block + blocks) * pixels, total) - 1)

        def read(first_block: int, blocks: int) -> int:
            return sum(size for _, size in runs_of(first_block, blocks))

        alone = layer.batch * layer.groups == 1 and most >= count and read(0, count) <= inputs
        room = inputs if alone else inputs // 2
        cuts, start = [], 0
        while start < count:
            cuts.append(start)
            start += _longest(lambda blocks, start=start: read(start, blocks) <= room, min(most, count - start))
        first = np.array(cuts, np.int64)
        blocks = np.diff(first, append=count)
        runs = [
            (strip, *run)
            for strip, (start, size) in enumerate(zip(first.tolist(), blocks.tolist(), strict=True))
            for run in runs_of(start, size)
        ]
        columns = np.array(runs, np.int64).reshape(-1, 3).T
        sizes = np.minimum((first + blocks) * pixels, total) - first * pixels
        return cls(
            blocks,
            sizes,
            sizes - (blocks - 1) * pixels,
            first * pixels,
            columns[0],
            columns[1],
            columns[2],
            streams_inputs=bool(np.bincount(columns[0], columns[2]).max(initial=0) > room),
        )


def _longest(fits: Callable[[int], bool], most: int) -> int:
    """The largest number in 1..most that fits, by bisection; 1 when none does."""
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _runs_read(layer: Layer, first: int, last: int) -> list[tuple[int, int]]:
    """(start, positions) of the input rows that output positions first..last may read, in map order."""
    height, width = layer.output_size[-2:]
    map_height, map_width = layer.input_size[-2:]
    (first_slice, top), (last_slice, bottom) = divmod(first // width, height), divmod(last // width, height)
    rows_of: dict[int, list[tuple[int, int]]] = {}  # by input depth slice
    for o in range(first_slice, last_slice + 1):
        ends = top if o == first_slice else 0, bottom if o == last_slice else height - 1
        for d in range(*read_range(layer, 0, o, o)) if layer.axes == 3 else (0,):
            rows_of.setdefault(d, []).append(read_range(layer, layer.axes - 2, *ends))
    return [
        ((d * map_height + start) * map_width, (stop - start) * map_width)
        for d in sorted(rows_of)
        for start, stop in _joined(rows_of[d])
    ]


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same numbers in as few ranges as possible, ascending."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], stop)
        elif stop > start:
            joined.append((start, stop))
    return joined
