"""The request queues of a channel as kernels: which request enters, and the lists by bank and direction.

`limits` is a LIMITS struct and `channel` a CHANNEL struct. See `controller` for the rules.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflows.kernels.compiled import kernel
from simulator.dram.candidates import list_end, reconsider
from simulator.dram.latency import latency_bin
from simulator.dram.layout import FAR, MAX_BANKS, NONE, READ, ROW_BINS, UNKNOWN, WRITE, State, as_index

_GOLDEN, _HASH_SHIFT = 0x9E3779B97F4A7C1, 32  # near 2^60 over the golden ratio, whose multiples spread well


@kernel
def offer(
    state: State,
    first: np.ndarray,
    lines: np.ndarray,
    direction: np.ndarray,
    stream: int,
    transfer: int,
    arrival: int,
    lines_per_turn: int,
) -> None:
    """Put runs of bursts behind those that a stream still has to offer; the caller has made room.

    first, lines, direction   int64 (runs,): number of the first burst in all of memory, how many, READ or WRITE
    Channels take turns every `lines_per_turn` bursts, so that a run is one run, perhaps empty, on each of them.
    """
    channels = len(state.channels)
    for index in range(channels):
        channel = state.channels[index]
        tail = channel.tail[stream]
        for run in range(len(first)):
            # Numbers inside the channel: how many bursts of it come before the run, and before its end.
            start = _before(first[run], index, channels, lines_per_turn)
            end = _before(first[run] + lines[run], index, channels, lines_per_turn)
            # A short run may pass a channel by, which then has nothing to offer of it.
            if end > start:
                segment = state.segments[index, stream, tail]
                segment.line, segment.lines, segment.direction = start, end - start, direction[run]
                segment.arrival, segment.transfer = arrival, transfer
                tail += 1
        channel.tail[stream] = tail
        # What the channel waited for may no longer be the first thing to happen: it looks again from where it is.
        channel.next_event = channel.clock


@kernel(forceinline=True)
def _before(line: int, index: int, channels: int, lines_per_turn: int) -> int:
    """How many bursts with a lower number than `line` lie on a channel.

    Example: of 9 bursts, three channels that take turns every 4 have 4, 4 and 1.
    """
    if channels == 1:
        return line
    # Whole rounds give every channel a full turn each; `own` is the channel in whose turn the burst lies.
    turn = line // lines_per_turn
    full = turn // channels
    own = turn - full * channels
    if own < index:
        return full * lines_per_turn
    # Channels before that one had their turn of this round in full, its own is as far as the burst, later ones had
    # none.
    return full * lines_per_turn + (line - turn * lines_per_turn if own == index else lines_per_turn)


@kernel(forceinline=True)
def next_stream(limits: Any, channel: Any, segments: np.ndarray, clock: int) -> int:
    """The stream whose next request is accepted in this clock, or NONE."""
    # The search begins behind the stream that was served last, so that none is served twice while another could be.
    stream = channel.last_stream
    for _ in range(limits.streams):
        stream = stream + 1 if stream + 1 < limits.streams else 0
        head = channel.head[stream]
        if head != channel.tail[stream] and segments[stream, head].arrival <= clock:
            direction = segments[stream, head].direction
            if channel.queued[direction] < limits.queue_size[direction]:
                return as_index(stream)
    return NONE


@kernel(forceinline=True)
def accept(limits: Any, channel: Any, segment: Any, stream: int, clock: int) -> bool:
    """Accept a stream's next request, which stands in `segment`. True when the write buffer answers it."""
    channel.last_stream = stream
    # `offset` is how many bursts of the segment have been accepted before this one.
    line, direction = segment.line + channel.offset[stream], segment.direction
    channel.offset[stream] += 1
    if channel.offset[stream] == segment.lines:
        channel.offset[stream] = 0
        channel.head[stream] += 1
    # Banks are numbered through: those of group 0, then those of group 1.
    # Example: RoBaBgCo on DDR4-2400 cuts burst 1,000,000 of a channel into row 488, bank 1, group 0 and place 64, for
    # 1,000,000 = ((488 x 4 + 1) x 4 + 0) x 128 + 64; among all 16 banks it is number 0 x 4 + 1.
    group = (line >> limits.group_shift) & limits.group_mask
    bank = as_index(group * limits.banks_per_group + ((line >> limits.bank_shift) & limits.bank_mask))
    # It takes no slot and no command, so it is neither hit nor miss, but `forwarded`.
    if direction == READ and _is_buffered(channel, bank, line):
        channel.reads[stream] += 1
        channel.forwarded[stream] += 1
        channel.latency_sum[stream] += limits.data_end[READ]
        channel.latency[stream, latency_bin(limits.data_end[READ])] += 1
        return True
    slot = _enter(channel, clock, bank, (line >> limits.row_shift) & limits.row_mask, line, direction)
    channel.stream[slot], channel.transfer[slot] = stream, segment.transfer
    # Only the first of a bank's list, the first hit there and the first miss can change what the bank could issue.
    if direction == channel.mode and slot in (
        channel.next[list_end(direction, bank)],
        channel.hit[direction, bank],
        channel.miss[direction, bank],
    ):
        reconsider(limits, channel, bank)
    return False


@kernel(forceinline=True)
def next_acceptance(limits: Any, channel: Any, segments: np.ndarray, clock: int) -> int:
    """The first clock, from `clock` on, in which a request can be accepted as the queues are now."""
    earliest = FAR
    for stream in range(limits.streams):
        head = channel.head[stream]
        # A stream whose queue is full is left out: room comes with a command only, and a command ends the wait anyway.
        if head != channel.tail[stream]:
            segment = segments[stream, head]
            if channel.queued[segment.direction] < limits.queue_size[segment.direction]:
                earliest = min(earliest, max(segment.arrival, clock))
    return earliest


@kernel(forceinline=True)
def _is_buffered(channel: Any, bank: int, line: int) -> bool:
    """Whether a write of this line waits in the write buffer."""
    # Only the writes of its own bank can hold the line.
    end = list_end(WRITE, bank)
    slot = channel.next[end]
    while slot != end and channel.line[slot] != line:
        slot = channel.next[slot]
    return slot != end


@kernel(forceinline=True)
def _row_bin(bank: int, row: int) -> int:
    """The counter of pending requests of a row, by a multiplicative hash; it tells at once that there are none."""
    return as_index((row * MAX_BANKS + bank) * _GOLDEN >> _HASH_SHIFT & (ROW_BINS - 1))


@kernel(forceinline=True)
def _enter(channel: Any, clock: int, bank: int, row: int, line: int, direction: int) -> int:
    """Queue a request behind those of its bank and direction; returns its slot."""
    # The first free slot; `next` of a free slot is the next free one.
    slot, end = channel.free, list_end(direction, bank)
    channel.free = channel.next[slot]
    channel.queued[direction] += 1
    row_bin = _row_bin(bank, row)
    channel.pending_rows[direction, row_bin] += 1
    channel.row[slot], channel.row_bin[slot], channel.bank[slot], channel.line[slot] = row, row_bin, bank, line
    channel.direction[slot], channel.accepted[slot], channel.outcome[slot] = direction, clock, UNKNOWN
    # Put between the list's last request and its end. In an empty list both are the end itself.
    last = channel.previous[end]
    channel.previous[slot], channel.next[slot] = last, end
    channel.previous[end] = channel.next[last] = slot
    # The newest request is a bank's oldest hit or miss only where it had none. A closed bank has no row that equals.
    if channel.open_row[bank] == row:
        if channel.hit[direction, bank] == end:
            channel.hit[direction, bank] = slot
    elif channel.miss[direction, bank] == end:
        channel.miss[direction, bank] = slot
    return slot


@kernel(forceinline=True)
def remove(channel: Any, slot: int) -> None:
    """Take a request out of its list; it keeps its slot."""
    previous, following, direction = channel.previous[slot], channel.next[slot], channel.direction[slot]
    channel.next[previous], channel.previous[following] = following, previous
    channel.queued[direction] -= 1
    channel.pending_rows[direction, channel.row_bin[slot]] -= 1


@kernel(forceinline=True)
def remove_hit(channel: Any, slot: int) -> None:
    """Take the oldest hit out of its list; the next one takes its place."""
    remove(channel, slot)
    bank, direction, row = channel.bank[slot], channel.direction[slot], channel.row[slot]
    end = list_end(direction, bank)
    # Without another request in the row's bin there is nothing to search. Rows may share a bin: then the search may
    # find none and stops at the end.
    following = channel.next[slot] if channel.pending_rows[direction, channel.row_bin[slot]] else end
    while following != end and channel.row[following] != row:
        following = channel.next[following]
    channel.hit[direction, bank] = following


@kernel(forceinline=True)
def sort_pending(channel: Any, bank: int) -> None:
    """Find the oldest hit and the oldest miss of either direction, after the bank has opened a row."""
    open_row = channel.open_row[bank]
    row_bin = _row_bin(bank, open_row)
    for direction in range(2):
        end = list_end(direction, bank)
        hit, miss = end, end
        slot = channel.next[end]
        if channel.pending_rows[direction, row_bin] == 0:
            slot, miss = end, slot  # nothing to search for
        # From the oldest on, until both are found.
        while slot != end and end in (hit, miss):
            if channel.row[slot] == open_row:
                hit = slot if hit == end else hit
            elif miss == end:
                miss = slot
            slot = channel.next[slot]
        channel.hit[direction, bank] = hit
        channel.miss[direction, bank] = miss


@kernel(forceinline=True)
def release(channel: Any, slot: int) -> None:
    """Give a slot back."""
    channel.next[slot] = channel.free
    channel.free = slot
