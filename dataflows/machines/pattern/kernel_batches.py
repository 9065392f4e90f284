"""Kernels of one input channel gathered into batches that an array holds together.

A batch is up to `rows` kernels of one channel; it takes a cycle for every position that one of them has (the union of
their patterns) and block of outputs. The rule by which kernels share batches is in `pattern`.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.words import set_bits
from dataflows.machines.pattern.coded_batches import MOST_CYCLES, BatchCosts, gather_coded
from dataflows.machines.pattern.kernel_patterns import MOST_POSITIONS, KernelPatterns
from workloads.whole_numbers import ceil_div, starts

_WORD_BITS = 64
_NEVER = np.int64(1 << 62)  # cycles, more than any batches take
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
        if positions == 1:
            return cls.of_single_weights(kernels.mask[slice(*filters), :, 0], kernels.group_filters, filters[0], rows)
        # A batch switches to the union of its patterns or reads everything, whichever is sooner. Of nine positions of 4
        # reads and a switch of 6 cycles one takes 10, seven take 34, and eight or nine 36.
        costs = BatchCosts(reads, switch_cycles, positions * reads, positions)
        lists = _transposed(kernels.mask[slice(*filters)], ceil_div(positions, _WORD_BITS))
        labels = _labels(kernels.pattern_set)
        block = filters[1] - filters[0]
        if positions <= MOST_POSITIONS and (ceil_div(block, rows) + 1) * costs.every + switch_cycles < MOST_CYCLES:
            return cls(*gather_coded(lists, labels, kernels.group_filters, filters, rows, costs), whole=positions)
        table = np.minimum(np.arange(positions + 1) * reads + switch_cycles, positions * reads)
        return cls(*_gather(lists, labels, kernels.group_filters, filters, rows, table), whole=positions)

    @classmethod
    def of_single_weights(cls, mask: np.ndarray, group_filters: int, first_filter: int, rows: int) -> Self:
        """The batches of kernels of one position, uint8 (filters, C/G), which are full but for each channel's last.

        They are alike, so that `filters` and `words` are left empty; see `kernel_filters`.
        """
        groups = (first_filter + np.arange(len(mask))) // group_filters
        kept = np.zeros((int(groups[-1]) + 1, mask.shape[1]), np.int32)
        _count_single(mask, groups, kept)
        kept = kept.reshape(-1).astype(np.int64)
        batches = ceil_div(kept, rows)
        channel = np.repeat(np.arange(kept.size), batches)
        # Kernels of a channel that stand before each of its batches: 40 in batches of 16 begin at 0, 16 and 32.
        before = (np.arange(channel.size) - starts(batches)[channel]) * rows
        first = np.append(starts(kept)[channel] + before, kept.sum())
        ones_read = np.ones(channel.size, np.int64)
        return cls(first, channel, ones_read, np.zeros(0, np.int32), np.zeros((0, 1), np.uint64), 1)

    def kernel_filters(self, kernels: KernelPatterns, filters: tuple[int, int]) -> np.ndarray:
        """Filter of each kernel of the filters first..end, in the order of the batches."""
        if self.whole > 1:
            return self.filters
        channels = kernels.mask.shape[1]
        filter_, channel = np.nonzero(kernels.mask[slice(*filters), :, 0])
        filter_ += filters[0]
        return filter_[np.argsort(filter_ // kernels.group_filters * channels + channel, kind="stable")]


@kernel
def _count_single(mask: np.ndarray, groups: np.ndarray, kept: np.ndarray) -> None:
    """Add the weights of filters, uint8 (filters, C/G), to those of their groups, int32 (groups, C/G)."""
    for k in range(mask.shape[0]):
        for c in range(mask.shape[1]):
            kept[groups[k], c] += mask[k, c]


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
    own, best, best_end = np.zeros(block, np.int64), np.zeros(block, np.int64), np.zeros(block, np.int64)
    room = np.zeros((2, block), np.uint64), np.zeros(block + 1, np.int64), np.zeros(block, np.int64)
    begin = np.zeros(labels.shape[0] + 1, np.int64)
    held, batches = 0, 0
    for group in range(filters[0] // group_filters, (filters[1] - 1) // group_filters + 1):
        begin_filter, end_filter = max(filters[0], group * group_filters), min(filters[1], (group + 1) * group_filters)
        for c in range(channels):
            size, alike = _own_kernels(lists, c, begin_filter - filters[0], end_filter - filters[0], own)
            # Kernels of one pattern fill batches in any order. Of more than 64 positions there is no pattern set, and
            # `_cut` sees one word a kernel.
            if alike or words > 1:
                _cut_evenly(size, rows, best_end)
                best[:size] = own[:size]
            else:
                _cut_best(lists[c, :, 0], own[:size], labels, rows, costs, room, begin, best, best_end)
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
def _cut_best(
    positions: np.ndarray,
    own: np.ndarray,
    labels: np.ndarray,
    rows: int,
    costs: np.ndarray,
    room: tuple[np.ndarray, np.ndarray, np.ndarray],
    begin: np.ndarray,
    best: np.ndarray,
    best_end: np.ndarray,
) -> None:
    """Fill best and best_end with the order of a channel's kernels `own` that takes fewest cycles, and its cut.

    positions  uint64 (filters,) of each kernel;  room, begin  arrays that any channel may write to
    """
    size, (line, cost, end) = own.size, room
    codes, sorted_codes = line[0, :size], line[1, :size]
    for i in range(size):
        codes[i] = positions[own[i]]
    fewest, best_order = _cut(codes, rows, costs, cost, best_end), 0
    for j in range(1, labels.shape[0]):
        if _count_labels(codes, labels[j], j, begin):
            for code in codes:
                sorted_codes[begin[labels[j, code]]] = code
                begin[labels[j, code]] += 1
            cycles = _cut(sorted_codes, rows, costs, cost, end)
            # The filters' own order came first and is kept among equals.
            if cycles < fewest:
                fewest, best_order = cycles, j
                best_end[:size] = end[:size]
    if not best_order:
        best[:size] = own
        return
    _count_labels(codes, labels[best_order], best_order, begin)
    for i in range(size):
        label = labels[best_order, codes[i]]
        best[begin[label]] = own[i]
        begin[label] += 1


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
def _count_labels(codes: np.ndarray, labels: np.ndarray, last: int, begin: np.ndarray) -> bool:
    """Fill `begin` with where each label's kernels begin once they are sorted; false if sorting changes nothing.

    Kernels of one label, 0 to `last`, keep their order.
    """
    begin[: last + 1] = 0
    changed, before = False, np.int64(0)
    for code in codes:
        label = labels[code]
        changed |= bool(label < before)
        before = label
        begin[label] += 1
    total = np.int64(0)
    for label in range(last + 1):
        total += begin[label]
        begin[label] = total - begin[label]
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
    cost[i]: cycles from kernel i on. They grow with every kernel, so of two batches that cost as much the longer is as
    good.
    """
    size, every = line.size, costs[costs.size - 1]
    # Kernels {0}, {0}, {1} and {0, 1}, two rows, a cycle a position: from the last on 2 cycles, from {1} on 2 as well,
    # since both fit one batch, from the second {0} on 3, and in all 3: two batches of 1 and 2 positions.
    cost[size] = 0
    all_read = np.uint64(0)
    # From the back, so that the best cut behind every end is known.
    for i in range(size - 1, -1, -1):
        all_read |= line[i]
        union, fewest, last, best = line[i], _NEVER, min(i + rows, size), i
        for j in range(i + 1, last + 1):
            own = costs[set_bits(union)]
            # No kernel behind adds a position, or none that costs: the longest batch costs no more than a shorter one.
            if union == all_read or own == every:
                j = last  # noqa: PLW2901 (the loop ends here)
            cycles = cost[j] + own
            if cycles <= fewest:
                fewest, best = cycles, j
            if j == last:
                break
            union |= line[j]
        cost[i], end[i] = fewest, best
    return cost[0]


@kernel
def _union(words: np.ndarray, first: int, end: int) -> np.int64:
    """Positions that the kernels first..end have together."""
    positions = np.int64(0)
    for word in range(words.shape[1]):
        union = np.uint64(0)
        for k in range(first, end):
            union |= words[k, word]
        positions += set_bits(union)
    return positions
