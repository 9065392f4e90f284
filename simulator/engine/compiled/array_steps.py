"""The steps of the array's process, and its waits."""

from __future__ import annotations

from dataflows.kernels.compiled import kernel
from simulator.engine.compiled.layout import ARRAY_EVENT, Loop, codes
from simulator.engine.compiled.queue import wait

# Steps, in order; the array goes on with `STEP_TILE` for each tile, and with `STEP_TAKE` behind a layer's last.
(
    STEP_TAKE,
    STEP_TILE,
    STEP_FIRST,
    STEP_HOLDERS,
    STEP_HELD,
    STEP_BEHIND,
    STEP_ROOM,
    STEP_START,
    STEP_WORK,
    STEP_DATA,
    STEP_LATE,
    STEP_LEAVE,
    STEP_OVER,
    STEP_BLOCKED,
    STEP_RESULTS,
) = codes(15)


@kernel
def wait_for(loop: Loop, event: int, cause: int, state: int) -> bool:
    """Wait for an event that is still to come, and charge the wait to a cause; False where it has been told."""
    if not wait(loop, ARRAY_EVENT, event):
        return False
    idle(loop, cause, state)
    return True


@kernel
def idle(loop: Loop, cause: int, state: int) -> None:
    """The array waits from now on."""
    clock = loop.clock[0]
    clock.cause, clock.since = cause, clock.now
    clock.state, clock.state_layer, clock.state_tile = state, clock.layer, clock.tile
