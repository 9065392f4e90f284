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
_DRAWN = 1 << 22  # scores drawn at a time, so that only those of a mask's own places are held


def nested_codes(
    weights: np.ndarray, densities: tuple[float, ...], level: int, highest: int, lowest: int = 1
) -> np.ndarray:
    """Uint8, shape of the weights: the smallest level, `lowest` up to `highest`, that keeps a weight; 0: none does.

    weights    values or a mask of one level
    densities  of the levels, rising;  level  the one that the weights are, from `lowest` to `highest`

    Smaller levels hold the largest weights. What a trace does not tell is drawn, the same way every time: smaller
    levels of a mask, and where larger levels have weights that this one has lost. Levels are never smaller than one
    below them, whatever the density of the weights.
    """
    flat = weights.reshape(-1)
    kept = flat if flat.dtype == np.bool_ else flat != 0
    codes = kept.view(np.uint8) * np.uint8(level)
    count = int(np.count_nonzero(kept))
    # Levels of 0.1, 0.25 and 0.5 of 100 weights, of which level 2 runs with its 25: level 3 adds 25 of the other
    # places, level 1 takes the ten largest of the 25. From the largest level down: each smaller one overwrites its
    # part, so that the smallest that keeps a weight remains.
    if highest > level:
        above = [(n, max(0, share(densities[n - 1], flat.size) - count)) for n in range(highest, level, -1)]
        _choose(codes, ~kept, ~kept, above, seed=0)
    if level > lowest:
        below = [(n, share(densities[n - 1], flat.size)) for n in range(level - 1, lowest - 1, -1)]
        _choose(codes, flat, kept, below, seed=1)
    return codes.reshape(weights.shape)


def _choose(codes: np.ndarray, weights: np.ndarray, kept: np.ndarray, parts: list[tuple[int, int]], seed: int) -> None:
    """Give the largest of some weights new codes: each part (code, number of weights) overwrites those before it.

    kept  bool: where weights are not zero
    """
    count = int(np.count_nonzero(kept))
    own = np.zeros(count + 1, np.uint8)  # and one that stands for no weight
    _pick(codes, kept.view(np.uint8), own)
    # A part that has room for all asks for no scores.
    while parts and parts[0][1] >= count:
        own[:] = parts.pop(0)[0]
    if any(size for _, size in parts):
        scores = _scores(weights, kept, count, np.random.default_rng(seed))
        for code, size in parts:
            own[:count][largest(scores, size)] = code
    _put(own, kept.view(np.uint8), codes)


def _scores(weights: np.ndarray, kept: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """(count,): the scores of weights that are not zero, of which there are `count`."""
    scores, found = np.zeros(0), 0
    # Draws follow one another in one stream, however many are made at a time.
    for first in range(0, weights.size, _DRAWN):
        part = slice(first, first + _DRAWN)
        drawn = sizes(weights[part], random)
        scores = scores if first else np.empty(count + 1, drawn.dtype)
        found += _pick(drawn, kept[part].view(np.uint8), scores[found:])
    return scores[:count]


@kernel
def _pick(values: np.ndarray, kept: np.ndarray, picked: np.ndarray) -> int:
    """Write the values that are kept, uint8 0 or 1, to the front of `picked`, which has room for one more; how many."""
    found = 0
    for i in range(values.size):  # no branch, which nobody could foresee
        picked[found] = values[i]
        found += kept[i]
    return found


@kernel
def _put(picked: np.ndarray, kept: np.ndarray, values: np.ndarray) -> None:
    """Write picked values back to where they are kept; `picked` has one more than are kept."""
    found = 0
    for i in range(values.size):
        values[i] = picked[found] if kept[i] else values[i]
        found += kept[i]


def stored_entries(codes: np.ndarray, stored: list[tuple[int, int]], index_bits: int) -> np.ndarray:
    """Int64 (K,): entries of each filter's lists, fillers included.

    codes    uint8 (K, ...)
    stored   first and last level of each list
    """
    lists = codes.reshape(len(codes), -1)
    entries, levels = np.zeros(len(lists), np.int64), np.array(stored, np.int64)

    def count(part: tuple[int, int]) -> None:
        own = slice(*part)
        _count_entries(lists[own], levels, 1 << index_bits, entries[own])

    run_slices(count, even_slices(len(lists), thread_count()), lists.size * _ELEMENT_NANOSECONDS)
    return entries


@kernel
def _count_entries(codes: np.ndarray, stored: np.ndarray, step_limit: int, entries: np.ndarray) -> None:
    columns = codes.shape[1]
    place, last = np.zeros(columns + 1, np.int64), np.zeros(len(stored), np.int64)
    for k in range(len(codes)):
        found, count = 0, 0
        for j in range(columns):  # no branch, which nobody could foresee
            place[found] = j
            found += codes[k, j] != 0
        last[:] = -1
        for n in range(found):
            j = place[n]
            for number in range(len(stored)):
                if stored[number, 0] <= codes[k, j] <= stored[number, 1]:
                    # The fillers of the run of zeros before it, and the weight itself.
                    # Steps of one bit tell 0 or 1 zeros: five zeros take two fillers, of two zeros each, and the weight
                    # is the third entry. Zeros behind the last weight take none.
                    gap = j - last[number] - 1
                    count += (gap // step_limit if gap >= step_limit else 0) + 1
                    last[number] = j
        entries[k] = count
