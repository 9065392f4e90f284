"""Kernels of one input channel gathered into batches that an array holds together.

A batch is up to `rows` kernels of one channel; it takes a cycle for every position that one of them has (the union of
their patterns) and block of outputs. The rule by which kernels share batches is in `pattern`.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.machines.pattern.kernel_patterns import MOST_POSITIONS, KernelPatterns
from workloads.whole_numbers import ceil_div

_WORD_BITS = 64
_COLUMNS = 64  # channels transposed together: their lines stay in the cache


class Batches(NamedTuple):
    """The batches of some filters in the order in which they run: by channel, within it as they were cut.

    first      int64 (batches + 1,): index of each batch's first kernel below
    channel    int64 (batches,): input channel, over all groups
    positions  int64 (batches,): positions that are read: those that its kernels have together, or all
    filters    int32 (kernels,): filter of each kernel
    words      uint64 (kernels, W): the positions of its weights, 64 a word, the first lowest
    whole      positions of a kernel

    Example: kernels of three positions {0, 1}, {2}, {0} and {2} of one channel, two rows, the pattern set {2} and {0}.
    Kernels 1 and 3 share one batch, 0 and 2 the other: 1 + 2 positions are read, in the order of the filters 3 + 2.
    """

    first: np.ndarray
    channel: np.ndarray
    positions: np.ndarray
    filters: np.ndarray
    words: np.ndarray
    whole: int

    @classmethod
    def of(
        cls, kernels: KernelPatterns, filters: tuple[int, int], rows: int, *, reads: int, switch_cycles: int
    ) -> Self:
        """The batches of filters first..end.

        rows           kernels of a batch at most
        reads          cycles of one position of a batch
        switch_cycles  cycles until an array reads other than all positions
        """
        positions = kernels.mask.shape[2]
        # A batch switches to the union of its patterns or reads everything, whichever is sooner. Of nine positions of 4
        # reads and a switch of 6 cycles one takes 10, seven take 34, and eight or nine 36.
        costs = np.minimum(np.arange(positions + 1) * reads + switch_cycles, positions * reads)
        lists = _transposed(kernels.mask[slice(*filters)], ceil_div(positions, _WORD_BITS))
        found = _gather(lists, _labels(kernels.pattern_set), kernels.group_filters, filters, rows, costs)
        return cls(*found, whole=positions)


def _labels(pattern_set: np.ndarray) -> np.ndarray:
    """Int64 (patterns + 1, 512): the place at which each kernel is sorted by so many patterns of the set.

    The smallest pattern that holds it, of equals the first; kernels that none holds come last.
    """
    # The set {0, 1} and {0}, codes 3 and 1: sorted by the first pattern alone the kernels {0} and {1} both
    # have place 0; by both, {0} has place 1, since the smaller pattern holds it, {1} has place 0, and {2},
    # which none holds, place 2.
    codes = np.arange(1 << MOST_POSITIONS)
    labels, size = np.zeros((len(pattern_set) + 1, len(codes)), np.int64), np.full(len(codes), MOST_POSITIONS + 1)
    for place, pattern in enumerate(pattern_set.tolist()):
        # A pattern holds a kernel when none of its weights lies outside; only a smaller pattern takes the place of an
        # earlier one.
        better = ((codes & ~pattern) == 0) & (pattern.bit_count() < size)
        size[better] = pattern.bit_count()
        # Kernels that no pattern holds move behind the patterns, which are one more now.
        labels[place + 1] = np.where(size <= MOST_POSITIONS, labels[place], place + 1)
        labels[place + 1][better] = place
    return labels


@kernel
def _transposed(mask: np.ndarray, words: int) -> np.ndarray:
    """Uint64 (C/G, K, W): the positions of each kernel's weights, channel by channel; mask (K, C/G, X)."""
    filters, channels, positions = mask.shape
    lists = np.zeros((channels, filters, words), np.uint64)
    for first in range(0, channels, _COLUMNS):
        for k in range(filters):
            for c in range(first, min(first + _COLUMNS, channels)):
                for x in range(positions):
                    # Position 65 is bit 1 of word 1.
                    lists[c, k, x // 64] |= np.uint64(mask[k, c, x]) << np.uint64(x % 64)
    return lists


@kernel
def bits_set(word: np.uint64) -> np.int64:
    """Ones of a 64-bit word."""
    # Counts of ones in pairs, then in fours, then in bytes; the product adds the eight bytes in the highest.
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@kernel
def _gather(
    lists: np.ndarray,
    labels: np.ndarray,
    group_filters: int,
    filters: tuple[int, int],
    rows: int,
    costs: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The fields of `Batches`; lists uint64 (C/G, filters, W), labels int64 (orders, 512), costs int64 (X + 1,)."""
    channels, block, words = lists.shape
    # At worst every kernel is a batch of its own, so that what is found is never longer than this.
    kept = _count_kept(lists)
    first, channel, positions = np.zeros(kept + 1, np.int64), np.zeros(kept, np.int64), np.zeros(kept, np.int64)
    order, ordered = np.zeros(kept, np.int32), np.zeros((kept, words), np.uint64)
    own, other, best = np.zeros(block, np.int64), np.zeros(block, np.int64), np.zeros(block, np.int64)
    cost, end, best_end = np.zeros(block + 1, np.int64), np.zeros(block, np.int64), np.zeros(block, np.int64)
    line = np.zeros(block, np.uint64)
    held, batches = 0, 0
    for group in range(filters[0] // group_filters, (filters[1] - 1) // group_filters + 1):
        begin_filter, end_filter = max(filters[0], group * group_filters), min(filters[1], (group + 1) * group_filters)
        for c in range(channels):
            size, alike = _own_kernels(lists, c, begin_filter - filters[0], end_filter - filters[0], own)
            best[:size] = own[:size]
            # Kernels of one pattern fill batches in any order. Of more than 64 positions there is no pattern set, and
            # `_cut` sees one word a kernel.
            if alike or words > 1:
                _cut_evenly(size, rows, best_end)
            else:
                fewest = _cut(_line(lists, c, own[:size], line), rows, costs, cost, best_end)
                for j in range(1, labels.shape[0]):
                    if _sort(lists, c, own[:size], labels[j], j, other):
                        cycles = _cut(_line(lists, c, other[:size], line), rows, costs, cost, end)
                        # The filters' own order came first and is kept among equals.
                        if cycles < fewest:
                            fewest = cycles
                            best[:size], best_end[:size] = other[:size], end[:size]
            for i in range(size):
                order[held + i] = filters[0] + best[i]
                for word in range(words):
                    ordered[held + i, word] = lists[c, best[i], word]
            i = 0
            while i < size:
                union = _union(ordered, held + i, held + best_end[i])
                channel[batches] = group * channels + c
                # Where a switch saves no cycle, none is made.
                positions[batches] = costs.size - 1 if costs[union] == costs[-1] else union
                i = best_end[i]
                batches += 1
                first[batches] = held + i
            held += size
    return first[: batches + 1], channel[:batches], positions[:batches], order, ordered


@kernel
def _count_kept(lists: np.ndarray) -> int:
    kept = 0
    for c in range(lists.shape[0]):
        for k in range(lists.shape[1]):
            kept += _has_weights(lists, c, k)
    return kept


@kernel
def _has_weights(lists: np.ndarray, c: int, k: int) -> bool:
    found = np.uint64(0)
    for word in range(lists.shape[2]):
        found |= lists[c, k, word]
    return found != 0


@kernel
def _own_kernels(lists: np.ndarray, c: int, begin: int, end: int, own: np.ndarray) -> tuple[int, bool]:
    """Fill `own` with the kernels of begin..end that have weights; their number and whether all are alike."""
    size, alike = 0, True
    for k in range(begin, end):
        if _has_weights(lists, c, k):
            own[size] = k
            size += 1
            alike &= lists[c, k, 0] == lists[c, own[0], 0]
    return size, alike


@kernel
def _line(lists: np.ndarray, c: int, order: np.ndarray, line: np.ndarray) -> np.ndarray:
    """The positions of kernels, a word each, in a given order."""
    for i in range(order.size):
        line[i] = lists[c, order[i], 0]
    return line[: order.size]


@kernel
def _sort(lists: np.ndarray, c: int, own: np.ndarray, labels: np.ndarray, last: int, other: np.ndarray) -> bool:
    """Fill `other` with the kernels by label, 0 to `last`, of equals in their order; false if that changes nothing."""
    at, changed = 0, False
    for label in range(last + 1):
        for k in own:
            if labels[lists[c, k, 0]] == label:
                changed |= own[at] != k
                other[at] = k
                at += 1
    return changed


@kernel
def _cut_evenly(size: int, rows: int, end: np.ndarray) -> None:
    """Full batches, see `_cut`: those of kernels of one pattern take fewest cycles."""
    for i in range(size):
        end[i] = min(i + rows, size)


@kernel
def _cut(line: np.ndarray, rows: int, costs: np.ndarray, cost: np.ndarray, end: np.ndarray) -> int:
    """Cut kernels in a given order into batches of at most `rows` with fewest cycles, which it returns.

    costs[n]: cycles of a batch of n positions. end[i]: end of the batch that begins with kernel i, the last of equals.
    cost[i]: cycles from kernel i on. They grow with every kernel, so only a batch that the next kernel would make read
    more, or that is full, can be best.
    """
    size = line.size
    # Kernels {0}, {0}, {1} and {0, 1}, two rows, a cycle a position: from the last on 2 cycles, from {1} on 2 as well,
    # since both fit one batch, from the second {0} on 3, and in all 3: two batches of 1 and 2 positions.
    cost[size] = 0
    all_read = np.uint64(0)
    # From the back, so that the best cut behind every end is known.
    for i in range(size - 1, -1, -1):
        all_read |= line[i]
        union, fewest, last = line[i], np.int64(-1), min(i + rows, size)
        j = i + 1
        while True:
            # No kernel behind adds a position: the longest batch costs no more than a shorter one.
            if union == all_read:
                j = last
            while j < last and union | line[j] == union:
                j += 1
            cycles = cost[j] + costs[bits_set(union)]
            if fewest < 0 or cycles <= fewest:
                fewest, end[i] = cycles, j
            if j == last:
                break
            union |= line[j]
            j += 1
        cost[i] = fewest
    return cost[0]


@kernel
def _union(words: np.ndarray, first: int, end: int) -> np.int64:
    """Positions that the kernels first..end have together."""
    positions = np.int64(0)
    for word in range(words.shape[1]):
        union = np.uint64(0)
        for k in range(first, end):
            union |= words[k, word]
        positions += bits_set(union)
    return positions
