"""`Results` as kernels: what becomes of a tile's results."""

from __future__ import annotations

from dataflows.kernels.compiled import kernel
from simulator.engine.compiled.layout import (
    ARRAY_EVENT,
    BEHIND,
    DRAIN,
    DRAINED,
    FREED,
    LAST,
    LOADS_EVENT,
    NONE,
    OPERANDS,
    PENDING,
    PROCESSED,
    RESUME,
    Loop,
    code,
)
from simulator.engine.compiled.memory import transfer
from simulator.engine.compiled.queue import schedule, start, trigger, wait, wait_till_made
from simulator.engine.compiled.rooms import give_room

_OUTPUT = 2
_FREED, _WRITTEN = code(1), code(2)  # bits of a tile's steps, as in `Making`


@kernel
def event_of(loop: Loop, tile: int, kind: int) -> int:
    """One of a tile's events."""
    return loop.tiles[tile].event + kind - DRAINED


@kernel
def last_of(loop: Loop, number: int) -> int:
    """The event that a transfer's last byte has been moved."""
    return loop.transfers[number].event + LAST


@kernel
def freed_of(loop: Loop, tile: int) -> int:
    """The event that a tile's accumulators are free: it has been drained, and has its operands if there are any."""
    row = loop.tiles[tile]
    return event_of(loop, tile, FREED if row.end_operand > row.operand else DRAINED)


@kernel
def tell_change(loop: Loop) -> None:
    """Room is given back, or the cause of waiting for it may be another (`Results._tell_change`)."""
    clock = loop.clock[0]
    if clock.change_wanted:
        clock.change_wanted = 0
        schedule(loop, clock.now, RESUME, ARRAY_EVENT)


@kernel
def made_step(loop: Loop, tile: int, step: int) -> None:
    """A tile's results have been freed or written (`Making._step`)."""
    row = loop.tiles[tile]
    layer = loop.layers[row.layer]
    row.steps |= step
    layer.open -= 1
    if not layer.open:
        trigger(loop, layer.event, loop.clock[0].now)
    if layer.wanted == tile and row.steps == _FREED | _WRITTEN:
        layer.wanted = NONE
        schedule(loop, loop.clock[0].now, RESUME, LOADS_EVENT)


@kernel
def wait_till_stored(loop: Loop, tile: int) -> bool:
    """Let the loads wait until a tile's results are made; False where they are."""
    if loop.tiles[tile].steps == _FREED | _WRITTEN:
        return False
    loop.layers[loop.tiles[tile].layer].wanted = tile
    return True


@kernel
def store(loop: Loop, tile: int) -> None:
    """Begin to write a tile's results."""
    clock, row = loop.clock[0], loop.tiles[tile]
    for number in range(row.store, row.end_store):
        transfer(loop, number, 2 * tile + 1)
    while clock.writes != NONE and loop.events[last_of(loop, clock.writes)].state == PROCESSED:
        clock.writes = loop.transfers[clock.writes].next
    for number in range(row.store, row.end_store):
        loop.transfers[number].next = NONE
        if clock.writes == NONE:
            clock.writes = number
        else:
            loop.transfers[clock.writes_tail].next = number
        clock.writes_tail = number
    if row.end_store > row.store:
        if not clock.writing:
            tell_change(loop)
        clock.writing += 1


@kernel
def stored(loop: Loop, tile: int) -> None:
    """The last of a tile's results have been written."""
    row = loop.tiles[tile]
    layer = loop.layers[row.layer]
    place = layer.buffer[_OUTPUT]
    if place != NONE:
        give_room(loop, place, min(row.store_bytes, loop.buffers[place].capacity))
    layer.unwritten -= 1
    made_step(loop, tile, _WRITTEN)
    loop.clock[0].writing -= 1
    tell_change(loop)


@kernel
def start_drain(loop: Loop, tile: int) -> None:
    """Hand a tile's results, if it has any, to the drain unit."""
    clock, row = loop.clock[0], loop.tiles[tile]
    if not row.drain and row.store == row.end_store and row.operand == row.end_operand:
        made_step(loop, tile, _FREED)
        return
    row.before, row.next = clock.last, NONE
    clock.last = tile
    while clock.undrained != NONE and loop.events[freed_of(loop, clock.undrained)].state == PROCESSED:
        clock.undrained = loop.tiles[clock.undrained].next
    if clock.undrained == NONE:
        clock.undrained = tile
    else:
        loop.tiles[clock.undrained_tail].next = tile
    clock.undrained_tail = tile
    start(loop, event_of(loop, tile, DRAIN))


@kernel
def drain(loop: Loop, process: int) -> None:
    """The drain unit's part of a tile (`Results._drain`)."""
    me, clock = loop.events[process], loop.clock[0]
    tile = me.owner
    row = loop.tiles[tile]
    if me.step == 0:
        me.step = 1
        if row.before != NONE and wait(loop, process, event_of(loop, row.before, DRAINED)):
            return
    if me.step == 1:
        me.step = 2
        if row.drain:
            schedule(loop, clock.now + row.drain, RESUME, process)
            return
    has_operands = row.end_operand > row.operand
    if me.step == 2:
        me.step = 3
        trigger(loop, event_of(loop, tile, DRAINED), clock.now)
        if not clock.writing:
            tell_change(loop)
        if has_operands and wait(loop, process, event_of(loop, tile, OPERANDS)):
            return
    if has_operands:
        trigger(loop, event_of(loop, tile, FREED), clock.now)
    made_step(loop, tile, _FREED)
    if not loop.layers[row.layer].as_made:
        store(loop, tile)


@kernel
def load_operands(loop: Loop, process: int) -> None:
    """Ask for a tile's operands once they have been made (`Results._load_operands`)."""
    me = loop.events[process]
    tile = me.owner
    row = loop.tiles[tile]
    layer = loop.layers[row.layer]
    if me.step == 0:
        while row.place < layer.end_operands - layer.operands:
            made = loop.lists[layer.operands + row.place]
            row.place += 1
            if wait_till_made(loop, process, made):
                return
        for number in range(row.operand, row.end_operand):
            transfer(loop, number, 2 * tile + 1)
        me.step, row.place = 1, 0
    while row.place < row.end_operand - row.operand:
        row.place += 1
        if wait(loop, process, last_of(loop, row.operand + row.place - 1)):
            return
    trigger(loop, process, loop.clock[0].now)


@kernel
def store_behind(loop: Loop, process: int) -> None:
    """Write a tile's results once its operands are there, and wait for them (`Results._store_behind`)."""
    me = loop.events[process]
    tile = me.owner
    row = loop.tiles[tile]
    if me.step == 0:
        me.step = 1
        if wait(loop, process, event_of(loop, tile, OPERANDS)):
            return
    if me.step == 1:
        me.step = 2
        store(loop, tile)
    while row.behind < row.end_store - row.store:
        row.behind += 1
        if wait(loop, process, last_of(loop, row.store + row.behind - 1)):
            return
    trigger(loop, process, loop.clock[0].now)


@kernel
def room_cause_is_buffer(loop: Loop) -> bool:
    """Whether a wait for room for results is charged to `buffer` now (`Results.holding_room`)."""
    clock = loop.clock[0]
    if clock.writing or clock.last == NONE:
        return False
    return loop.events[event_of(loop, clock.last, DRAINED)].state == PENDING


@kernel
def write_as_made(loop: Loop, tile: int) -> None:
    """Begin to write the results of a tile that is still computing, where the machine does that."""
    row = loop.tiles[tile]
    if not loop.layers[row.layer].as_made:
        return
    if row.end_operand == row.operand or loop.events[event_of(loop, tile, OPERANDS)].state == PROCESSED:
        store(loop, tile)
    else:
        row.behind = 0
        start(loop, event_of(loop, tile, BEHIND))
