"""Accumulator banks with queues: the exact generic kernel, for any vector lengths, banks, hash and queue depth.

A bank retires one product a cycle while its queue is not empty. The state of a bank is therefore one number, the cycle
at whose start its queue will be empty: a product that joins in cycle t makes it max(free, t) + 1, and the queue's
length after cycle t is free - (t + 1). Three products that join an empty bank in cycle 0 make it 1, 2 and 3: two wait
after the cycle. With depth 1 that is one too many, the PE stalls for a cycle, and its next step is in cycle 3 - 1 = 2
instead of 1. Nothing has to be done for cycles in which nothing joins, so that stalls and
waits cost no time to simulate.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.machines.scnn.nonzero_lists import ListPart, NonzeroLists
from dataflows.schedule import Cause, no_cycles


class Counted(IntEnum):
    """What the kernels count for each PE of a tile: the columns of `work`, cycles but for the products issued."""

    BUSY = 0
    INDEX = 1
    BANK_CONFLICT = 2
    FIFO_WAIT = 3
    ISSUED = 4


WORK_COUNTS = len(Counted)
_CAUSE_OF = {
    Counted.BUSY: Cause.BUSY,
    Counted.INDEX: Cause.INDEX,
    Counted.BANK_CONFLICT: Cause.BANK_CONFLICT,
    Counted.FIFO_WAIT: Cause.IMBALANCE,  # a block enters late because a slower PE still holds an older one
}


def cycles_and_issued(work: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A schedule's cycles (tiles, PEs, CAUSES) and issued (tiles, PEs) of `work`, (tiles, PEs, WORK_COUNTS)."""
    cycles = no_cycles(*work.shape[:2])
    for counted, cause in _CAUSE_OF.items():
        cycles[:, :, cause] = work[:, :, counted]
    return cycles, np.ascontiguousarray(work[:, :, Counted.ISSUED])


def linear_banks(entries: int, banks: int) -> np.ndarray:
    """uint32 (entries,): bank of each accumulator address, address mod banks."""
    # Unsigned: a kernel does not test such an index for a count from the end.
    return (np.arange(entries) % banks).astype(np.uint32)


def mixed_keys(channels: int, region: tuple[int, int]) -> np.ndarray:
    """uint32 (channels * rows * columns,): 37 k + 11 y + x of each accumulator's channel k, row y and column x.

    Those of an activation and a weight add up to that of their product.
    """
    k, y, x = np.ogrid[:channels, : region[0], : region[1]]
    return (37 * k + 11 * y + x).astype(np.uint32).reshape(-1)


def mixed_banks(channels: int, region: tuple[int, int], banks: int) -> np.ndarray:
    """uint32 (channels * rows * columns,): bank of each accumulator address by a bit mix of channel k, row y, column x.

    h = 37 k + 11 y + x; bank = (h xor (h >> 3)) mod banks: odd factors spread neighbours in each direction over the
    banks, the shift folds higher bits in. The published machine's hash is not known; this one is an assumption.
    """
    mixed = mixed_keys(channels, region)
    # The first address of channel 1 has h = 37, and 37 xor 4 is 33: bank 1 of 32.
    return (mixed ^ (mixed >> 3)) % banks


class QueueRules(NamedTuple):
    """What decides a PE's steps: vector lengths, accumulator banks, their hash and queues, the weight FIFO."""

    weights_per_vector: int
    activations_per_vector: int
    banks: int
    mixed_hash: bool
    depth: int
    fifo_vectors: int

    def bank_of(self, channels: int, region: tuple[int, int]) -> np.ndarray:
        """uint32 (channels * rows * columns,): bank of each accumulator address."""
        if self.mixed_hash:
            return mixed_banks(channels, region, self.banks)
        return linear_banks(channels * math.prod(region), self.banks)

    def keys_of(self, channels: int, region: tuple[int, int]) -> np.ndarray:
        """uint32 (channels * rows * columns,): what of two addresses adds up, before it is folded into a bank."""
        return mixed_keys(channels, region) if self.mixed_hash else self.bank_of(channels, region)


@kernel
def enter_block(sizes: np.ndarray, v: int, capacity: int, state: np.ndarray, finished: np.ndarray) -> Any:
    """Cycle at which weight block v (sizes[v] vectors) has entered the FIFO, given when all PEs finished older blocks.

    state holds (oldest resident block, resident vectors); blocks enter whole and in order. A block that is larger than
    the FIFO enters when the FIFO is empty. With blocks of 3, 2 and 2 vectors and a FIFO of 5,
    the first two enter at once, the third when all PEs have finished the first.
    """
    # There `state` is (0, 3), (0, 5) and, when block 0 has left for the third, (1, 4).
    state[1] += sizes[v]
    entered = 0
    while state[1] > capacity and state[0] < v:
        entered = finished[state[0]]
        state[1] -= sizes[state[0]]
        state[0] += 1
    return entered


@kernel
def run_channel(
    activations: ListPart,
    weights: ListPart,
    rules: QueueRules,
    bank_of: np.ndarray,
    free: np.ndarray,
    now: Any,
    work: np.ndarray,
) -> Any:
    """All steps of one PE in one channel, counted in `work`, int64 (WORK_COUNTS,). Returns the cycle after them.

    bank_of is uint32; free, int64 (banks,), the cycle at whose start each queue will be empty. A step takes one vector
    of activations and one of weights; its products join the queues in cycle `now`. Positions are unsigned so that no
    index is tested for a count from the end.
    """
    one = np.uint64(1)
    a_offset, w_offset, depth = activations.offset, weights.offset, rules.depth
    stop_a = np.uint64(activations.end)
    stop_w = np.uint64(weights.end)
    begun = now
    steps = busy = issued = 0
    a = np.uint64(activations.first)
    # Activations stay while the whole block of weights passes: 6 activations and 10 weights in vectors of 4 are 2 x 3
    # steps, of which the third and sixth take two weights and the last three two activations.
    while a < stop_a:
        next_a = min(a + np.uint64(rules.activations_per_vector), stop_a)
        w = np.uint64(weights.first)
        while w < stop_w:
            next_w = min(w + np.uint64(rules.weights_per_vector), stop_w)
            products = 0
            latest = now + 1 + depth  # without a stall: the fullest queue is as long as it may be
            i = a
            while i < next_a:
                address = a_offset[i]
                i += one
                if address < 0:
                    continue
                j = w
                while j < next_w:
                    other = w_offset[j]
                    j += one
                    if other < 0:
                        continue
                    # An activation's and a weight's offset add up to the accumulator of their product.
                    bank = bank_of[np.uint32(address + other)]
                    # Products of one step that meet in a bank queue up behind one another: a bank that is empty in
                    # cycle 5 and gets three of them is empty again in cycle 8.
                    empty = max(free[bank], now) + 1
                    free[bank] = empty
                    latest = max(latest, empty)
                    products += 1
            # The next step comes when the fullest queue has come down to its depth: free - (t + 1) products wait after
            # cycle t.
            now = latest - depth
            steps += 1
            busy += products > 0
            issued += products
            w = next_w
        a = next_a
    # Steps without a product had placeholders only; what a channel took beyond a cycle a step are stalls.
    work[Counted.BUSY] += busy
    work[Counted.INDEX] += steps - busy
    work[Counted.BANK_CONFLICT] += now - begun - steps
    work[Counted.ISSUED] += issued
    return now


@kernel
def run_groups(
    activations: NonzeroLists, weights: NonzeroLists, rules: QueueRules, bank_of: np.ndarray, work: np.ndarray
) -> None:
    """Several groups of output channels, one after the other, on all PEs that take part in a sub-tile.

    Activations have a row for each PE, weights one for each group; bank_of is uint32. work, int64 (groups, PEs,
    WORK_COUNTS), receives what is `Counted`. Queues carry over from channel to channel; at the end of a group each PE
    waits until its own are empty.
    """
    a_start, a_offset = activations
    w_start, w_offset = weights
    pes = len(a_start)
    channels = w_start.shape[1] - 1
    # By block, not by channel: blocks of channels without weights do not exist, and `enter_block` counts the others.
    finished = np.zeros(channels, np.int64)
    sizes = np.zeros(channels, np.int64)
    for row in range(len(w_start)):
        # Every group begins with empty queues and an empty FIFO, and all PEs in cycle 0: they have met before it.
        now = np.zeros(pes, np.int64)
        free = np.zeros((pes, rules.banks), np.int64)
        resident = np.zeros(2, np.int64)
        blocks = 0
        for v in range(channels):
            block = ListPart(w_offset, w_start[row, v], w_start[row, v + 1])
            # A channel whose weights are all zero takes no step, and no room in the FIFO.
            if block.first == block.end:
                continue
            # 5 weights with F = 4 are 2 vectors in the FIFO.
            sizes[blocks] = (block.end - block.first + rules.weights_per_vector - 1) // rules.weights_per_vector
            entered = enter_block(sizes, blocks, rules.fifo_vectors, resident, finished)
            latest = 0
            for p in range(pes):
                # A PE ahead of the others waits until the block is in; for the slowest it came in time.
                cycle = max(now[p], entered)
                work[row, p, Counted.FIFO_WAIT] += cycle - now[p]
                own = ListPart(a_offset, a_start[p, v], a_start[p, v + 1])
                now[p] = run_channel(own, block, rules, bank_of, free[p], cycle, work[row, p])
                latest = max(latest, now[p])
            finished[blocks] = latest
            blocks += 1
        for p in range(pes):  # results leave the accumulators, so the queues must be empty first
            work[row, p, Counted.BANK_CONFLICT] += max(0, free[p].max() - now[p])
