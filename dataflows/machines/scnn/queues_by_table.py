"""Accumulator banks with queues, fast for other hashes, more banks, deeper queues and longer vectors.

A vector's histograms for all weights of a channel (`bank_tables`) are made once and used for all groups of output
channels, which therefore run side by side, channel by channel. Queues have seven planes (`deep_queues`).
The twin of `bank_queues`; `bank_tables.fits_tables` says for which machines the two agree, to the last cycle.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.lanes import LANES, Lanes, any_bit, below, largest, largest_word, load, spread, store
from dataflows.machines.scnn.bank_queues import Counted, QueueRules, enter_block
from dataflows.machines.scnn.bank_tables import (
    ALL,
    BUSY,
    NONZEROS,
    TOGETHER,
    VECTOR_PLANES,
    VECTORS,
    WORD_BITS,
    Blocks,
    fill_blocks,
    fill_table,
    fill_table_by_turns,
    read_vector,
)
from dataflows.machines.scnn.deep_queues import (
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
    table: np.ndarray, planes: int, blocks: Blocks, vector: int, active: Lanes, words: int, group: int, states: _States
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
                for w in range(first, first + vector, TOGETHER):
                    a, b = load(table, blocks.weights[w]), load(table, blocks.weights[w + 1])
                    c, e = load(table, blocks.weights[w + 2]), load(table, blocks.weights[w + 3])
                    q = join_four(q, a, b, c, e)
            elif planes == 2:
                for w in range(first, first + vector, TOGETHER):
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
        counts[VECTORS, lane] = vectors
        counts[BUSY, lane] = busy
        counts[NONZEROS, lane] = real
        longest = max(longest, vectors)
    return longest


@kernel
def _wait(blocks: Blocks, entered: np.ndarray, group: int, states: _States) -> None:
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
def _end_channel(blocks: Blocks, v: int, vectors: Lanes, group: int, states: _States, last: np.ndarray) -> None:
    """Clocks of a lane group behind a channel's steps, stalls being there already; `last` is each row's latest end."""
    rows = len(blocks.first) - 1
    groups = len(states.clock) // rows
    for row in range(rows):
        at = row * groups + group
        clock = load(states.clock, at) + vectors * spread(blocks.counts[row, v, VECTORS])
        store(states.clock, at, clock)
        last[row] = max(last[row], np.int64(largest_word(clock)))


@kernel
def _report(blocks: Blocks, states: _States, words: int, work: np.ndarray) -> None:
    rows, pes, _ = work.shape
    groups, channels, _, lanes = states.counts.shape
    for row in range(rows):
        for pe in range(pes):
            group, lane = pe * words // lanes, pe * words % lanes
            at = row * groups + group
            steps = busy = products = np.int64(0)
            for v in range(channels):
                steps += np.int64(states.counts[group, v, VECTORS, lane]) * blocks.counts[row, v, VECTORS]
                busy += np.int64(states.counts[group, v, BUSY, lane]) * blocks.counts[row, v, BUSY]
                products += np.int64(states.counts[group, v, NONZEROS, lane]) * blocks.counts[row, v, NONZEROS]
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
def _begin_channel(v: int, capacity: int, blocks: Blocks, fifo: _Fifo) -> None:
    """Each row's block of the channel enters its FIFO."""
    for row in range(len(fifo.entered)):
        if blocks.counts[row, v, VECTORS] > 0:
            number = fifo.blocks[row]
            fifo.sizes[row, number] = blocks.counts[row, v, VECTORS]
            fifo.entered[row] = enter_block(fifo.sizes[row], number, capacity, fifo.resident[row], fifo.finished[row])
        fifo.last[row] = 0


@kernel
def _leave_channel(v: int, blocks: Blocks, fifo: _Fifo) -> None:
    """Each row's block is done when the last PE is."""
    for row in range(len(fifo.entered)):
        if blocks.counts[row, v, VECTORS] > 0:
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
    while words * WORD_BITS < rules.banks:
        words *= 2
    groups = (len(activations.start) * words + LANES - 1) // LANES
    vector = (rules.weights_per_vector + TOGETHER - 1) // TOGETHER * TOGETHER
    most = _most_weights(weights.start, rules.weights_per_vector, vector)
    blocks = Blocks(
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
            states.depths[plane] = np.uint32(ALL)
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
        slots[2 * width, lane] = lane % words * WORD_BITS
    # Banks that fill one or two words, or one several times over.
    turns = not rules.mixed_hash and (WORD_BITS % rules.banks == 0 or rules.banks == 2 * WORD_BITS)
    table = np.zeros(((min(len(keys), most) + 1) * VECTOR_PLANES, LANES), np.uint32)
    for v in range(channels):
        numbers = fill_blocks(weights, v, rules, vector, blocks)
        if blocks.first[rows] == 0:
            continue
        _begin_channel(v, rules.fifo_vectors, blocks, fifo)
        for group in range(groups):
            longest = _count_vectors(activations, group, v, rules, words, states.counts[group, v])
            own_vectors = load(states.counts, (group * channels + v) * 3 + VECTORS)
            _wait(blocks, fifo.entered, group, states)
            for i in range(longest):
                read_vector(activations, group, v, i, width, words, keys, slots)
                if turns:
                    planes = fill_table_by_turns(slots, width, rules, keys, blocks, numbers, table)
                else:
                    planes = fill_table(slots, width, rules, keys, blocks, numbers, table)
                # PEs that have run out of vectors stand still.
                active = below(spread(np.uint32(i)), own_vectors)
                _run_vector(table, planes, blocks, vector, active, words, group, states)
            _end_channel(blocks, v, own_vectors, group, states, fifo.last)
        _leave_channel(v, blocks, fifo)
    _report(blocks, states, words, work)
