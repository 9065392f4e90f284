"""The compiled event loop: takes what is due next, tells those who wait for it, and lets processes go on.

It is simpy's loop with the processes of `Loading`, `Results` and `PEArray` written as steps: they schedule the same
events in the same order, so that ties fall as they do there.
"""

from __future__ import annotations

from dataflows.kernels.compiled import kernel
from simulator.engine.compiled.array import compute
from simulator.engine.compiled.layout import (
    ARRAY,
    ARRAY_EVENT,
    ASKS_END,
    BEHIND,
    DRAIN,
    FILL,
    FIRST,
    IDLE,
    LAST,
    LOADS,
    LOADS_EVENT,
    LONGEST_CYCLES,
    MADE,
    NONE,
    OPERANDS,
    PENDING,
    PROCESSED,
    RESUME,
    RUNNING,
    TELL,
    TOO_LONG,
    WANTS_LAYER,
    Loop,
)
from simulator.engine.compiled.loads import fill, load
from simulator.engine.compiled.memory import alarm
from simulator.engine.compiled.part import inlined
from simulator.engine.compiled.queue import heap_pop, schedule, start, trigger
from simulator.engine.compiled.results import drain, load_operands, store_behind, stored


@kernel
def advance(loop: Loop) -> None:
    """Go on until there is nothing to do, or until something is asked for; `clock.status` says which."""
    clock = loop.clock[0]
    if clock.status == ASKS_END:
        # The array goes on in the middle of the event in hand.
        loop.events[ARRAY_EVENT].next = clock.rest
        clock.rest = ARRAY_EVENT
    else:
        _enter(loop)
    clock.status = RUNNING
    while clock.status == RUNNING:
        if clock.rest != NONE:
            process = clock.rest
            clock.rest = loop.events[process].next
            _resume(loop, process)
        elif clock.load_wants:
            clock.status = WANTS_LAYER
        elif not clock.queued:
            clock.status = IDLE
        elif loop.queue[0, 0] > LONGEST_CYCLES:
            clock.status = TOO_LONG
        else:
            _step(loop)


@inlined
def _enter(loop: Loop) -> None:
    """Something was handed over: the first layer, another one, or that there are no more."""
    clock = loop.clock[0]
    if not clock.number:
        start(loop, LOADS_EVENT)
        start(loop, ARRAY_EVENT)
    layer = loop.layers[clock.layers - 1]
    if not layer.open and loop.events[layer.event].state == PENDING:
        trigger(loop, layer.event, clock.now)
    if clock.load_wants:
        clock.load_wants = 0
        schedule(loop, clock.now, RESUME, LOADS_EVENT)
    if clock.array_wants:
        clock.array_wants = 0
        schedule(loop, clock.now, RESUME, ARRAY_EVENT)


@inlined
def _step(loop: Loop) -> None:
    """What is due next: finds the first of those who go on now, and the others behind it."""
    clock = loop.clock[0]
    what, which = loop.queue[0, 2], loop.queue[0, 3]
    clock.now = loop.queue[0, 0]
    heap_pop(loop.queue, clock.queued)
    clock.queued -= 1
    if what == RESUME:
        clock.rest, loop.events[which].next = which, NONE
    elif what == TELL:
        event = loop.events[which]
        event.state = PROCESSED
        clock.rest, event.first = event.first, NONE
        _note(loop, event.kind, event.owner)
    else:
        alarm(loop)


@inlined
def _note(loop: Loop, kind: int, owner: int) -> None:
    """What an event means to its row, before anybody who waits is told."""
    clock = loop.clock[0]
    if kind == FIRST:
        loop.transfers[owner].first_at = clock.now
    elif kind == LAST:
        moved = loop.transfers[owner]
        if moved.single:
            moved.first_at = clock.now
        moved.last_at = clock.now
        if moved.frees:
            stored(loop, moved.tile)
    elif kind == FILL:
        loop.transfers[owner].last_at = clock.now
    elif kind == MADE:
        loop.layers[owner].made_at = clock.now


@inlined
def _resume(loop: Loop, process: int) -> None:
    kind = loop.events[process].kind
    if kind == ARRAY:
        compute(loop)
    elif kind == LOADS:
        load(loop)
    elif kind == DRAIN:
        drain(loop, process)
    elif kind == FILL:
        fill(loop, process)
    elif kind == OPERANDS:
        load_operands(loop, process)
    elif kind == BEHIND:
        store_behind(loop, process)
