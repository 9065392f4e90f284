"""What the compiled event loop keeps: one row a layer, tile, transfer, buffer and event, and the loop's own state.

Everything is int64. A row is named by its place in its table; NONE is no row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dataflows.kernels.arguments import struct


def code(number: int) -> Any:
    """A number as numpy's: kernels are compiled anew for every value of a Python's int that they hand on."""
    return np.int64(number)


def codes(count: int) -> tuple[Any, ...]:
    """Such numbers from 0 on."""
    return tuple(map(code, range(count)))


NONE = code(-1)
FAR = code(1 << 62)  # a cycle that never comes
LONGEST_CYCLES = 1 << 44  # later than this no run is played, so that no product of cycles leaves int64


# States of an event, as simpy has them: it comes, it is due, it has been told.
PENDING, TRIGGERED, PROCESSED = codes(3)

# Kinds of events. A process is an event, too, that comes at its end; FIRST to FILL belong to a transfer, DRAINED to
# BEHIND to a tile, MADE to a layer.
FIRST, LAST, FILL, DRAINED, FREED, DRAIN, OPERANDS, BEHIND, MADE, LOADS, ARRAY = codes(11)
# A row's events stand behind each other in this order, from its `event` on.
OF_TRANSFER, OF_TILE = (FIRST, LAST, FILL), (DRAINED, FREED, DRAIN, OPERANDS, BEHIND)
TRANSFER_EVENTS, TILE_EVENTS = len(OF_TRANSFER), len(OF_TILE)
LOADS_EVENT, ARRAY_EVENT = codes(2)  # the two processes that play all layers, and their places in `waiting`

# What an entry of the queue does in its cycle: tell an event, go on with a process, or look after memory.
TELL, RESUME, ALARM = codes(3)
NORMAL = code(1 << 60)  # added to the number of an entry that is not urgent: urgent ones come first in their cycle

# Milestones: tiles begun, computed, done with, and whose loads have all been asked for.
STARTED, COMPUTED, ENDED, REQUESTED = codes(4)

# What the array waits for, or waited for last; see `states` for the words.
(
    NOT_STARTED,
    FOR_ROOM,
    FOR_FIRST_DATA,
    FOR_LAST_RESULTS,
    FOR_RESULTS_ROOM,
    FOR_WRITES,
    FOR_DATA,
    FOR_PORT,
    BEHIND_DATA,
    FOR_RESULTS,
    # These with their tiles drained, and behind each the same for operands.
    FOR_ACCUMULATORS,
    _,
    AT_END,
    _,
    BLOCKED,
    _,
) = codes(16)

# How a call of the loop ends.
RUNNING, WANTS_LAYER, IDLE, ASKS_END, TOO_LONG = codes(5)


CLOCK = struct(
    __name__,
    "CLOCK",
    "now",
    "number",  # of the next entry of the queue, as simpy counts them
    "queued",  # entries in the queue
    "status",
    "rest",  # the next process to tell of the event in hand, when the loop was left in the middle of it
    "layers",  # handed over
    "closed",  # no more will come
    "serial",
    "blocking",
    "burst_bytes",
    # Ideal memory; time in cycles times `unit`, work in bytes times a denominator (`IdealMemory`).
    "infinite",
    "unit",
    "denominator",
    "latency_numerator",
    "latency_denominator",
    "served",
    "awake_at",
    "jobs",
    "asked",
    # Ports: bytes a cycle, 0 where they are no limit; when each is free, in cycles times that.
    "port_rate",
    ("port_free", 3),
    # Milestones: how far, and the count that somebody waits for (NONE: nobody does).
    ("reached", 4),
    ("wanted", 4),
    # Results.
    "undrained",
    "undrained_tail",
    "last",
    "writes",
    "writes_tail",
    "writing",
    "change_wanted",
    # The process of loads: where it stands.
    "load_step",
    "load_layer",
    "load",
    "load_list",
    "load_wants",
    "asking",  # the layer whose loads it asks for, and the load that waits, or waited last
    "asking_load",
    # The array: where it stands, and what it waits for.
    "step",
    "layer",
    "array_wants",
    "tile",
    "begun_at",
    "cursor",  # the transfer or tile that it waits for, of several in a row
    "cursor_end",
    # Tiles that it waits for: from which one on, how many, whether those of layers that are read besides, the place
    # among them, which of their events, and the step behind.
    "held",
    "held_count",
    "held_read",
    "held_place",
    "held_pass",
    "held_then",
    "cause",  # of its wait; NONE: it does not wait, or works
    "since",
    "end",  # of the last layer that it was done with
    "exact_end",  # of its tile, where it asked for that; NONE
    "done",
    "state",
    "state_layer",
    "state_tile",
    "state_other",
)

LAYER = struct(
    __name__,
    "LAYER",
    "tile",
    "end_tile",
    "load",
    "end_load",
    "prefetch",
    "copies",
    "as_made",
    "in_step",
    "resident",  # whether its inputs lie on the chip, where the layers of `reads` left them
    # Ranges of `lists`, of numbers of layers: those it reads, those that its inputs' loads wait for, those it adds.
    "reads",
    "end_reads",
    "needs",
    "end_needs",
    "operands",
    "end_operands",
    "inputs",  # bits of tensors that are inputs
    "inputs_last",  # whether they are asked for behind the first tile's other loads
    "unlike",  # bits of tensors whose buffer the layer before uses in another way
    ("buffer", 3),  # by tensor; NONE where there is none, or data pass through
    "behind",  # the layer whose results must have left before room is taken; NONE
    "waits",  # the first of its rows of waits
    # What changes.
    "event",
    "open",
    "unwritten",
    "wanted",  # the tile that somebody waits for
    "made_at",
    "start",
    "end",
)

TILE = struct(
    __name__,
    "TILE",
    "layer",
    "event",
    "duration",
    "drain",
    "lead",  # `Results.write_lead`
    "load",
    "end_load",
    "store",
    "end_store",
    "operand",
    "end_operand",
    "store_bytes",
    ("freed", 3),  # by tensor, room that its end gives back
    # What changes.
    "next",  # the tile handed to the drain unit behind it
    "before",  # and before it
    "steps",
    "place",  # where its operands' process stands among what it waits for
    "behind",  # the same of the process that writes behind them; NONE: there is none
)

TRANSFER = struct(
    __name__,
    "TRANSFER",
    "tensor",
    "size_bytes",
    "burst_bytes",
    "tile",
    "event",
    "write",
    "frees",  # the last of its tile's stores
    "need",
    "end_need",  # range of `lists`: tiles whose results it waits for
    # What changes.
    "single",  # whether its first burst is its last
    "filled_at",
    "asked_at",
    "first_at",
    "last_at",
    "next",  # the write that began behind it
)

BUFFER = struct(
    __name__,
    "BUFFER",
    "capacity",
    "taken",
    "peak",
    ("waiting", 2),  # bytes that the loads, and that the array waits for
    "head",  # which of them came first
)

EVENT = struct(
    __name__,
    "EVENT",
    "state",
    "kind",
    "owner",
    "first",  # processes that wait for it, in order, by their own events
    "tail",
    "next",  # of a process: the one that waits for the same event behind it
    "step",  # of a process: where it stands
)


class Loop(NamedTuple):
    """The tables of a run.

    clock      CLOCK (1,)
    layers     LAYER, tiles: TILE, transfers: TRANSFER, buffers: BUFFER, events: EVENT
    lists      int64: numbers of layers and tiles, of which rows hold ranges
    waits      int64 (tiles and layers, CAUSES): what the array waited for, by tile, and behind them by layer
    queue      int64 (places, 4): a heap of cycle, number, what, which
    jobs       int64 (places, 4): a heap of urgency, number, event, work that is left

    Typed loosely, since the type checker knows nothing of a struct's fields.
    """

    clock: Any
    layers: Any
    tiles: Any
    transfers: Any
    buffers: Any
    events: Any
    lists: Any
    waits: Any
    queue: Any
    jobs: Any
