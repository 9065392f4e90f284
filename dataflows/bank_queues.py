"""Accumulator banks with queues: the exact generic kernel, for any vector lengths, banks, hash and queue depth.

A bank retires one product a cycle while its queue is not empty. The state of a bank is therefore one number, the cycle
at whose start its queue will be empty: a product that joins in cycle t makes it max(free, t) + 1, and the queue's
length after cycle t is free - (t + 1). Nothing has to be done for cycles in which nothing joins, so that stalls and
waits cost no time to simulate.
"""

from __future__ import annotations

import numpy as np

from dataflows.kernel import kernel


def linear_banks(entries: int, banks: int) -> np.ndarray:
    """int32 (entries,): bank of each accumulator address, address mod banks."""
    return (np.arange(entries) % banks).astype(np.int32)


def mixed_banks(channels: int, region: tuple[int, int], banks: int) -> np.ndarray:
    """int32 (channels * rows * columns,): bank of each accumulator address by a bit mix of channel k, row y, column x.

    h = 37 k + 11 y + x; bank = (h xor (h >> 3)) mod banks: odd factors spread neighbours in each direction over the
    banks, the shift folds higher bits in. The published machine's hash is not known; this one is an assumption.
    """
    k, y, x = np.ogrid[:channels, : region[0], : region[1]]
    mixed = 37 * k + 11 * y + x
    return ((mixed ^ (mixed >> 3)) % banks).astype(np.int32).reshape(-1)


@kernel
def enter_block(sizes, v, capacity, state, finished):
    """Cycle at which weight block v (sizes[v] vectors) has entered the FIFO, given when all PEs finished older blocks.

    state holds (oldest resident block, resident vectors); blocks enter whole and in order. A block that is larger than
    the FIFO enters when the FIFO is empty.
    """
    state[1] += sizes[v]
    entered = 0
    while state[1] > capacity and state[0] < v:
        entered = finished[state[0]]
        state[1] -= sizes[state[0]]
        state[0] += 1
    return entered


@kernel
def run_step(first_a, end_a, a_offset, first_w, end_w, w_offset, bank_of, free, now, depth):
    """One step at cycle `now`: the Cartesian product of two vectors joins the queues. Returns the next free cycle."""
    top = 0
    for a in range(first_a, end_a):
        if a_offset[a] < 0:
            continue
        for w in range(first_w, end_w):
            if w_offset[w] < 0:
                continue
            bank = bank_of[a_offset[a] + w_offset[w]]
            busy_until = max(free[bank], now) + 1
            free[bank] = busy_until
            top = max(top, busy_until)
    return max(now + 1, top - depth)


@kernel
def _run_group(a_start, a_offset, w_start, w_offset, F, I, bank_of, banks, depth, fifo_vectors, conflict, wait):
    """One group of output channels on all PEs that take part: cycles lost to bank conflicts and to the weight FIFO.

    a_start (PEs, V + 1) and w_start (V + 1,) point into the lists of activations and weights; conflict and wait, int64
    (PEs,), receive the cycles. The queues carry over from channel to channel; at the end each PE waits until its own
    are empty.
    """
    pes = len(a_start)
    channels = len(w_start) - 1
    now = np.zeros(pes, np.int64)
    free = np.zeros((pes, banks), np.int64)
    finished = np.zeros(channels, np.int64)
    sizes = np.zeros(channels, np.int64)
    state = np.zeros(2, np.int64)
    blocks = 0
    for v in range(channels):
        if w_start[v + 1] == w_start[v]:
            continue
        sizes[blocks] = (w_start[v + 1] - w_start[v] + F - 1) // F
        entered = enter_block(sizes, blocks, fifo_vectors, state, finished)
        latest = 0
        for p in range(pes):
            cycle = max(now[p], entered)
            wait[p] += cycle - now[p]
            steps = 0
            begun = cycle
            for a in range(a_start[p, v], a_start[p, v + 1], I):
                end_a = min(a + I, a_start[p, v + 1])
                for w in range(w_start[v], w_start[v + 1], F):
                    end_w = min(w + F, w_start[v + 1])
                    cycle = run_step(a, end_a, a_offset, w, end_w, w_offset, bank_of, free[p], cycle, depth)
                    steps += 1
            conflict[p] += cycle - begun - steps
            now[p] = cycle
            latest = max(latest, cycle)
        finished[blocks] = latest
        blocks += 1
    for p in range(pes):
        conflict[p] += max(0, free[p].max() - now[p])


@kernel
def run_groups(a_start, a_offset, w_start, w_offset, F, I, bank_of, banks, depth, fifo_vectors, conflict, wait):
    """Several groups of output channels, one after the other: w_start (groups, V + 1), conflict, wait (groups, PEs)."""
    for row in range(len(w_start)):
        _run_group(
            a_start, a_offset, w_start[row], w_offset, F, I, bank_of, banks, depth, fifo_vectors, conflict[row], wait[row]
        )
