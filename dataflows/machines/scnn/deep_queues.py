"""Queue lengths kept bit-sliced in seven planes: what `bit_sliced_queues` does in four, for lengths up to 127.

A PE's banks are in one lane, or in neighbouring ones where it has more than 32.
"""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.lanes import Lanes, any_bit, bit_mask, neighbours, next_pairs, nonzero_mask, spread

PLANES = 7
LONGEST = (1 << PLANES) - 1
Queues = tuple[Lanes, Lanes, Lanes, Lanes, Lanes, Lanes, Lanes]


@kernel
def retire(q: Queues, active: Lanes) -> Queues:
    """One product leaves every queue that is not empty, in active lanes."""
    borrow = (q[0] | q[1] | q[2] | q[3] | q[4] | q[5] | q[6]) & active
    b1 = borrow & ~q[0]
    b2 = b1 & ~q[1]
    b3 = b2 & ~q[2]
    b4 = b3 & ~q[3]
    b5 = b4 & ~q[4]
    b6 = b5 & ~q[5]
    return q[0] ^ borrow, q[1] ^ b1, q[2] ^ b2, q[3] ^ b3, q[4] ^ b4, q[5] ^ b5, q[6] ^ b6


@kernel
def _carry(left: Lanes, right: Lanes, carry: Lanes) -> Lanes:
    """What three bits carry on: whether two of them are set."""
    return (left & right) | (carry & (left | right))


@kernel
def longer(q: Queues, d: Queues) -> Lanes:
    """Bits of queues longer than the depth, given its inverted planes: a borrow chain from the lowest plane up."""
    over = q[0] & d[0]
    over = _carry(q[1], d[1], over)
    over = _carry(q[2], d[2], over)
    over = _carry(q[3], d[3], over)
    over = _carry(q[4], d[4], over)
    over = _carry(q[5], d[5], over)
    return _carry(q[6], d[6], over)


@kernel
def stall(q: Queues, d: Queues, lost: Lanes, words: int) -> tuple[Queues, Lanes]:
    """PEs with a queue that is too long only retire until none is; `lost` counts their cycles.

    words  neighbouring lanes that hold a PE's banks: 1, 2 or 4
    """
    over = longer(q, d)
    while any_bit(over):
        stalled = nonzero_mask(over)
        if words > 1:
            stalled |= neighbours(stalled)
        if words > 2:
            stalled |= next_pairs(stalled)
        lost -= stalled  # all ones is minus one
        q = retire(q, stalled)
        over = longer(q, d)
    return q, lost


@kernel
def join_four(q: Queues, a: Lanes, b: Lanes, c: Lanes, d: Lanes) -> Queues:
    """Add four histograms of at most one in each bank, in full adders as `bit_sliced_queues.join_ones`."""
    either = a ^ b
    three = either ^ c
    twos = (a & b) | (either & c)
    either = three ^ d
    carry = (three & d) | (either & q[0])
    q0 = q[0] ^ either
    either = twos ^ carry
    fours = (twos & carry) | (either & q[1])
    q1 = q[1] ^ either
    c3 = q[2] & fours
    c4 = q[3] & c3
    c5 = q[4] & c4
    c6 = q[5] & c5
    return q0, q1, q[2] ^ fours, q[3] ^ c3, q[4] ^ c4, q[5] ^ c5, q[6] ^ c6


@kernel
def join_four_pairs(
    q: Queues, a: Lanes, b: Lanes, c: Lanes, d: Lanes, a2: Lanes, b2: Lanes, c2: Lanes, d2: Lanes
) -> Queues:
    """Add four histograms of at most three in each bank: ones a to d, twos a2 to d2."""
    either = a ^ b
    three = either ^ c
    carry1 = (a & b) | (either & c)
    either = three ^ d
    carry2 = (three & d) | (either & q[0])
    q0 = q[0] ^ either
    # Four twos, two carries and the queues' own: three adders, whose carries are fours.
    sum1, four1 = a2 ^ b2 ^ c2, _carry(a2, b2, c2)
    sum2, four2 = d2 ^ carry1 ^ carry2, _carry(d2, carry1, carry2)
    q1, four3 = q[1] ^ sum1 ^ sum2, _carry(q[1], sum1, sum2)
    sum1, eight1 = four1 ^ four2 ^ four3, _carry(four1, four2, four3)
    eight2 = q[2] & sum1
    q2 = q[2] ^ sum1
    q3, c4 = q[3] ^ eight1 ^ eight2, _carry(q[3], eight1, eight2)
    c5 = q[4] & c4
    c6 = q[5] & c5
    return q0, q1, q2, q3, q[4] ^ c4, q[5] ^ c5, q[6] ^ c6


@kernel
def join(q: Queues, r1: Lanes, r2: Lanes, r4: Lanes, r8: Lanes, r16: Lanes) -> Queues:
    """Add a histogram of up to 31 in each bank."""
    c1 = q[0] & r1
    c2 = _carry(q[1], r2, c1)
    c3 = _carry(q[2], r4, c2)
    c4 = _carry(q[3], r8, c3)
    c5 = _carry(q[4], r16, c4)
    c6 = q[5] & c5
    return q[0] ^ r1, q[1] ^ r2 ^ c1, q[2] ^ r4 ^ c2, q[3] ^ r8 ^ c3, q[4] ^ r16 ^ c4, q[5] ^ c5, q[6] ^ c6


@kernel
def idle_for(q: Queues, cycles: Lanes) -> Queues:
    """Every queue retires for its lane's number of cycles, stopping at zero: a subtraction that saturates."""
    # As many cycles as planes can say, or more, empty every queue.
    large = nonzero_mask(cycles & spread(np.uint32(0xFFFFFFFF ^ LONGEST)))
    w0, w1, w2 = bit_mask(cycles, np.uint32(0)), bit_mask(cycles, np.uint32(1)), bit_mask(cycles, np.uint32(2))
    w3, w4, w5 = bit_mask(cycles, np.uint32(3)), bit_mask(cycles, np.uint32(4)), bit_mask(cycles, np.uint32(5))
    w6 = bit_mask(cycles, np.uint32(6))
    # A plane borrows from the next where two of the wait's bit, the borrow before and a missing bit are there.
    b1 = w0 & ~q[0]
    b2 = _carry(w1, b1, ~q[1])
    b3 = _carry(w2, b2, ~q[2])
    b4 = _carry(w3, b3, ~q[3])
    b5 = _carry(w4, b4, ~q[4])
    b6 = _carry(w5, b5, ~q[5])
    left = ~(_carry(w6, b6, ~q[6]) | large)  # a queue that was shorter than the wait has borrowed to the end
    return (
        (q[0] ^ w0) & left,
        (q[1] ^ w1 ^ b1) & left,
        (q[2] ^ w2 ^ b2) & left,
        (q[3] ^ w3 ^ b3) & left,
        (q[4] ^ w4 ^ b4) & left,
        (q[5] ^ w5 ^ b5) & left,
        (q[6] ^ w6 ^ b6) & left,
    )


@kernel
def longest_queue(queues: np.ndarray, row: int, lane: int) -> int:
    """Length of the longest of a lane's queues, whose planes stand in the rows from `row` on."""
    length = 0
    candidates = np.uint32(0xFFFFFFFF)
    for plane in range(PLANES - 1, -1, -1):
        having = candidates & queues[row + plane, lane]
        if having != 0:
            candidates = having
            length += 1 << plane
    return length
