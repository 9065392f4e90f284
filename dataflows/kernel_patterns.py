"""Which pattern each kernel of a layer has, and kernels of one input channel gathered into batches.

A pattern is the set of positions at which a kernel has weights. The commonest ones of a layer form its library; kernels
with another pattern take the general path. A batch is up to `rows` kernels of one channel that are worked on together:
of one library pattern, or of any on the general path. It takes a cycle for every position that one of them has.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from dataflows.kernel import kernel

_POSITIONS = 9  # of the largest kernel whose every pattern has a code of its own (3x3)


@dataclass(frozen=True, eq=False)
class BatchTally:
    """What the arrays do with the batches that they are dealt, for one block of output positions; int64.

    products     (arrays, rows): weights of the kernels that a row held
    held         (arrays, rows): cycles of the batches in which a row held a kernel
    loads        (arrays, rows): how often such a batch began with another pattern than the array had
    cycles       (arrays,): cycles of an array's batches
    array_loads  (arrays,): changes of an array's pattern
    """

    products: np.ndarray
    held: np.ndarray
    loads: np.ndarray
    cycles: np.ndarray
    array_loads: np.ndarray


@dataclass(frozen=True, eq=False)
class KernelPatterns:
    """The kernels of a layer by pattern.

    mask           uint8 (K, C/G, X): the weights
    group_filters  filters of a convolution group
    codes          int16 (K, C/G): the pattern, 0 where there is no weight. Up to 9 positions it is their bits, the
                   first lowest; larger kernels have the code 1 where they are whole, else 2
    pattern_count  patterns of the library, which have a place each
    has_general    whether a kernel is on the general path
    place_of       int16: place of each code: in the library, behind it on the general path, -1 without weights
    """

    mask: np.ndarray
    group_filters: int
    codes: np.ndarray
    pattern_count: int
    has_general: bool
    place_of: np.ndarray

    @classmethod
    def of(cls, weight_mask: np.ndarray, group_filters: int, patterns: int) -> Self:
        """From a mask (K, C/G, R, S) and the size of the library; of larger kernels only whole ones can be in it."""
        mask = weight_mask.reshape(*weight_mask.shape[:2], -1).view(np.uint8)
        codes, counts = np.zeros(mask.shape[:2], np.int16), np.zeros(1 << _POSITIONS, np.int64)
        _find_codes(mask, _POSITIONS, codes, counts)
        counts[0] = 0
        eligible = counts.copy()
        if mask.shape[2] > _POSITIONS:
            eligible[2] = 0
        commonest = np.argsort(-eligible, kind="stable")[:patterns]
        library = commonest[eligible[commonest] > 0]
        has_general = bool(counts.sum() > counts[library].sum())
        place_of = np.full(len(counts), len(library), np.int16)
        place_of[library] = np.arange(len(library))
        place_of[0] = -1
        return cls(mask, group_filters, codes, len(library), has_general, place_of)

    @cached_property
    def _general(self) -> np.ndarray:
        """Int64 (K,): kernels of each filter on the general path."""
        if not self.has_general:
            return np.zeros(len(self.codes), np.int64)
        return np.count_nonzero(self.place_of[self.codes] == self.pattern_count, axis=1)

    def filter_bits(self, value_bits: int) -> np.ndarray:
        """Int64 (K,): bits of each filter's compressed kernels.

        Each has its values, the code of its pattern and, where not all kernels are kept, its channel; kernels on the
        general path have a bit for each position besides.
        """
        kernels = np.count_nonzero(self.codes, axis=1)
        names = self.pattern_count + self.has_general
        code_bits = max(0, names - 1).bit_length()
        channel_bits = 0 if kernels.sum() == self.codes.size else (self.codes.shape[1] - 1).bit_length()
        values = np.count_nonzero(self.mask.reshape(len(self.mask), -1), axis=1)
        return values * value_bits + kernels * (code_bits + channel_bits) + self._general * self.mask.shape[2]

    def deal(self, filters: tuple[int, int], rows: int, arrays: int, *, evenly: bool) -> BatchTally:
        """The batches of filters first..end, dealt to arrays.

        Batches run by place in the library, then by channel. Dealt evenly, each array takes a stretch of them that is
        an equal part of their cycles; otherwise the batches of channel c run on array c mod arrays.
        """
        total = int(self._deal(filters, rows, 1, 0).cycles[0]) if evenly and arrays > 1 else 0
        return self._deal(filters, rows, arrays, total)

    def _deal(self, filters: tuple[int, int], rows: int, arrays: int, total: int) -> BatchTally:
        by_row, by_array = np.zeros((3, arrays, rows), np.int64), np.zeros((2, arrays), np.int64)
        _deal_batches(
            self.mask, self.codes, self.place_of, self.pattern_count, self.pattern_count + self.has_general,
            self.group_filters, filters, total, by_row, by_array,
        )  # fmt: skip
        return BatchTally(*by_row, *by_array)

    def in_order(self, filters: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Filter and channel in its group of each kept kernel of some filters, in the order of their batches."""
        k, c = np.nonzero(self.codes[slice(*filters)])
        k += filters[0]
        order = np.lexsort((k, c, k // self.group_filters, self.place_of[self.codes[k, c]]))
        return k[order], c[order]


@kernel
def _find_codes(mask: np.ndarray, coded: int, codes: np.ndarray, counts: np.ndarray) -> None:
    """Fill codes (K, C/G) and count them; kernels of more than `coded` positions are empty, whole or neither."""
    filters, channels, positions = mask.shape
    for k in range(filters):
        for c in range(channels):
            code, kept = 0, 0
            for x in range(positions):
                kept += mask[k, c, x]
                if positions <= coded:
                    code |= np.int64(mask[k, c, x]) << x
            if positions > coded:
                code = 0 if kept == 0 else 1 if kept == positions else 2
            codes[k, c] = code
            counts[code] += 1


@kernel
def _deal_batches(
    mask: np.ndarray,
    codes: np.ndarray,
    place_of: np.ndarray,
    library: int,
    places: int,
    group_filters: int,
    filters: tuple[int, int],
    total: int,
    by_row: np.ndarray,
    by_array: np.ndarray,
) -> None:
    """Fill by_row (3, arrays, rows) and by_array (2, arrays), see `BatchTally`; total 0: arrays by channel."""
    _, arrays, rows = by_row.shape
    held = np.empty(rows, np.int64)
    loaded = np.full(arrays, -1, np.int64)
    before = np.int64(0)
    for place in range(places):
        for group in range(filters[0] // group_filters, (filters[1] - 1) // group_filters + 1):
            end = min(filters[1], (group + 1) * group_filters)
            for c in range(codes.shape[1]):
                k = max(filters[0], group * group_filters)
                while k < end:
                    size = 0
                    while k < end and size < rows:
                        if place_of[codes[k, c]] == place:
                            held[size] = k
                            size += 1
                        k += 1
                    if size == 0:
                        continue
                    array = before * arrays // total if total else (group * codes.shape[1] + c) % arrays
                    new = place == library or loaded[array] != place
                    loaded[array] = place
                    before += _run_batch(mask, held[:size], c, new, by_row[:, array], by_array[:, array])


@kernel
def _run_batch(mask: np.ndarray, held: np.ndarray, c: int, new: bool, by_row: np.ndarray, by_array: np.ndarray) -> int:
    """Add a batch of channel c to the tallies of its array, (3, rows) and (2,); returns its cycles."""
    cycles = 0
    for x in range(mask.shape[2]):
        needed = 0
        for row in range(held.size):
            weight = mask[held[row], c, x]
            by_row[0, row] += weight
            needed |= weight
        cycles += needed
    for row in range(held.size):
        by_row[1, row] += cycles
        by_row[2, row] += new
    by_array[0] += cycles
    by_array[1] += new
    return cycles


@kernel
def multiply_kernels(
    values: np.ndarray,
    columns: np.ndarray,
    windows: np.ndarray,
    weights: np.ndarray,
    order: tuple[np.ndarray, np.ndarray],
    group_filters: int,
    pixels: int,
    outputs: np.ndarray,
) -> None:
    """Add the products of kernels, one after the other, each over all blocks of positions, weight by weight.

    values, columns, windows  `PaddedMap`
    weights  int64 (K, C/G, X);  order  filter and channel of each kernel;  outputs  int64 (N, K, positions)
    """
    for n in range(order[0].size):
        k, c = order[0][n], order[1][n]
        for image in range(outputs.shape[0]):
            own = values[image, k // group_filters]
            for first in range(0, windows.size, pixels):
                for x in range(weights.shape[2]):
                    if weights[k, c, x]:
                        offset = columns[c * weights.shape[2] + x]
                        for i in range(first, min(first + pixels, windows.size)):
                            outputs[image, k, i] += weights[k, c, x] * own[windows[i] + offset]
