"""What each PE stores of the activations, as bits: its window of every (virtual) channel, and how many entries it is.

A window's bits stand where its activations lie in the accumulator region: row y and column x at y * row step + x. In a
region 4 wide the window 11 / 01 (two rows of two) is the word 0b100011. The list that the machine stores follows from
it: its non-zeros from the lowest bit up, with a placeholder for every 2^bits zeros that stand before a non-zero.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.lanes import LANES
from dataflows.kernels.threads import run_slices, thread_count
from dataflows.kernels.words import leading_zeros, set_bits, trailing_zeros
from dataflows.machines.scnn.bit_strings import PART_BITS, bit_string, bits_from
from dataflows.machines.scnn.nonzero_lists import ListRules
from dataflows.machines.scnn.planar_map import PlanarMap
from workloads.whole_numbers import ceil_div, even_slices

WORD_BITS = 32
_SERIAL_ROWS = 1 << 16  # fewer rows of windows are read sooner than threads are given their share


class WindowShape(NamedTuple):
    """Where windows lie in their map and in the region.

    windows    int64 (PEs, 4): first and end row, first and end column
    phase_size int64 (phases, 2): rows and columns that a phase has; at most the map's
    map_size   rows and columns of a virtual channel's map
    row_step   columns of the region
    run_bits   bits of the zero-run field
    """

    windows: np.ndarray
    phase_size: np.ndarray
    map_size: tuple[int, int]
    row_step: int
    run_bits: int


@kernel
def _placeholders(bits: np.ndarray, at: int, rows: int, width: int, row_bits: int, run_bits: int) -> int:
    """Placeholders of a window whose first bit is `at`, rows `row_bits` apart."""
    # Inside so many positions no two non-zeros are so far apart that a placeholder stands between them.
    chunk = min(WORD_BITS, 1 << run_bits)
    found = zeros = 0
    for y in range(rows):
        for x in range(0, width, chunk):
            size = min(chunk, width - x)
            part = bits_from(bits, at + y * row_bits + x, size)
            if part == 0:
                zeros += size
            else:
                found += (zeros + trailing_zeros(part)) >> run_bits
                zeros = size + leading_zeros(part) - 64
    return found


@kernel
def _read_window(
    bits: np.ndarray, at: int, size: tuple[int, int], row_bits: int, row_step: int, words: np.ndarray, lane: int
) -> tuple[int, bool]:
    """Put the rows of a window to their places in `words`, (words, LANES).

    Returns its non-zeros, and whether a row is empty.
    """
    count, empty = 0, False
    for y in range(size[0]):
        for x in range(0, size[1], PART_BITS):
            part = bits_from(bits, at + y * row_bits + x, min(PART_BITS, size[1] - x))
            count += set_bits(part)
            empty |= part == 0
            place = y * row_step + x
            part <<= np.uint64(place % WORD_BITS)
            words[place // WORD_BITS, lane] |= np.uint32(part)
            if part >> np.uint64(WORD_BITS):
                words[place // WORD_BITS + 1, lane] |= np.uint32(part >> np.uint64(WORD_BITS))
    return count, empty


@kernel
def _read_windows(bits: np.ndarray, channels: tuple[int, int], shape: WindowShape, stored: StoredWindows) -> None:
    """Fill the channels (first, end); bits uint64, a bit a position of (V, rows, columns), and one word more."""
    windows, phase_size, map_size, row_step, run_bits = shape
    words, found, fillers = stored.words, stored.found, stored.fillers
    lanes, phases = words.shape[3], len(phase_size)
    limit = 1 << run_bits
    for p in range(len(windows)):
        top, bottom, left, right = windows[p]
        group, lane = p // lanes, p % lanes
        # So many zeros in a row are more than the window has.
        small = words.shape[2] == 1 and (bottom - top) * (right - left) <= limit
        phase = channels[0] % phases
        for v in range(channels[0], channels[1]):
            rows = min(bottom, phase_size[phase, 0]) - top
            width = min(right, phase_size[phase, 1]) - left
            phase = phase + 1 if phase + 1 < phases else 0
            at = (v * map_size[0] + top) * map_size[1] + left
            if small:
                word, size = np.uint64(0), max(width, 0)
                for y in range(rows):
                    word |= bits_from(bits, at + y * map_size[1], size) << np.uint64(y * row_step)
                words[group, v, 0, lane] = np.uint32(word)
                found[group, v, lane] = set_bits(word)
                continue
            count, empty = _read_window(bits, at, (rows, width), map_size[1], row_step, words[group, v], lane)
            found[group, v, lane] = count
            # Or so many would cover a whole row of it.
            if limit < rows * width and (empty or limit < 2 * width - 1):
                fillers[group, v, lane] = _placeholders(bits, at, rows, width, map_size[1], run_bits)


class StoredWindows(NamedTuple):
    """The windows of some PEs of one image.

    shape    where they lie
    words    uint32 (lane groups, V, words, LANES): a window's bits by its place in the region, lowest first; PE p is
             lane p % LANES of lane group p // LANES
    found    uint32 (lane groups, V, LANES): non-zeros
    fillers  uint32 (lane groups, V, LANES): placeholders
    """

    shape: WindowShape
    words: np.ndarray
    found: np.ndarray
    fillers: np.ndarray

    @classmethod
    def of(cls, bits: np.ndarray, image_shape: tuple[int, ...], plan: PlanarMap, window: int, rules: ListRules) -> Self:
        """The windows of the PEs that have a part of it; `bits` as `position_bits` makes them of an image (C, H, W)."""
        windows, phases, run_bits = plan.windows(window), plan.taps.phases, int(rules.run_limit).bit_length() - 1
        # Of 7 input rows with stride 2 phase 0 has 4, the rows 0, 2, 4 and 6, and phase 1 has 3.
        phase_size = ceil_div(np.array(image_shape[1:]) - phases, np.array(plan.stride))
        shape = WindowShape(windows, phase_size, plan.map_size, plan.region[1], run_bits)
        # The first PE's window is the largest.
        top, bottom, left, right = windows[0].tolist()
        last = (bottom - top - 1) * plan.region[1] + right - left - 1
        rows = (ceil_div(len(windows), LANES), len(phases) * image_shape[0])
        stored = cls(
            shape,
            np.zeros((*rows, last // WORD_BITS + 1, LANES), np.uint32),
            np.zeros((*rows, LANES), np.uint32),
            np.zeros((*rows, LANES), np.uint32),
        )
        tasks = 1 if stored.found.size * (bottom - top) < _SERIAL_ROWS else 2 * thread_count()
        run_slices(lambda part: _read_windows(bits, part, shape, stored), even_slices(rows[1], tasks))
        return stored

    @property
    def pes(self) -> int:
        """PEs that have a window."""
        return len(self.shape.windows)

    def per_pe(self, counts: np.ndarray) -> np.ndarray:
        """int64 (PEs,): sums over all channels of counts of each lane."""
        return counts.sum(axis=1, dtype=np.int64).reshape(-1)[: self.pes]


def position_bits(mask: np.ndarray, plan: PlanarMap, rules: ListRules) -> np.ndarray:
    """uint64: a bit for each position of (V, rows, columns), and one word more; mask uint8 (C, H, W).

    Positions that a phase does not have, beyond the input's edge, are zero.
    """
    if rules.keep_zeros:
        mask = np.ones_like(mask)
    if plan.stride != (1, 1):
        cells = np.zeros((len(mask), len(plan.taps.phases), *plan.map_size), np.uint8)
        for i, (row, column) in enumerate(plan.taps.phases.tolist()):
            part = mask[:, row :: plan.stride[0], column :: plan.stride[1]]
            cells[:, i, : part.shape[1], : part.shape[2]] = part
        mask = cells
    return bit_string(mask)
