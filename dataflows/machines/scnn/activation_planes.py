"""Activation vectors as histograms over the accumulator banks, sixteen PEs side by side: what the fast kernel reads.

With the linear hash an activation and a weight meet in bank (a + w) mod banks. So an activation vector is a histogram
over the banks, kept as bit planes, and a weight rotates it. With 4 banks the offsets 1, 5 and 2 fall on the banks 1, 1
and 2: plane 1 is 0100 and plane 2 is 0010 (bank 0 is the lowest bit). The weight 3 moves every bank by 3, to 0, 0 and
1.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.lanes import LANES
from dataflows.kernels.threads import run_slices, thread_count
from dataflows.machines.scnn.bank_queues import QueueRules
from dataflows.machines.scnn.nonzero_lists import NonzeroLists
from workloads.whole_numbers import ceil_div, even_slices

WORD_BITS = 32
ALL_BITS = 0xFFFFFFFF
LONGEST_VECTOR = 4  # entries; what a bank gets of one, 0 to 4, takes the planes 1, 2 and 4
_DEEPEST_QUEUE = 11  # + 4 products of a step that spread over banks at most once per weight = 15, four planes

# Rows of 16 words that belong together, and what each holds:
ONES, TWOS, FOURS, PRESENT = range(4)  # of an activation vector: its planes, and the lanes that have the vector
VECTOR_ROWS = 4
VECTORS, BUSY_VECTORS, NONZEROS = range(3)  # of a lane group's channel, counts of each lane; and of a block
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
def _fill_lane_group(lists: NonzeroLists, rules: QueueRules, group: int, filled: ActivationPlanes) -> None:
    # The last lane group has fewer PEs where 16 does not divide them; its other lanes never have a vector.
    start, offset = lists.start[group * LANES : (group + 1) * LANES], lists.offset
    width, bank_bits = rules.activations_per_vector, rules.banks - 1
    # A word holds the banks 32 / banks times over, so that rotating it by any offset rotates each copy.
    # With 4 banks it is 0x11111111, and bank 2 of a vector becomes 0x44444444.
    repeat = np.uint32(0)
    for shift in range(0, WORD_BITS, rules.banks):
        repeat |= np.uint32(1) << np.uint32(shift)
    first, planes, single = filled.first[group], filled.planes, filled.single
    channels = len(first) - 1
    counts = filled.counts[group * channels * COUNT_ROWS : (group + 1) * channels * COUNT_ROWS]
    pes = len(start)
    last = len(offset) - 1
    for v in range(channels):
        for lane in range(pes):
            counts[v * COUNT_ROWS + VECTORS, lane] = (start[lane, v + 1] - start[lane, v] + width - 1) // width
        # As many as the fullest lane has. A lane with 5 entries has vectors of 4 and of 1, one with 2 beside it a
        # single vector, and stands still in the second.
        for vector in range(first[v], first[v + 1]):
            crowded = np.uint32(0)
            for lane in range(LANES):
                low = end = 0
                if lane < pes:
                    low = start[lane, v] + (vector - first[v]) * width
                    end = min(low + width, start[lane, v + 1])
                ones = twos = fours = real = np.uint32(0)
                for slot in range(LONGEST_VECTOR):
                    # No branch: behind the end the last entry is read and counts as absent.
                    value = offset[np.uint64(min(low + slot, last))]
                    present = np.uint32(low + slot < end) & np.uint32(value >= 0)
                    bit = (repeat * present) << np.uint32(value & bank_bits)
                    real += present
                    # Adds one to the bank's count in three planes: the second activation of a bank carries from ones to
                    # twos, the fourth from twos to fours.
                    carry = ones & bit
                    ones ^= bit
                    fours |= twos & carry
                    twos ^= carry
                planes[vector * VECTOR_ROWS + ONES, lane] = ones
                planes[vector * VECTOR_ROWS + TWOS, lane] = twos
                planes[vector * VECTOR_ROWS + FOURS, lane] = fours
                planes[vector * VECTOR_ROWS + PRESENT, lane] = np.uint32(ALL_BITS) if low < end else np.uint32(0)
                counts[v * COUNT_ROWS + BUSY_VECTORS, lane] += np.uint32(real > 0)
                counts[v * COUNT_ROWS + NONZEROS, lane] += real
                # A bank with two or more in any lane: the whole vector takes the general way.
                crowded |= twos | fours
            single[vector] = crowded == 0


@kernel
def _fill_planes(lists: NonzeroLists, rules: QueueRules, groups: tuple[int, int], filled: ActivationPlanes) -> None:
    """Histograms and counts of the lane groups (first, end)."""
    for group in range(groups[0], groups[1]):
        _fill_lane_group(lists, rules, group, filled)


class ActivationPlanes(NamedTuple):
    """The activation vectors of one image and sub-tile as histograms over the banks, sixteen PEs a lane group.

    first   int64 (lane groups, V + 1): vectors of lane group g and channel v are first[g, v]:first[g, v + 1], as many
            as the fullest of the PEs has
    planes  uint32 (vectors * 4, 16): planes 1, 2 and 4 of each vector's histogram, and the mask of lanes that have it
    single  bool (vectors,): no lane has two activations in one bank, so that planes 2 and 4 are empty
    counts  uint32 (lane groups * V * 3, 16): each lane's vectors, vectors with a non-zero, and non-zeros
    """

    first: np.ndarray
    planes: np.ndarray
    single: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, lists: NonzeroLists, rules: QueueRules) -> Self:
        """Histograms of the lists, one PE a row."""
        pes, channels = len(lists.start), lists.start.shape[1] - 1
        groups = ceil_div(pes, LANES)
        vectors = ceil_div(np.diff(lists.start, axis=1), rules.activations_per_vector)
        # The largest of each channel over the rows 0-15, 16-31 and so on.
        longest = np.maximum.reduceat(vectors, np.arange(0, pes, LANES), axis=0)
        ends = np.cumsum(longest).reshape(longest.shape)
        # Vectors lie lane group by lane group and channel by channel: a group begins where the one before it ended, so
        # that its first end less its first length is its begin.
        first = np.concatenate([ends[:, :1] - longest[:, :1], ends], axis=1)
        total = int(ends[-1, -1])
        filled = cls(
            first,
            np.empty((total * VECTOR_ROWS, LANES), np.uint32),
            np.empty(total, np.bool_),
            np.zeros((groups * channels * COUNT_ROWS, LANES), np.uint32),
        )
        run_slices(lambda part: _fill_planes(lists, rules, part, filled), even_slices(groups, thread_count()))
        return filled
