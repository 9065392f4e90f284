"""One layer alone on the compiled event loop."""

from __future__ import annotations

from dataflows.schedule import LayerSchedule, Tensor
from simulator.engine.cause_books import CauseBooks
from simulator.engine.compiled.machine import LoopMachine
from simulator.engine.compiled.run import go_on, traffic_of
from simulator.engine.compiled.states import array_state
from simulator.engine.compiled.tables import LayerLinks, LayerToPlay, Tables
from simulator.engine.errors import StarvedError
from simulator.engine.played import Played


def play_layer(schedule: LayerSchedule, machine: LoopMachine, *, blocking: bool) -> Played:
    """What `LayerSimulation` makes of a schedule.

    Raises `StarvedError` when the run stops early.
    """
    # A layer alone is a network of one layer in which nothing overlaps.
    tables = Tables(machine, serial=True, blocking=blocking)
    books = CauseBooks(schedule)
    buffers = {use.tensor: tables.add_buffer(use.capacity_bytes) for use in schedule.buffers if not use.streamed}
    tables.add(LayerToPlay(schedule, books.duration_cycles, buffers, with_operands=False), LayerLinks())
    clock = tables.loop.clock
    clock["layers"] = clock["closed"] = 1
    go_on(tables)
    cycles = int(clock["now"][0])
    if not clock["done"][0]:
        raise StarvedError(f"the simulation starved at cycle {cycles}: {array_state(tables.loop, [''])}")
    books.charge_all(tables.loop.waits)
    peaks = tables.loop.buffers["peak"].tolist()
    names: dict[Tensor, str] = {use.tensor: use.name for use in schedule.buffers}
    return Played(
        cycles=cycles,
        pe_cycles=books.pe_cycles(),
        barrier_busy_cycles=books.barrier_busy_cycles,
        traffic=traffic_of(tables),
        buffer_peak_bytes={names[tensor]: peaks[place] for tensor, place in buffers.items()},
    )
