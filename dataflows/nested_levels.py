"""Levels of a nested network that is stored once: which weight belongs to which, and what reading a level costs.

A filter's stored list has its weights in the order (c, r, s), each with the number of zeros before it; where that does
not fit its bits, a filler (a stored zero) stands in. A decoder looks at a few stored entries at a time.
"""

from __future__ import annotations

import numpy as np

from dataflows.kernel import kernel, run_slices, thread_count
from workloads.pruning.choosing import largest, share, sizes


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
        scores = sizes(flat == 0, np.random.default_rng(0))
        for number in range(highest, level, -1):
            codes[largest(scores, max(0, share(densities[number - 1], flat.size) - kept))] = number
    codes[flat != 0] = level
    if level > 1:
        scores = sizes(flat, np.random.default_rng(1))
        for number in range(level - 1, 0, -1):
            codes[largest(scores, share(densities[number - 1], flat.size))] = number
    return codes.reshape(weights.shape)


def read_lists(
    codes: np.ndarray, stored: tuple[int, int], level: int, *, index_bits: int, decoded: int
) -> tuple[np.ndarray, np.ndarray]:
    """Entries of each filter's list, and the decoder's cycles without a weight of the level; int64 (K,), (K,).

    codes    uint8 (K, ...)
    stored   first and last level of the list;  level  the one that runs
    decoded  stored entries that the decoder looks at together; a group takes a cycle for every weight, at least one
    """
    lists = codes.reshape(len(codes), -1)
    entries, empty = np.zeros(len(lists), np.int64), np.zeros(len(lists), np.int64)
    edges = np.linspace(0, len(lists), min(len(lists), thread_count()) + 1).astype(int).tolist()

    def read(part: int) -> None:
        own = slice(edges[part], edges[part + 1])
        _read_lists(lists[own], stored, level, 1 << index_bits, decoded, entries[own], empty[own])

    run_slices(read, range(len(edges) - 1))
    return entries, empty


@kernel
def _read_lists(
    lists: np.ndarray,
    stored: tuple[int, int],
    level: int,
    step_limit: int,
    decoded: int,
    entries: np.ndarray,
    empty: np.ndarray,
) -> None:
    for k in range(len(lists)):
        count, zeros, working, last_group = 0, 0, 0, -1
        for j in range(lists.shape[1]):
            code = lists[k, j]
            if code < stored[0] or code > stored[1]:
                zeros += 1
                continue
            count += zeros // step_limit
            zeros = 0
            if code <= level:
                group = count // decoded
                working += group != last_group
                last_group = group
            count += 1
        entries[k] = count
        empty[k] = (count + decoded - 1) // decoded - working
