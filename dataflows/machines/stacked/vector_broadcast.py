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
from workloads.whole_numbers import ceil_div, even_slices

_ELEMENT_NANOSECONDS = 3  # what one takes on one thread: `python -m benchmarks.threads`
PRODUCT, NO_WEIGHT, NO_VECTOR = range(3)  # what a PE does in a cycle, or lacks
DOINGS = 3
_SLICES = 64  # of a layer's turns, more than threads: filters differ in length


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
    lists  first and last level of each stored list that is read, one after the other; no level is in two of them
    level  the one that runs
    """
    # A turn sends a PE a vector a column at most: a longer queue never fills, and would only take room here.
    rules = rules._replace(depth=max(1, min(rules.depth, codes.shape[1])))
    turns = ceil_div(len(codes), pes)
    cycles = np.zeros((turns, pes, DOINGS), np.int64)
    list_of = np.full(256, -1)  # by code
    for number, (first, last) in enumerate(lists):
        list_of[first : last + 1] = number

    # Where all filters are one and the same, only turns whose groups lie otherwise differ.
    played: dict[tuple[int, int], int] = {}

    def alike(turn: int) -> int:
        """The turn that plays for this one."""
        members, offset = min(pes, len(codes) - turn * pes), turn * pes % rules.group_filters
        return played.setdefault((members, min(members, rules.group_filters - offset)), turn)

    same = [alike(turn) if codes.strides[0] == 0 else turn for turn in range(turns)]
    own_turns = sorted(set(same))

    def play(part: tuple[int, int]) -> None:
        for turn in own_turns[slice(*part)]:
            first = turn * pes
            own = np.ascontiguousarray(codes[first : first + pes])
            _play_turn(*_turn_entries(own, list_of, len(lists), level), first, rules, cycles[turn])

    run_slices(play, even_slices(len(own_turns), _SLICES), codes.size * _ELEMENT_NANOSECONDS)
    return cycles[same] if len(own_turns) < turns else cycles


@kernel
def _turn_entries(
    codes: np.ndarray, list_of: np.ndarray, lists: int, level: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A turn's stored entries but for fillers, in the order in which they are read: list, column, filter.

    begin   int64 (lists, columns + 1): the first of each list and column, and where a list's last ends
    member  int64 (entries,): the filter, counted from the turn's first;  product  bool: whether the level has it
    """
    members, columns = codes.shape
    place, end = _places(codes)
    begin = np.zeros((lists, columns + 1), np.int64)
    at = 0
    for m in range(members):
        while at < end[m]:
            number = list_of[codes[m, place[at]]]
            if number >= 0:
                begin[number, place[at]] += 1
            at += 1
    # From how many there are to where each column's end, then filled from there to the front, last filter first.
    total = 0
    for number in range(lists):
        for j in range(columns):
            total += begin[number, j]
            begin[number, j] = total
        begin[number, columns] = total
    member, product = np.zeros(total, np.int64), np.zeros(total, np.bool_)
    for m in range(members - 1, -1, -1):
        for n in range(end[m - 1] if m else 0, end[m]):
            code = codes[m, place[n]]
            number = list_of[code]
            if number >= 0:
                begin[number, place[n]] -= 1
                member[begin[number, place[n]]] = m
                product[begin[number, place[n]]] = code <= level
    return begin, member, product


@kernel
def _places(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Int64: columns of the weights of codes (filters, columns), filter by filter; (filters,) where each one's end."""
    place, end = np.zeros(codes.size + 1, np.int64), np.zeros(len(codes), np.int64)
    found = 0
    for m in range(codes.shape[0]):
        for j in range(codes.shape[1]):  # no branch, which nobody could foresee
            place[found] = j
            found += codes[m, j] != 0
        end[m] = found
    return place, end


@kernel
def _has_room(
    member: np.ndarray, product: np.ndarray, start: int, end: int, group_end: int, queues: tuple[np.ndarray, np.ndarray]
) -> tuple[int, int]:
    """Where the entries start..end of filters before `group_end` end, and when all that need a vector have room for it.

    The latter is -1 where none needs it.
    """
    (taken, slot), room = queues, -1
    while start < end and member[start] < group_end:
        pe = member[start]
        if product[start]:
            # The vector `depth` before this one has left the slot; the slot is free in the cycle after.
            room = max(room, int(taken[pe, slot[pe]]) + 1)
        start += 1
    return start, room


@kernel
def _after(place: int, places: int) -> int:
    """The next of some places in a ring."""
    return place + 1 if place + 1 < places else 0


@kernel
def _play_turn(
    begin: np.ndarray, member: np.ndarray, product: np.ndarray, first: int, rules: BroadcastRules, cycles: np.ndarray
) -> None:
    """Count one turn, which begins with filter `first`, into cycles (PEs, DOINGS); entries as of `_turn_entries`."""
    group_filters, step_limit, decoded, ports, depth = rules
    pes = len(cycles)
    ready = np.zeros(pes, np.int64)  # cycle in which the PE can take its next vector
    taken = np.full((pes, depth), -1)  # cycles in which the last `depth` vectors left the queue
    slot = np.zeros(pes, np.int64)  # of the vector that the PE receives next
    sent_at = np.full(ports, -1)  # cycles of the last `ports` vectors
    sending, port = 0, 0
    # Of a PE's list: the column of the entry before; the look of its decoder in which the next entry stands and how
    # many stand before it there; the last look that held a weight.
    last_place, look = np.zeros(pes, np.int64), np.zeros(pes, np.int64)
    before, last_look = np.zeros(pes, np.int64), np.zeros(pes, np.int64)
    for number in range(len(begin)):
        last_place[:] = -1
        last_look[:] = -1
        look[:] = 0
        before[:] = 0
        for j in range(begin.shape[1] - 1):
            start, end = begin[number, j], begin[number, j + 1]
            while start < end:  # the filters of a group share the vector
                # With groups of 4 filters a turn from filter 6 on has the members 0-1, 2-5, ... in one group each.
                group_end = ((first + member[start]) // group_filters + 1) * group_filters - first
                stop, room = _has_room(member, product, start, end, group_end, (taken, slot))
                if room >= 0:
                    # Of two ports each sends every other vector: the third goes a cycle after the first, at the
                    # earliest.
                    sending = max(sending, sent_at[port] + 1, room)
                    sent_at[port] = sending
                    port = _after(port, ports)
                for n in range(start, stop):
                    pe = member[n]
                    gap = j - last_place[pe] - 1
                    if gap >= step_limit:
                        fillers = before[pe] + gap // step_limit
                        look[pe] += fillers // decoded
                        before[pe] = fillers % decoded
                    last_place[pe] = j
                    if product[n]:
                        # A decoder of four entries finds the weights at the entries 2 and 11 in its looks 0 and 2: the
                        # look between them holds none, and takes a cycle.
                        empty = max(0, look[pe] - last_look[pe] - 1)
                        last_look[pe] = look[pe]
                        # Both waits begin when the PE is free: what the decoder takes hides what the memory
                        # takes, as far as it goes.
                        at = max(ready[pe] + empty, sending)
                        cycles[pe, PRODUCT] += 1
                        cycles[pe, NO_WEIGHT] += empty
                        cycles[pe, NO_VECTOR] += at - ready[pe] - empty
                        taken[pe, slot[pe]] = at
                        slot[pe] = _after(int(slot[pe]), depth)
                        ready[pe] = at + 1
                    before[pe] += 1
                    if before[pe] == decoded:
                        look[pe] += 1
                        before[pe] = 0
                start = stop
        for pe in range(pes):
            # Groups of entries behind the last weight are still looked at before the list is done.
            empty = look[pe] + (before[pe] > 0) - 1 - last_look[pe]
            cycles[pe, NO_WEIGHT] += empty
            ready[pe] += empty
