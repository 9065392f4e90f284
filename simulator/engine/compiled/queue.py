"""The queue of events as kernels: what is due when, who waits for it, and milestones."""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel
from simulator.engine.compiled.layout import (
    ARRAY_EVENT,
    LOADS_EVENT,
    NONE,
    NORMAL,
    PENDING,
    PROCESSED,
    REQUESTED,
    RESUME,
    TELL,
    TRIGGERED,
    Loop,
)


@kernel
def heap_push(heap: np.ndarray, count: int, key: int, number: int, which: int, rest: int) -> None:
    """Add a row to the `count` rows of a heap, the least (key, number) of which is row 0."""
    place = count
    while place:
        above = (place - 1) >> 1
        if heap[above, 0] < key or (heap[above, 0] == key and heap[above, 1] < number):
            break
        _move(heap, place, above)
        place = above
    heap[place, 0], heap[place, 1], heap[place, 2], heap[place, 3] = key, number, which, rest


@kernel
def heap_pop(heap: np.ndarray, count: int) -> None:
    """Remove row 0 of the `count` rows of a heap."""
    last, place = count - 1, 0
    key, number = heap[last, 0], heap[last, 1]
    while True:
        below = 2 * place + 1
        if below >= last:
            break
        right = below + 1
        if right < last and (
            heap[right, 0] < heap[below, 0] or (heap[right, 0] == heap[below, 0] and heap[right, 1] < heap[below, 1])
        ):
            below = right
        if key < heap[below, 0] or (key == heap[below, 0] and number < heap[below, 1]):
            break
        _move(heap, place, below)
        place = below
    _move(heap, place, last)


@kernel
def _move(heap: np.ndarray, to: int, place: int) -> None:
    for column in range(4):
        heap[to, column] = heap[place, column]


@kernel
def schedule(loop: Loop, at: int, what: int, which: int) -> None:
    """Do something in a cycle, behind what is due then already."""
    clock = loop.clock[0]
    heap_push(loop.queue, clock.queued, at, NORMAL + clock.number, what, which)
    clock.queued += 1
    clock.number += 1


@kernel
def start(loop: Loop, process: int) -> None:
    """Start a process in this cycle, before all else that is due in it."""
    clock = loop.clock[0]
    heap_push(loop.queue, clock.queued, clock.now, clock.number, RESUME, process)
    clock.queued += 1
    clock.number += 1


@kernel
def trigger(loop: Loop, event: int, at: int) -> None:
    """An event is certain, and will be told in a cycle."""
    loop.events[event].state = TRIGGERED
    schedule(loop, at, TELL, event)


@kernel
def wait(loop: Loop, process: int, event: int) -> bool:
    """Let a process wait for an event; False where that has been told already."""
    told = loop.events[event]
    if told.state == PROCESSED:
        return False
    loop.events[process].next = NONE
    if told.first == NONE:
        told.first = process
    else:
        loop.events[told.tail].next = process
    told.tail = process
    return True


@kernel
def wait_till_made(loop: Loop, process: int, layer: int) -> bool:
    """Let a process wait until a layer has been made; False where that is certain."""
    event = loop.layers[layer].event
    return loop.events[event].state == PENDING and wait(loop, process, event)


@kernel
def reach(loop: Loop, milestone: int, count: int) -> None:
    """Something has come so far; who waits for that goes on."""
    clock = loop.clock[0]
    clock.reached[milestone] = count
    if clock.wanted[milestone] != NONE and count >= clock.wanted[milestone]:
        clock.wanted[milestone] = NONE
        # Only the array waits for loads, only loads wait for the array.
        schedule(loop, clock.now, RESUME, ARRAY_EVENT if milestone == REQUESTED else LOADS_EVENT)


@kernel
def wait_till_reached(loop: Loop, milestone: int, count: int) -> bool:
    """Let its one waiter wait until a milestone has come so far; False where it has."""
    clock = loop.clock[0]
    if clock.reached[milestone] >= count:
        return False
    clock.wanted[milestone] = count
    return True
