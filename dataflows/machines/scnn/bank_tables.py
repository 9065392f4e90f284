"""Which banks a vector of activations reaches with each weight of a channel: tables of histograms.

Where the hash is no rotation, or a PE has more than 32 banks, the banks that its products reach are looked up: for
each weight that some group of output channels has in the channel, a table holds the vector's histogram over the banks.
A product's bank follows from its key, which is the sum of the activation's and the weight's.

A PE with more than 32 banks has two or four neighbouring lanes, and so many fewer PEs are side by side.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.lanes import (
    Lanes,
    any_bit,
    bit_at,
    funnel,
    load,
    neighbours,
    shift_right,
    smallest,
    spread,
    store,
)
from dataflows.machines.scnn.bank_queues import QueueRules
from dataflows.machines.scnn.deep_queues import LONGEST
from dataflows.machines.scnn.nonzero_lists import NonzeroLists

WORD_BITS = 32
_MOST_BANKS = 128
_LONGEST_VECTOR = 16  # activations: a bank gets 0 to 16 of one, which takes five planes
VECTOR_PLANES = 5
TOGETHER = 4  # weights that join at once
ALL = 0xFFFFFFFF
VECTORS, BUSY, NONZEROS = range(3)


def fits_tables(rules: QueueRules) -> bool:
    """Whether a machine is inside this kernel's range."""
    return (
        rules.banks <= _MOST_BANKS
        # A mix is taken modulo the banks by its low bits.
        and (not rules.mixed_hash or rules.banks & (rules.banks - 1) == 0)
        and rules.activations_per_vector <= _LONGEST_VECTOR
        # All products of a step may meet in one bank whose queue is full.
        and rules.depth + rules.weights_per_vector * rules.activations_per_vector <= LONGEST
    )


class Blocks(NamedTuple):
    """The weights of one channel in all groups of output channels, by their number in the table.

    number   int32 (accumulators,): of the weight with that offset; 0 where the channel has none so far
    offsets  int64 (numbers,): the offset of each; number 0 is no weight
    weights  int64 (weights or more,): row in the table of each, one row of the lists after the other, with number 0
             for what vectors lack
    first    int64 (rows + 1,): where each row's weights begin
    counts   uint32 (rows, V, 3): vectors, vectors with a non-zero, and non-zeros
    """

    number: np.ndarray
    offsets: np.ndarray
    weights: np.ndarray
    first: np.ndarray
    counts: np.ndarray


@kernel
def fill_blocks(weights: NonzeroLists, v: int, rules: QueueRules, vector: int, blocks: Blocks) -> int:
    """Number channel v's weights; `vector` is F rounded up to whole fours. Returns the numbers, 0 included."""
    start, offset = weights
    numbers, n = 1, 0
    for row in range(len(start)):
        blocks.first[row] = n
        vectors = busy = real = 0
        for low in range(start[row, v], start[row, v + 1], rules.weights_per_vector):
            found = 0
            for i in range(vector):
                number = 0
                if i < rules.weights_per_vector and low + i < start[row, v + 1] and offset[low + i] >= 0:
                    number = blocks.number[offset[low + i]]
                    if number == 0:
                        number = numbers
                        blocks.number[offset[low + i]] = number
                        blocks.offsets[number] = offset[low + i]
                        numbers += 1
                    found += 1
                blocks.weights[n] = number * VECTOR_PLANES
                n += 1
            vectors += 1
            busy += found > 0
            real += found
        blocks.counts[row, v, VECTORS] = vectors
        blocks.counts[row, v, BUSY] = busy
        blocks.counts[row, v, NONZEROS] = real
    blocks.first[len(start)] = n
    for i in range(1, numbers):
        blocks.number[blocks.offsets[i]] = 0
    return numbers


@kernel
def read_vector(
    lists: NonzeroLists, group: int, v: int, vector: int, width: int, words: int, keys: np.ndarray, slots: np.ndarray
) -> None:
    """A vector of each PE of a lane group: keys of its activations, and in the rows behind them which are there."""
    start, offset = lists
    pes = slots.shape[1] // words
    for place in range(pes):
        pe = group * pes + place
        low = end = 0
        if pe < len(start):
            low, end = start[pe, v] + vector * width, start[pe, v + 1]
        for i in range(width):
            key = there = np.uint32(0)
            if low + i < end and offset[low + i] >= 0:
                key, there = keys[offset[low + i]], np.uint32(ALL)
            for word in range(words):
                slots[i, place * words + word] = key
                slots[width + i, place * words + word] = there


@kernel
def _bank_bit(key: Lanes, rules: QueueRules, first_bank: Lanes) -> Lanes:
    """The bit of the bank that a product's key is folded into, in the lane of a PE that holds it."""
    banks = spread(np.uint32(rules.banks))
    if rules.mixed_hash:
        bank = (key ^ shift_right(key, np.uint32(3))) & (banks - spread(np.uint32(1)))
    else:
        # Below twice the banks: one of the two is below the banks, and where it is not, the other wraps around to a
        # large number.
        bank = smallest(key, key - banks)
    return bit_at(bank - first_bank)


@kernel
def _fill_entry(
    slots: np.ndarray, width: int, rules: QueueRules, key: Any, copies: np.uint32, table: np.ndarray, row: int
) -> Lanes:
    """A vector's histogram for a weight of this key, five planes. Returns the bits of all but the first two."""
    x1 = x2 = x4 = x8 = x16 = spread(np.uint32(0))
    for i in range(width):
        # Keys of activation and weight add up to that of their product.
        bit = _bank_bit(load(slots, i) + spread(key), rules, load(slots, 2 * width)) & load(slots, width + i)
        carry = x1 & bit
        x1 ^= bit
        bit = x2 & carry
        x2 ^= carry
        carry = x4 & bit
        x4 ^= bit
        bit = x8 & carry
        x8 ^= carry
        x16 |= bit
    store(table, row, x1 * spread(copies))
    store(table, row + 1, x2 * spread(copies))
    store(table, row + 2, x4 * spread(copies))
    store(table, row + 3, x8 * spread(copies))
    store(table, row + 4, x16 * spread(copies))
    return x4 | x8 | x16


@kernel
def _copies(banks: int) -> np.uint32:
    """The first bank of each copy in a word that holds fewer than 32 banks several times over, so that it rotates."""
    copies = np.uint32(0)
    for first in range(0, WORD_BITS, banks):
        copies |= np.uint32(1) << np.uint32(first)
    return copies


@kernel
def fill_table_by_turns(
    slots: np.ndarray, width: int, rules: QueueRules, keys: np.ndarray, blocks: Blocks, numbers: int, table: np.ndarray
) -> int:
    """As `fill_table` where every weight rotates the histogram of a weight in bank 0."""
    upper = _fill_entry(slots, width, rules, np.uint32(0), _copies(rules.banks), table, 0)
    planes = VECTOR_PLANES if any_bit(upper) else 1 + any_bit(load(table, 1))
    for plane in range(VECTOR_PLANES):
        low = load(table, plane)
        store(table, plane, spread(np.uint32(0)))  # again no weight
        if plane >= planes:
            continue
        high = neighbours(low) if rules.banks > WORD_BITS else low
        for number in range(1, numbers):
            key = keys[blocks.offsets[number]]
            row = number * VECTOR_PLANES + plane
            # Of 64 banks those from 32 on are in the neighbouring lane: a turn by 40 is one by 8 of words exchanged.
            store(table, row, funnel(low, high, key) if key < np.uint32(WORD_BITS) else funnel(high, low, key))
    return planes


@kernel
def fill_table(
    slots: np.ndarray, width: int, rules: QueueRules, keys: np.ndarray, blocks: Blocks, numbers: int, table: np.ndarray
) -> int:
    """The histogram of one vector for each weight. Returns how many planes there are: the others would be empty."""
    first_bank = load(slots, 2 * width)
    pairs = fours = spread(np.uint32(0))
    for number in range(1, numbers):
        key = spread(keys[blocks.offsets[number]])
        ones = twos = spread(np.uint32(0))
        for i in range(width):
            bit = _bank_bit(load(slots, i) + key, rules, first_bank) & load(slots, width + i)
            carry = ones & bit
            ones ^= bit
            fours |= twos & carry
            twos ^= carry
        store(table, number * VECTOR_PLANES, ones)
        store(table, number * VECTOR_PLANES + 1, twos)
        pairs |= twos
    if not any_bit(fours):
        return 1 + any_bit(pairs)
    for number in range(1, numbers):
        key, row = keys[blocks.offsets[number]], number * VECTOR_PLANES
        _fill_entry(slots, width, rules, key, np.uint32(1), table, row)
    return VECTOR_PLANES
