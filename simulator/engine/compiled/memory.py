"""`IdealMemory` as kernels: jobs of bursts, the most urgent first, on a clock without rounding."""

from __future__ import annotations

from dataflows.kernels.compiled import kernel
from simulator.engine.compiled.layout import ALARM, FAR, NONE, TELL, TRIGGERED, Loop
from simulator.engine.compiled.queue import heap_pop, heap_push, schedule, trigger


@kernel
def transfer(loop: Loop, number: int, urgency: int) -> None:
    """Start to move a transfer (`IdealMemory.transfer`): its first burst and its last byte are its first two events."""
    clock, moved = loop.clock[0], loop.transfers[number]
    first, last = moved.event, moved.event + 1
    moved.single = 1 if clock.infinite or moved.write or moved.burst_bytes <= clock.burst_bytes else 0
    if clock.infinite:
        trigger(loop, last, clock.now)
        return
    serve(loop)
    if moved.single:
        _ask(loop, last, moved.burst_bytes, urgency)
    else:
        _ask(loop, first, clock.burst_bytes, urgency)
        _ask(loop, last, moved.burst_bytes - clock.burst_bytes, urgency)
    _wake(loop)


@kernel
def _ask(loop: Loop, event: int, burst_bytes: int, urgency: int) -> None:
    clock = loop.clock[0]
    heap_push(loop.jobs, clock.jobs, urgency, clock.asked, event, burst_bytes * clock.denominator)
    clock.jobs += 1
    clock.asked += 1


@kernel
def serve(loop: Loop) -> None:
    """Move what can have been moved up to now (`IdealMemory._serve`)."""
    clock, jobs = loop.clock[0], loop.jobs
    unit, now = clock.unit, clock.now * clock.unit
    whole = unit * clock.latency_denominator
    while clock.jobs and clock.served < now:
        moved = min(jobs[0, 3], now - clock.served)
        jobs[0, 3] -= moved
        clock.served += moved
        if jobs[0, 3]:
            return
        event = jobs[0, 2]
        heap_pop(jobs, clock.jobs)
        clock.jobs -= 1
        # served / unit + latency, rounded up once; whole cycles apart, so that no product leaves int64.
        cycles, rest = clock.served // unit, clock.served % unit
        rest = rest * clock.latency_denominator + clock.latency_numerator * unit
        loop.events[event].state = TRIGGERED
        schedule(loop, cycles + (rest + whole - 1) // whole, TELL, event)
    if not clock.jobs:
        clock.served = max(clock.served, now)


@kernel
def _wake(loop: Loop) -> None:
    clock = loop.clock[0]
    if not clock.jobs:
        return
    at = (clock.served + loop.jobs[0, 3] + clock.unit - 1) // clock.unit
    if at < clock.awake_at:
        clock.awake_at = at
        schedule(loop, at, ALARM, NONE)


@kernel
def alarm(loop: Loop) -> None:
    """The cycle has come in which a transfer may have been moved."""
    clock = loop.clock[0]
    if clock.awake_at == clock.now:
        clock.awake_at = FAR
        serve(loop)
        _wake(loop)
