"""Batches of kernels dealt to the arrays of the pattern machine, and what every row does with them; see `pattern`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.machines.pattern.kernel_patterns import Batches, bits_set
from dataflows.schedule import CAUSES, Cause

_BUSY, _HELD, _INDEX, _ISSUED = range(4)  # what a row's counters hold


@dataclass(frozen=True)
class Pass:
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
    counters = np.zeros((arrays, rows, 4), np.int64)
    sizes = strip.reads, strip.block_pixels, strip.pixels, batches.whole
    _deal(
        batches.first, batches.channel, batches.positions, batches.words, sizes, strip.block_start, switch_cycles,
        evenly, counters,
    )  # fmt: skip
    busy, held, index, issued = np.moveaxis(counters, 2, 0)
    together = (held + index).max(axis=1, keepdims=True)  # row 0 holds a kernel of every batch
    cycles = np.zeros((arrays, rows, CAUSES), np.int64)
    cycles[..., Cause.BUSY] = busy
    cycles[..., Cause.BANK_CONFLICT] = held - busy
    cycles[..., Cause.INDEX] = index
    cycles[..., Cause.IMBALANCE] = (held + index > 0) * (together - held - index)
    return cycles, issued


@kernel
def _deal(
    first: np.ndarray,
    channel: np.ndarray,
    positions: np.ndarray,
    words: np.ndarray,
    sizes: tuple[int, int, int, int],
    block_start: np.ndarray,
    switch_cycles: int,
    evenly: bool,
    counters: np.ndarray,
) -> None:
    """Fill the counters (arrays, rows, 4); sizes: reads, positions of a block, of the strip and of a kernel."""
    arrays = counters.shape[0]
    total = np.int64(0)
    for batch in range(channel.size):
        total += positions[batch] * sizes[0] + switch_cycles * (positions[batch] < sizes[3])
    part = max(1, -(-total // arrays))
    begin = np.int64(0)
    for batch in range(channel.size):
        own = words[first[batch] : first[batch + 1]]
        switch = switch_cycles * (positions[batch] < sizes[3])
        end = begin + switch + positions[batch] * sizes[0]
        for n in range(begin // part, (end - 1) // part + 1) if evenly else range(1):
            low, high = (n * part, (n + 1) * part) if evenly else (begin, end)
            low, high = max(0, low - begin), min(high, end) - begin  # the array's stretch of the batch
            array = n if evenly else channel[batch] % arrays
            if low < switch:
                for row in range(own.shape[0]):
                    counters[array, row, 2] += min(high, switch) - low
            if high > switch:
                _run_vectors(
                    own, positions[batch], (max(low - switch, 0), high - switch), sizes, block_start, counters[array]
                )
        begin = end


@kernel
def _run_vectors(
    own: np.ndarray,
    positions: int,
    stretch: tuple[int, int],
    sizes: tuple[int, int, int, int],
    block_start: np.ndarray,
    counters: np.ndarray,
) -> None:
    """Add some reads of a batch, from stretch[0] to before stretch[1], to the counters (rows, 4) of its array."""
    reads, block_pixels, pixels, whole = sizes
    for row in range(own.shape[0]):
        counters[row, 1] += stretch[1] - stretch[0]
    if stretch[0] == 0 and stretch[1] == positions * reads:
        for row in range(own.shape[0]):
            weights = np.int64(0)
            for word in range(own.shape[1]):
                weights += 1 if whole == 1 else bits_set(np.uint64(own[row, word]))
            counters[row, 0] += weights * block_start.size
            counters[row, 3] += weights * pixels
        return
    place = 0
    for x in range(whole):
        word, bit = x // 64, np.uint64(x % 64)
        if positions < whole and not _needed(own, word, bit):
            continue
        low, high = max(stretch[0] - place * reads, 0), min(stretch[1] - place * reads, reads)
        place += 1
        if low >= high:
            continue
        begun = np.searchsorted(block_start, low), np.searchsorted(block_start, high)
        products = min(begun[1] * block_pixels, pixels) - min(begun[0] * block_pixels, pixels)
        for row in range(own.shape[0]):
            if (np.uint64(own[row, word]) >> bit) & np.uint64(1) != 0:
                counters[row, 0] += begun[1] - begun[0]
                counters[row, 3] += products


@kernel
def _needed(own: np.ndarray, word: int, bit: np.uint64) -> bool:
    """Whether a kernel of a batch has a weight at a position."""
    union = np.uint64(0)
    for row in range(own.shape[0]):
        union |= np.uint64(own[row, word]) >> bit
    return union & np.uint64(1) != 0
