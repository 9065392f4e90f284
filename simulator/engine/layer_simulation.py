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

from dataflows.schedule import CAUSES, Cause, LayerSchedule, Tensor
from dataflows.specs import DramSpec
from simulator.engine.arrivals import Arrival, earliest_end
from simulator.engine.buffer import Buffer, Port
from simulator.engine.errors import CapacityError, StarvedError
from simulator.engine.ideal_memory import Memory, Moved, Traffic, Transfer, transfers_by_tile
from simulator.engine.memory_kinds import make_memory, peak_bytes_per_cycle
from simulator.engine.observer import Observer

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
        self._env = simpy.Environment()
        self._memory: Memory = make_memory(self._env, dram, clock_hz, observers)
        check_capacities(schedule)
        self._buffers = {
            use.tensor: Buffer(self._env, use.name, use.capacity_bytes) for use in schedule.buffers if not use.streamed
        }
        self._loads = transfers_by_tile(schedule.loads, self._memory.burst_bytes)
        self._stores = transfers_by_tile(schedule.stores, self._memory.burst_bytes)
        self._releases = self._release_table()
        self._local_cycles = schedule.cycles.sum(axis=2)
        self._duration = self._local_cycles.max(axis=1, initial=0).tolist()
        self._drain_cycles = schedule.drain_cycles.tolist()
        self._waits = np.zeros((schedule.tiles + 1, CAUSES), np.int64)  # of the whole array, by tile; last: at the end
        self._state = "not started"
        self._peak = peak_bytes_per_cycle(dram, clock_hz)
        self._ports = self._slow_ports(buffer_bytes_per_cycle)
        # Events exist only where somebody may wait: for the start of a tile on which a load depends, for the loads of a
        # tile, and (made when the tile ends) for the drain of a tile that has something to drain.
        self._started = {tile - schedule.prefetch_tiles: self._env.event() for tile in self._loads}
        self._ended = {} if schedule.prefetch_tiles else {tile - 1: self._env.event() for tile in self._loads}
        self._requested = {tile: self._env.event() for tile in self._loads}
        self._arrivals: dict[int, list[Arrival]] = {tile: [] for tile in self._loads}
        self._drained: dict[int, simpy.Event] = {}
        self._last_drain: simpy.Event | None = None
        self._writes: list[simpy.Event] = []
        self._done = False

    def _now(self) -> int:
        """The current cycle. Delays are whole cycles, so simpy's clock, typed as a number, holds an int."""
        return int(self._env.now)

    def _slow_ports(self, rate: int | None) -> dict[Tensor, Port]:
        """Ports of the buffers, where they are slower than memory; faster ones never hold a load up."""
        if rate is None or self._peak is None or rate >= self._peak:
            return {}
        return {tensor: Port(rate) for tensor in Tensor}

    def _release_table(self) -> dict[int, list[tuple[Buffer, int]]]:
        """Per tile the room that its end gives back, buffer by buffer."""
        runs, table = self._schedule.loads, {}
        for tensor, buffer in self._buffers.items():
            mask = runs.tensor == tensor
            freed = np.zeros(self._schedule.tiles, np.int64)
            np.add.at(freed, runs.last_tile[mask], runs.size_bytes[mask])
            for tile in np.flatnonzero(freed).tolist():
                table.setdefault(tile, []).append((buffer, int(freed[tile])))
        return table

    def run(self) -> Played:
        """Play the schedule to its end.

        Raises `StarvedError` when the run stops early.
        """
        self._env.process(self._load())
        self._env.process(self._compute())
        self._env.run()
        if not self._done:
            raise StarvedError(f"the simulation starved at cycle {self._now()}: {self._state}")
        return Played(
            cycles=self._now(),
            pe_cycles=self._pe_cycles(),
            barrier_busy_cycles=int(self._schedule.cycles[:, :, Cause.BUSY].max(axis=1, initial=0).sum()),
            traffic=self._memory.traffic(),
            buffer_peak_bytes={buffer.name: buffer.peak_bytes for buffer in self._buffers.values()},
        )

    def _pe_cycles(self) -> np.ndarray:
        """The books of every PE: its own causes, its waits at tile ends, and the waits of the whole array.

        A PE without work in a tile is unmapped while the array waits for that tile, too, so that the share of unmapped
        PE-cycles does not depend on how long others wait; one without work in a part of the tile, for that part.
        """
        schedule = self._schedule
        total = schedule.cycles.sum(axis=0)
        duration = np.asarray(self._duration, np.int64)[:, None]
        mapped = self._local_cycles > schedule.cycles[:, :, Cause.UNMAPPED]
        total[:, Cause.IMBALANCE] += np.where(mapped, duration - self._local_cycles, 0).sum(axis=0)
        total[:, Cause.UNMAPPED] += np.where(mapped, 0, duration - self._local_cycles).sum(axis=0)
        for tile in np.flatnonzero(self._waits.any(axis=1)).tolist():
            waits = self._waits[tile]
            if tile == schedule.tiles:
                idle, whole = np.where(mapped.any(axis=0), 0, 1), 1
            else:
                idle = np.where(mapped[tile], schedule.cycles[tile, :, Cause.UNMAPPED], max(1, self._duration[tile]))
                whole = max(1, self._duration[tile])
            unmapped = waits[None, :] * idle[:, None] // whole
            total += waits[None, :] - unmapped
            total[:, Cause.UNMAPPED] += unmapped.sum(axis=1)
        return total

    def _load(self) -> Process:
        """Start the loads of every tile, in order, as soon as prefetch and buffer room allow."""
        for tile, parts in self._loads.items():
            ahead = self._schedule.prefetch_tiles
            gate = self._started.get(tile - ahead) if ahead else self._ended.get(tile - 1)
            if tile >= max(ahead, 1) and gate is not None and not gate.processed:
                yield gate
            for part in parts:
                buffer = self._buffers.get(part.tensor)
                room = buffer.take(part.size_bytes) if buffer else None
                if room is not None:
                    yield room
                self._note_level(buffer)
                moved = self._move(tile, part, write=False)
                port = self._ports.get(part.tensor)
                filled = self._env.process(self._fill(port, part.size_bytes, moved.last)) if port else moved.last
                self._arrivals[tile].append(Arrival.of(self._env, part, self._memory.burst_bytes, moved, filled))
            self._requested[tile].succeed()

    def _fill(self, port: Port, size_bytes: int, arrival: simpy.Event) -> Process:
        """A load through a port slower than memory: there when both DRAM and the port are done with it."""
        done = port.take(self._now(), size_bytes)
        yield arrival
        if done > self._now():
            yield self._env.timeout(done - self._now())

    def _compute(self) -> Process:
        """Compute tile after tile, charging every wait of the array to its cause."""
        end = self._schedule.tiles
        for tile in range(end):
            yield from self._begin(tile)
            yield from self._finish(tile)
        for tile, event in self._drained.items():
            yield from self._wait(event, Cause.DRAIN, end, f"the layer waits for tile {tile} to be drained")
        for event in self._writes:
            yield from self._wait(event, Cause.MEMORY, end, "the layer waits for its last results to be written")
        self._done = True

    def _begin(self, tile: int) -> Process:
        """Wait for a tile's first data, for accumulators and for room for its results."""
        if tile in self._loads:
            yield from self._wait(self._requested[tile], Cause.MEMORY, tile, f"tile {tile} waits for room for its data")
            yield from self._wait(
                self._arrivals[tile][0].moved.first, Cause.MEMORY, tile, f"tile {tile} waits for its first data"
            )
        before = tile - self._schedule.accumulator_copies
        if before in self._drained:
            yield from self._wait(self._drained.pop(before), Cause.DRAIN, tile, f"tile {tile} waits for accumulators")
        yield from self._wait_for_output_room(tile)

    def _wait_for_last(self, tile: int, arrivals: list[Arrival]) -> Process:
        """Wait until the whole of some data is there: for DRAM first, then for the port behind it."""
        for arrival in arrivals:
            yield from self._wait(arrival.moved.last, Cause.MEMORY, tile, f"tile {tile} waits for its data")
            yield from self._wait(arrival.filled, Cause.PORT, tile, f"tile {tile} waits for a buffer's port")

    def _finish(self, tile: int) -> Process:
        """Let the PEs do a tile as far as its data have come, and give its buffers back."""
        start = self._now()
        if tile in self._started:
            self._started[tile].succeed()
        yield from self._work(tile, start)
        for observer in self._observers:
            observer.tile(tile, start, self._now())
        for buffer, freed in self._releases.get(tile, ()):
            buffer.give_back(freed)
            self._note_level(buffer)
        self._start_drain(tile)
        if self._blocking and self._last_drain is not None:
            yield from self._wait(self._last_drain, Cause.DRAIN, tile, f"the array waits for tile {tile} to be drained")
            for event in self._writes:
                yield from self._wait(event, Cause.MEMORY, tile, f"the array waits for tile {tile} to be written")
            self._writes.clear()
        if tile in self._ended:
            self._ended[tile].succeed()

    def _work(self, tile: int, start: int) -> Process:
        """The PEs' work on a tile, and what it waits for at its end: data that came late, results that must leave."""
        duration, lead = self._duration[tile], self._write_lead(tile)
        if duration > lead:
            yield self._env.timeout(duration - lead)
        written = self._store(tile) if self._schedule.outputs_as_made else []
        if lead:
            yield self._env.timeout(lead)
        arrivals = self._arrivals.get(tile, [])
        yield from self._wait_for_last(tile, arrivals)
        end = earliest_end(start, duration, arrivals, in_step=self._schedule.operands_in_step)
        if end > self._now():
            late = self._env.timeout(end - self._now())
            yield from self._wait(late, Cause.MEMORY, tile, f"tile {tile} computes behind its data")
        if self._exceeds_output_room(tile):
            for event in written:
                yield from self._wait(event, Cause.MEMORY, tile, f"tile {tile} waits for its results to leave")

    def _wait(self, event: simpy.Event, cause: Cause, tile: int, state: str) -> Process:
        if event.processed:
            return
        self._state = state
        since = self._now()
        yield event
        self._waits[tile, cause] += self._now() - since
        for observer in self._observers:
            observer.wait(cause, since, self._now())

    def _stored_bytes(self, tile: int) -> int:
        return sum(part.size_bytes for part in self._stores.get(tile, ()))

    def _exceeds_output_room(self, tile: int) -> bool:
        """Whether a tile makes more results than the output buffer holds, so that it cannot end before they left."""
        buffer = self._buffers.get(Tensor.OUTPUT)
        return buffer is not None and self._stored_bytes(tile) > buffer.capacity_bytes

    def _wait_for_output_room(self, tile: int) -> Process:
        """Take room for a tile's results; it comes when DRAM has written older ones, which must be drained before."""
        size, buffer = self._stored_bytes(tile), self._buffers.get(Tensor.OUTPUT)
        if not size or buffer is None:
            return
        room = buffer.take(min(size, buffer.capacity_bytes))
        self._note_level(buffer)
        if room is None:
            return
        state = f"tile {tile} waits for room in the output buffer"
        while not room.triggered:
            written = next((event for event in self._writes if not event.processed), None)
            drained = next((event for event in self._drained.values() if not event.processed), None)
            if written is not None:
                yield from self._wait(written, Cause.MEMORY, tile, state)
            else:
                yield from self._wait(drained or room, Cause.BUFFER if drained else Cause.MEMORY, tile, state)
        yield from self._wait(room, Cause.MEMORY, tile, state)

    def _write_lead(self, tile: int) -> int:
        """How long before a tile's end its results begin to leave, so that the last one leaves when it is made.

        Written at full speed they take so long; begun then, no result leaves before it is made, since they are made
        evenly over the whole tile and drained behind it.
        """
        if not self._schedule.outputs_as_made or self._peak is None or tile not in self._stores:
            return 0
        bursts = sum(part.burst_bytes for part in self._stores[tile])
        return min(self._duration[tile], max(0, -int(-bursts // self._peak) - self._drain_cycles[tile]))

    def _start_drain(self, tile: int) -> None:
        """Hand a tile's results, if it has any, to the drain unit, which takes tiles one after the other."""
        if self._drain_cycles[tile] or tile in self._stores:
            before, self._last_drain = self._last_drain, self._env.event()
            self._drained[tile] = self._last_drain
            self._env.process(self._drain(tile, before, self._last_drain))

    def _drain(self, tile: int, before: simpy.Event | None, drained: simpy.Event) -> Process:
        if before is not None and not before.processed:
            yield before
        start, cycles = self._now(), self._drain_cycles[tile]
        if cycles:
            yield self._env.timeout(cycles)
        for observer in self._observers:
            observer.drain(tile, start, self._now())
        drained.succeed()
        if not self._schedule.outputs_as_made:
            self._store(tile)

    def _store(self, tile: int) -> list[simpy.Event]:
        """Begin to write a tile's results; returns the events that they have been written."""
        parts = self._stores.get(tile, ())
        written = [self._move(tile, part, write=True).last for part in parts]
        self._writes += written
        if written:
            last = written[-1]  # memory writes a tile's parts in order
            assert last.callbacks is not None  # noqa: S101 (just made)
            last.callbacks.append(lambda _: self._written(tile))
        return written

    def _written(self, tile: int) -> None:
        buffer = self._buffers.get(Tensor.OUTPUT)
        if buffer is not None:
            buffer.give_back(min(self._stored_bytes(tile), buffer.capacity_bytes))
            self._note_level(buffer)

    def _move(self, tile: int, part: Transfer, *, write: bool) -> Moved:
        runs = self._schedule.stores if write else self._schedule.loads
        # What a tile needs comes before its results, and these before what later tiles need.
        moved = self._memory.transfer(runs, part, 2 * tile + int(write), write=write)
        if self._observers and moved.last.callbacks is not None:  # pyright: ignore[reportUnnecessaryComparison] (simpy's None: over)
            since = self._now()
            self._note_channels()

            def report(_: simpy.Event) -> None:
                self._note_channels()
                for observer in self._observers:
                    observer.transfer(tile, part.tensor, since, self._now(), part.size_bytes, write=write)

            moved.last.callbacks.append(report)
        return moved

    def _note_channels(self) -> None:
        moved = self._memory.channel_bytes()
        for observer in self._observers:
            observer.channels(self._now(), moved)

    def _note_level(self, buffer: Buffer | None) -> None:
        if buffer is not None:
            for observer in self._observers:
                observer.buffer_level(buffer.name, self._now(), buffer.taken_bytes)


def check_capacities(schedule: LayerSchedule) -> None:
    """Raise `CapacityError`, naming the tile, its bytes and the buffer, when a tile could never be in its buffers."""
    for use in schedule.buffers:
        if use.streamed or (use.tensor == Tensor.OUTPUT and schedule.outputs_as_made):
            continue
        runs = schedule.stores if use.tensor == Tensor.OUTPUT else schedule.loads
        mask = runs.tensor == use.tensor
        change = np.zeros(schedule.tiles + 1, np.int64)
        np.add.at(change, runs.tile[mask], runs.size_bytes[mask])
        np.subtract.at(change, runs.last_tile[mask] + 1, runs.size_bytes[mask])
        resident = np.cumsum(change[:-1])
        if resident.size and resident.max() > use.capacity_bytes:
            tile = int(resident.argmax())
            raise CapacityError(
                f"tile {tile} needs {int(resident[tile])} bytes in the {use.name} of {use.capacity_bytes} bytes"
            )
