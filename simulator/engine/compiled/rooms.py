"""`Buffer` as kernels: room, given out first come first served."""

from __future__ import annotations

from dataflows.kernels.compiled import kernel
from simulator.engine.compiled.layout import LOADS_EVENT, RESUME, Loop
from simulator.engine.compiled.queue import schedule


@kernel
def take_room(loop: Loop, place: int, size_bytes: int, who: int) -> bool:
    """Take room in a buffer for the loads or for the array; False where it will be theirs later."""
    buffer = loop.buffers[place]
    others = buffer.waiting[1 - who]
    if not others and buffer.taken + size_bytes <= buffer.capacity:
        buffer.taken += size_bytes
        buffer.peak = max(buffer.peak, buffer.taken)
        return True
    if not others:
        buffer.head = who
    buffer.waiting[who] = size_bytes
    return False


@kernel
def give_room(loop: Loop, place: int, size_bytes: int) -> None:
    """Give room back; whoever can have what they wait for has it from now on."""
    buffer = loop.buffers[place]
    buffer.taken -= size_bytes
    for _ in range(2):
        who = buffer.head
        wanted = buffer.waiting[who]
        if not wanted or buffer.taken + wanted > buffer.capacity:
            return
        buffer.taken += wanted
        buffer.peak = max(buffer.peak, buffer.taken)
        buffer.waiting[who] = 0
        buffer.head = 1 - who
        # The array waits for any change, and looks for itself.
        if who == LOADS_EVENT:
            schedule(loop, loop.clock[0].now, RESUME, LOADS_EVENT)
