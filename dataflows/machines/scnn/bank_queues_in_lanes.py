"""Accumulator banks with queues, fast: all banks of sixteen PEs advance in a few dozen vector instructions a step.

An activation vector is a histogram over the banks, which a weight rotates (`activation_planes`). Adding such products
to the queues (`bit_sliced_queues`) and retiring one product from each are adders and borrow chains of bitwise
operations on all banks at once. Sixteen PEs, which see the same weights, stand side by side in lanes. A PE that has run
out of activation vectors before the others is masked and stands still in its own time; only at channel boundaries do
the PEs' times meet, in the weight FIFO.

The fast twin of `bank_queues`, in which each rule stands as the machine has it, one product at a time: a change of a
rule there is a change here, and `fits_planes` says for which machines the two agree, to the last cycle.

Exact for power-of-two bank counts up to 32 (fewer banks fill the words by repetition), vectors of up to four entries,
queue depths up to 11, so that a queue never exceeds what a step's planes hold, and tiles of less than 2^32 cycles.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.lanes import Lanes, any_bit, below, largest, largest_word, load, rotate, spread, store
from dataflows.machines.scnn.activation_planes import (
    BUSY_VECTORS,
    COUNT_ROWS,
    LONGEST_VECTOR,
    NONZEROS,
    VECTORS,
    ActivationPlanes,
)
from dataflows.machines.scnn.activation_vectors import ALL_BITS
from dataflows.machines.scnn.activation_windows import WORD_BITS
from dataflows.machines.scnn.bank_queues import Counted, QueueRules, enter_block
from dataflows.machines.scnn.bit_sliced_queues import idle_for, join, join_ones, longer, longest_queue, retire, stall
from dataflows.machines.scnn.nonzero_lists import ListPart, NonzeroLists

_QUEUE_PLANES = 4  # 1, 2, 4 and 8: lengths up to 15
_STEPS, _BUSY, _PRODUCTS = range(3)  # rows of totals of each lane


class _Block(NamedTuple):
    """A channel's weights as they act on the planes, vector by vector; filled anew for each channel.

    turn    uint32 (vectors or more, 4): by how many banks each weight rotates a histogram
    keep    uint32 (vectors or more, 4): all ones, or zero where there is no weight
    counts  uint32 (V, 3): vectors, vectors with a non-zero, and non-zeros of each channel's block so far
    """

    turn: np.ndarray
    keep: np.ndarray
    counts: np.ndarray


class _LaneState(NamedTuple):
    """All lane groups of a sub-tile while one group of output channels runs, one lane a PE.

    queues  uint32 (lane groups * 4, LANES): bit-sliced lengths
    clock   uint32 (lane groups, LANES): each PE's next cycle
    lost    uint32 (lane groups, LANES): cycles in which it stalled
    depths  uint32 (4, LANES): the inverted planes of the queue depth
    """

    queues: np.ndarray
    clock: np.ndarray
    lost: np.ndarray
    depths: np.ndarray


@kernel
def _fill_block(weights: ListPart, width: int, v: int, block: _Block) -> None:
    """Channel v's weights, vector by vector; absent ones are masked."""
    w_offset, low, high = weights
    turn, keep, counts = block
    vectors = busy = real = 0
    for first in range(low, high, width):
        found = 0
        for i in range(LONGEST_VECTOR):
            entry = first + i
            # Vectors narrower than four, and the last one of a block, leave slots empty like placeholders.
            present = i < width and entry < high and w_offset[min(entry, high - 1)] >= 0
            # Rotations count modulo the word, which holds 32 banks or several copies of fewer: with 8 banks a weight at
            # offset 35 turns by 3 and one at offset 11 by 11, which is 3 in every copy.
            turn[vectors, i] = np.uint32(w_offset[entry] & (WORD_BITS - 1)) if present else np.uint32(0)
            keep[vectors, i] = np.uint32(ALL_BITS) if present else np.uint32(0)
            found += present
        vectors += 1
        busy += found > 0
        real += found
    counts[v, VECTORS] = vectors
    counts[v, BUSY_VECTORS] = busy
    counts[v, NONZEROS] = real


@kernel(inline="always")  # a call that passes so many arrays costs more than a small block
def _run_lane_group(
    activations: ActivationPlanes,
    group: int,
    v: int,
    own_vectors: Lanes,
    block: _Block,
    state: _LaneState,
    idle: Lanes,
) -> Lanes:
    """Sixteen PEs in channel v: they wait for `idle` cycles, then meet its activation vectors with the block's.

    Returns the cycles in which lanes stalled.
    """
    planes, crowd, crowded = activations.planes, activations.crowd, activations.crowded
    turn, keep, vectors = block.turn, block.keep, block.counts[v, VECTORS]
    queues, depths = state.queues, state.depths
    own = group * _QUEUE_PLANES
    # Read once a channel and written back once: within it they are values and no array.
    q1, q2, q4, q8 = load(queues, own), load(queues, own + 1), load(queues, own + 2), load(queues, own + 3)
    d1, d2, d4, d8 = load(depths, 0), load(depths, 1), load(depths, 2), load(depths, 3)
    none = spread(np.uint32(0))
    lost = none
    # Queues go on retiring while their PE waits for the block, all of them at once and not cycle by cycle.
    if any_bit(idle):
        q1, q2, q4, q8 = idle_for(q1, q2, q4, q8, idle)
    first = activations.first[group, v]
    for vector in range(first, activations.first[group, v + 1]):
        # Lanes that have run out of vectors stand still.
        x1, active = load(planes, vector), below(spread(np.uint32(vector - first)), own_vectors)
        if crowd[vector] < 0:  # no bank twice, so that four masks join in one go
            for w in range(vectors):
                a = rotate(x1, turn[w, 0]) & spread(keep[w, 0])
                b = rotate(x1, turn[w, 1]) & spread(keep[w, 1])
                c = rotate(x1, turn[w, 2]) & spread(keep[w, 2])
                d = rotate(x1, turn[w, 3]) & spread(keep[w, 3])
                q1, q2, q4, q8 = join_ones(q1, q2, q4, q8, a, b, c, d)
                # 15 at most: 11 of the deepest queue and four weights with one product each for a bank; so there is no
                # q16.
                q1, q2, q4, q8, _ = retire(q1, q2, q4, q8, none, active)
                if any_bit(longer(q1, q2, q4, q8, none, d1, d2, d4, d8)):
                    q1, q2, q4, q8, lost = stall(q1, q2, q4, q8, none, d1, d2, d4, d8, lost)
        else:
            # A bank may get four products from each of four weights: with 11 that wait these are 27, for which q16
            # stands until the step ends.
            x2, x4 = load(crowded, crowd[vector]), load(crowded, crowd[vector] + 1)
            for w in range(vectors):
                q16 = none
                for i in range(LONGEST_VECTOR):
                    kept = spread(keep[w, i])
                    r1, r2, r4 = rotate(x1, turn[w, i]), rotate(x2, turn[w, i]), rotate(x4, turn[w, i])
                    q1, q2, q4, q8, q16 = join(q1, q2, q4, q8, q16, r1 & kept, r2 & kept, r4 & kept)
                q1, q2, q4, q8, q16 = retire(q1, q2, q4, q8, q16, active)
                q1, q2, q4, q8, lost = stall(q1, q2, q4, q8, q16, d1, d2, d4, d8, lost)
    store(queues, own, q1)
    store(queues, own + 1, q2)
    store(queues, own + 2, q4)
    store(queues, own + 3, q8)
    return lost


@kernel(forceinline=True)  # likewise
def _run_block(activations: ActivationPlanes, v: int, block: _Block, entered: Any, state: _LaneState) -> Any:
    """All lane groups in channel v, whose weight block enters the FIFO in cycle `entered`. Returns the last's end."""
    clock, channels = state.clock, activations.first.shape[1] - 1
    vectors = spread(block.counts[v, VECTORS])
    latest = spread(np.uint32(0))
    for group in range(len(activations.first)):
        # A lane's own time runs until the block enters; PEs that are later than that begin at once and are not idle.
        before = load(clock, group)
        begun = largest(before, spread(entered))
        own_vectors = load(activations.counts, (group * channels + v) * COUNT_ROWS + VECTORS)
        lost = _run_lane_group(activations, group, v, own_vectors, block, state, begun - before)
        # No walk in time: each step is a cycle and each stall one more, wherever between the steps it was. A PE with 3
        # activation vectors takes 15 steps for a block of 5 vectors.
        end = begun + own_vectors * vectors + lost
        store(clock, group, end)
        store(state.lost, group, load(state.lost, group) + lost)
        latest = largest(latest, end)
    return largest_word(latest)


@kernel
def _add_up(activations: ActivationPlanes, group: int, block: _Block, totals: np.ndarray) -> None:
    """A lane group's steps, those with a product, and products in all channels.

    A step has a product where both of its vectors have a non-zero: with 2 such vectors of activations and 4 of weights
    8 steps do.
    """
    counts, channels = activations.counts, activations.first.shape[1] - 1
    steps = busy = products = spread(np.uint32(0))
    for v in range(channels):
        row = (group * channels + v) * COUNT_ROWS
        steps += load(counts, row + VECTORS) * spread(block.counts[v, VECTORS])
        busy += load(counts, row + BUSY_VECTORS) * spread(block.counts[v, BUSY_VECTORS])
        products += load(counts, row + NONZEROS) * spread(block.counts[v, NONZEROS])
    store(totals, _STEPS, steps)
    store(totals, _BUSY, busy)
    store(totals, _PRODUCTS, products)


@kernel
def _report(activations: ActivationPlanes, block: _Block, state: _LaneState, work: np.ndarray) -> None:
    """Lanes' totals as the PEs' work, with the wait for empty queues."""
    lanes = state.clock.shape[1]
    totals = np.empty((_PRODUCTS + 1, lanes), np.uint32)
    for group in range(len(state.clock)):
        _add_up(activations, group, block, totals)
        for lane in range(min(lanes, len(work) - group * lanes)):
            own = work[group * lanes + lane]
            steps, lost = np.int64(totals[_STEPS, lane]), np.int64(state.lost[group, lane])
            own[Counted.BUSY] = totals[_BUSY, lane]
            own[Counted.INDEX] = steps - totals[_BUSY, lane]
            own[Counted.BANK_CONFLICT] = lost + longest_queue(state.queues, group * _QUEUE_PLANES, lane)
            # What is neither a step nor a stall is a wait for a block of weights.
            own[Counted.FIFO_WAIT] = state.clock[group, lane] - steps - lost
            own[Counted.ISSUED] = totals[_PRODUCTS, lane]


@kernel
def run_groups_in_lanes(
    activations: ActivationPlanes, weights: NonzeroLists, rules: QueueRules, work: np.ndarray
) -> None:
    """Groups of output channels on all PEs of a sub-tile; the fast twin of `bank_queues.run_groups`.

    work, int64 (groups, PEs, WORK_COUNTS), receives what is `Counted`.
    """
    w_start, w_offset = weights
    lane_groups = len(activations.first)
    channels = w_start.shape[1] - 1
    lanes = activations.counts.shape[1]
    depths = np.zeros((_QUEUE_PLANES, lanes), np.uint32)
    for plane in range(_QUEUE_PLANES):
        # Depth 4 is plane 4 alone; inverted, the planes 1, 2 and 8 are all ones.
        if (rules.depth >> plane) & 1 == 0:
            depths[plane] = np.uint32(ALL_BITS)
    finished, sizes = np.zeros(channels, np.int64), np.zeros(channels, np.int64)
    # Room for the largest block, one row a weight: more than its vectors, which are at most as many as weights.
    widest = 0
    for row in range(len(w_start)):
        for v in range(channels):
            widest = max(widest, w_start[row, v + 1] - w_start[row, v])
    block = _Block(
        np.zeros((widest + 1, LONGEST_VECTOR), np.uint32),
        np.zeros((widest + 1, LONGEST_VECTOR), np.uint32),
        np.zeros((channels, COUNT_ROWS), np.uint32),
    )
    for row in range(len(w_start)):
        state = _LaneState(
            np.zeros((lane_groups * _QUEUE_PLANES, lanes), np.uint32),
            np.zeros((lane_groups, lanes), np.uint32),
            np.zeros((lane_groups, lanes), np.uint32),
            depths,
        )
        block.counts[:] = 0
        resident = np.zeros(2, np.int64)
        blocks = 0
        for v in range(channels):
            low, high = w_start[row, v], w_start[row, v + 1]
            if low == high:
                continue
            _fill_block(ListPart(w_offset, low, high), rules.weights_per_vector, v, block)
            sizes[blocks] = block.counts[v, VECTORS]
            # A clock is a word of its lane, hence no tile of 2^32 cycles.
            entered = np.uint32(enter_block(sizes, blocks, rules.fifo_vectors, resident, finished))
            finished[blocks] = _run_block(activations, v, block, entered, state)
            blocks += 1
        _report(activations, block, state, work[row])
