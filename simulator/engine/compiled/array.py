"""`PEArray` as kernels: the process that computes tile after tile, step by step.

A step is done again when its wait is over, and finds nothing left to wait for.
"""

from __future__ import annotations

from dataflows.schedule import Cause
from simulator.engine.compiled.late_data import earliest_end
from simulator.engine.compiled.layout import (
    ARRAY_EVENT,
    ASKS_END,
    AT_END,
    BEHIND,
    BEHIND_DATA,
    BLOCKED,
    DRAINED,
    ENDED,
    FAR,
    FILL,
    FIRST,
    FOR_ACCUMULATORS,
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
    codes,
)
from simulator.engine.compiled.loads import give_back
from simulator.engine.compiled.part import part
from simulator.engine.compiled.queue import reach, schedule, start, wait, wait_till_reached
from simulator.engine.compiled.results import (
    event_of,
    freed_of,
    last_of,
    room_cause_is_buffer,
    start_drain,
    write_as_made,
)
from simulator.engine.compiled.rooms import take_room

_DRAIN, _MEMORY, _PORT, _BUFFER = (code(cause) for cause in (Cause.DRAIN, Cause.MEMORY, Cause.PORT, Cause.BUFFER))
_OUTPUT = 2
_ONE = code(1)
_LAST_LAYER = 2  # `clock.closed` when the array has seen that no layer follows

# Steps, in order; the array goes on with `_TILE` for each tile, and with `_TAKE` behind a layer's last one.
(
    _TAKE,
    _TILE,
    _FIRST,
    _HOLDERS,
    _HELD,
    _BEHIND,
    _ROOM,
    _START,
    _WORK,
    _DATA,
    _LATE,
    _LEAVE,
    _OVER,
    _BLOCKED,
    _RESULTS,
) = codes(15)


@part
def compute(loop: Loop) -> None:
    """Go on until the array has to wait (`PEArray.compute`, `NetworkPlay._compute`)."""
    clock = loop.clock[0]
    if clock.cause != NONE:
        # Each layer has a row more than it has tiles, for waits behind the last one.
        loop.waits[clock.tile + clock.layer, clock.cause] += clock.now - clock.since
        clock.cause = NONE
    waiting = False
    while not waiting:
        if clock.step == _TAKE:
            waiting = _take(loop)
        elif clock.step < _START:
            waiting = _begin(loop)
        elif clock.step < _OVER:
            waiting = _work(loop)
        else:
            waiting = _finish(loop)


@part
def _wait(loop: Loop, event: int, cause: int, state: int) -> bool:
    """Wait for an event that is still to come, and charge the wait to a cause; False where it has been told."""
    if not wait(loop, ARRAY_EVENT, event):
        return False
    _idle(loop, cause, state)
    return True


@part
def _idle(loop: Loop, cause: int, state: int) -> None:
    """The array waits from now on."""
    clock = loop.clock[0]
    clock.cause, clock.since = cause, clock.now
    clock.state, clock.state_layer, clock.state_tile = state, clock.layer, clock.tile


@part
def _take(loop: Loop) -> bool:
    """The next layer; whether the array waits for it, or for the last results where there is none."""
    clock = loop.clock[0]
    if clock.layer + 1 < clock.layers:
        if clock.layer != NONE:
            _end_layer(loop)
        clock.layer += 1
        loop.layers[clock.layer].start = clock.end
        clock.tile, clock.step = loop.layers[clock.layer].tile, _TILE
        return False
    if clock.closed:
        _hold(loop, clock.undrained, FAR, _RESULTS)
        clock.closed = _LAST_LAYER
        return False
    clock.array_wants = 1
    return True


@part
def _end_layer(loop: Loop) -> None:
    clock = loop.clock[0]
    clock.end = loop.layers[clock.layer].end = clock.now


@part
def _begin(loop: Loop) -> bool:
    """Wait for a tile's first data, for accumulators and for room for its results (`PEArray._begin`)."""
    clock = loop.clock[0]
    if clock.step == _HELD:
        return _wait_for_held(loop)
    if clock.step == _TILE and clock.tile == loop.layers[clock.layer].end_tile:
        clock.step = _TAKE
        if clock.serial:
            _hold(loop, clock.undrained, FAR, _RESULTS)
        return False
    if clock.step < _HOLDERS:
        return _wait_for_first_data(loop)
    if clock.step == _HOLDERS:
        clock.step = _BEHIND
        if clock.undrained != NONE:
            _find_holders(loop)
        return False
    return _wait_for_output_room(loop)


@part
def _wait_for_first_data(loop: Loop) -> bool:
    clock = loop.clock[0]
    row = loop.tiles[clock.tile]
    if row.end_load > row.load:
        if clock.step == _TILE:
            clock.step = _FIRST
            if wait_till_reached(loop, REQUESTED, clock.tile + 1):
                _idle(loop, _MEMORY, FOR_ROOM)
                return True
        first = loop.transfers[row.load]
        if _wait(loop, first.event + (LAST if first.single else FIRST), _MEMORY, FOR_FIRST_DATA):
            return True
    clock.step = _HOLDERS
    return False


@part
def _wait_for_output_room(loop: Loop) -> bool:
    """Take room for a tile's results, at most the whole buffer (`PEArray._wait_for_output_room`)."""
    clock = loop.clock[0]
    row, layer = loop.tiles[clock.tile], loop.layers[clock.layer]
    place = layer.buffer[_OUTPUT]
    missing = False
    if clock.step == _BEHIND:
        missing = layer.behind != NONE and row.end_store > row.store and loop.layers[layer.behind].unwritten
        if not missing:
            clock.step = _ROOM
            if place != NONE and row.end_store > row.store:
                take_room(loop, place, min(row.store_bytes, loop.buffers[place].capacity), ARRAY_EVENT)
    if missing or (place != NONE and loop.buffers[place].waiting[ARRAY_EVENT]):
        clock.change_wanted = 1
        _idle(loop, _BUFFER if room_cause_is_buffer(loop) else _MEMORY, FOR_RESULTS_ROOM)
        return True
    clock.step = _START
    return False


@part
def _find_holders(loop: Loop) -> None:
    """The tiles whose accumulators, or whose results, a tile has to wait for (`Results.holders`)."""
    clock = loop.clock[0]
    layer = loop.layers[clock.layer]
    count, place, index = 0, clock.undrained, 0
    while place != NONE:
        index += 1
        if place + min(layer.copies, loop.layers[loop.tiles[place].layer].copies) <= clock.tile:
            count = index
        place = loop.tiles[place].next
    _hold(loop, clock.undrained, count, _BEHIND)
    clock.held_read = layer.resident if clock.tile == layer.tile else 0
    for _ in range(count):
        clock.undrained = loop.tiles[clock.undrained].next


@part
def _hold(loop: Loop, first: int, count: int, then: int) -> None:
    """Wait for `count` tiles from `first` on, and go on with a step."""
    clock = loop.clock[0]
    clock.held, clock.held_count, clock.held_read, clock.held_then = first, count, 0, then
    clock.cursor, clock.held_place, clock.held_pass, clock.step = first, 0, 0, _HELD


@part
def _wait_for_held(loop: Loop) -> bool:
    """Wait until tiles have been drained, then for the operands of their results (`PEArray._wait_until_freed`)."""
    clock = loop.clock[0]
    state = AT_END if clock.held_then == _RESULTS else BLOCKED if clock.held_then == _BLOCKED else FOR_ACCUMULATORS
    while clock.held_pass < 2:
        while clock.cursor != NONE and (clock.held_place < clock.held_count or clock.held_read):
            row = loop.tiles[clock.cursor]
            if clock.held_place < clock.held_count or _is_read(loop, row.layer):
                event, cause = event_of(loop, clock.cursor, DRAINED), _DRAIN
                if clock.held_pass:
                    event, cause = freed_of(loop, clock.cursor), _MEMORY
                if _wait(loop, event, cause, state + clock.held_pass):
                    clock.state_other = clock.cursor
                    return True
            clock.cursor = row.next
            clock.held_place += 1
        clock.held_pass += 1
        clock.cursor, clock.held_place = clock.held, 0
    # Behind them, if asked for: what is being written by now.
    clock.cursor, clock.cursor_end, clock.step = clock.writes, clock.writes_tail, clock.held_then
    return False


@part
def _is_read(loop: Loop, number: int) -> bool:
    """Whether the layer in hand reads the layer of a number."""
    layer = loop.layers[loop.clock[0].layer]
    for place in range(layer.reads, layer.end_reads):  # noqa: SIM110 (kernels know no generators)
        if loop.lists[place] == number:
            return True
    return False


@part
def _work(loop: Loop) -> bool:
    """The PEs' work on a tile, as far as its data have come (`PEArray._work`)."""
    clock = loop.clock[0]
    row = loop.tiles[clock.tile]
    if clock.step == _START:
        clock.begun_at, clock.step = clock.now, _WORK
        reach(loop, STARTED, clock.tile + 1)
        if row.end_operand > row.operand:
            start(loop, event_of(loop, clock.tile, OPERANDS))
        return _pass(loop, row.duration - row.lead)
    if clock.step == _WORK:
        write_as_made(loop, clock.tile)
        clock.cursor, clock.step = row.load, _DATA
        return _pass(loop, row.lead)
    if clock.step == _DATA:
        return _wait_for_data(loop)
    if clock.step == _LATE:
        return _wait_for_late_work(loop)
    return _wait_till_left(loop)


@part
def _pass(loop: Loop, cycles: int) -> bool:
    """Let cycles pass, if there are any."""
    if cycles > 0:
        schedule(loop, loop.clock[0].now + cycles, RESUME, ARRAY_EVENT)
        return True
    return False


@part
def _wait_for_data(loop: Loop) -> bool:
    """Wait until all of a tile's data are there: for DRAM first, then for the port behind it."""
    clock = loop.clock[0]
    row = loop.tiles[clock.tile]
    while clock.cursor < row.end_load:
        if _wait(loop, last_of(loop, clock.cursor), _MEMORY, FOR_DATA):
            return True
        if clock.port_rate and _wait(loop, loop.transfers[clock.cursor].event + FILL, _PORT, FOR_PORT):
            return True
        clock.cursor += 1
    clock.step, clock.exact_end = _LATE, NONE
    return False


@part
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
    clock.cursor, clock.step = row.store, _LEAVE
    if end > clock.now:
        schedule(loop, end, RESUME, ARRAY_EVENT)
        _idle(loop, _MEMORY, BEHIND_DATA)
        return True
    return False


@part
def _wait_till_left(loop: Loop) -> bool:
    """Wait until results that never fit at once have left."""
    clock = loop.clock[0]
    row, layer = loop.tiles[clock.tile], loop.layers[clock.layer]
    place = layer.buffer[_OUTPUT]
    if layer.as_made and place != NONE and row.store_bytes > loop.buffers[place].capacity:
        if row.behind != NONE:
            if _wait(loop, event_of(loop, clock.tile, BEHIND), _MEMORY, FOR_RESULTS):
                return True
        else:
            while clock.cursor < row.end_store:
                if _wait(loop, last_of(loop, clock.cursor), _MEMORY, FOR_RESULTS):
                    return True
                clock.cursor += 1
    clock.step = _OVER
    return False


@part
def _finish(loop: Loop) -> bool:
    """Behind a tile, and behind the last one (`PEArray._finish`, `PEArray.wait_for_results`)."""
    clock = loop.clock[0]
    waiting = False
    if clock.step == _OVER:
        give_back(loop, clock.tile)
        start_drain(loop, clock.tile)
        # Blocking write-back: the next tile's work begins when this one's results are in DRAM.
        if clock.blocking and clock.last != NONE:
            _hold(loop, clock.last, _ONE, _BLOCKED)
        else:
            _end_tile(loop)
    elif clock.step == _BLOCKED:
        waiting = _wait_for_writes(loop, FOR_WRITES)
        if not waiting:
            clock.writes = NONE
            _end_tile(loop)
    else:
        waiting = _wait_for_writes(loop, FOR_LAST_RESULTS)
        if not waiting:
            clock.step = _TAKE
            if clock.closed == _LAST_LAYER:
                _end_layer(loop)
                clock.done, waiting = 1, True
    return waiting


@part
def _end_tile(loop: Loop) -> None:
    """The array is done with a tile."""
    clock = loop.clock[0]
    reach(loop, ENDED, clock.tile + 1)
    clock.tile, clock.step = clock.tile + 1, _TILE


@part
def _wait_for_writes(loop: Loop, state: int) -> bool:
    """Wait for all writes that had begun when this began."""
    clock = loop.clock[0]
    while clock.cursor != NONE:
        if _wait(loop, last_of(loop, clock.cursor), _MEMORY, state):
            return True
        clock.cursor = NONE if clock.cursor == clock.cursor_end else loop.transfers[clock.cursor].next
    return False
