"""Which patterns a layer's kernels have, which of them make its pattern set, and what the kernels take in DRAM.

A pattern is the set of positions at which a kernel has weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices
from dataflows.tiling.filter_weights import kept_weights

_ELEMENT_NANOSECONDS = 0.5  # what one takes on one thread: `python -m benchmarks.threads`
MOST_POSITIONS = 9  # of the largest kernel whose patterns can form a pattern set (3x3)
_FILTERS = 64  # filters counted together by one thread
_WEIGHTS, _KEPT, _UNNAMED = range(3)  # what is counted of a filter


@dataclass(frozen=True, eq=False)
class KernelPatterns:
    """The kernels of a layer and its pattern set.

    mask           uint8 (K, C/G, X): the weights
    group_filters  filters of a convolution group
    pattern_set    int64 (at most `patterns`,): each pattern as bits, the first position lowest. Kernels of more than 9
                   positions have none, and those of one position need none
    names_whole    whether such kernels are stored without a list of their positions where they are whole
    """

    mask: np.ndarray
    group_filters: int
    pattern_set: np.ndarray
    names_whole: bool

    @classmethod
    def of(cls, weight_mask: np.ndarray, group_filters: int, patterns: int) -> Self:
        """From a mask (K, C/G, R, S) and the most patterns that the set may have."""
        mask = weight_mask.reshape(*weight_mask.shape[:2], -1).view(np.uint8)
        pattern_set = np.zeros(0, np.int64)
        coded = 1 < mask.shape[2] <= MOST_POSITIONS
        if patterns and coded:
            slices = range(0, len(mask), _FILTERS)
            counts = sum(
                run_slices(
                    lambda first: _count_codes(mask[first : first + _FILTERS]), slices, mask.size * _ELEMENT_NANOSECONDS
                )
            )
            pattern_set = _choose_patterns(np.asarray(counts), patterns)
        return cls(mask, group_filters, pattern_set, names_whole=patterns > 0 and not coded)

    @cached_property
    def _counts(self) -> np.ndarray:
        """Int64 (K, 3): of each filter the weights, the kernels that are kept, and those of them with no name."""
        if self.mask.shape[2] == 1:  # a kernel is a weight, whole where it is kept
            weights = kept_weights(self.mask)
            return np.stack([weights, weights, weights * (not self.names_whole)], axis=1)
        known = np.zeros(1 << MOST_POSITIONS, np.bool_)
        known[self.pattern_set] = True
        slices = range(0, len(self.mask), _FILTERS)
        return np.concatenate(
            run_slices(
                lambda first: _count_kernels(self.mask[first : first + _FILTERS], known, self.names_whole),
                slices,
                self.mask.size * _ELEMENT_NANOSECONDS,
            )
        )

    def filter_bits(self, value_bits: int) -> np.ndarray:
        """Int64 (K,): bits of each filter's kernels in the form that takes the layer fewest, of equals the first.

        Dense: every value, zeros too. Bitmaps: each kept kernel has its weights, a bit for each position and, where not
        all kernels are kept, its channel. Patterns: its weights, the channel likewise, the code of its pattern, and the
        bits of its positions only where the set does not hold its pattern, which has a code of its own.
        """
        weights, kernels, unnamed = self._counts.T
        _, channels, positions = self.mask.shape
        # 64 channels take 6 bits. Where every kernel is kept, its place in the order tells its channel.
        channel_bits = 0 if kernels.sum() == kernels.size * channels else (channels - 1).bit_length()
        # One name for each pattern, one for whole kernels and one for those with their own list: 5 names take 3 bits, a
        # single one none. Where there is no name, there is no kernel to bear it.
        names = len(self.pattern_set) + self.names_whole + bool(unnamed.any())
        code_bits = (names - 1).bit_length()
        dense = np.full(len(kernels), channels * positions * value_bits, np.int64)
        # Four weights of 16 bits in a kernel of nine positions, one of 64 channels: 64 + 6 + 9 = 79 bits with a bitmap,
        # 64 + 6 + 3 = 73 with the name of one of eight patterns.
        bitmaps = weights * value_bits + kernels * (channel_bits + positions)
        named = weights * value_bits + kernels * (channel_bits + code_bits) + unnamed * positions
        # One form for the layer: the decoder does not change between filters.
        return min(dense, bitmaps, named, key=lambda bits: int(bits.sum()))


def _choose_patterns(counts: np.ndarray, patterns: int) -> np.ndarray:
    """Int64: the patterns, one after the other, that save most positions; see `pattern`. counts int64 (512,)."""
    codes = np.flatnonzero(counts)
    # Kernels without weights are not stored and not read.
    codes = codes[codes > 0]
    sizes = np.array([int(code).bit_count() for code in codes], np.int64)
    holds = (codes[:, None] & ~codes[None, :]) == 0  # (kernels' patterns, patterns of the set)
    # Without a set a kernel is read at every position that any of the layer's has; a pattern saves what it is smaller.
    read = np.full(len(codes), int(np.bitwise_or.reduce(codes, initial=0)).bit_count())
    chosen: list[int] = []
    while len(chosen) < min(patterns, len(codes)):
        # A pattern of four positions saves each of the kernels that it holds five of nine; one taken before leaves less
        # to save, so that the second is not simply the second best of the first count.
        saved = counts[codes] @ (holds * np.maximum(0, read[:, None] - sizes))
        best = int(saved.argmax())
        # More patterns would save nothing, and only lengthen the codes.
        if saved[best] == 0:
            break
        chosen.append(int(codes[best]))
        read = np.where(holds[:, best], np.minimum(read, sizes[best]), read)
    return np.array(chosen, np.int64)


@kernel
def _count_codes(mask: np.ndarray) -> np.ndarray:
    """Int64 (512,): kernels of each pattern."""
    counts = np.zeros(1 << MOST_POSITIONS, np.int64)
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
                if positions <= MOST_POSITIONS:
                    code |= np.int64(mask[k, c, x]) << x
            named = (names_whole and weights == positions) or known[code]
            counts[k, _WEIGHTS] += weights
            counts[k, _KEPT] += weights > 0
            counts[k, _UNNAMED] += weights > 0 and not named
    return counts
