"""Filters that share the vectors which an input memory broadcasts: a recurrence over the weights of one turn.

A turn is one filter on each PE against one block of output positions. Every weight needs the vector of inputs that it
meets at those positions, so that filters of one group share a vector where they keep the same weight. The memory sends
the vectors that any filter needs, in the order of the weights, a few a cycle; a PE that needs one takes it into its
queue, and the memory waits until all that need it have room. A PE multiplies with one vector a cycle, from the cycle in
which it is sent. Before a weight its decoder may have spent cycles on stored entries that hold no weight.

Example: two filters with weights at columns 0 and 2, and at 0 and 1, one port. Columns 0, 1 and 2 are sent in cycles 0,
1 and 2: both multiply in cycle 0, the second in cycle 1, in which the first waits, and the first in cycle 2.

Everything only ever waits for something earlier, so that more ports or longer queues never delay anything.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices
from workloads.whole_numbers import ceil_div

_ELEMENT_NANOSECONDS = 30  # what one takes on one thread: `python -m benchmarks.threads`
PRODUCT, NO_WEIGHT, NO_VECTOR = range(3)  # what a PE does in a cycle, or lacks
DOINGS = 3


class BroadcastRules(NamedTuple):
    """What does not change from turn to turn.

    group_filters  filters that read the same inputs
    step_limit     zeros for which a filler stands;  decoded  stored entries that a decoder looks at together
    ports          vectors that are sent in a cycle;  depth  vectors that a PE's queue holds
    """

    group_filters: int
    step_limit: int
    decoded: int
    ports: int
    depth: int


def play_turns(
    codes: np.ndarray, lists: list[tuple[int, int]], level: int, pes: int, rules: BroadcastRules
) -> np.ndarray:
    """Int64 (turns, PEs, DOINGS): cycles with a product, without a weight, and in wait of a vector.

    codes  uint8 (K, columns): level of each weight, 0 where there is none; filter k on PE k mod PEs
    lists  first and last level of each stored list that is read, one after the other;  level  the one that runs
    """
    turns = ceil_div(len(codes), pes)
    cycles = np.zeros((turns, pes, DOINGS), np.int64)
    levels = np.array(lists, np.int64)

    def play(turn: int) -> None:
        first = turn * pes
        # Columns outermost, since the memory goes through them once and every PE looks at each.
        own = np.ascontiguousarray(codes[first : first + pes].T)
        _play_turn(own, first, levels, level, rules, cycles[turn])

    run_slices(play, range(turns), codes.size * _ELEMENT_NANOSECONDS)
    return cycles


@kernel
def _has_room(codes: np.ndarray, lowest: int, highest: int, first: int, received: np.ndarray, taken: np.ndarray) -> int:
    """First cycle in which the queues of all PEs first.. that need a vector have room for it; -1 when none needs it."""
    room = -1
    for i in range(len(codes)):
        if lowest <= codes[i] <= highest:
            pe = first + i
            # The vector `depth` before this one has left the slot; the slot is free in the cycle after.
            room = max(room, taken[pe, received[pe] % taken.shape[1]] + 1)
    return room


@kernel
def _play_turn(
    codes: np.ndarray,
    first: int,
    lists: np.ndarray,
    level: int,
    rules: BroadcastRules,
    cycles: np.ndarray,
) -> None:
    """Count one turn, which begins with filter `first`, into cycles (PEs, DOINGS); codes uint8 (columns, filters)."""
    group_filters, step_limit, decoded, ports, depth = rules
    members = codes.shape[1]
    ready = np.zeros(members, np.int64)  # cycle in which the PE can take its next vector
    received = np.zeros(members, np.int64)
    taken = np.full((members, depth), -1)  # cycles in which the last `depth` vectors left the queue
    sent_at = np.full(ports, -1)  # cycles of the last `ports` vectors
    sending, sent = 0, 0
    for number in range(len(lists)):
        lowest, highest = lists[number]
        entries = np.zeros(members, np.int64)
        last_place = np.full(members, -1)  # of the entry before
        last_group = np.full(members, -1)  # of entries, the last that held a weight
        for j in range(codes.shape[0]):
            start = 0
            while start < members:  # the filters of a group share the vector
                # With groups of 4 filters a turn from filter 6 on has the members 0-1, 2-5, ... in one group each.
                stop = min(members, ((first + start) // group_filters + 1) * group_filters - first)
                room = _has_room(codes[j, start:stop], lowest, min(highest, level), start, received, taken)
                if room >= 0:
                    # Of two ports each sends every other vector: the third goes a cycle after
                    # the first, at the earliest.
                    sending = max(sending, sent_at[sent % ports] + 1, room)
                    sent_at[sent % ports] = sending
                    sent += 1
                for pe in range(start, stop):
                    code = codes[j, pe]
                    if code < lowest or code > highest:
                        continue
                    entries[pe] += (j - last_place[pe] - 1) // step_limit
                    last_place[pe] = j
                    if code <= level:
                        # A decoder of four entries finds the weights at the entries 2 and 11 in its looks 0 and 2: the
                        # look between them holds none, and takes a cycle.
                        group = entries[pe] // decoded
                        empty = max(0, group - last_group[pe] - 1)
                        last_group[pe] = group
                        # Both waits begin when the PE is free: what the decoder takes hides what the memory
                        # takes, as far as it goes.
                        at = max(ready[pe] + empty, sending)
                        cycles[pe, PRODUCT] += 1
                        cycles[pe, NO_WEIGHT] += empty
                        cycles[pe, NO_VECTOR] += at - ready[pe] - empty
                        taken[pe, received[pe] % depth] = at
                        received[pe] += 1
                        ready[pe] = at + 1
                    entries[pe] += 1
                start = stop
        for pe in range(members):
            # Groups of entries behind the last weight are still looked at before the list is done.
            empty = (entries[pe] + decoded - 1) // decoded - 1 - last_group[pe]
            cycles[pe, NO_WEIGHT] += empty
            ready[pe] += empty
