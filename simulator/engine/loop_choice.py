"""Which of the two event loops plays what both could: simpy's until the compiled one has its code.

Their results are equal, so that the choice decides about time alone. A first run does not wait for the loop to be
compiled: where its code is not kept, simpy plays until it has cost what compiling costs.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from simulator.engine.compiled.layout import LONGEST_CYCLES
from simulator.engine.compiled.machine import LoopMachine
from simulator.engine.compiled.run import is_ready, too_long

if TYPE_CHECKING:  # simpy is loaded where it plays
    from simulator.engine.layer_events import LayerEvents
    from simulator.engine.network_events import NetworkEvents

EventLoop = Literal["compiled", "simpy"]

_COMPILING_SECONDS = 4.0  # of a processor, about what it takes to compile the loop
_BESIDE_SECONDS = 1.0  # from then on another process compiles it beside this one, if there is a processor left


class _Choice:
    forced: EventLoop | None = None
    simpy_seconds = 0.0  # of this process, in place of the compiled loop


@contextmanager
def forced(loop: EventLoop) -> Generator[None]:
    """In this block the loop is the one that is told, for tests and measurements of either."""
    before, _Choice.forced = _Choice.forced, loop
    try:
        yield
    finally:
        _Choice.forced = before


def is_compiled(machine: LoopMachine) -> bool:
    """Whether the compiled loop is to play what comes next."""
    if _Choice.forced is not None:
        return _Choice.forced == "compiled"
    if _Choice.simpy_seconds > _COMPILING_SECONDS or is_ready(machine):
        return True
    if _Choice.simpy_seconds > _BESIDE_SECONDS:
        from dataflows.kernels.ahead import start  # noqa: PLC0415 (rarely needed)

        start("")
    return False


@contextmanager
def in_its_place(events: LayerEvents | NetworkEvents) -> Generator[None]:
    """Simpy's processes play in place of the compiled loop, and refuse what it would refuse.

    Raises `InputError` where the run is longer than the loop can count.
    """
    began = time.thread_time()
    try:
        yield
    finally:
        _Choice.simpy_seconds += time.thread_time() - began
        if events.now > LONGEST_CYCLES:
            raise too_long() from None
