"""Non-zeros of the vectors that outer products take, columns of the lowered map and rows of weights; and their cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from dataflows.kernels.compiled import kernel
from workloads.layer import Layer


@dataclass(frozen=True, eq=False)
class MapSums:
    """The inputs of a layer with their padding, each the number of non-zeros up to it in its row, a stride apart.

    Sums are bytes that overflow: what lies between two of them, 255 at most, does not.

    sums      uint8 (G, size): rows of the padded maps of all images, each behind `stride` zeros
    columns   int64 (C/G·[T·]R·S,): how far each place of the depth lies from a window's first
    windows   int64 (N·[O·]P·Q,): the first value of each window, within the maps of its group
    step      how far the windows of a row lie from one another

    Example: of a row 1 0 1 1 with windows 2 apart the sums are 0 0 1 0 2 1: behind two zeros 1, 0, 1 + 1 and 0 + 1. The
    values that the windows 0 and 1 begin with, places 0 and 2, are two non-zeros: the sum at place 2 is 2, and 0 lies a
    stride before place 0.
    """

    sums: np.ndarray
    columns: np.ndarray
    windows: np.ndarray
    step: int

    @classmethod
    def of(cls, layer: Layer, mask: np.ndarray) -> Self:
        """From a mask (N, C, [D,] H, W)."""
        step = layer.stride[-1]
        pads = [*layer.padding[:-1], (layer.padding[-1][0] + step, layer.padding[-1][1])]
        sums = np.pad(mask.view(np.uint8), ((0, 0), (0, 0), *pads))
        size = sums.shape[2:]
        _add_up(sums.reshape(-1, size[-1]), step)
        steps = [math.prod(size[axis + 1 :]) for axis in range(layer.axes)]
        columns, windows = np.arange(layer.group_in_channels) * math.prod(size), np.zeros(1, np.int64)
        for axis, each in enumerate(steps):
            kernel_places = np.arange(layer.kernel_size[axis]) * (layer.dilation[axis] * each)
            outputs = np.arange(layer.output_size[axis]) * (layer.stride[axis] * each)
            columns = (columns[..., None] + kernel_places).reshape(-1)
            windows = (windows[:, None] + outputs).reshape(-1)
        image = layer.group_in_channels * math.prod(size)
        by_group = sums.reshape(layer.batch, layer.groups, image).transpose(1, 0, 2).reshape(layer.groups, -1)
        images = np.arange(layer.batch) * image
        return cls(by_group, columns, (images[:, None] + windows).reshape(-1), step)

    def pieces(self, row: int, tile: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Blocks of `tile` positions as pieces of rows of `row` positions each.

        Int64 (pieces,) twice, the first sum of each piece and how far from it its last one lies, and (blocks + 1,):
        where in them the pieces of each block begin.
        """
        total = len(self.windows)
        cuts = np.union1d(np.arange(0, total, tile), np.arange(0, total, row))
        lengths = np.diff(cuts, append=total) * self.step
        return self.windows[cuts], lengths, np.searchsorted(cuts, np.arange(0, total + tile, tile))


@kernel
def _add_up(rows: np.ndarray, step: int) -> None:
    for row in range(rows.shape[0]):
        for x in range(step, rows.shape[1]):
            rows[row, x] += rows[row, x - step]


@kernel
def count_weights(mask: np.ndarray, filters: int, first: int, end: int, counts: np.ndarray) -> None:
    """Add up what is not zero at each place of the depth, for the blocks of filters first to end.

    mask    uint8 (G, K/G, depth)
    counts  uint8 (G, blocks, depth)
    """
    for number in range(first, end):
        group, block = number // counts.shape[1], number % counts.shape[1]
        into = counts[group, block]
        k, stop = block * filters, min((block + 1) * filters, mask.shape[1])
        # Four at a time, so that sums are read and written a fourth as often.
        while k + 4 <= stop:
            for d in range(mask.shape[2]):
                into[d] += np.uint8(mask[group, k, d] + mask[group, k + 1, d]) + np.uint8(
                    mask[group, k + 2, d] + mask[group, k + 3, d]
                )
            k += 4
        while k < stop:
            for d in range(mask.shape[2]):
                into[d] += mask[group, k, d]
            k += 1


@kernel
def _steps_of_counts(step: int) -> np.ndarray:
    """Uint8 (256,): how many steps each count takes."""
    table = np.zeros(256, np.uint8)
    for count in range(256):
        table[count] = (count + step - 1) // step
    return table


@kernel
def _steps_and_chunks(counts: np.ndarray, table: np.ndarray, chunk: int, steps: np.ndarray, live: np.ndarray) -> None:
    """Of counts uint8 (depth,): how many steps each takes, and whether each chunk has any non-zero."""
    for d in range(counts.size):
        steps[d] = table[counts[d]]
    for number in range(live.size):
        found = np.uint8(0)
        for d in range(number * chunk, min((number + 1) * chunk, counts.size)):
            found |= counts[d]
        live[number] = found > 0


@kernel
def play_tiles(
    sums: np.ndarray,
    columns: np.ndarray,
    pieces: tuple[np.ndarray, np.ndarray, np.ndarray],
    filters: np.ndarray,
    sides: tuple[int, int, int],
    set_cycles: int,
    rows: tuple[int, int],
    work: np.ndarray,
) -> None:
    """What tiles take, for the rows (group, block of positions) from the first to the end of `rows`.

    sums, columns  as in `MapSums`; sums uint8 (G, size) from the first map of each group on
    pieces         see `MapSums.pieces`
    filters        uint8 (G, blocks of filters, depth): non-zero weights
    sides          positions and filters of a step, depth of a chunk
    work           int64 (G, blocks of positions, blocks of filters, 5): steps, further cycles of the front end,
                   products, and the outer products of live chunks and the values that they read
    """
    start, length, first_piece = pieces
    step_positions, step_filters, chunk = sides
    depth = columns.size
    chunks = (depth + chunk - 1) // chunk
    counts, steps, live = np.zeros(depth, np.uint8), np.zeros(depth, np.uint8), np.zeros(chunks, np.uint8)
    blocks = filters.shape[1]
    own_steps, own_live = np.zeros((blocks, depth), np.uint8), np.zeros((blocks, chunks), np.uint8)
    # A division for every count would take longer than all else.
    position_steps, filter_steps = _steps_of_counts(step_positions), _steps_of_counts(step_filters)
    group_before = -1
    for row in range(rows[0], rows[1]):
        group, block = row // work.shape[1], row % work.shape[1]
        if group != group_before:
            for f in range(blocks):
                _steps_and_chunks(filters[group, f], filter_steps, chunk, own_steps[f], own_live[f])
            group_before = group
        counts[:] = 0
        for piece in range(first_piece[block], first_piece[block + 1]):
            begin, end = start[piece], start[piece] + length[piece]
            for d in range(depth):
                counts[d] += np.uint8(sums[group, columns[d] + end] - sums[group, columns[d] + begin])
        _steps_and_chunks(counts, position_steps, chunk, steps, live)
        for f in range(blocks):
            _play_tile(
                (counts, steps, live),
                (filters[group, f], own_steps[f], own_live[f]),
                chunk,
                set_cycles,
                work[group, block, f],
            )


@kernel
def _play_tile(
    left: tuple[np.ndarray, np.ndarray, np.ndarray],
    right: tuple[np.ndarray, np.ndarray, np.ndarray],
    chunk: int,
    set_cycles: int,
    work: np.ndarray,
) -> None:
    """One tile; each operand as counts and steps by place of the depth, and live chunks."""
    (left_counts, left_steps, left_live), (right_counts, right_steps, right_live) = left, right
    for number in range(left_live.size):
        if not (left_live[number] and right_live[number]):
            continue
        # A chunk's sums fit 32 bits, twice as many of which fit a vector: counts are bytes, at most 1,024 of them.
        busy, front, issued, read = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
        first, end = number * chunk, min((number + 1) * chunk, left_counts.size)
        for d in range(first, end):
            steps = np.int32(left_steps[d]) * np.int32(right_steps[d])
            busy = np.int32(busy + steps)
            front = np.int32(front + max(np.int32(set_cycles) - steps, np.int32(0)))
            issued = np.int32(issued + np.int32(left_counts[d]) * np.int32(right_counts[d]))
            read = np.int32(read + np.int32(left_counts[d]) + np.int32(right_counts[d]))
        work[0] += busy
        work[1] += front
        work[2] += issued
        work[3] += end - first
        work[4] += read
