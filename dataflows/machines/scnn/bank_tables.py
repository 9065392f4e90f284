"""Accumulator banks with queues, fast for other hashes, more banks, deeper queues and longer vectors.

`bank_queues_in_lanes` rotates a vector of activations by a weight. Where the hash is no rotation, or a PE has more than
32 banks, the banks that a vector's products reach are looked up: for each weight that some group of output channels has
in the channel, a table holds the vector's histogram. It is made once and used for all groups, which therefore run side
by side, channel by channel. Queues have seven planes (`deep_queues`).

A PE with more than 32 banks has two or four neighbouring lanes, and so many fewer PEs are side by side.
The twin of `bank_queues`; `fits_tables` says for which machines the two agree, to the last cycle.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.lanes import (
    LANES,
    Lanes,
    any_bit,
    below,
    bit_at,
    funnel,
    largest,
    largest_word,
    load,
    neighbours,
    shift_right,
    smallest,
    spread,
    store,
)
from dataflows.machines.scnn.bank_queues import Counted, QueueRules, enter_block
from dataflows.machines.scnn.deep_queues import (
    LONGEST,
    PLANES,
    Queues,
    idle_for,
    join,
    join_four,
    join_four_pairs,
    longest_queue,
    retire,
    stall,
)
from dataflows.machines.scnn.nonzero_lists import NonzeroLists

_WORD_BITS = 32
_MOST_BANKS = 128
_LONGEST_VECTOR = 16  # activations: a bank gets 0 to 16 of one, which takes five planes
_VECTOR_PLANES = 5
_TOGETHER = 4  # weights that join at once
_ALL = 0xFFFFFFFF
_VECTORS, _BUSY, _NONZEROS = range(3)


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


class _Blocks(NamedTuple):
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


class _States(NamedTuple):
    """All PEs while all groups of output channels run side by side.

    queues  uint32 (rows * lane groups * 7, LANES): bit-sliced lengths
    clock   uint32 (rows * lane groups, LANES): each PE's next cycle
    lost    uint32 (rows * lane groups, LANES): cycles in which it stalled
    depths  uint32 (7, LANES): the inverted planes of the queue depth
    counts  uint32 (lane groups, V, 3, LANES): each lane's vectors, vectors with a non-zero, and non-zeros
    """

    queues: np.ndarray
    clock: np.ndarray
    lost: np.ndarray
    depths: np.ndarray
    counts: np.ndarray


class _Fifo(NamedTuple):
    """The weight FIFOs of all rows, as `enter_block` sees them.

    sizes     int64 (rows, V): vectors of each block
    finished  int64 (rows, V): when all PEs were done with it
    resident  int64 (rows, 2): oldest resident block and resident vectors
    blocks    int64 (rows,): blocks so far
    entered   int64 (rows,): when this channel's block is in
    last      int64 (rows,): when this channel's last PE is done
    """

    sizes: np.ndarray
    finished: np.ndarray
    resident: np.ndarray
    blocks: np.ndarray
    entered: np.ndarray
    last: np.ndarray


@kernel
def _fill_blocks(weights: NonzeroLists, v: int, rules: QueueRules, vector: int, blocks: _Blocks) -> int:
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
                blocks.weights[n] = number * _VECTOR_PLANES
                n += 1
            vectors += 1
            busy += found > 0
            real += found
        blocks.counts[row, v, _VECTORS] = vectors
        blocks.counts[row, v, _BUSY] = busy
        blocks.counts[row, v, _NONZEROS] = real
    blocks.first[len(start)] = n
    for i in range(1, numbers):
        blocks.number[blocks.offsets[i]] = 0
    return numbers


@kernel
def _read_vector(
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
                key, there = keys[offset[low + i]], np.uint32(_ALL)
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
    slots: np.ndarray, width: int, rules: QueueRules, key: np.uint32, copies: np.uint32, table: np.ndarray, row: int
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
    for first in range(0, _WORD_BITS, banks):
        copies |= np.uint32(1) << np.uint32(first)
    return copies


@kernel
def _fill_table_by_turns(
    slots: np.ndarray, width: int, rules: QueueRules, keys: np.ndarray, blocks: _Blocks, numbers: int, table: np.ndarray
) -> int:
    """As `_fill_table` where every weight rotates the histogram of a weight in bank 0."""
    upper = _fill_entry(slots, width, rules, np.uint32(0), _copies(rules.banks), table, 0)
    planes = _VECTOR_PLANES if any_bit(upper) else 1 + any_bit(load(table, 1))
    for plane in range(_VECTOR_PLANES):
        low = load(table, plane)
        store(table, plane, spread(np.uint32(0)))  # again no weight
        if plane >= planes:
            continue
        high = neighbours(low) if rules.banks > _WORD_BITS else low
        for number in range(1, numbers):
            key = keys[blocks.offsets[number]]
            row = number * _VECTOR_PLANES + plane
            # Of 64 banks those from 32 on are in the neighbouring lane: a turn by 40 is one by 8 of words exchanged.
            store(table, row, funnel(low, high, key) if key < np.uint32(_WORD_BITS) else funnel(high, low, key))
    return planes


@kernel
def _fill_table(
    slots: np.ndarray, width: int, rules: QueueRules, keys: np.ndarray, blocks: _Blocks, numbers: int, table: np.ndarray
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
        store(table, number * _VECTOR_PLANES, ones)
        store(table, number * _VECTOR_PLANES + 1, twos)
        pairs |= twos
    if not any_bit(fours):
        return 1 + any_bit(pairs)
    for number in range(1, numbers):
        key, row = keys[blocks.offsets[number]], number * _VECTOR_PLANES
        _fill_entry(slots, width, rules, key, np.uint32(1), table, row)
    return _VECTOR_PLANES


@kernel
def _load_queues(rows: np.ndarray, at: int) -> Queues:
    return (
        load(rows, at),
        load(rows, at + 1),
        load(rows, at + 2),
        load(rows, at + 3),
        load(rows, at + 4),
        load(rows, at + 5),
        load(rows, at + 6),
    )


@kernel
def _store_queues(rows: np.ndarray, at: int, q: Queues) -> None:
    store(rows, at, q[0])
    store(rows, at + 1, q[1])
    store(rows, at + 2, q[2])
    store(rows, at + 3, q[3])
    store(rows, at + 4, q[4])
    store(rows, at + 5, q[5])
    store(rows, at + 6, q[6])


@kernel
def _run_vector(
    table: np.ndarray, planes: int, blocks: _Blocks, vector: int, active: Lanes, words: int, group: int, states: _States
) -> None:
    """One vector of activations of a lane group meets the blocks of all rows."""
    groups = len(states.clock) // (len(blocks.first) - 1)
    d = _load_queues(states.depths, 0)
    for row in range(len(blocks.first) - 1):
        if blocks.first[row] == blocks.first[row + 1]:
            continue
        at = row * groups + group
        q, lost = _load_queues(states.queues, at * PLANES), spread(np.uint32(0))
        for first in range(blocks.first[row], blocks.first[row + 1], vector):
            if planes == 1:
                for w in range(first, first + vector, _TOGETHER):
                    a, b = load(table, blocks.weights[w]), load(table, blocks.weights[w + 1])
                    c, e = load(table, blocks.weights[w + 2]), load(table, blocks.weights[w + 3])
                    q = join_four(q, a, b, c, e)
            elif planes == 2:  # noqa: PLR2004 (two of them)
                for w in range(first, first + vector, _TOGETHER):
                    i, j, k, m = blocks.weights[w], blocks.weights[w + 1], blocks.weights[w + 2], blocks.weights[w + 3]
                    a, b, c, e = load(table, i), load(table, j), load(table, k), load(table, m)
                    a2, b2, c2, e2 = load(table, i + 1), load(table, j + 1), load(table, k + 1), load(table, m + 1)
                    q = join_four_pairs(q, a, b, c, e, a2, b2, c2, e2)
            else:
                for w in range(first, first + vector):
                    r = blocks.weights[w]
                    q = join(
                        q,
                        load(table, r),
                        load(table, r + 1),
                        load(table, r + 2),
                        load(table, r + 3),
                        load(table, r + 4),
                    )
            q = retire(q, active)
            q, lost = stall(q, d, lost, words)
        _store_queues(states.queues, at * PLANES, q)
        store(states.lost, at, load(states.lost, at) + lost)
        store(states.clock, at, load(states.clock, at) + lost)


@kernel
def _count_vectors(lists: NonzeroLists, group: int, v: int, rules: QueueRules, words: int, counts: np.ndarray) -> int:
    """Fill a lane group's counts, uint32 (3, LANES). Returns the vectors of the fullest lane."""
    start, offset = lists
    width, longest = rules.activations_per_vector, 0
    for lane in range(counts.shape[1]):
        pe = (group * counts.shape[1] + lane) // words
        vectors = busy = real = 0
        if pe < len(start):
            for low in range(start[pe, v], start[pe, v + 1], width):
                found = 0
                for i in range(low, min(low + width, start[pe, v + 1])):
                    found += offset[i] >= 0
                vectors += 1
                busy += found > 0
                real += found
        counts[_VECTORS, lane] = vectors
        counts[_BUSY, lane] = busy
        counts[_NONZEROS, lane] = real
        longest = max(longest, vectors)
    return longest


@kernel
def _wait(blocks: _Blocks, entered: np.ndarray, group: int, states: _States) -> None:
    """A lane group waits for the blocks of all rows; queues go on retiring."""
    rows = len(blocks.first) - 1
    groups = len(states.clock) // rows
    for row in range(rows):
        if blocks.first[row] == blocks.first[row + 1]:
            continue
        at = row * groups + group
        before = load(states.clock, at)
        begun = largest(before, spread(np.uint32(entered[row])))
        if any_bit(begun - before):
            q = _load_queues(states.queues, at * PLANES)
            _store_queues(states.queues, at * PLANES, idle_for(q, begun - before))
            store(states.clock, at, begun)


@kernel
def _end_channel(blocks: _Blocks, v: int, vectors: Lanes, group: int, states: _States, last: np.ndarray) -> None:
    """Clocks of a lane group behind a channel's steps, stalls being there already; `last` is each row's latest end."""
    rows = len(blocks.first) - 1
    groups = len(states.clock) // rows
    for row in range(rows):
        at = row * groups + group
        clock = load(states.clock, at) + vectors * spread(blocks.counts[row, v, _VECTORS])
        store(states.clock, at, clock)
        last[row] = max(last[row], np.int64(largest_word(clock)))


@kernel
def _report(blocks: _Blocks, states: _States, words: int, work: np.ndarray) -> None:
    rows, pes, _ = work.shape
    groups, channels, _, lanes = states.counts.shape
    for row in range(rows):
        for pe in range(pes):
            group, lane = pe * words // lanes, pe * words % lanes
            at = row * groups + group
            steps = busy = products = np.int64(0)
            for v in range(channels):
                steps += np.int64(states.counts[group, v, _VECTORS, lane]) * blocks.counts[row, v, _VECTORS]
                busy += np.int64(states.counts[group, v, _BUSY, lane]) * blocks.counts[row, v, _BUSY]
                products += np.int64(states.counts[group, v, _NONZEROS, lane]) * blocks.counts[row, v, _NONZEROS]
            lost, longest = np.int64(states.lost[at, lane]), 0
            for word in range(words):
                longest = max(longest, longest_queue(states.queues, at * PLANES, lane + word))
            own = work[row, pe]
            own[Counted.BUSY] = busy
            own[Counted.INDEX] = steps - busy
            own[Counted.BANK_CONFLICT] = lost + longest
            own[Counted.FIFO_WAIT] = np.int64(states.clock[at, lane]) - steps - lost
            own[Counted.ISSUED] = products


@kernel
def _begin_channel(v: int, capacity: int, blocks: _Blocks, fifo: _Fifo) -> None:
    """Each row's block of the channel enters its FIFO."""
    for row in range(len(fifo.entered)):
        if blocks.counts[row, v, _VECTORS] > 0:
            number = fifo.blocks[row]
            fifo.sizes[row, number] = blocks.counts[row, v, _VECTORS]
            fifo.entered[row] = enter_block(fifo.sizes[row], number, capacity, fifo.resident[row], fifo.finished[row])
        fifo.last[row] = 0


@kernel
def _leave_channel(v: int, blocks: _Blocks, fifo: _Fifo) -> None:
    """Each row's block is done when the last PE is."""
    for row in range(len(fifo.entered)):
        if blocks.counts[row, v, _VECTORS] > 0:
            fifo.finished[row, fifo.blocks[row]] = fifo.last[row]
            fifo.blocks[row] += 1


@kernel
def _most_weights(start: np.ndarray, F: int, vector: int) -> int:
    """Weights of all rows in the channel that has most, blocks filled up to whole vectors."""
    most = 0
    for v in range(start.shape[1] - 1):
        found = 0
        for row in range(len(start)):
            found += (start[row, v + 1] - start[row, v] + F - 1) // F * vector
        most = max(most, found)
    return most


@kernel
def run_groups_by_table(
    activations: NonzeroLists, weights: NonzeroLists, rules: QueueRules, keys: np.ndarray, work: np.ndarray
) -> None:
    """Groups of output channels, side by side, on all PEs of a sub-tile; the fast twin of `bank_queues.run_groups`.

    keys   uint32 (accumulators,): `QueueRules.keys_of` their addresses
    work   int64 (groups, PEs, WORK_COUNTS), receives what is `Counted`
    """
    rows, channels = len(weights.start), weights.start.shape[1] - 1
    words, width = 1, rules.activations_per_vector
    while words * _WORD_BITS < rules.banks:
        words *= 2
    groups = (len(activations.start) * words + LANES - 1) // LANES
    vector = (rules.weights_per_vector + _TOGETHER - 1) // _TOGETHER * _TOGETHER
    most = _most_weights(weights.start, rules.weights_per_vector, vector)
    blocks = _Blocks(
        np.zeros(len(keys), np.int32),
        np.zeros(len(keys) + 1, np.int64),
        np.zeros(most + vector, np.int64),
        np.zeros(rows + 1, np.int64),
        np.zeros((rows, channels, 3), np.uint32),
    )
    states = _States(
        np.zeros((rows * groups * PLANES, LANES), np.uint32),
        np.zeros((rows * groups, LANES), np.uint32),
        np.zeros((rows * groups, LANES), np.uint32),
        np.zeros((PLANES, LANES), np.uint32),
        np.zeros((groups, channels, 3, LANES), np.uint32),
    )
    for plane in range(PLANES):
        if (rules.depth >> plane) & 1 == 0:
            states.depths[plane] = np.uint32(_ALL)
    fifo = _Fifo(
        np.zeros((rows, channels), np.int64),
        np.zeros((rows, channels), np.int64),
        np.zeros((rows, 2), np.int64),
        np.zeros(rows, np.int64),
        np.zeros(rows, np.int64),
        np.zeros(rows, np.int64),
    )
    slots = np.zeros((2 * width + 1, LANES), np.uint32)
    for lane in range(LANES):
        slots[2 * width, lane] = lane % words * _WORD_BITS
    # Banks that fill one or two words, or one several times over.
    turns = not rules.mixed_hash and (_WORD_BITS % rules.banks == 0 or rules.banks == 2 * _WORD_BITS)
    table = np.zeros(((min(len(keys), most) + 1) * _VECTOR_PLANES, LANES), np.uint32)
    for v in range(channels):
        numbers = _fill_blocks(weights, v, rules, vector, blocks)
        if blocks.first[rows] == 0:
            continue
        _begin_channel(v, rules.fifo_vectors, blocks, fifo)
        for group in range(groups):
            longest = _count_vectors(activations, group, v, rules, words, states.counts[group, v])
            own_vectors = load(states.counts, (group * channels + v) * 3 + _VECTORS)
            _wait(blocks, fifo.entered, group, states)
            for i in range(longest):
                _read_vector(activations, group, v, i, width, words, keys, slots)
                if turns:
                    planes = _fill_table_by_turns(slots, width, rules, keys, blocks, numbers, table)
                else:
                    planes = _fill_table(slots, width, rules, keys, blocks, numbers, table)
                # PEs that have run out of vectors stand still.
                active = below(spread(np.uint32(i)), own_vectors)
                _run_vector(table, planes, blocks, vector, active, words, group, states)
            _end_channel(blocks, v, own_vectors, group, states, fifo.last)
        _leave_channel(v, blocks, fifo)
    _report(blocks, states, words, work)
