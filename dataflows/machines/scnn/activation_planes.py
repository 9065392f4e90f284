"""Activation vectors as histograms over the accumulator banks, PEs side by side in lanes: what the fast kernel reads.

With the linear hash an activation and a weight meet in bank (a + w) mod banks. So an activation vector is a histogram
over the banks, kept as bit planes, and a weight rotates it. With 4 banks the offsets 1, 5 and 2 fall on the banks 1, 1
and 2: plane 1 is 0100 and plane 2 is 0010 (bank 0 is the lowest bit). The weight 3 moves every bank by 3, to 0, 0 and
1.

A window's bits stand at their offsets already (`activation_windows`), so that its lowest bits, taken one after the
other, are the vector: in all lanes at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.lanes import LANES, Lanes, any_bit, load, rotate, store
from dataflows.kernels.threads import run_slices, thread_count
from dataflows.kernels.words import set_bits, trailing_zeros
from dataflows.machines.scnn.activation_vectors import put, take_one_by_one, take_vectors
from dataflows.machines.scnn.activation_windows import WORD_BITS, StoredWindows
from dataflows.machines.scnn.bank_queues import QueueRules
from workloads.whole_numbers import even_slices

LONGEST_VECTOR = 4  # entries; what a bank gets of one, 0 to 4, takes the planes 1, 2 and 4
_DEEPEST_QUEUE = 11  # + 4 products of a step that spread over banks at most once per weight = 15, four planes
_MOST_WORDS = 2  # of a window that all lanes take side by side
_SERIAL_VECTORS = 1 << 9  # fewer are made sooner than threads are given their share

NO_HISTOGRAM = (0, 0, 0)

# Rows of words that belong to a lane group's channel, or to a block of weights, counts of each lane:
VECTORS, BUSY_VECTORS, NONZEROS = range(3)
COUNT_ROWS = 3


def fits_planes(rules: QueueRules) -> bool:
    """Whether a machine is inside the fast kernel's range."""
    return (
        not rules.mixed_hash
        and max(rules.weights_per_vector, rules.activations_per_vector) <= LONGEST_VECTOR
        and WORD_BITS % rules.banks == 0
        and rules.depth <= _DEEPEST_QUEUE
    )


@kernel
def _share_begin(vectors: Any, part: int, parts: int, channel: int) -> int:
    """Where a share of a list's vectors begins (`NonzeroLists.share_start`)."""
    return (part * vectors + channel % parts) // parts


@kernel
def _measure(stored: StoredWindows, width: int, share: tuple[int, int], first: np.ndarray, counts: np.ndarray) -> None:
    """Fill `first` and the rows VECTORS of `counts`, of the share (part, parts) of every list."""
    total = 0
    shift = trailing_zeros(np.uint64(width))
    divided = width != 1 << shift
    for group in range(len(first)):
        for v in range(first.shape[1] - 1):
            first[group, v] = total
            own = counts[(group * (first.shape[1] - 1) + v) * COUNT_ROWS + VECTORS]
            longest = np.uint32(0)
            for lane in range(len(own)):
                length = np.uint32(stored.found[group, v, lane] + stored.fillers[group, v, lane] + width - 1)
                # Vectors of 3 are rare.
                own[lane] = length // np.uint32(width) if divided else length >> np.uint32(shift)
                longest = max(longest, own[lane])
            if share[1] > 1:
                longest = np.uint32(0)
                for lane in range(len(own)):
                    begin = _share_begin(np.int64(own[lane]), share[0], share[1], v)
                    own[lane] = _share_begin(np.int64(own[lane]), share[0] + 1, share[1], v) - begin
                    longest = max(longest, own[lane])
            # As many as the fullest lane has. A lane with 5 entries has vectors of 4 and of 1, one with 2 beside it a
            # single vector, and stands still in the second.
            total += longest
        first[group, first.shape[1] - 1] = total


@kernel
def _fold(ones: Lanes, twos: Lanes, fours: Lanes, banks: int) -> tuple[Lanes, Lanes, Lanes]:
    """Histograms of 32 banks as such of fewer, which the words hold 32 / banks times over.

    So rotating a word by any offset rotates each copy. With 8 banks the banks 2 and 10 of 32 become 2, 10, 18 and 26,
    with two products each.
    """
    shift = WORD_BITS // 2
    while shift >= banks:
        turn = np.uint32(shift)
        other = rotate(ones, turn)
        carry = ones & other
        ones ^= other
        other = rotate(twos, turn)
        # Four entries at most: two banks with two each are the only ones that make four.
        fours |= rotate(fours, turn) | (twos & other) | ((twos ^ other) & carry)
        twos ^= other ^ carry
        shift //= 2
    return ones, twos, fours


@kernel
def _keep_upper(range_of: tuple[int, int], upper: np.ndarray, banks: int, crowds: int, filled: ActivationPlanes) -> int:
    """Fold planes, and keep those of twos and fours that are not empty. Returns how many vectors have such by now."""
    planes, crowd, crowded = filled.planes, filled.crowd, filled.crowded
    for vector in range(range_of[0], range_of[1]):
        twos, fours = load(upper, 2 * (vector - range_of[0])), load(upper, 2 * (vector - range_of[0]) + 1)
        if banks < WORD_BITS:
            ones, twos, fours = _fold(load(planes, vector), twos, fours, banks)
            store(planes, vector, ones)
        # A bank with two or more in any lane: the whole vector takes the general way.
        crowd[vector] = -1
        if any_bit(twos | fours):
            crowd[vector] = 2 * crowds
            store(crowded, 2 * crowds, twos)
            store(crowded, 2 * crowds + 1, fours)
            crowds += 1
    return crowds


@kernel
def _fill_planes(
    stored: StoredWindows, rules: QueueRules, groups: tuple[int, int], longest: int, filled: ActivationPlanes
) -> None:
    """Histograms and counts of the lane groups (first, end); `longest` vectors are the most of a channel."""
    first, counts, lanes = filled.first, filled.counts, filled.counts.shape[1]
    channels = stored.found.shape[1]
    width = rules.activations_per_vector
    upper, state = np.empty((2 * longest, lanes), np.uint32), np.empty((4, lanes), np.uint32)
    for group in range(groups[0], groups[1]):
        # Groups have rows of their own, as many as vectors in case all have crowded banks.
        crowds = first[group, 0]
        for v in range(channels):
            at = group * channels + v
            range_of = (first[group, v], first[group, v + 1])
            many = stored.words.shape[2] > _MOST_WORDS
            if not many:
                take_vectors(stored.words, group, v, width, filled.planes, range_of, upper, state)
            store(counts, at * COUNT_ROWS + BUSY_VECTORS, load(counts, at * COUNT_ROWS + VECTORS))
            store(counts, at * COUNT_ROWS + NONZEROS, load(stored.found, at))
            if many or any_bit(load(stored.fillers, at)):
                for lane in range(lanes):
                    pe = group * lanes + lane
                    if pe < len(stored.shape.windows) and (many or stored.fillers[group, v, lane] > 0):
                        counts[at * COUNT_ROWS + BUSY_VECTORS, lane] = take_one_by_one(
                            stored, pe, v, width, filled.planes, range_of, upper
                        )
                    elif many:
                        for vector in range(range_of[0], range_of[1]):
                            put(filled.planes, upper, vector, vector - range_of[0], lane, NO_HISTOGRAM)
            crowds = _keep_upper(range_of, upper, rules.banks, crowds, filled)


@kernel
def _fill_share(
    whole: ActivationPlanes, share: tuple[int, int], banks: int, groups: tuple[int, int], filled: ActivationPlanes
) -> None:
    """The vectors of a share (part, parts) of every list, and their counts, of the lane groups (first, end)."""
    lanes, channels = filled.counts.shape[1], filled.first.shape[1] - 1
    copies = WORD_BITS // banks
    for group in range(groups[0], groups[1]):
        crowds = filled.first[group, 0]
        for v in range(channels):
            row = (group * channels + v) * COUNT_ROWS
            low, high = filled.first[group, v], filled.first[group, v + 1]
            filled.crowd[low:high] = -1
            for lane in range(lanes):
                own = filled.counts[row + VECTORS, lane]
                begin = _share_begin(np.int64(whole.counts[row + VECTORS, lane]), share[0], share[1], v)
                moved = whole.first[group, v] + begin - low
                busy = found = 0
                for vector in range(low, low + own):
                    ones, crowd = whole.planes[vector + moved, lane], whole.crowd[vector + moved]
                    filled.planes[vector, lane] = ones
                    real = set_bits(np.uint64(ones))
                    if crowd >= 0 and (whole.crowded[crowd, lane] | whole.crowded[crowd + 1, lane]) != 0:
                        twos, fours = whole.crowded[crowd, lane], whole.crowded[crowd + 1, lane]
                        if filled.crowd[vector] < 0:
                            filled.crowd[vector] = 2 * crowds
                            filled.crowded[2 * crowds : 2 * crowds + 2] = 0
                            crowds += 1
                        filled.crowded[filled.crowd[vector], lane] = twos
                        filled.crowded[filled.crowd[vector] + 1, lane] = fours
                        real += 2 * set_bits(np.uint64(twos)) + 4 * set_bits(np.uint64(fours))
                    busy += real > 0
                    found += real
                for vector in range(low + own, high):
                    filled.planes[vector, lane] = 0
                filled.counts[row + BUSY_VECTORS, lane] = busy
                filled.counts[row + NONZEROS, lane] = found // copies


class ActivationPlanes(NamedTuple):
    """The activation vectors of one image and sub-tile as histograms over the banks, PEs side by side in lane groups.

    first    int64 (lane groups, V + 1): vectors of lane group g and channel v are first[g, v]:first[g, v + 1], as many
             as the fullest of the PEs has
    planes   uint32 (vectors, LANES): plane 1 of each vector's histogram
    crowd    int64 (vectors,): where planes 2 and 4 stand in `crowded`; -1 where no lane has two activations in a bank
    crowded  uint32 (rows, LANES)
    counts   uint32 (lane groups * V * 3, LANES): each lane's vectors, vectors with a non-zero, and non-zeros
    """

    first: np.ndarray
    planes: np.ndarray
    crowd: np.ndarray
    crowded: np.ndarray
    counts: np.ndarray

    @classmethod
    def _room(cls, stored: StoredWindows, width: int, share: tuple[int, int]) -> Self:
        groups, channels, _ = stored.found.shape
        first = np.empty((groups, channels + 1), np.int64)
        counts = np.zeros((groups * channels * COUNT_ROWS, LANES), np.uint32)
        _measure(stored, width, share, first, counts)
        total = int(first[-1, -1])
        # Pages of `crowded` that nothing is written to take no memory.
        return cls(
            first,
            np.empty((total, LANES), np.uint32),
            np.empty(total, np.int64),
            np.empty((2 * total, LANES), np.uint32),
            counts,
        )

    @classmethod
    def of(cls, stored: StoredWindows, rules: QueueRules) -> Self:
        """Histograms of whole windows, one PE a lane."""
        filled = cls._room(stored, rules.activations_per_vector, (0, 1))
        longest = int(np.diff(filled.first, axis=1).max())
        run_slices(lambda part: _fill_planes(stored, rules, part, longest, filled), filled.parts)
        return filled

    def share(self, stored: StoredWindows, rules: QueueRules, part: int, parts: int) -> Self:
        """One of the shares of every list, of these windows' planes: a sub-tile of a tile cut between vectors."""
        filled = self._room(stored, rules.activations_per_vector, (part, parts))
        run_slices(lambda groups: _fill_share(self, (part, parts), rules.banks, groups, filled), filled.parts)
        return filled

    @property
    def parts(self) -> list[tuple[int, int]]:
        """Lane groups as threads share them out."""
        return even_slices(len(self.first), 1 if len(self.planes) < _SERIAL_VECTORS else thread_count())
