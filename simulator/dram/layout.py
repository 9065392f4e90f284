"""What the controller keeps, as structs: the limits it obeys, and everything a channel remembers between calls.

The structs are numpy dtypes, which kernels read and write in place; a run can therefore stop at any clock and go on
later, and a copy of the arrays is a snapshot. Fields are int64; what serves as an index is unsigned, so that no kernel
has to ask whether it is negative. A channel starts on a cache line, with the fields that a choice reads as vectors: a
vector that straddles two lines costs twice. The names below are constants of @kernel functions (saying so makes the
kernel cache notice an edit of this file).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

as_index: Any = np.uint32
NONE = as_index(0xFFFFFFFF)  # no bank, slot, stream or row
TO_FIND = -1  # the clock of an owner's column command, when it must be found anew
FAR = 1 << 62  # a clock that never comes
NEVER = (1 << 57) - 1  # the age of no request, greater than any clock
LAST_CLOCK = 1 << 38  # simulated time ends here, minutes from the start; candidates have no room for later ones
READ, WRITE = 0, 1  # direction of a request
UNKNOWN, ROW_MISS, ROW_CONFLICT = 0, 1, 2  # what a request has met before its column command
AGE_SHIFT = 6  # the age of a candidate stands above its place, see `candidates`
NO_CANDIDATE = NEVER << AGE_SHIFT
COLUMN, PRECHARGE, ACTIVATE, OWNER_COLUMN, PRECHARGE_ALL, REFRESH = range(6)  # commands

# Room in the structs. More banks, streams or queue places than these are refused when a device is made.
MAX_BANKS, MAX_STREAMS, MAX_QUEUE = 16, 8, 64
MAX_SLOTS = 2 * MAX_QUEUE + MAX_BANKS
_PLACES = MAX_SLOTS + 2 * MAX_BANKS  # slots of requests, then the end of each direction's and bank's list
ROW_BINS = 256  # counters of pending rows; rows that share one only cost a search
# Bins of read latencies: of one clock each up to FINE_CLOCKS; above, every octave has BINS_PER_OCTAVE of equal width
# (0.2 % of its latencies); the last bin takes whatever is longer than all octaves, 2^20 clocks.
FINE_CLOCKS, BINS_PER_OCTAVE, OCTAVES = 4096, 512, 8
# 8193 bins of 8 bytes for each of 8 streams take half a MiB of every channel.
LATENCY_BINS = FINE_CLOCKS + OCTAVES * BINS_PER_OCTAVE + 1
_LINE_BYTES = 64  # a cache line


_Field = str | tuple[str, int | tuple[int, int]] | tuple[str, str, int | tuple[int, ...]]


def _index(name: str, shape: int | tuple[int, ...] = ()) -> tuple[str, str, int | tuple[int, ...]]:
    """A field whose values are places in arrays."""
    return (name, "u4", shape)


def _struct(*fields: _Field) -> np.dtype:
    """A dtype of int64 fields; a pair gives a field its shape."""
    return np.dtype([
        (field, "i8") if isinstance(field, str) else field if len(field) == 3 else (field[0], "i8", field[1])
        for field in fields
    ], align=True)  # fmt: skip


def _whole_lines(*fields: _Field) -> np.dtype:
    """A struct that fills cache lines, so that all of an array start on a line if the first one does."""
    size = _struct(*fields).itemsize
    # The rest of the last line, in fields of 8 bytes: a struct of 72 bytes gets 56 more, 7 fields.
    return _struct(*fields, ("padding", -size % _LINE_BYTES // 8))


# Least clocks from one command to another, sizes, and the address map; `short` gaps hold between bank groups, `long`
# ones within a group.
LIMITS = _struct(
    "activate_to_column",
    "activate_to_precharge",
    "activate_to_activate",  # of one bank
    "activate_to_activate_short",
    "activate_to_activate_long",
    "activate_window",  # holds at most four activates
    "precharge_to_activate",
    "precharge_all_to_activate",
    "column_to_column_short",
    "column_to_column_long",
    "read_to_write",
    "write_to_read_short",
    "write_to_read_long",
    "read_to_precharge",
    "write_to_precharge",
    "refresh_to_activate",
    "refresh_interval",
    ("data_end", 2),  # by direction, from a column command
    "banks",
    "banks_per_group",
    "streams",
    ("queue_size", 2),  # by direction
    "drain_start",
    "drain_stop",
    "row_hit_first",  # 0 or 1
    "group_shift",
    "group_mask",
    "bank_shift",
    "bank_mask",
    "row_shift",
    "row_mask",
)

CHANNEL = _whole_lines(
    # What the direction being served could issue next, by command (COLUMN, PRECHARGE, ACTIVATE) and bank: the request's
    # age and place. See `candidates`.
    ("candidate_key", (3, MAX_BANKS)),
    # Earliest clocks by the history of the bank, of its group (kept with each bank) and of the rank; of columns by
    # direction.
    ("column_ready", MAX_BANKS),
    ("precharge_ready", MAX_BANKS),
    ("activate_ready", MAX_BANKS),
    ("group_column_ready", (2, MAX_BANKS)),
    ("group_activate_ready", MAX_BANKS),
    ("rank_column_ready", 2),
    "rank_activate_ready",
    "precharge_all_ready",
    "refresh_ready",
    ("open_row", MAX_BANKS),  # NONE when closed
    ("last_activates", 4),  # a ring, for the window
    _index("oldest_activate"),
    "open_banks",
    "opened",  # the clock since which a row is open in any bank, while one is
    "next_refresh",
    "refresh_due",
    "clock",
    "next_event",  # nothing can happen before this clock
    # The queues: pending requests as one list a direction and bank, oldest first. A list is a ring through its end.
    _index("mode"),  # the direction being served
    ("queued", 2),
    _index("hit", (2, MAX_BANKS)),  # oldest pending request of the open row, or the list's end
    _index("miss", (2, MAX_BANKS)),  # oldest one of another row, or the end; both only hold while a row is open
    _index("owner", MAX_BANKS),  # the request for which the row was opened, until its column command
    "owners",
    "owner_clock",  # when the first owner's column command may issue; or TO_FIND
    _index("owner_bank"),
    _index("owned", MAX_BANKS),  # [k]: the k-th bank that has an owner, in no order
    ("pending_rows", (2, ROW_BINS)),  # pending requests by direction and the hash of bank and row
    # The requests in slots.
    ("row", MAX_SLOTS),
    _index("row_bin", MAX_SLOTS),  # the place in `pending_rows`
    _index("bank", MAX_SLOTS),
    ("line", MAX_SLOTS),
    _index("direction", MAX_SLOTS),
    ("accepted", _PLACES),  # clock; also the age, as a channel accepts one request a clock; NEVER at ends
    _index("next", _PLACES),
    _index("previous", _PLACES),
    _index("stream", MAX_SLOTS),
    _index("transfer", MAX_SLOTS),
    _index("outcome", MAX_SLOTS),
    _index("free"),  # first free slot
    # What is still to be offered: per stream a range of segments, and how far the first one has come.
    _index("head", MAX_STREAMS),
    _index("tail", MAX_STREAMS),
    ("offset", MAX_STREAMS),
    "last_stream",
    # Counters, of the channel and per stream.
    "activates",
    "precharges",
    "refreshes",
    "columns",
    "open_clocks",  # with a row open in any bank, up to the last time that all were closed
    ("reads", MAX_STREAMS),
    ("writes", MAX_STREAMS),
    ("row_hits", MAX_STREAMS),
    ("row_misses", MAX_STREAMS),
    ("row_conflicts", MAX_STREAMS),
    ("forwarded", MAX_STREAMS),
    ("latency_sum", MAX_STREAMS),
    ("latency", (MAX_STREAMS, LATENCY_BINS)),  # reads by the bin of their clocks from acceptance to the end of data
)


SEGMENT = _struct("line", "lines", "arrival", _index("direction"), _index("transfer"))
TRANSFER = _struct("remaining", "end")


class State(NamedTuple):
    """The arrays of a set of channels (C) that serve streams (S).

    limits     LIMITS, (1,)
    channels   CHANNEL, (C,)
    segments   SEGMENT, (C, S, capacity): lines still to be offered, see `head` and `tail`
    transfers  TRANSFER, (capacity,): requests still to end, and the latest end so far
    finished   int64, (1 + capacity,): how many transfers have finished in the last call, and which
    """

    limits: np.ndarray
    channels: np.ndarray
    segments: np.ndarray
    transfers: np.ndarray
    finished: np.ndarray


def _idle_channels(count: int) -> np.ndarray:
    """CHANNEL structs of zeros that start on a cache line."""
    # numpy may align to less than a line, so a line more is taken and the start moved: from address 16 on by 48 bytes.
    room = np.zeros(count * CHANNEL.itemsize + _LINE_BYTES, np.uint8)
    start = -room.ctypes.data % _LINE_BYTES
    return room[start : start + count * CHANNEL.itemsize].view(CHANNEL)


def fresh_state(limits: np.ndarray, *, channels: int, refresh: bool) -> State:
    """Channels at clock 0, all banks closed, nothing queued."""
    limit = limits[0]
    streams = int(limit["streams"])
    state = _idle_channels(channels)
    state["open_row"] = state["owner"] = NONE
    state["candidate_key"] = NO_CANDIDATE
    state["owner_clock"] = TO_FIND
    # As if the last four activates lay a window back, so that they hold up none.
    state["last_activates"] = -limit["activate_window"]
    state["next_refresh"] = limit["refresh_interval"] if refresh else FAR
    # Turns begin behind the stream served last, hence with stream 0.
    state["last_stream"] = streams - 1
    # Free slots are a list through `next`, from slot 0 to the last one.
    state["next"][:, :MAX_SLOTS] = np.append(np.arange(1, MAX_SLOTS), NONE)
    # Every queue is empty: its end is its own neighbour on both sides, and stands for the hit and the miss that are not
    # there. Ends come by direction, then bank, as `list_end` counts them.
    ends = np.arange(MAX_SLOTS, _PLACES)
    state["next"][:, MAX_SLOTS:] = state["previous"][:, MAX_SLOTS:] = ends
    state["hit"] = state["miss"] = ends.reshape(2, MAX_BANKS)
    state["accepted"][:, MAX_SLOTS:] = NEVER
    return State(
        limits=limits,
        channels=state,
        # 16 places to begin with; `DramChannels` makes more room as it is needed.
        segments=np.zeros((channels, streams, 16), SEGMENT),
        transfers=np.zeros(16, TRANSFER),
        finished=np.zeros(1 + 16, np.int64),
    )
