"""Levels of a nested network that is stored once: which weight belongs to which, and how long the stored lists are.

A filter's stored list has its weights in the order (c, r, s), each with the number of zeros before it; where that does
not fit its bits, a filler (a stored zero) stands in.
"""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices, thread_count
from workloads.pruning.choosing import largest, share, sizes
from workloads.whole_numbers import even_slices

_ELEMENT_NANOSECONDS = 3  # what one takes on one thread: `python -m benchmarks.threads`


def nested_codes(weights: np.ndarray, densities: tuple[float, ...], level: int, highest: int) -> np.ndarray:
    """Uint8, shape of the weights: the smallest level, 1 up to `highest`, that keeps a weight; 0 where none does.

    weights    values or a mask of one level
    densities  of the levels, rising;  level  the one that the weights are, at most `highest`

    Smaller levels hold the largest weights. What a trace does not tell is drawn, the same way every time: smaller
    levels of a mask, and where larger levels have weights that this one has lost. Levels are never smaller than one
    below them, whatever the density of the weights.
    """
    flat = weights.reshape(-1)
    codes = np.zeros(flat.size, np.uint8)
    kept = int(np.count_nonzero(flat))
    if highest > level:
        # Levels of 0.1, 0.25 and 0.5 of 100 weights, of which level 2 runs with its 25: level 3 adds 25 of the other
        # places, level 1 takes the ten largest of the 25.
        scores = sizes(flat == 0, np.random.default_rng(0))
        # From the largest level down: each smaller one overwrites its part, so that the smallest that keeps a weight
        # remains.
        for number in range(highest, level, -1):
            codes[largest(scores, max(0, share(densities[number - 1], flat.size) - kept))] = number
    codes[flat != 0] = level
    if level > 1:
        scores = sizes(flat, np.random.default_rng(1))
        for number in range(level - 1, 0, -1):
            codes[largest(scores, share(densities[number - 1], flat.size))] = number
    return codes.reshape(weights.shape)


def stored_entries(codes: np.ndarray, stored: tuple[int, int], index_bits: int) -> np.ndarray:
    """Int64 (K,): entries of each filter's list, fillers included.

    codes    uint8 (K, ...)
    stored   first and last level of the list
    """
    lists = codes.reshape(len(codes), -1)
    entries = np.zeros(len(lists), np.int64)

    def count(part: tuple[int, int]) -> None:
        own = slice(*part)
        _count_entries(lists[own], stored, 1 << index_bits, entries[own])

    run_slices(count, even_slices(len(lists), thread_count()), lists.size * _ELEMENT_NANOSECONDS)
    return entries


@kernel
def _count_entries(lists: np.ndarray, stored: tuple[int, int], step_limit: int, entries: np.ndarray) -> None:
    for k in range(len(lists)):
        count, zeros = 0, 0
        for j in range(lists.shape[1]):
            if stored[0] <= lists[k, j] <= stored[1]:
                # The fillers of the run of zeros before it, and the weight itself.
                # Steps of one bit tell 0 or 1 zeros: five zeros take two fillers, of two zeros each, and the weight is
                # the third entry. Zeros behind the last weight take none.
                count += zeros // step_limit + 1
                zeros = 0
            else:
                zeros += 1
        entries[k] = count
