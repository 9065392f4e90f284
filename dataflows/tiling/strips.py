"""Strips of output positions, whole blocks of Pp positions each, whose inputs and outputs fit on-chip buffers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from dataflows.tiling.windows import read_range
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div


@dataclass(frozen=True, eq=False)
class PixelStrips:
    """One image's output positions, in the order ([o,] p, q), cut into blocks and the blocks gathered into strips.

    blocks         int64 (strips,): blocks of each strip; all have Pp positions but for the image's last
    pixels         int64 (strips,): positions of each strip
    last_pixels    int64 (strips,): positions of each strip's last block
    first_pixel    int64 (strips,): first position of each strip
    run_strip      int64 (runs,): the strip for which a run of input positions is loaded; ascending
    run_last_strip int64 (runs,): the last of the strips in a row that read it; what the next strip reads, too, stays
    run_start      int64 (runs,): first position of the run in the map ([d,] h, w) of one channel
    run_positions  int64 (runs,): positions in the run
    streams_inputs   True when the inputs of a single block do not fit; nothing stays then

    Example: a 3x3 kernel with padding over two images of 6 x 4, blocks of one row (Pp = 4), and room for 32 input
    positions. Half of it holds 4 rows, which 3 rows of outputs read at either end of the map: blocks [3, 3], pixels
    [12, 12]. The first strip loads rows 0 to 3, of which the second reads rows 2 and 3, too, so that it loads rows 4
    and 5 only: run_strip [0, 0, 1], run_last_strip [0, 1, 1], run_start [0, 8, 16], run_positions [8, 8, 8].
    """

    blocks: np.ndarray
    pixels: np.ndarray
    last_pixels: np.ndarray
    first_pixel: np.ndarray
    run_strip: np.ndarray
    run_last_strip: np.ndarray
    run_start: np.ndarray
    run_positions: np.ndarray
    streams_inputs: bool

    @property
    def count(self) -> int:
        """Number of strips."""
        return len(self.blocks)

    @classmethod
    def of(cls, layer: Layer, pixels: int, *, inputs: int, outputs: int | None = None, streams: bool = False) -> Self:
        """Strips as long as they read at most half of `inputs` input positions and make at most `outputs` outputs.

        What the next strip reads besides arrives in the other half; one strip that is the whole layer may fill the
        buffer. A strip has at least one block of `pixels` positions (Pp). With `streams` the inputs pass through in any
        case, and strips are bound by their outputs alone.
        """
        total = math.prod(layer.output_size)
        count = ceil_div(total, pixels)
        # Rounded down, since a strip is whole blocks; never none, or the layer would not end.
        most = count if outputs is None else max(1, outputs // pixels)

        def runs_of(first_block: int, blocks: int) -> list[tuple[int, int]]:
            # The last position is inclusive: of 10 positions in blocks of 4 the third block has 8 and 9 only.
            return _runs_read(layer, first_block * pixels, min((first_block + blocks) * pixels, total) - 1)

        def read(first_block: int, blocks: int) -> int:
            return sum(size for _, size in runs_of(first_block, blocks))

        # Nothing follows a strip that is the whole layer, so that nothing else needs the other half.
        alone = layer.batch * layer.groups == 1 and most >= count and read(0, count) <= inputs
        room = inputs if alone else inputs // 2
        cuts, start = [], 0
        while start < count:
            # Each strip takes as many blocks as fit. What it reads only grows with its blocks, so that bisection finds
            # the most.
            cuts.append(start)
            start += _longest(
                lambda blocks, start=start: streams or read(start, blocks) <= room, min(most, count - start)
            )
        first = np.array(cuts, np.int64)
        blocks = np.diff(first, append=count)
        runs = [runs_of(start, size) for start, size in zip(first.tolist(), blocks.tolist(), strict=True)]
        # Only a strip of a single block can read more than the room: every longer one has been found to fit.
        streams_inputs = streams or max(sum(size for _, size in own) for own in runs) > room
        # 10 positions in blocks of 4, in strips of two blocks and one, are strips of 8 and of 2 positions.
        sizes = np.minimum((first + blocks) * pixels, total) - first * pixels
        return cls(
            blocks,
            sizes,
            sizes - (blocks - 1) * pixels,
            first * pixels,
            *_loads(runs, layer.input_size[-1], keep=not streams_inputs),
            streams_inputs=streams_inputs,
        )


def strip_orders(layer: Layer, pixels: int, *, inputs: int) -> list[PixelStrips]:
    """The strips that `PixelStrips.of` cuts; where those are several, also the whole image as one whose inputs stream.

    Weights that do not stay come anew for each of several strips. In a single strip all positions pass a block of
    filters before the next one comes, so that weights come once, and inputs again for every block of filters.
    """
    held = PixelStrips.of(layer, pixels, inputs=inputs)
    if held.count == 1:
        return [held]
    return [held, PixelStrips.of(layer, pixels, inputs=0, streams=True)]


def _loads(runs: list[list[tuple[int, int]]], width: int, *, keep: bool) -> tuple[np.ndarray, ...]:
    """Int64 (runs,) four times: strip, last strip, start and positions of the rows that strips load.

    runs  by strip (start, positions) of whole rows of `width` positions; a row that strips in a row read is loaded once
          where it is kept
    """
    # One entry for each strip and row that it reads; a row that two strips read stands here twice.
    owner = np.repeat(np.arange(len(runs)), [sum(size // width for _, size in own) for own in runs])
    rows = np.concatenate([np.arange(start // width, (start + size) // width) for own in runs for start, size in own] or
                          [np.zeros(0, np.int64)])  # fmt: skip
    # Row by row, its strips in order: a strip that follows the one before finds the row there.
    order = np.lexsort((owner, rows))
    row, strip = rows[order], owner[order]
    # Where strips read the rows 0 to 3 and 2 to 5, the second finds rows 2 and 3 there: both begin in strip 0 and stay
    # until strip 1.
    again = (np.diff(row, prepend=-1) == 0) & (np.diff(strip, prepend=-2) == 1) & keep
    begins = np.flatnonzero(~again)
    # A row's stay ends just before the next entry that begins one. A layer whose windows all lie in the padding reads
    # none.
    last = strip[np.append(begins[1:], len(strip)) - 1] if len(strip) else strip
    row, strip = row[begins], strip[begins]
    # The main key stands last: runs are wanted by strip, and by row within it.
    order = np.lexsort((row, strip))
    row, strip, last = row[order], strip[order], last[order]
    # Neighbouring rows of one strip that stay equally long are one run.
    apart = (np.diff(row, prepend=-2) != 1) | (np.diff(strip, prepend=-1) != 0) | (np.diff(last, prepend=-1) != 0)
    # The values put before the first entry are such that no row or strip follows them: it is always a head.
    heads = np.flatnonzero(apart)
    return strip[heads], last[heads], row[heads] * width, np.diff(heads, append=len(row)) * width


def _longest(fits: Callable[[int], bool], most: int) -> int:
    """The largest number in 1..most that fits, by bisection; 1 when none does."""
    low, high = 1, most
    while low < high:
        # Rounded up, so that the lower end always moves on: between 1 and 2 the middle is 2.
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _runs_read(layer: Layer, first: int, last: int) -> list[tuple[int, int]]:
    """(start, positions) of the input rows that output positions first..last may read, in map order."""
    height, width = layer.output_size[-2:]
    map_height, map_width = layer.input_size[-2:]
    (first_slice, top), (last_slice, bottom) = divmod(first // width, height), divmod(last // width, height)
    # Strips begin and end inside rows and depth slices, so that those at the ends read less than whole ones.
    rows_of: dict[int, list[tuple[int, int]]] = {}  # by input depth slice
    for o in range(first_slice, last_slice + 1):
        ends = top if o == first_slice else 0, bottom if o == last_slice else height - 1
        for d, _ in _places_read(layer, 0, o, o) if layer.axes == 3 else ((0, 1),):
            rows_of.setdefault(d, []).extend(_places_read(layer, layer.axes - 2, *ends))
    return [
        ((d * map_height + start) * map_width, (stop - start) * map_width)
        for d in sorted(rows_of)
        for start, stop in _joined(rows_of[d])
    ]


def _places_read(layer: Layer, axis: int, first: int, last: int) -> list[tuple[int, int]]:
    """Ranges of input positions on an axis that the outputs first..last read; single ones where they skip some."""
    if layer.dilation[axis] == 1 and layer.stride[axis] <= layer.kernel_size[axis] and axis == layer.axes - 2:
        # Overlapping windows leave no gap: 3 taps with a stride of 2 read the places 0 to 6 for three outputs. A single
        # tap would read 0, 2 and 4, and nothing that lies between them need be loaded.
        return [read_range(layer, axis, first, last)]
    taps = np.arange(layer.kernel_size[axis]) * layer.dilation[axis] - layer.padding[axis][0]
    places = np.unique(np.add.outer(np.arange(first, last + 1) * layer.stride[axis], taps))
    inside = places[(places >= 0) & (places < layer.input_size[axis])]
    return [(place, place + 1) for place in inside.tolist()]


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same numbers in as few ranges as possible, ascending."""
    # By their starts, a range can only reach into the one found last: 0-2, 1-3 and 5-6 become 0-3 and 5-6.
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], stop)
        elif stop > start:
            joined.append((start, stop))
    return joined
