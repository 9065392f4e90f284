"""Batches of kernels dealt to the arrays of the pattern machine, and what every row does with them; see `pattern`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.words import set_bits
from dataflows.machines.pattern.kernel_batches import Batches
from dataflows.schedule import CAUSES, Cause

# What a row's counters hold: cycles with a product, cycles in which its array reads vectors for its batch, cycles in
# which the array is set to the batch's positions, and products.
_BUSY, _HELD, _INDEX, _ISSUED = range(4)
_COUNTERS = 4


class Pass(NamedTuple):
    """One kernel position at all blocks of a strip.

    block_start    int64 (blocks,): the read with which each block's vector begins
    reads          reads of the pass, a cycle each
    block_pixels   positions of a block;  pixels  positions of the strip
    """

    block_start: np.ndarray
    reads: int
    block_pixels: int
    pixels: int


def deal(
    batches: Batches, strip: Pass, *, rows: int, arrays: int, switch_cycles: int, evenly: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Cycles by cause of every row, int64 (arrays, rows, CAUSES), and its products, int64 (arrays, rows)."""
    counters = np.zeros((arrays, rows, _COUNTERS), np.int64)
    if batches.whole == 1:
        _deal_single(batches.first, batches.channel, strip, evenly, counters)
    else:
        _deal(batches, strip, switch_cycles, evenly, counters)
    busy, held, index, issued = (counters[..., which] for which in (_BUSY, _HELD, _INDEX, _ISSUED))
    together = (held + index).max(axis=1, keepdims=True)  # row 0 holds a kernel of every batch
    cycles = np.zeros((arrays, rows, CAUSES), np.int64)
    cycles[..., Cause.BUSY] = busy
    cycles[..., Cause.BANK_CONFLICT] = held - busy
    cycles[..., Cause.INDEX] = index
    # Rows that hold kernels of fewer batches wait for row 0; one that never held any is not
    # mapped and has no cause here.
    cycles[..., Cause.IMBALANCE] = (held + index > 0) * (together - held - index)
    return cycles, issued


@kernel
def _deal(batches: Batches, strip: Pass, switch_cycles: int, evenly: bool, counters: np.ndarray) -> None:
    """Fill the counters (arrays, rows, counters)."""
    first, positions, whole, reads = batches.first, batches.positions, batches.whole, strip.reads
    arrays = counters.shape[0]
    total = np.int64(0)
    for batch in range(positions.size):
        total += positions[batch] * reads + switch_cycles * (positions[batch] < whole)
    # Rounded up, so that the last cycle has an array; a strip without work would divide by zero.
    part = max(1, -(-total // arrays))
    begin = np.int64(0)
    for batch in range(positions.size):
        own = batches.words[first[batch] : first[batch + 1]]
        switch = switch_cycles * (positions[batch] < whole)
        end = begin + switch + positions[batch] * reads
        # With parts of 5 cycles a batch from cycle 7 to before 13 has three cycles on array 1 and three on array 2.
        for n in range(begin // part, (end - 1) // part + 1) if evenly else range(1):
            low, high = (n * part, (n + 1) * part) if evenly else (begin, end)
            low, high = max(0, low - begin), min(high, end) - begin  # the array's stretch of the batch
            array = n if evenly else batches.channel[batch] % arrays
            # The switch stands at the batch's begin: an array that takes the batch over later was set beforehand.
            if low < switch:
                for row in range(own.shape[0]):
                    counters[array, row, _INDEX] += min(high, switch) - low
            if high > switch:
                stretch = max(low - switch, 0), high - switch
                _run_vectors(own, positions[batch], whole, stretch, strip, counters[array])
        begin = end


@kernel
def _deal_single(first: np.ndarray, channel: np.ndarray, strip: Pass, evenly: bool, counters: np.ndarray) -> None:
    """As `_deal`, of batches of kernels of one position: each takes a pass, and all its rows work on every vector."""
    arrays, rows, _ = counters.shape
    reads, blocks = strip.reads, strip.block_start.size
    part = max(1, -(-channel.size * reads // arrays))
    whole = np.zeros((arrays, rows + 1), np.int64)  # batches that an array runs alone, by their rows
    for batch in range(channel.size):
        size, begin = first[batch + 1] - first[batch], batch * reads
        if not evenly:
            whole[channel[batch] % arrays, size] += 1
        elif begin // part == (begin + reads - 1) // part:
            whole[begin // part, size] += 1
        else:
            for array in range(begin // part, (begin + reads - 1) // part + 1):
                low, high = max(0, array * part - begin), min(reads, (array + 1) * part - begin)
                # Blocks whose vector begins in the array's stretch: one that two arrays share counts for the first.
                begun = np.searchsorted(strip.block_start, low), np.searchsorted(strip.block_start, high)
                products = min(begun[1] * strip.block_pixels, strip.pixels) - min(
                    begun[0] * strip.block_pixels, strip.pixels
                )
                for row in range(size):
                    counters[array, row, _HELD] += high - low
                    counters[array, row, _BUSY] += begun[1] - begun[0]
                    counters[array, row, _ISSUED] += products
    for array in range(arrays):
        larger = np.int64(0)
        # Row 2 holds a kernel of each batch of three kernels or more.
        for row in range(rows - 1, -1, -1):
            larger += whole[array, row + 1]
            counters[array, row, _HELD] += larger * reads
            counters[array, row, _BUSY] += larger * blocks
            counters[array, row, _ISSUED] += larger * strip.pixels


@kernel
def _run_vectors(
    own: np.ndarray,
    positions: int,
    whole: int,
    stretch: tuple[int, int],
    strip: Pass,
    counters: np.ndarray,
) -> None:
    """Add some reads of a batch, from stretch[0] to before stretch[1], to the counters of its array's rows.

    positions, whole  that the batch reads, and that a kernel has
    """
    block_start, reads, block_pixels, pixels = strip
    for row in range(own.shape[0]):
        counters[row, _HELD] += stretch[1] - stretch[0]
    # A whole batch needs no walk over positions: each weight meets every block.
    if stretch[0] == 0 and stretch[1] == positions * reads:
        for row in range(own.shape[0]):
            weights = np.int64(0)
            for word in range(own.shape[1]):
                weights += set_bits(np.uint64(own[row, word]))
            counters[row, _BUSY] += weights * block_start.size
            counters[row, _ISSUED] += weights * pixels
        return
    # The number of a position among those that are read: a batch of the positions {0, 4} reads 4 in its second pass.
    place = 0
    for x in range(whole):
        word, bit = x // 64, np.uint64(x % 64)
        if positions < whole and not _needed(own, word, bit):
            continue
        low, high = max(stretch[0] - place * reads, 0), min(stretch[1] - place * reads, reads)
        place += 1
        if low >= high:
            continue
        # Blocks whose vector begins inside the stretch: one that two arrays share counts for the first of them, once.
        begun = np.searchsorted(block_start, low), np.searchsorted(block_start, high)
        # The strip's last block may be ragged, which the number of positions caps.
        products = min(begun[1] * block_pixels, pixels) - min(begun[0] * block_pixels, pixels)
        for row in range(own.shape[0]):
            if (np.uint64(own[row, word]) >> bit) & np.uint64(1) != 0:
                counters[row, _BUSY] += begun[1] - begun[0]
                counters[row, _ISSUED] += products


@kernel
def _needed(own: np.ndarray, word: int, bit: np.uint64) -> bool:
    """Whether a kernel of a batch has a weight at a position."""
    union = np.uint64(0)
    for row in range(own.shape[0]):
        union |= np.uint64(own[row, word]) >> bit
    return union & np.uint64(1) != 0
