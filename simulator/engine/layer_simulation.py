"""`LayerSimulation`: plays the schedule of one layer on memory, buffers and a PE array, as discrete events.

Only what depends on another tile's timing is an event: when a load may start, when its data is there, when the array
may begin a tile, when results have been drained and written. What PEs do inside a tile stands in the schedule.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import simpy

from dataflows.schedule import Cause, LayerSchedule, Tensor
from dataflows.specs import DramSpec
from simulator.engine.arrivals import Arrival, earliest_end
from simulator.engine.buffer import Buffer, Port
from simulator.engine.capacities import check_capacities
from simulator.engine.cause_books import CauseBooks
from simulator.engine.errors import StarvedError
from simulator.engine.ideal_memory import Traffic
from simulator.engine.loading import Loading
from simulator.engine.memory_kinds import make_memory, peak_bytes_per_cycle
from simulator.engine.observer import Observer
from simulator.engine.results import Results
from simulator.engine.transfers import Transfers

Process = Generator[simpy.Event, Any, None]


@dataclass(frozen=True, eq=False)
class Played:
    """What came of playing a schedule.

    cycles            from the first load to the last byte written
    pe_cycles         int64 (PEs, CAUSES): every PE-cycle by its cause; the sum is PEs x cycles
    barrier_busy_cycles   sum over tiles of the busiest PE's busy cycles
    traffic           what memory carried
    buffer_peak_bytes fullest level of each buffer
    """

    cycles: int
    pe_cycles: np.ndarray
    barrier_busy_cycles: int
    traffic: Traffic
    buffer_peak_bytes: dict[str, int]


class LayerSimulation:
    """One layer on one machine. Make it, call `run` once.

    What is loaded, what becomes of results and where PE-cycles went stand in `Loading`, `Results` and `CauseBooks`;
    here is the array, which waits for the first two and charges its waits to the third.

    write_back               "blocking": the array waits until a tile's results are written before it goes on
    buffer_bytes_per_cycle   what buffers take in a cycle; None: as fast as memory delivers

    Raises `CapacityError` at construction when a tile can never fit a buffer.
    """

    def __init__(
        self,
        schedule: LayerSchedule,
        dram: DramSpec,
        clock_hz: int,
        observers: tuple[Observer, ...] = (),
        *,
        write_back: Literal["overlapped", "blocking"] = "overlapped",
        buffer_bytes_per_cycle: int | None = None,
    ) -> None:
        self._schedule = schedule
        self._observers = observers
        self._blocking = write_back == "blocking"
        self._env = env = simpy.Environment()
        self._memory = make_memory(env, dram, clock_hz, observers)
        # Before anything is played: a tile that never fits would only starve, and say less.
        check_capacities(schedule)
        # Streamed data take no room: they pass through while the array works on them, see `_wait_for_last`.
        self._buffers = {
            use.tensor: Buffer(env, use.name, use.capacity_bytes) for use in schedule.buffers if not use.streamed
        }
        self._books = CauseBooks(schedule)
        peak = peak_bytes_per_cycle(dram, clock_hz)
        rate, ports = buffer_bytes_per_cycle, dict[Tensor, Port]()
        if rate is not None and peak is not None and rate < peak:  # faster ports never hold a load up
            ports = {tensor: Port(rate) for tensor in Tensor}
        transfers = Transfers(env, schedule, self._memory, observers)
        self._loading = Loading(env, schedule, transfers, self._buffers, ports)
        self._results = Results(env, schedule, transfers, self._buffers.get(Tensor.OUTPUT), peak, observers)
        self._state = "not started"
        self._done = False

    def _now(self) -> int:
        """The current cycle. Delays are whole cycles, so simpy's clock, typed as a number, holds an int."""
        return int(self._env.now)

    def run(self) -> Played:
        """Play the schedule to its end.

        Raises `StarvedError` when the run stops early.
        """
        self._env.process(self._loading.process())
        self._env.process(self._compute())
        # simpy stops when no event is left. If the array is not done by then, it waits for something that nobody will
        # bring about.
        self._env.run()
        if not self._done:
            raise StarvedError(f"the simulation starved at cycle {self._now()}: {self._state}")
        return Played(
            cycles=self._now(),
            pe_cycles=self._books.pe_cycles(),
            barrier_busy_cycles=self._books.barrier_busy_cycles,
            traffic=self._memory.traffic(),
            buffer_peak_bytes={buffer.name: buffer.peak_bytes for buffer in self._buffers.values()},
        )

    def _compute(self) -> Process:
        """Compute tile after tile, charging every wait of the array to its cause."""
        end = self._schedule.tiles
        for tile in range(end):
            yield from self._begin(tile)
            yield from self._finish(tile)
        # Behind the last tile: first what is still to be drained, then what is still to be written.
        for tile, event in self._results.drained.items():
            yield from self._wait(event, Cause.DRAIN, end, f"the layer waits for tile {tile} to be drained")
        for event in self._results.writes:
            yield from self._wait(event, Cause.MEMORY, end, "the layer waits for its last results to be written")
        self._done = True

    def _begin(self, tile: int) -> Process:
        """Wait for a tile's first data, for accumulators and for room for its results."""
        # In this order, for waits overlap: a cycle in which several things are missing is charged to the first of them.
        requested = self._loading.requested(tile)
        if requested is not None:
            yield from self._wait(requested, Cause.MEMORY, tile, f"tile {tile} waits for room for its data")
            first = self._loading.arrivals(tile)[0].moved.first
            yield from self._wait(first, Cause.MEMORY, tile, f"tile {tile} waits for its first data")
        # With two copies of the accumulators, tile 5 uses those that tile 3 had and waits until they are drained.
        drained = self._results.drained.pop(tile - self._schedule.accumulator_copies, None)
        if drained is not None:
            yield from self._wait(drained, Cause.DRAIN, tile, f"tile {tile} waits for accumulators")
        yield from self._wait_for_output_room(tile)

    def _wait_for_output_room(self, tile: int) -> Process:
        """Take room for a tile's results; it comes when DRAM has written older ones, which must be drained before."""
        room, results = self._results.take_room(tile), self._results
        if room is None:
            return
        state = f"tile {tile} waits for room in the output buffer"
        # Each write gives back the room of its own tile alone, which may be too little: so the oldest one is waited for
        # until it is enough.
        while not room.triggered:
            written = next((event for event in results.writes if not event.processed), None)
            drained = next((event for event in results.drained.values() if not event.processed), None)
            # Older results are on their way to DRAM, which is what holds the array up.
            if written is not None:
                yield from self._wait(written, Cause.MEMORY, tile, state)
            else:
                yield from self._wait(drained or room, Cause.BUFFER if drained else Cause.MEMORY, tile, state)
        # Granted in this very cycle; its event is still to be processed, which costs none.
        yield from self._wait(room, Cause.MEMORY, tile, state)

    def _finish(self, tile: int) -> Process:
        """Let the PEs do a tile as far as its data have come, and give its buffers back."""
        start = self._now()
        # Told before the work, since loads may run ahead of a tile from its start on.
        self._loading.tile_started(tile)
        yield from self._work(tile, start)
        for observer in self._observers:
            observer.tile(tile, start, self._now())
        # The room of data that no later tile uses is free as soon as the tile is computed, drained or not.
        self._loading.give_back(tile)
        self._results.start_drain(tile)
        # Blocking write-back: the next tile's work begins when this one's results are in DRAM.
        if self._blocking and self._results.last_drain is not None:
            drained, writes = self._results.last_drain, self._results.writes
            yield from self._wait(drained, Cause.DRAIN, tile, f"the array waits for tile {tile} to be drained")
            for event in writes:
                yield from self._wait(event, Cause.MEMORY, tile, f"the array waits for tile {tile} to be written")
            # All of them have been waited for; the end of the layer need not look at them again.
            writes.clear()
        self._loading.tile_ended(tile)

    def _work(self, tile: int, start: int) -> Process:
        """The PEs' work on a tile, and what it waits for at its end: data that came late, results that must leave."""
        duration = self._books.durations[tile]
        # Results begin to leave `lead` cycles before the end, where the machine writes them as they are made.
        lead = self._results.write_lead(tile, duration)
        # A tile of 100 cycles whose results need 30 to leave begins to write them after 70.
        if duration > lead:
            yield self._env.timeout(duration - lead)
        written = self._results.write_as_made(tile)
        if lead:
            yield self._env.timeout(lead)
        arrivals = self._loading.arrivals(tile)
        yield from self._wait_for_last(tile, arrivals)
        # Work can lag behind data that came late; by now the PEs' own time for the tile has passed, this is what is
        # missing.
        end = earliest_end(start, duration, arrivals, in_step=self._schedule.operands_in_step)
        if end > self._now():
            late = self._env.timeout(end - self._now())
            yield from self._wait(late, Cause.MEMORY, tile, f"tile {tile} computes behind its data")
        # Results that never fit at once leave through the buffer, so that the tile is not over before they have.
        if self._results.exceed_room(tile):
            for event in written:
                yield from self._wait(event, Cause.MEMORY, tile, f"tile {tile} waits for its results to leave")

    def _wait_for_last(self, tile: int, arrivals: list[Arrival]) -> Process:
        """Wait until the whole of some data is there: for DRAM first, then for the port behind it."""
        for arrival in arrivals:
            yield from self._wait(arrival.moved.last, Cause.MEMORY, tile, f"tile {tile} waits for its data")
            yield from self._wait(arrival.filled, Cause.PORT, tile, f"tile {tile} waits for a buffer's port")

    def _wait(self, event: simpy.Event, cause: Cause, tile: int, state: str) -> Process:
        """Wait, if the event is still to come, and charge the array's idle cycles to a cause."""
        # Not `triggered`: a memory's event has its value from when its time is known, long before that time has come.
        if event.processed:
            return
        self._state = state
        since = self._now()
        yield event
        self._books.charge(tile, cause, self._now() - since)
        for observer in self._observers:
            observer.wait(cause, since, self._now())
