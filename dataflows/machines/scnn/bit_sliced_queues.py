"""Queue lengths kept bit-sliced: bit b of the words q1, q2, q4 and q8 together is the length of queue b, 0 to 15.

Each operation acts on all 32 queues of sixteen PEs at once, in a few bitwise instructions. q16 is set only inside a
step, between the arrival of its products and the end of the stall that they cause.

Four queues of 3, 0, 1 and 2 products (queue 0 is the lowest bit) are q1 = 0101, q2 = 1001, q4 = q8 = 0000. When each
retires one, 2, 0, 0 and 1 stay: q1 = 1000, q2 = 0001.
"""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.lanes import Lanes, any_bit, bit_mask, nonzero_mask, spread


@kernel
def retire(
    q1: Lanes, q2: Lanes, q4: Lanes, q8: Lanes, q16: Lanes, active: Lanes
) -> tuple[Lanes, Lanes, Lanes, Lanes, Lanes]:
    """One product leaves every queue that is not empty, in active lanes."""
    # One is taken from every queue that has any; a plane whose bit was 0 becomes 1 and borrows from the next.
    # A queue of 4, bits 1 0 0 from the highest, borrows twice, and 0 1 1 is left. An empty one stays.
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
def longer(q1: Lanes, q2: Lanes, q4: Lanes, q8: Lanes, q16: Lanes, d1: Lanes, d2: Lanes, d4: Lanes, d8: Lanes) -> Lanes:
    """Bits of queues longer than the depth, given the inverted planes d of the depth: a borrow chain.

    From the lowest plane up: a queue is over where its bit is set and the depth's is not, and under the other way
    round; where the two are equal it stays what the lower planes made it.
    """
    # A queue of 5 (0101) and a depth of 4 (0100, inverted 1011): over by the ones, and equal in all planes above, so it
    # stays over. A queue of 3 (0011) is over by the ones and twos, but under by the fours.
    over = q1 & d1
    over = (q2 & over) | (d2 & (q2 | over))
    over = (q4 & over) | (d4 & (q4 | over))
    over = (q8 & over) | (d8 & (q8 | over))
    return over | q16


@kernel
def stall(
    q1: Lanes, q2: Lanes, q4: Lanes, q8: Lanes, q16: Lanes, d1: Lanes, d2: Lanes, d4: Lanes, d8: Lanes, lost: Lanes
) -> tuple[Lanes, Lanes, Lanes, Lanes, Lanes]:
    """Lanes with a queue that is too long only retire until none is; `lost` counts their cycles."""
    # A stalled PE is past its step's own retirement: each turn of the loop is one cycle lost, in its lane only.
    over = longer(q1, q2, q4, q8, q16, d1, d2, d4, d8)
    while any_bit(over):
        stalled = nonzero_mask(over)
        lost -= stalled  # all ones is minus one
        q1, q2, q4, q8, q16 = retire(q1, q2, q4, q8, q16, stalled)
        over = longer(q1, q2, q4, q8, q16, d1, d2, d4, d8)
    return q1, q2, q4, q8, lost


@kernel
def join(
    q1: Lanes, q2: Lanes, q4: Lanes, q8: Lanes, q16: Lanes, r1: Lanes, r2: Lanes, r4: Lanes
) -> tuple[Lanes, Lanes, Lanes, Lanes, Lanes]:
    """Add a histogram of up to four in each bank to the queues: 3, 0, 1, 2 and 1, 2, 0, 0 make 4, 2, 1, 2."""
    # The ones have no carry to take in; twos and fours are full adders; no vector brings eight, so that a carry is all
    # that reaches q8 and q16.
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
def join_ones(
    q1: Lanes, q2: Lanes, q4: Lanes, q8: Lanes, a: Lanes, b: Lanes, c: Lanes, d: Lanes
) -> tuple[Lanes, Lanes, Lanes, Lanes]:
    """Add four histograms of at most one in each bank to queues that stay below 16, in full adders."""
    # The ones in two full adders: a, b and c, whose carry is worth two, then their sum with d and q1.
    either = a ^ b
    three = either ^ c
    twos = (a & b) | (either & c)
    either = three ^ d
    carry = (three & d) | (either & q1)
    q1 ^= either
    # Both carries and q2. What is carried on moves through q4 and q8, and never beyond.
    either = twos ^ carry
    fours = (twos & carry) | (either & q2)
    q2 ^= either
    q8 ^= q4 & fours
    q4 ^= fours
    return q1, q2, q4, q8


@kernel
def idle_for(q1: Lanes, q2: Lanes, q4: Lanes, q8: Lanes, cycles: Lanes) -> tuple[Lanes, Lanes, Lanes, Lanes]:
    """Every queue retires for its lane's number of cycles, stopping at zero: a subtraction that saturates."""
    # 16 cycles or more empty every queue: they are taken as 15.
    large = nonzero_mask(cycles & spread(np.uint32(0xFFFFFFF0)))
    w1 = bit_mask(cycles, np.uint32(0)) | large
    w2 = bit_mask(cycles, np.uint32(1)) | large
    w4 = bit_mask(cycles, np.uint32(2)) | large
    w8 = bit_mask(cycles, np.uint32(3)) | large
    # Planes of queue minus wait, with a borrow from the next wherever the wait's bit, or a borrow, finds no bit.
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
    left = ~borrow  # a queue that was shorter than the wait has borrowed to the end: it is empty
    return q1 & left, n2 & left, n4 & left, n8 & left


@kernel
def longest_queue(queues: np.ndarray, row: int, lane: int) -> int:
    """Length of the longest of a lane's queues."""
    length = 0
    candidates = np.uint32(0xFFFFFFFF)
    for plane in range(3, -1, -1):
        # Among the queues that are still candidates those with this bit are longer than all others. Of 5, 6 and 2 the
        # fours keep 5 and 6, the twos keep 6, and no bit is left for the ones: 4 + 2.
        having = candidates & queues[row + plane, lane]
        if having != 0:
            candidates = having
            length += 1 << plane
    return length
