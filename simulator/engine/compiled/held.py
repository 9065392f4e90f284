"""What the array waits for of tiles before: that they have been drained, with their operands, and written."""

from __future__ import annotations

from dataflows.kernels.compiled import kernel
from dataflows.schedule import Cause
from simulator.engine.compiled.array_steps import STEP_BEHIND, STEP_BLOCKED, STEP_HELD, STEP_RESULTS, wait_for
from simulator.engine.compiled.layout import AT_END, BLOCKED, DRAINED, FOR_ACCUMULATORS, NONE, Loop, code
from simulator.engine.compiled.results import event_of, freed_of, last_of

_DRAIN, _MEMORY = (code(cause) for cause in (Cause.DRAIN, Cause.MEMORY))


@kernel
def find_holders(loop: Loop) -> None:
    """The tiles whose accumulators, or whose results, a tile has to wait for (`Results.holders`)."""
    clock = loop.clock[0]
    layer = loop.layers[clock.layer]
    count, place, index = 0, clock.undrained, 0
    while place != NONE:
        index += 1
        if place + min(layer.copies, loop.layers[loop.tiles[place].layer].copies) <= clock.tile:
            count = index
        place = loop.tiles[place].next
    hold(loop, clock.undrained, count, STEP_BEHIND)
    clock.held_read = layer.resident if clock.tile == layer.tile else 0
    for _ in range(count):
        clock.undrained = loop.tiles[clock.undrained].next


@kernel
def hold(loop: Loop, first: int, count: int, then: int) -> None:
    """Wait for `count` tiles from `first` on, and go on with a step."""
    clock = loop.clock[0]
    clock.held, clock.held_count, clock.held_read, clock.held_then = first, count, 0, then
    clock.cursor, clock.held_place, clock.held_pass, clock.step = first, 0, 0, STEP_HELD


@kernel
def wait_for_held(loop: Loop) -> bool:
    """Wait until tiles have been drained, then for the operands of their results (`PEArray._wait_until_freed`)."""
    clock = loop.clock[0]
    state = (
        AT_END if clock.held_then == STEP_RESULTS else BLOCKED if clock.held_then == STEP_BLOCKED else FOR_ACCUMULATORS
    )
    while clock.held_pass < 2:
        while clock.cursor != NONE and (clock.held_place < clock.held_count or clock.held_read):
            row = loop.tiles[clock.cursor]
            if clock.held_place < clock.held_count or _is_read(loop, row.layer):
                event, cause = event_of(loop, clock.cursor, DRAINED), _DRAIN
                if clock.held_pass:
                    event, cause = freed_of(loop, clock.cursor), _MEMORY
                if wait_for(loop, event, cause, state + clock.held_pass):
                    clock.state_other = clock.cursor
                    return True
            clock.cursor = row.next
            clock.held_place += 1
        clock.held_pass += 1
        clock.cursor, clock.held_place = clock.held, 0
    # Behind them, if asked for: what is being written by now.
    clock.cursor, clock.cursor_end, clock.step = clock.writes, clock.writes_tail, clock.held_then
    return False


@kernel
def _is_read(loop: Loop, number: int) -> bool:
    """Whether the layer in hand reads the layer of a number."""
    layer = loop.layers[loop.clock[0].layer]
    for place in range(layer.reads, layer.end_reads):  # noqa: SIM110 (kernels know no generators)
        if loop.lists[place] == number:
            return True
    return False


@kernel
def wait_for_writes(loop: Loop, state: int) -> bool:
    """Wait for all writes that had begun when this began."""
    clock = loop.clock[0]
    while clock.cursor != NONE:
        if wait_for(loop, last_of(loop, clock.cursor), _MEMORY, state):
            return True
        clock.cursor = NONE if clock.cursor == clock.cursor_end else loop.transfers[clock.cursor].next
    return False
