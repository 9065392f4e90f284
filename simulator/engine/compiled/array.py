"""`PEArray` as kernels: the process that computes tile after tile, step by step.

A step is done again when its wait is over, and finds nothing left to wait for.
"""

from __future__ import annotations

from dataflows.kernels.compiled import kernel
from dataflows.schedule import Cause
from simulator.engine.compiled.array_steps import (
    STEP_BEHIND,
    STEP_BLOCKED,
    STEP_DATA,
    STEP_FIRST,
    STEP_HELD,
    STEP_HOLDERS,
    STEP_LATE,
    STEP_LEAVE,
    STEP_OVER,
    STEP_RESULTS,
    STEP_ROOM,
    STEP_START,
    STEP_TAKE,
    STEP_TILE,
    STEP_WORK,
    idle,
    wait_for,
)
from simulator.engine.compiled.held import find_holders, hold, wait_for_held, wait_for_writes
from simulator.engine.compiled.late_data import earliest_end
from simulator.engine.compiled.layout import (
    ARRAY_EVENT,
    ASKS_END,
    BEHIND,
    BEHIND_DATA,
    ENDED,
    FAR,
    FILL,
    FIRST,
    FOR_DATA,
    FOR_FIRST_DATA,
    FOR_LAST_RESULTS,
    FOR_PORT,
    FOR_RESULTS,
    FOR_RESULTS_ROOM,
    FOR_ROOM,
    FOR_WRITES,
    LAST,
    NONE,
    OPERANDS,
    REQUESTED,
    RESUME,
    STARTED,
    Loop,
    code,
)
from simulator.engine.compiled.loads import give_back
from simulator.engine.compiled.queue import reach, schedule, start, wait_till_reached
from simulator.engine.compiled.results import (
    event_of,
    last_of,
    room_cause_is_buffer,
    start_drain,
    write_as_made,
)
from simulator.engine.compiled.rooms import take_room

_MEMORY, _PORT, _BUFFER = (code(cause) for cause in (Cause.MEMORY, Cause.PORT, Cause.BUFFER))
_OUTPUT = 2
_ONE = code(1)
_LAST_LAYER = 2  # `clock.closed` when the array has seen that no layer follows


@kernel
def compute(loop: Loop) -> None:
    """Go on until the array has to wait (`PEArray.compute`, `NetworkPlay._compute`)."""
    clock = loop.clock[0]
    if clock.cause != NONE:
        # Each layer has a row more than it has tiles, for waits behind the last one.
        loop.waits[clock.tile + clock.layer, clock.cause] += clock.now - clock.since
        clock.cause = NONE
    waiting = False
    while not waiting:
        if clock.step == STEP_TAKE:
            waiting = _take(loop)
        elif clock.step < STEP_START:
            waiting = _begin(loop)
        elif clock.step < STEP_OVER:
            waiting = _work(loop)
        else:
            waiting = _finish(loop)


@kernel
def _take(loop: Loop) -> bool:
    """The next layer; whether the array waits for it, or for the last results where there is none."""
    clock = loop.clock[0]
    if clock.layer + 1 < clock.layers:
        if clock.layer != NONE:
            _end_layer(loop)
        clock.layer += 1
        loop.layers[clock.layer].start = clock.end
        clock.tile, clock.step = loop.layers[clock.layer].tile, STEP_TILE
        return False
    if clock.closed:
        hold(loop, clock.undrained, FAR, STEP_RESULTS)
        clock.closed = _LAST_LAYER
        return False
    clock.array_wants = 1
    return True


@kernel
def _end_layer(loop: Loop) -> None:
    clock = loop.clock[0]
    clock.end = loop.layers[clock.layer].end = clock.now


@kernel
def _begin(loop: Loop) -> bool:
    """Wait for a tile's first data, for accumulators and for room for its results (`PEArray._begin`)."""
    clock = loop.clock[0]
    if clock.step == STEP_HELD:
        return wait_for_held(loop)
    if clock.step == STEP_TILE and clock.tile == loop.layers[clock.layer].end_tile:
        clock.step = STEP_TAKE
        if clock.serial:
            hold(loop, clock.undrained, FAR, STEP_RESULTS)
        return False
    if clock.step < STEP_HOLDERS:
        return _wait_for_first_data(loop)
    if clock.step == STEP_HOLDERS:
        clock.step = STEP_BEHIND
        if clock.undrained != NONE:
            find_holders(loop)
        return False
    return _wait_for_output_room(loop)


@kernel
def _wait_for_first_data(loop: Loop) -> bool:
    clock = loop.clock[0]
    row = loop.tiles[clock.tile]
    if row.end_load > row.load:
        if clock.step == STEP_TILE:
            clock.step = STEP_FIRST
            if wait_till_reached(loop, REQUESTED, clock.tile + 1):
                idle(loop, _MEMORY, FOR_ROOM)
                return True
        first = loop.transfers[row.load]
        if wait_for(loop, first.event + (LAST if first.single else FIRST), _MEMORY, FOR_FIRST_DATA):
            return True
    clock.step = STEP_HOLDERS
    return False


@kernel
def _wait_for_output_room(loop: Loop) -> bool:
    """Take room for a tile's results, at most the whole buffer (`PEArray._wait_for_output_room`)."""
    clock = loop.clock[0]
    row, layer = loop.tiles[clock.tile], loop.layers[clock.layer]
    place = layer.buffer[_OUTPUT]
    missing = False
    if clock.step == STEP_BEHIND:
        missing = layer.behind != NONE and row.end_store > row.store and loop.layers[layer.behind].unwritten
        if not missing:
            clock.step = STEP_ROOM
            if place != NONE and row.end_store > row.store:
                take_room(loop, place, min(row.store_bytes, loop.buffers[place].capacity), ARRAY_EVENT)
    if missing or (place != NONE and loop.buffers[place].waiting[ARRAY_EVENT]):
        clock.change_wanted = 1
        idle(loop, _BUFFER if room_cause_is_buffer(loop) else _MEMORY, FOR_RESULTS_ROOM)
        return True
    clock.step = STEP_START
    return False


@kernel
def _work(loop: Loop) -> bool:
    """The PEs' work on a tile, as far as its data have come (`PEArray._work`)."""
    clock = loop.clock[0]
    row = loop.tiles[clock.tile]
    if clock.step == STEP_START:
        clock.begun_at, clock.step = clock.now, STEP_WORK
        reach(loop, STARTED, clock.tile + 1)
        if row.end_operand > row.operand:
            start(loop, event_of(loop, clock.tile, OPERANDS))
        return _pass(loop, row.duration - row.lead)
    if clock.step == STEP_WORK:
        write_as_made(loop, clock.tile)
        clock.cursor, clock.step = row.load, STEP_DATA
        return _pass(loop, row.lead)
    if clock.step == STEP_DATA:
        return _wait_for_data(loop)
    if clock.step == STEP_LATE:
        return _wait_for_late_work(loop)
    return _wait_till_left(loop)


@kernel
def _pass(loop: Loop, cycles: int) -> bool:
    """Let cycles pass, if there are any."""
    if cycles > 0:
        schedule(loop, loop.clock[0].now + cycles, RESUME, ARRAY_EVENT)
        return True
    return False


@kernel
def _wait_for_data(loop: Loop) -> bool:
    """Wait until all of a tile's data are there: for DRAM first, then for the port behind it."""
    clock = loop.clock[0]
    row = loop.tiles[clock.tile]
    while clock.cursor < row.end_load:
        if wait_for(loop, last_of(loop, clock.cursor), _MEMORY, FOR_DATA):
            return True
        if clock.port_rate and wait_for(loop, loop.transfers[clock.cursor].event + FILL, _PORT, FOR_PORT):
            return True
        clock.cursor += 1
    clock.step, clock.exact_end = STEP_LATE, NONE
    return False


@kernel
def _wait_for_late_work(loop: Loop) -> bool:
    """Wait for work that lags behind data that came late."""
    clock = loop.clock[0]
    row = loop.tiles[clock.tile]
    end = clock.now
    if row.end_load > row.load:
        end = clock.exact_end if clock.exact_end != NONE else earliest_end(loop, clock.tile)
        if end == NONE:
            clock.status = ASKS_END
            return True
    clock.cursor, clock.step = row.store, STEP_LEAVE
    if end > clock.now:
        schedule(loop, end, RESUME, ARRAY_EVENT)
        idle(loop, _MEMORY, BEHIND_DATA)
        return True
    return False


@kernel
def _wait_till_left(loop: Loop) -> bool:
    """Wait until results that never fit at once have left."""
    clock = loop.clock[0]
    row, layer = loop.tiles[clock.tile], loop.layers[clock.layer]
    place = layer.buffer[_OUTPUT]
    if layer.as_made and place != NONE and row.store_bytes > loop.buffers[place].capacity:
        if row.behind != NONE:
            if wait_for(loop, event_of(loop, clock.tile, BEHIND), _MEMORY, FOR_RESULTS):
                return True
        else:
            while clock.cursor < row.end_store:
                if wait_for(loop, last_of(loop, clock.cursor), _MEMORY, FOR_RESULTS):
                    return True
                clock.cursor += 1
    clock.step = STEP_OVER
    return False


@kernel
def _finish(loop: Loop) -> bool:
    """Behind a tile, and behind the last one (`PEArray._finish`, `PEArray.wait_for_results`)."""
    clock = loop.clock[0]
    waiting = False
    if clock.step == STEP_OVER:
        give_back(loop, clock.tile)
        start_drain(loop, clock.tile)
        # Blocking write-back: the next tile's work begins when this one's results are in DRAM.
        if clock.blocking and clock.last != NONE:
            hold(loop, clock.last, _ONE, STEP_BLOCKED)
        else:
            _end_tile(loop)
    elif clock.step == STEP_BLOCKED:
        waiting = wait_for_writes(loop, FOR_WRITES)
        if not waiting:
            clock.writes = NONE
            _end_tile(loop)
    else:
        waiting = wait_for_writes(loop, FOR_LAST_RESULTS)
        if not waiting:
            clock.step = STEP_TAKE
            if clock.closed == _LAST_LAYER:
                _end_layer(loop)
                clock.done, waiting = 1, True
    return waiting


@kernel
def _end_tile(loop: Loop) -> None:
    """The array is done with a tile."""
    clock = loop.clock[0]
    reach(loop, ENDED, clock.tile + 1)
    clock.tile, clock.step = clock.tile + 1, STEP_TILE
