"""Accumulator banks with queues, fast: all banks of sixteen PEs advance in a few dozen vector instructions a step.

The lengths of a PE's queues are kept bit-sliced: four words (planes) whose bit b together are the length of queue b, as a
number from 0 to 15. With the linear hash an activation and a weight meet in bank (a + w) mod banks. So an activation vector is a
histogram over the banks, three planes again, and a weight rotates it; adding it to the queues and retiring one product
from each are adders and borrow chains of bitwise operations on all banks at once. Sixteen PEs, which see the same
weights, stand side by side in lanes. A PE that has run out of activation vectors before the others is masked and stands
still in its own time; only at channel boundaries do the PEs' times meet, in the weight FIFO.

Exact for power-of-two bank counts up to 32 (fewer banks fill the words by repetition), vectors of up to four entries
and queue depths up to 11, so that a queue never exceeds what a step's planes hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from dataflows.bank_queues import QueueRules, enter_block
from dataflows.kernel import kernel, run_slices
from dataflows.lanes import (
    LANES,
    any_bit,
    bit_mask,
    largest,
    largest_word,
    load,
    nonzero_mask,
    rotate,
    spread,
    store,
)
from dataflows.nonzero_lists import NonzeroLists

_WORD_BITS = 32
_LONGEST_VECTOR = 4
_DEEPEST_QUEUE = 11  # + 4 products of a step that spread over banks at most once per weight = 15, four planes
_ROWS = 4  # of a stored activation vector: planes 1, 2, 4 and the mask of lanes that have the vector


def fits_planes(rules: QueueRules) -> bool:
    """Whether a machine is inside the fast kernel's range."""
    return (
        not rules.mixed_hash
        and max(rules.weights_per_vector, rules.activations_per_vector) <= _LONGEST_VECTOR
        and _WORD_BITS % rules.banks == 0
        and rules.depth <= _DEEPEST_QUEUE
    )


@kernel
def _fill_planes(start, offset, width, repeat, bank_bits, first, planes, single, counts):
    """Histograms of one lane group: start (up to 16 PEs, V + 1), first (V + 1,), counts (V * 3, 16); else as below."""
    pes = len(start)
    for v in range(len(first) - 1):
        for lane in range(pes):
            counts[3 * v, lane] = (start[lane, v + 1] - start[lane, v] + width - 1) // width
        for vector in range(first[v], first[v + 1]):
            crowded = np.uint32(0)
            for lane in range(16):
                low = end = 0
                if lane < pes:
                    low = start[lane, v] + (vector - first[v]) * width
                    end = min(low + width, start[lane, v + 1])
                ones = twos = fours = real = np.uint32(0)
                for slot in range(4):
                    inside = low + slot < end
                    value = offset[np.uint64(low + slot if inside else 0)]
                    present = np.uint32(inside and value >= 0)
                    bit = (repeat * present) << np.uint32(value & bank_bits)
                    real += present
                    carry = ones & bit
                    ones ^= bit
                    fours |= twos & carry
                    twos ^= carry
                planes[vector * 4, lane] = ones
                planes[vector * 4 + 1, lane] = twos
                planes[vector * 4 + 2, lane] = fours
                planes[vector * 4 + 3, lane] = np.uint32(0xFFFFFFFF) if low < end else np.uint32(0)
                counts[3 * v + 1, lane] += np.uint32(real > 0)
                counts[3 * v + 2, lane] += real
                crowded |= twos | fours
            single[vector] = crowded == 0


@kernel
def _retire(q1, q2, q4, q8, q16, active):
    """One product leaves every queue that is not empty, in active lanes."""
    borrow = (q1 | q2 | q4 | q8 | q16) & active
    n1 = q1 ^ borrow
    borrow &= ~q1
    n2 = q2 ^ borrow
    borrow &= ~q2
    n4 = q4 ^ borrow
    borrow &= ~q4
    n8 = q8 ^ borrow
    borrow &= ~q8
    return n1, n2, n4, n8, q16 ^ borrow


@kernel
def _longer(q1, q2, q4, q8, q16, d1, d2, d4, d8):
    """Bits of queues longer than the depth, given the inverted planes d of the depth: a borrow chain."""
    over = q1 & d1
    over = (q2 & over) | (d2 & (q2 | over))
    over = (q4 & over) | (d4 & (q4 | over))
    over = (q8 & over) | (d8 & (q8 | over))
    return over | q16


@kernel
def _stall(q1, q2, q4, q8, q16, d1, d2, d4, d8, lost):
    """Lanes with a queue that is too long only retire until none is; `lost` counts their cycles."""
    over = _longer(q1, q2, q4, q8, q16, d1, d2, d4, d8)
    while any_bit(over):
        stalled = nonzero_mask(over)
        lost -= stalled  # all ones is minus one
        q1, q2, q4, q8, q16 = _retire(q1, q2, q4, q8, q16, stalled)
        over = _longer(q1, q2, q4, q8, q16, d1, d2, d4, d8)
    return q1, q2, q4, q8, lost


@kernel
def _join(q1, q2, q4, q8, q16, r1, r2, r4):
    """Add a histogram of up to four in each bank to the queues."""
    carry = q1 & r1
    q1 ^= r1
    either = q2 ^ r2
    next_carry = (q2 & r2) | (either & carry)
    q2 = either ^ carry
    either = q4 ^ r4
    carry = (q4 & r4) | (either & next_carry)
    q4 = either ^ next_carry
    return q1, q2, q4, q8 ^ carry, q16 ^ (q8 & carry)


@kernel
def _idle(q1, q2, q4, q8, cycles):
    """Every queue retires for its lane's number of cycles, stopping at zero: a subtraction that saturates."""
    large = nonzero_mask(cycles & spread(np.uint32(0xFFFFFFF0)))
    w1 = bit_mask(cycles, np.uint32(0)) | large
    w2 = bit_mask(cycles, np.uint32(1)) | large
    w4 = bit_mask(cycles, np.uint32(2)) | large
    w8 = bit_mask(cycles, np.uint32(3)) | large
    borrow = w1 & ~q1
    q1 ^= w1
    either = w2 | borrow
    both = w2 & borrow
    n2 = q2 ^ w2 ^ borrow
    borrow = both | (either & ~q2)
    either = w4 | borrow
    both = w4 & borrow
    n4 = q4 ^ w4 ^ borrow
    borrow = both | (either & ~q4)
    either = w8 | borrow
    both = w8 & borrow
    n8 = q8 ^ w8 ^ borrow
    borrow = both | (either & ~q8)
    left = ~borrow
    return q1 & left, n2 & left, n4 & left, n8 & left


@kernel
def _turns(w_offset, low, high, width, turn, keep):
    """Rotations and masks of a block's weights, vector by vector; absent weights are masked.

    Returns the vectors, those with a weight that is no placeholder, and such weights.
    """
    vectors = busy = real = 0
    for first in range(low, high, width):
        found = 0
        for i in range(4):
            entry = first + i
            present = i < width and entry < high and w_offset[min(entry, high - 1)] >= 0
            turn[vectors, i] = np.uint32(w_offset[entry] & 31) if present else np.uint32(0)
            keep[vectors, i] = np.uint32(0xFFFFFFFF) if present else np.uint32(0)
            found += present
        vectors += 1
        busy += found > 0
        real += found
    return np.uint32(vectors), np.uint32(busy), np.uint32(real)


@kernel
def _add(rows, row, lanes):
    store(rows, row, load(rows, row) + lanes)


@kernel
def _longest_queue(queues, row, lane):
    """Length of the longest of a lane's queues."""
    length = 0
    candidates = np.uint32(0xFFFFFFFF)
    for plane in range(3, -1, -1):
        having = candidates & queues[row + plane, lane]
        if having != 0:
            candidates = having
            length += 1 << plane
    return length


@kernel
def run_groups_in_lanes(first, planes, single, counts, w_start, w_offset, F, depth, fifo_vectors, work):
    """Groups of output channels on all PEs of a sub-tile; the fast twin of `bank_queues.run_groups`.

    first, planes, single and counts are an `ActivationPlanes`; w_start (groups, V + 1) points into w_offset; work, int64
    (groups, PEs, 5), receives busy, index, bank-conflict and FIFO-wait cycles and products issued.
    """
    lane_groups = len(first)
    channels = w_start.shape[1] - 1
    d1 = spread(np.uint32(0xFFFFFFFF) if depth & 1 == 0 else np.uint32(0))
    d2 = spread(np.uint32(0xFFFFFFFF) if depth & 2 == 0 else np.uint32(0))
    d4 = spread(np.uint32(0xFFFFFFFF) if depth & 4 == 0 else np.uint32(0))
    d8 = spread(np.uint32(0xFFFFFFFF) if depth & 8 == 0 else np.uint32(0))
    none = spread(np.uint32(0))
    finished = np.zeros(channels, np.int64)
    sizes = np.zeros(channels, np.int64)
    resident = np.zeros(2, np.int64)
    widest = 0
    for row in range(len(w_start)):
        for v in range(channels):
            widest = max(widest, w_start[row, v + 1] - w_start[row, v])
    turn = np.zeros((widest + 1, 4), np.uint32)
    keep = np.zeros((widest + 1, 4), np.uint32)
    queues = np.zeros((lane_groups * 4, 16), np.uint32)
    clock = np.zeros((lane_groups, 16), np.uint32)
    totals = np.zeros((lane_groups * 5, 16), np.uint32)  # steps, busy steps, stalls, waits, products
    for row in range(len(w_start)):
        queues[:] = 0
        clock[:] = 0
        totals[:] = 0
        resident[:] = 0
        blocks = 0
        for v in range(channels):
            if w_start[row, v + 1] == w_start[row, v]:
                continue
            vectors, busy, real = _turns(w_offset, w_start[row, v], w_start[row, v + 1], F, turn, keep)
            sizes[blocks] = vectors
            entered = spread(np.uint32(enter_block(sizes, blocks, fifo_vectors, resident, finished)))
            latest = none
            for group in range(lane_groups):
                q1 = load(queues, group * 4)
                q2 = load(queues, group * 4 + 1)
                q4 = load(queues, group * 4 + 2)
                q8 = load(queues, group * 4 + 3)
                before = load(clock, group)
                now = largest(before, entered)
                idle = now - before
                if any_bit(idle):
                    q1, q2, q4, q8 = _idle(q1, q2, q4, q8, idle)
                    _add(totals, group * 5 + 3, idle)
                lost = none
                for vector in range(first[group, v], first[group, v + 1]):
                    x1 = load(planes, vector * 4)
                    active = load(planes, vector * 4 + 3)
                    if single[vector]:
                        for w in range(vectors):
                            a = rotate(x1, turn[w, 0]) & spread(keep[w, 0])
                            b = rotate(x1, turn[w, 1]) & spread(keep[w, 1])
                            c = rotate(x1, turn[w, 2]) & spread(keep[w, 2])
                            d = rotate(x1, turn[w, 3]) & spread(keep[w, 3])
                            either = a ^ b
                            three = either ^ c
                            twos = (a & b) | (either & c)
                            either = three ^ d
                            carry = (three & d) | (either & q1)
                            q1 ^= either
                            either = twos ^ carry
                            fours = (twos & carry) | (either & q2)
                            q2 ^= either
                            q8 ^= q4 & fours
                            q4 ^= fours
                            q1, q2, q4, q8, _ = _retire(q1, q2, q4, q8, none, active)
                            if any_bit(_longer(q1, q2, q4, q8, none, d1, d2, d4, d8)):
                                q1, q2, q4, q8, lost = _stall(q1, q2, q4, q8, none, d1, d2, d4, d8, lost)
                    else:
                        x2 = load(planes, vector * 4 + 1)
                        x4 = load(planes, vector * 4 + 2)
                        for w in range(vectors):
                            q16 = none
                            for i in range(4):
                                kept = spread(keep[w, i])
                                q1, q2, q4, q8, q16 = _join(
                                    q1, q2, q4, q8, q16,
                                    rotate(x1, turn[w, i]) & kept,
                                    rotate(x2, turn[w, i]) & kept,
                                    rotate(x4, turn[w, i]) & kept,
                                )  # fmt: skip
                            q1, q2, q4, q8, q16 = _retire(q1, q2, q4, q8, q16, active)
                            q1, q2, q4, q8, lost = _stall(q1, q2, q4, q8, q16, d1, d2, d4, d8, lost)
                held = (group * channels + v) * 3
                steps = load(counts, held) * spread(vectors)
                now = now + steps + lost
                _add(totals, group * 5, steps)
                _add(totals, group * 5 + 1, load(counts, held + 1) * spread(busy))
                _add(totals, group * 5 + 2, lost)
                _add(totals, group * 5 + 4, load(counts, held + 2) * spread(real))
                latest = largest(latest, now)
                store(queues, group * 4, q1)
                store(queues, group * 4 + 1, q2)
                store(queues, group * 4 + 2, q4)
                store(queues, group * 4 + 3, q8)
                store(clock, group, now)
            finished[blocks] = np.int64(largest_word(latest))
            blocks += 1
        for p in range(work.shape[1]):
            group = p // 16
            lane = p % 16
            for i in range(5):
                work[row, p, i] = totals[group * 5 + i, lane]
            work[row, p, 1] = work[row, p, 0] - work[row, p, 1]  # steps without a product
            work[row, p, 0] -= work[row, p, 1]
            work[row, p, 2] += _longest_queue(queues, group * 4, lane)


@dataclass(frozen=True, eq=False)
class ActivationPlanes:
    """The activation vectors of one image and sub-tile as histograms over the banks, sixteen PEs a lane group.

    first   int64 (lane groups, V + 1): vectors of lane group g and channel v are first[g, v]:first[g, v + 1], as many as
            the fullest of the PEs has
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
        groups, width, banks = -(-pes // LANES), rules.activations_per_vector, rules.banks
        vectors = -(-np.diff(lists.start, axis=1) // width)
        longest = np.maximum.reduceat(vectors, np.arange(0, pes, LANES), axis=0)
        ends = np.cumsum(longest).reshape(longest.shape)
        first = np.concatenate([ends[:, :1] - longest[:, :1], ends], axis=1)
        total = int(ends[-1, -1])
        planes = np.empty((total * _ROWS, LANES), np.uint32)
        single = np.empty(total, np.bool_)
        counts = np.zeros((groups, channels * 3, LANES), np.uint32)
        repeat = np.uint32(sum(1 << shift for shift in range(0, _WORD_BITS, banks)))

        def fill(group: int) -> None:
            start = lists.start[group * LANES : (group + 1) * LANES]
            _fill_planes(
                start, lists.offset, width, repeat, banks - 1, first[group], planes, single, counts[group],
            )  # fmt: skip

        run_slices(fill, range(groups))
        return cls(first, planes, single, counts.reshape(-1, LANES))
