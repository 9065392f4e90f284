"""Which patterns a layer's kernels have, and kernels of one input channel gathered into batches.

A pattern is the set of positions at which a kernel has weights. A batch is up to `rows` kernels of one channel that are
worked on together; it takes a cycle for every position that one of them has (the union of their patterns) and block of
outputs. The rule by which kernels share batches is in `pattern`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices
from workloads.whole_numbers import ceil_div

_POSITIONS = 9  # of the largest kernel whose patterns can form a library (3x3)
_WORD_BITS = 64
_COLUMNS = 64  # channels transposed together: their lines stay in the cache
_FILTERS = 64  # filters counted together by one thread


@dataclass(frozen=True, eq=False)
class Batches:
    """The batches of some filters in the order in which they run: by channel, within it as they were cut.

    first      int64 (batches + 1,): index of each batch's first kernel below
    channel    int64 (batches,): input channel, over all groups
    positions  int64 (batches,): positions that are read: those that its kernels have together, or all
    filters    int32 (kernels,): filter of each kernel
    words      uint64 (kernels, W): the positions of its weights, 64 a word, the first lowest; uint8 of single positions
    whole      positions of a kernel
    """

    first: np.ndarray
    channel: np.ndarray
    positions: np.ndarray
    filters: np.ndarray
    words: np.ndarray
    whole: int


@dataclass(frozen=True, eq=False)
class KernelPatterns:
    """The kernels of a layer and the library of its patterns.

    mask           uint8 (K, C/G, X): the weights
    group_filters  filters of a convolution group
    library        int64 (at most `patterns`,): its patterns as bits, the first position lowest. Kernels of more than 9
                   positions have none, and those of one position need none
    names_whole    whether such kernels are stored without a list of their positions where they are whole
    """

    mask: np.ndarray
    group_filters: int
    library: np.ndarray
    names_whole: bool

    @classmethod
    def of(cls, weight_mask: np.ndarray, group_filters: int, patterns: int) -> Self:
        """From a mask (K, C/G, R, S) and the most patterns that the library may have."""
        mask = weight_mask.reshape(*weight_mask.shape[:2], -1).view(np.uint8)
        library = np.zeros(0, np.int64)
        coded = 1 < mask.shape[2] <= _POSITIONS
        if patterns and coded:
            slices = range(0, len(mask), _FILTERS)
            counts = sum(run_slices(lambda first: _count_codes(mask[first : first + _FILTERS]), slices))
            library = _choose_library(np.asarray(counts), patterns)
        return cls(mask, group_filters, library, names_whole=patterns > 0 and not coded)

    @cached_property
    def _counts(self) -> np.ndarray:
        """Int64 (K, 3): of each filter the weights, the kernels that are kept, and those with no name."""
        known = np.zeros(1 << _POSITIONS, np.bool_)
        known[self.library] = True
        slices = range(0, len(self.mask), _FILTERS)
        return np.concatenate(
            run_slices(
                lambda first: _count_kernels(self.mask[first : first + _FILTERS], known, self.names_whole), slices
            )
        )

    def filter_bits(self, value_bits: int) -> np.ndarray:
        """Int64 (K,): bits of each filter's kernels in the form that takes the layer fewest, of equals the first.

        Dense: every value, zeros too. Bitmaps: each kept kernel has its weights, a bit for each position and, where not
        all kernels are kept, its channel. Patterns: its weights, the channel likewise, the code of its pattern, and the
        bits of its positions only where the library does not hold its pattern, which has a code of its own.
        """
        weights, kernels, general = self._counts.T
        _, channels, positions = self.mask.shape
        channel_bits = 0 if kernels.sum() == kernels.size * channels else (channels - 1).bit_length()
        names = len(self.library) + self.names_whole + bool(general.any())
        code_bits = max(0, names - 1).bit_length()
        dense = np.full(len(kernels), channels * positions * value_bits, np.int64)
        bitmaps = weights * value_bits + kernels * (channel_bits + positions)
        named = weights * value_bits + kernels * (channel_bits + code_bits) + general * positions
        return min(dense, bitmaps, named, key=lambda bits: int(bits.sum()))

    def batches(self, filters: tuple[int, int], rows: int, *, reads: int, switch_cycles: int) -> Batches:
        """The batches of filters first..end.

        reads  cycles of one position of a batch;  switch_cycles  cycles until an array reads other than all positions
        """
        positions = self.mask.shape[2]
        costs = np.minimum(np.arange(positions + 1) * reads + switch_cycles, positions * reads)
        lists = _transposed(self.mask[slice(*filters)], ceil_div(positions, _WORD_BITS))
        return Batches(
            *_gather(lists, _labels(self.library), self.group_filters, filters, rows, costs), whole=positions
        )


def _choose_library(counts: np.ndarray, patterns: int) -> np.ndarray:
    """Int64: the patterns, one after the other, that save most positions; see `pattern`. counts int64 (512,)."""
    codes = np.flatnonzero(counts)
    codes = codes[codes > 0]
    sizes = np.array([int(code).bit_count() for code in codes], np.int64)
    holds = (codes[:, None] & ~codes[None, :]) == 0  # (kernels' patterns, patterns of the library)
    read = np.full(len(codes), int(np.bitwise_or.reduce(codes, initial=0)).bit_count())
    library: list[int] = []
    while len(library) < min(patterns, len(codes)):
        saved = counts[codes] @ (holds * np.maximum(0, read[:, None] - sizes))
        best = int(saved.argmax())
        if saved[best] == 0:
            break
        library.append(int(codes[best]))
        read = np.where(holds[:, best], np.minimum(read, sizes[best]), read)
    return np.array(library, np.int64)


def _labels(library: np.ndarray) -> np.ndarray:
    """Int64 (patterns + 1, 512): the place at which each kernel is sorted by so many patterns of the library.

    The smallest pattern that holds it, of equals the first; kernels that none holds come last.
    """
    codes = np.arange(1 << _POSITIONS)
    labels, size = np.zeros((len(library) + 1, len(codes)), np.int64), np.full(len(codes), _POSITIONS + 1)
    for place, pattern in enumerate(library.tolist()):
        better = ((codes & ~pattern) == 0) & (pattern.bit_count() < size)
        size[better] = pattern.bit_count()
        labels[place + 1] = np.where(size <= _POSITIONS, labels[place], place + 1)
        labels[place + 1][better] = place
    return labels


@kernel
def _count_codes(mask: np.ndarray) -> np.ndarray:
    """Int64 (512,): kernels of each pattern."""
    counts = np.zeros(1 << 9, np.int64)
    for k in range(mask.shape[0]):
        for c in range(mask.shape[1]):
            code = 0
            for x in range(mask.shape[2]):
                code |= np.int64(mask[k, c, x]) << x
            counts[code] += 1
    return counts


@kernel
def _count_kernels(mask: np.ndarray, known: np.ndarray, names_whole: bool) -> np.ndarray:
    """Int64 (K, 3): weights, kept kernels, and kernels that are neither known nor whole where those have a name."""
    counts = np.zeros((mask.shape[0], 3), np.int64)
    positions = mask.shape[2]
    for k in range(mask.shape[0]):
        for c in range(mask.shape[1]):
            weights, code = 0, 0
            for x in range(positions):
                weights += mask[k, c, x]
                if positions <= 9:
                    code |= np.int64(mask[k, c, x]) << x
            named = (names_whole and weights == positions) or known[code]
            counts[k, 0] += weights
            counts[k, 1] += weights > 0
            counts[k, 2] += weights > 0 and not named
    return counts


@kernel
def _transposed(mask: np.ndarray, words: int) -> np.ndarray:
    """Uint64 (C/G, K, W): the positions of each kernel's weights, channel by channel; mask (K, C/G, X)."""
    filters, channels, positions = mask.shape
    lists = np.zeros((channels, filters, words), np.uint64)
    for first in range(0, channels, _COLUMNS):
        for k in range(filters):
            for c in range(first, min(first + _COLUMNS, channels)):
                for x in range(positions):
                    lists[c, k, x // 64] |= np.uint64(mask[k, c, x]) << np.uint64(x % 64)
    return lists


@kernel
def bits_set(word: np.uint64) -> np.int64:
    """Ones of a 64-bit word."""
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
            if alike or words > 1:
                _cut_evenly(size, rows, best_end)
            else:
                fewest = _cut(_line(lists, c, own[:size], line), rows, costs, cost, best_end)
                for j in range(1, labels.shape[0]):
                    if _sort(lists, c, own[:size], labels[j], j, other):
                        cycles = _cut(_line(lists, c, other[:size], line), rows, costs, cost, end)
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
                positions[batches] = costs.size - 1 if costs[union] == costs[-1] else union
                i = best_end[i]
                batches += 1
                first[batches] = held + i
            held += size
    return first[: batches + 1], channel[:batches], positions[:batches], order, ordered


@kernel
def _gather_single(
    mask: np.ndarray, group_filters: int, filters: tuple[int, int], rows: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The fields of `Batches` where a kernel has one position: full batches; mask uint8 (filters, C/G)."""
    block, channels = mask.shape
    groups = (filters[1] - 1) // group_filters + 1
    counts = np.zeros(groups * channels, np.int64)
    for k in range(block):
        base = (filters[0] + k) // group_filters * channels
        for c in range(channels):
            counts[base + c] += mask[k, c]
    batches = np.int64(0)
    for count in counts:
        batches += -(-count // rows)
    first, channel, positions = np.zeros(batches + 1, np.int64), np.zeros(batches, np.int64), np.ones(batches, np.int64)
    place, held, batch = np.zeros(counts.size, np.int64), np.int64(0), 0
    for c in range(counts.size):
        place[c] = held
        for begin in range(0, counts[c], rows):
            channel[batch] = c
            batch += 1
            first[batch] = held + min(begin + rows, counts[c])
        held += counts[c]
    order = np.zeros(held, np.int32)
    for first_column in range(0, channels, _COLUMNS):
        for k in range(block):
            base = (filters[0] + k) // group_filters * channels
            for c in range(first_column, min(first_column + _COLUMNS, channels)):
                if mask[k, c]:
                    order[place[base + c]] = filters[0] + k
                    place[base + c] += 1
    return first, channel, positions, order, np.ones((held, 1), np.uint8)


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
    cost[size] = 0
    all_read = np.uint64(0)
    for i in range(size - 1, -1, -1):
        all_read |= line[i]
        union, fewest, last = line[i], np.int64(-1), min(i + rows, size)
        j = i + 1
        while True:
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


@kernel
def multiply_kernels(
    values: np.ndarray,
    columns: np.ndarray,
    windows: np.ndarray,
    weights: np.ndarray,
    order: tuple[np.ndarray, np.ndarray],
    group_filters: int,
    pixels: tuple[int, int, int],
    outputs: np.ndarray,
) -> None:
    """Add the products of kernels, one after the other, each over all blocks of a strip, weight by weight.

    values, columns, windows  `PaddedMap`
    weights  int64 (K, C/G, X);  order  filter and channel in its group of each kernel
    pixels   first and end of the strip's positions, and the size of a block;  outputs  int64 (N, K, positions)
    """
    for n in range(order[0].size):
        k, c = order[0][n], order[1][n]
        for image in range(outputs.shape[0]):
            own = values[image, k // group_filters]
            for first in range(pixels[0], pixels[1], pixels[2]):
                for x in range(weights.shape[2]):
                    if weights[k, c, x]:
                        offset = columns[c * weights.shape[2] + x]
                        for i in range(first, min(first + pixels[2], pixels[1])):
                            outputs[image, k, i] += weights[k, c, x] * own[windows[i] + offset]
