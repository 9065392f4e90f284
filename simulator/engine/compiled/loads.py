"""`Loading` as kernels: the process that asks for all loads, and what brings them into buffers through ports."""

from __future__ import annotations

from dataflows.kernels.compiled import kernel
from simulator.engine.compiled.layout import (
    COMPUTED,
    ENDED,
    FILL,
    LAST,
    LOADS_EVENT,
    NONE,
    REQUESTED,
    RESUME,
    STARTED,
    Loop,
)
from simulator.engine.compiled.memory import transfer
from simulator.engine.compiled.queue import reach, schedule, start, trigger, wait, wait_till_made, wait_till_reached
from simulator.engine.compiled.results import wait_till_stored
from simulator.engine.compiled.rooms import give_room, take_room

# Where the process stands with a load: before each of these.
_TAKE, _NEXT, _UNLIKE, _MADE, _ROOM, _ASK, _BEHIND, _BEGUN = range(8)


@kernel
def load(loop: Loop) -> None:
    """Ask for loads until one has to wait (`Loading.load`, `NetworkConditions`, `NetworkPlay._load`)."""
    clock = loop.clock[0]
    while True:
        if clock.load_step == _TAKE:
            if clock.load_layer + 1 >= clock.layers:
                # Nothing is left to do once there are no more layers.
                clock.load_wants = 0 if clock.closed else 1
                return
            clock.load_layer += 1
            clock.load = loop.layers[clock.load_layer].load
            clock.asking, clock.asking_load, clock.load_step = clock.load_layer, NONE, _NEXT
        elif clock.load_step < _BEHIND:
            if clock.load == loop.layers[clock.load_layer].end_load:
                clock.asking, clock.load_step = NONE, _BEHIND
            elif _held_up(loop):
                return
        elif clock.load_step == _BEHIND:
            clock.load_step = _BEGUN
            # With `serial` all of the layer must have been written; else the array must have begun it.
            if clock.serial and wait(loop, LOADS_EVENT, loop.layers[clock.load_layer].event):
                return
        else:
            layer = loop.layers[clock.load_layer]
            clock.load_step = _TAKE
            if not clock.serial and wait_till_reached(loop, STARTED, min(layer.tile + 1, layer.end_tile)):
                return


@kernel
def _held_up(loop: Loop) -> bool:
    """Go on with one load; whether it has to wait."""
    clock = loop.clock[0]
    if clock.load_step < _MADE and _held_up_by_array(loop):
        return True
    if clock.load_step < _ROOM and _held_up_by_makers(loop):
        return True
    layer, one = loop.layers[clock.load_layer], loop.transfers[clock.load]
    place = layer.buffer[one.tensor]
    if clock.load_step == _ROOM:
        clock.load_step = _ASK
        if place != NONE and not take_room(loop, place, one.size_bytes, LOADS_EVENT):
            return True
    _ask(loop, clock.load)
    if clock.load + 1 == layer.end_load or loop.transfers[clock.load + 1].tile != one.tile:
        reach(loop, REQUESTED, one.tile + 1)
    clock.load += 1
    clock.load_step = _NEXT
    return False


@kernel
def _held_up_by_array(loop: Loop) -> bool:
    """Wait until the array is near enough to a load's tile, and for what it computes in a buffer of another kind."""
    clock = loop.clock[0]
    layer, one = loop.layers[clock.load_layer], loop.transfers[clock.load]
    if clock.load_step == _NEXT:
        clock.load_step = _UNLIKE
        # The first tile's data wait for room alone, where they take any, but for those of the very first layer.
        near = one.tile != layer.tile or not clock.load_layer or not layer.prefetch
        milestone, count = (STARTED, one.tile - layer.prefetch + 1) if layer.prefetch else (ENDED, one.tile)
        if (near or layer.buffer[one.tensor] == NONE) and wait_till_reached(loop, milestone, count):
            return True
    clock.load_step, clock.load_list, clock.asking_load = _MADE, 0, clock.load
    return layer.unlike >> one.tensor & 1 != 0 and wait_till_reached(loop, COMPUTED, layer.tile)


@kernel
def _held_up_by_makers(loop: Loop) -> bool:
    """Wait for the layers, then for the tiles, whose results a load is made of."""
    clock = loop.clock[0]
    layer, one = loop.layers[clock.load_layer], loop.transfers[clock.load]
    layers = layer.end_needs - layer.needs if layer.inputs >> one.tensor & 1 else 0
    while clock.load_list < layers:
        clock.load_list += 1
        if wait_till_made(loop, LOADS_EVENT, loop.lists[layer.needs + clock.load_list - 1]):
            return True
    while clock.load_list < layers + one.end_need - one.need:
        clock.load_list += 1
        if wait_till_stored(loop, loop.lists[one.need + clock.load_list - layers - 1]):
            return True
    clock.load_step = _ROOM
    return False


@kernel
def give_back(loop: Loop, tile: int) -> None:
    """The array has computed a tile: what no later one uses leaves the buffers (`Loading.give_back`)."""
    row = loop.tiles[tile]
    layer = loop.layers[row.layer]
    for tensor in range(3):
        if row.freed[tensor]:
            give_room(loop, layer.buffer[tensor], row.freed[tensor])
    reach(loop, COMPUTED, tile + 1)


@kernel
def _ask(loop: Loop, number: int) -> None:
    clock, one = loop.clock[0], loop.transfers[number]
    transfer(loop, number, 2 * one.tile)
    one.asked_at = clock.now
    if clock.port_rate:
        start(loop, one.event + FILL)


@kernel
def fill(loop: Loop, process: int) -> None:
    """A load through a port slower than memory (`Loading._fill`)."""
    me, clock = loop.events[process], loop.clock[0]
    one = loop.transfers[me.owner]
    if me.step == 0:
        me.step, rate = 1, clock.port_rate
        free_at = max(clock.port_free[one.tensor], clock.now * rate) + one.size_bytes
        clock.port_free[one.tensor] = free_at
        one.filled_at = (free_at + rate - 1) // rate
        if wait(loop, process, one.event + LAST):
            return
    if me.step == 1:
        me.step = 2
        if one.filled_at > clock.now:
            schedule(loop, one.filled_at, RESUME, process)
            return
    trigger(loop, process, clock.now)
