"""The memory controller as kernels: FR-FCFS over bounded queues, open page, one command a clock and channel.

The organisation is the one that Ramulator 2 documents for its generic DDR controller (Luo et al., "Ramulator 2.0", IEEE
Computer Architecture Letters 2023). In each clock, on each channel, in this order:

1. One request is accepted if the queue of its direction has room. Streams take turns; within a stream order is kept.
   A read whose line waits in the write buffer is answered from there, in the time that a hit of an open row takes.
2. One command issues: the first of these rules that has a candidate whose timing allows it.
   a. The column command of the oldest request that owns its row (the row was opened for it).
   b. While a refresh is due: precharge of all banks, then the refresh; no other command issues meanwhile.
   c. The oldest request, of the direction being served, whose next command (column, precharge or activate) is ready.
      A bank is not precharged while its owner waits; nor, under `row_hit_first`, while an older request of its open
      row waits in the same direction.
   A request that gets its activate leaves the queue and becomes the bank's owner.
3. Writes are served once `drain_start` are buffered or no read waits; reads again once at most `drain_stop` writes are
   left and a read waits. This is settled in every clock that comes to rule c.

A run does not step through the clocks: it jumps to the next one in which a command, an arrival or a refresh can happen.
What runs once a command is inlined by force; as calls it would take a fifth longer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflows.kernels.compiled import kernel
from simulator.dram.candidates import best_candidate, list_end, reconsider, reconsider_all
from simulator.dram.device import activate, column, column_ready, precharge, precharge_all, refresh
from simulator.dram.latency import latency_bin
from simulator.dram.layout import (
    ACTIVATE,
    COLUMN,
    FAR,
    NONE,
    OWNER_COLUMN,
    PRECHARGE,
    PRECHARGE_ALL,
    READ,
    REFRESH,
    ROW_CONFLICT,
    ROW_MISS,
    TO_FIND,
    UNKNOWN,
    WRITE,
    State,
    as_index,
)
from simulator.dram.queues import accept, next_acceptance, next_stream, release, remove, remove_hit, sort_pending


@kernel
def advance(state: State, until: int) -> None:
    """Run all channels to clock `until` (exclusive), or until transfers finish, whichever is first.

    The finished ones are listed in `finished`. They end at or after every channel's clock, because channels advance in
    steps no longer than the time from a column command (or an answer) to the end of its data.
    """
    limits, channels = state.limits[0], state.channels
    count = len(channels)
    # Data ends that long after its command, so that no channel is ahead of the end of what another one has begun. A
    # single channel has none to keep step with.
    # On DDR4-2400 data end 21 clocks after a read and 16 after a write: channels advance by at most 16 clocks at a
    # time.
    step = min(limits.data_end[READ], limits.data_end[WRITE]) if count > 1 else FAR
    state.finished[0] = 0
    end = 0
    while state.finished[0] == 0 and end < until:
        # No channel can do anything before the earliest of their next events, so the step begins there.
        start = until
        for index in range(count):
            start = min(start, max(channels[index].clock, channels[index].next_event))
        end = min(until, start + step)
        for index in range(count):
            _run(limits, channels[index], state.segments[index], state.transfers, state.finished, end)


@kernel
def _run(
    limits: Any,
    channel: Any,
    segments: np.ndarray,
    transfers: np.ndarray,
    finished: np.ndarray,
    end: int,
) -> None:
    """Run one channel to clock `end` (exclusive), or just past the clock in which a transfer finishes."""
    # Example, DDR4-2400: a read that comes to closed banks at clock 0 is accepted and activates its row in 0, reads in
    # 17, and its data end in 38. A second one of that row, asked for in 60, ends in 81 (a hit); one of another row of
    # the bank precharges in 60, activates in 77, reads in 94 and ends in 115 (a conflict).
    clock = channel.clock
    finished_before = finished[0]
    while clock < end and finished[0] == finished_before:
        # 1. Accept. It comes before the choice, so that a request can get its first command in the clock in which it
        # enters.
        stream = next_stream(limits, channel, segments, clock)
        if stream != NONE:
            segment: Any = segments[stream, channel.head[stream]]
            if accept(limits, channel, segment, stream, clock):
                _finish(transfers, finished, segment.transfer, clock + limits.data_end[READ])
        # Refreshes fall due at multiples of the interval, however late the one before is; `refresh_due` counts those
        # owed. Equality is enough, since no jump below goes past `next_refresh`.
        if channel.next_refresh == clock:
            channel.refresh_due += 1
            channel.next_refresh += limits.refresh_interval
        # 2. Issue one command, now or after a jump.
        ready, command, bank = _choose(limits, channel, clock)
        if ready > clock:
            # Nothing issues in this clock. Until a request can enter or a refresh falls due, what was chosen stays the
            # choice. Example: at clock 100 it is ready at 120. If a request can enter at 110, the channel rests until
            # then and chooses anew; if none can before 121, the command issues at 120 without another choice.
            change = min(next_acceptance(limits, channel, segments, clock + 1), channel.next_refresh)
            channel.next_event = min(ready, change)
            if finished[0] != finished_before:  # a read was answered by the write buffer: its transfer is told first
                change = clock + 1
            if ready >= min(change, end):
                clock = min(change, end)
                continue
            clock = ready
        if command in (COLUMN, OWNER_COLUMN):
            transfer, data_end = _serve(limits, channel, clock, as_index(bank), command)
            _finish(transfers, finished, transfer, data_end)
        else:
            _prepare(limits, channel, clock, as_index(bank), command)
        clock += 1
        channel.next_event = clock
    channel.clock = clock


@kernel(forceinline=True)
def _choose(limits: Any, channel: Any, clock: int) -> tuple[int, int, int]:
    """(clock, command, bank) of the next command if nothing arrives before it; the clock is FAR if there is none."""
    # Rule a.
    ready, bank = _owner_column(channel, clock)
    if ready <= clock:
        return ready, OWNER_COLUMN, bank
    # Rule b: owners first, then one precharge for all banks, then the refresh.
    if channel.refresh_due > 0:
        if channel.owners > 0:  # what a row was opened for is served before the refresh closes it
            return ready, OWNER_COLUMN, bank
        if channel.open_banks > 0:
            return max(clock, channel.precharge_all_ready), PRECHARGE_ALL, NONE
        return max(clock, channel.refresh_ready), REFRESH, NONE
    # Rule c. Where both must wait, the owner's column keeps its rank over what is ready in the same clock.
    _settle_mode(limits, channel)
    queued = best_candidate(channel, clock)
    return queued if queued[0] < ready else (ready, OWNER_COLUMN, bank)


@kernel(forceinline=True)
def _owner_column(channel: Any, clock: int) -> tuple[int, int]:
    """Rule a: (clock, bank). What was found holds while its clock is ahead, until a column command."""
    if channel.owner_clock > clock:
        return channel.owner_clock, channel.owner_bank
    # Among owners that are ready in the same clock the oldest goes first.
    best, age, chosen = FAR, FAR, NONE
    for index in range(channel.owners):
        bank = channel.owned[index]
        slot = channel.owner[bank]
        ready = max(clock, column_ready(channel, bank, channel.direction[slot]))
        if ready < best or (ready == best and channel.accepted[slot] < age):
            best, age, chosen = ready, channel.accepted[slot], bank
    channel.owner_clock, channel.owner_bank = best, chosen
    return best, chosen


@kernel(forceinline=True)
def _settle_mode(limits: Any, channel: Any) -> None:
    """Rule 3.

    Two marks lie apart so that the bus does not turn round for every write: with the defaults 26 buffered writes start
    a drain, which goes on until 6 are left.
    """
    mode = channel.mode
    if mode == READ:
        if channel.queued[WRITE] >= limits.drain_start or channel.queued[READ] == 0:
            mode = WRITE
    elif channel.queued[WRITE] <= limits.drain_stop and channel.queued[READ] > 0:
        mode = READ
    if mode != channel.mode:
        # Candidates are kept for one direction only, so all of them change with it.
        channel.mode = mode
        reconsider_all(limits, channel)


@kernel(forceinline=True)
def _prepare(limits: Any, channel: Any, clock: int, bank: int, command: int) -> None:
    """Issue a command that moves no data."""
    if command == ACTIVATE:
        # A bank opens a row for its oldest request of the direction, which is the first of its list.
        slot = channel.next[list_end(channel.mode, bank)]
        if channel.outcome[slot] == UNKNOWN:  # not a conflict already, which the precharge before would have noted
            channel.outcome[slot] = ROW_MISS
        remove(channel, slot)
        activate(limits, channel, clock, bank, channel.row[slot])
        _own(channel, bank, slot)
        sort_pending(channel, bank)
        reconsider(limits, channel, bank)
    elif command == PRECHARGE:
        # The oldest miss is the one for whose sake the row is closed.
        channel.outcome[channel.miss[channel.mode, bank]] = ROW_CONFLICT
        precharge(limits, channel, clock, bank)
        reconsider(limits, channel, bank)
    elif command == PRECHARGE_ALL:
        precharge_all(limits, channel, clock)
        reconsider_all(limits, channel)
    else:
        refresh(limits, channel, clock)


@kernel(forceinline=True)
def _serve(limits: Any, channel: Any, clock: int, bank: int, command: int) -> tuple[int, int]:
    """Issue a request's column command, with which the request leaves: (transfer, clock at which its data ends)."""
    if command == OWNER_COLUMN:
        slot = channel.owner[bank]
        _disown(channel, bank)
    else:
        slot = channel.hit[channel.mode, bank]
        remove_hit(channel, slot)
    # The slot keeps its fields until it is released, though the request has left its list.
    direction, stream = channel.direction[slot], channel.stream[slot]
    column(limits, channel, clock, bank, direction)
    channel.owner_clock = TO_FIND  # every column command moves the clocks of all owners' columns
    reconsider(limits, channel, bank)
    # No command was issued for it before its column: the row was open already.
    if channel.outcome[slot] == UNKNOWN:
        channel.row_hits[stream] += 1
    elif channel.outcome[slot] == ROW_MISS:
        channel.row_misses[stream] += 1
    else:
        channel.row_conflicts[stream] += 1
    end = clock + limits.data_end[direction]
    if direction == WRITE:
        channel.writes[stream] += 1
    else:
        channel.reads[stream] += 1
        # Latency counts from acceptance: what a request waited outside a full queue is not in it.
        clocks = end - channel.accepted[slot]
        channel.latency_sum[stream] += clocks
        channel.latency[stream, latency_bin(clocks)] += 1
    release(channel, slot)
    return channel.transfer[slot], end


@kernel(forceinline=True)
def _finish(transfers: np.ndarray, finished: np.ndarray, transfer: int, clock: int) -> None:
    """One request of a transfer ends at `clock`; its last one puts it on the list of finished transfers."""
    transfers[transfer].remaining -= 1
    transfers[transfer].end = max(transfers[transfer].end, clock)
    if transfers[transfer].remaining == 0:
        # Once transfers 7 and 3 have finished it holds 2, 7, 3.
        finished[0] += 1
        finished[finished[0]] = transfer


@kernel(forceinline=True)
def _own(channel: Any, bank: int, slot: int) -> None:
    """The bank has opened a row for the request, whose column command may now be the first of all owners'."""
    channel.owner[bank] = slot
    channel.owned[channel.owners] = bank
    channel.owners += 1
    ready = column_ready(channel, bank, channel.direction[slot])
    # TO_FIND is less than any clock, so that a search that is due stays due.
    if ready < channel.owner_clock:
        channel.owner_clock, channel.owner_bank = ready, bank
    elif ready == channel.owner_clock and channel.accepted[slot] < channel.accepted[channel.owner[channel.owner_bank]]:
        channel.owner_bank = bank


@kernel(forceinline=True)
def _disown(channel: Any, bank: int) -> None:
    """The bank's owner has been served; the last bank on the list of owned ones takes its place there."""
    channel.owner[bank] = NONE
    channel.owners -= 1
    # At most a bank each, so the list is short and its order does not matter.
    # Of the banks 4, 9 and 2 without 9 the list holds 4 and 2.
    index = 0
    while channel.owned[index] != bank:
        index += 1
    channel.owned[index] = channel.owned[channel.owners]
