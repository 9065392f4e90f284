"""`LayerSimulation`: plays the schedule of one layer on memory, buffers and a PE array, as discrete events.

Only what depends on another tile's timing is an event: when a load may start, when its data is there, when the array
may begin a tile, when results have been drained and written. What PEs do inside a tile stands in the schedule.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import simpy

from dataflows.accelerator import DramSpec
from dataflows.schedule import CAUSES, Cause, LayerSchedule, Runs, Tensor
from simulator.buffer import Buffer
from simulator.errors import CapacityError, StarvedError
from simulator.memory import IdealMemory, Memory, Traffic

Process = Generator[simpy.Event, Any, None]


class Observer:
    """Hooks that a simulation calls; an observer overrides those it needs. Components do not know their observers."""

    def tile(self, tile: int, start: int, end: int) -> None:
        """The array computed a tile from `start` to `end` (cycles), waits for its streamed data included."""

    def transfer(self, tile: int, tensor: Tensor, start: int, end: int, size_bytes: int, *, write: bool) -> None:
        """Memory moved one tensor's share of a tile; `start` is the cycle of the request."""

    def drain(self, tile: int, start: int, end: int) -> None:
        """The drain unit processed a tile's results."""

    def buffer_level(self, buffer: str, now: int, taken_bytes: int) -> None:
        """A buffer's level has changed."""


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


class _TileTransfers:
    """The runs of one direction cut by tile and tensor: slices into the columns, found without a search."""

    def __init__(self, runs: Runs, tiles: int) -> None:
        self.runs = runs
        self.slices: list[list[tuple[Tensor, int, int, int]]] = [[] for _ in range(tiles)]
        if not len(runs.tile):
            return
        change = np.flatnonzero((np.diff(runs.tile) != 0) | (np.diff(runs.tensor) != 0)) + 1
        starts = np.concatenate(([0], change))
        sizes = np.add.reduceat(runs.size_bytes, starts).tolist()
        tiles_of, tensors = runs.tile[starts].tolist(), runs.tensor[starts].tolist()
        stops = [*starts[1:].tolist(), len(runs.tile)]
        for tile, tensor, start, stop, size in zip(tiles_of, tensors, starts.tolist(), stops, sizes, strict=True):
            self.slices[tile].append((Tensor(tensor), start, stop, size))


class LayerSimulation:
    """One layer on one machine. Make it, call `run` once.

    Raises `CapacityError` at construction when a tile can never fit a buffer.
    """

    def __init__(
        self, schedule: LayerSchedule, dram: DramSpec, clock_hz: int, observers: tuple[Observer, ...] = ()
    ) -> None:
        self._schedule = schedule
        self._observers = observers
        self._env = simpy.Environment()
        self._memory: Memory = IdealMemory(self._env, dram, clock_hz)
        self._uses = {use.tensor: use for use in schedule.buffers}
        check_capacities(schedule)
        self._buffers = {
            tensor: Buffer(self._env, use.name, use.capacity_bytes)
            for tensor, use in self._uses.items()
            if not use.streamed
        }
        tiles = schedule.tiles
        self._loads = _TileTransfers(schedule.loads, tiles)
        self._stores = _TileTransfers(schedule.stores, tiles)
        self._releases = self._release_table()
        self._local_cycles = schedule.cycles.sum(axis=2)
        self._duration = self._local_cycles.max(axis=1, initial=0).tolist()
        self._waits = [0] * CAUSES  # whole-array waits, in cycles
        self._state = "not started"
        self._started = [self._env.event() for _ in range(tiles)]
        self._requested = [self._env.event() for _ in range(tiles)]
        self._arrivals: list[list[simpy.Event]] = [[] for _ in range(tiles)]
        self._streamed: list[list[simpy.Event]] = [[] for _ in range(tiles)]
        self._drained: list[simpy.Event] = [self._env.event() for _ in range(tiles)]
        self._writes: list[simpy.Event] = []
        self._done = False

    def _now(self) -> int:
        """The current cycle. Delays are whole cycles, so simpy's clock, typed as a number, holds an int."""
        return int(self._env.now)

    def _release_table(self) -> list[list[tuple[Buffer, int]]]:
        """Per tile the room that its end gives back, buffer by buffer."""
        runs, table = self._schedule.loads, [[] for _ in range(self._schedule.tiles)]
        for tensor, buffer in self._buffers.items():
            mask = runs.tensor == tensor
            freed = np.bincount(runs.last_tile[mask], runs.size_bytes[mask], self._schedule.tiles).astype(np.int64)
            for tile in np.flatnonzero(freed).tolist():
                table[tile].append((buffer, int(freed[tile])))
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
            traffic=self._memory.traffic,
            buffer_peak_bytes={buffer.name: buffer.peak_bytes for buffer in self._buffers.values()},
        )

    def _pe_cycles(self) -> np.ndarray:
        """The books of every PE: its own causes, its waits at tile ends, and the waits of the whole array."""
        schedule = self._schedule
        total = schedule.cycles.sum(axis=0)
        duration = np.asarray(self._duration, np.int64)[:, None]
        mapped = self._local_cycles > 0
        total[:, Cause.IMBALANCE] += np.where(mapped, duration - self._local_cycles, 0).sum(axis=0)
        total[:, Cause.UNMAPPED] += np.where(mapped, 0, duration).sum(axis=0)
        return total + np.asarray(self._waits, np.int64)[None, :]

    def _load(self) -> Process:
        """Start the loads of every tile, in order, as soon as prefetch and buffer room allow."""
        schedule = self._schedule
        for tile in range(schedule.tiles):
            parts = self._loads.slices[tile]
            if parts:
                before = tile - schedule.prefetch_tiles
                if before >= 0 and not self._started[before].processed:
                    yield self._started[before]
                for tensor, start, stop, size in parts:
                    buffer = self._buffers.get(tensor)
                    room = buffer.take(size) if buffer else None
                    if room is not None:
                        yield room
                    self._note_level(buffer)
                    arrival = self._move(tile, tensor, start, stop, size, write=False)
                    (self._arrivals if buffer else self._streamed)[tile].append(arrival)
            self._requested[tile].succeed()

    def _compute(self) -> Process:
        """Compute tile after tile, charging every wait of the array to its cause."""
        schedule = self._schedule
        for tile in range(schedule.tiles):
            yield from self._begin(tile)
            yield from self._finish(tile)
        for tile in range(max(0, schedule.tiles - schedule.accumulator_copies), schedule.tiles):
            yield from self._wait(self._drained[tile], Cause.DRAIN, f"the layer waits for tile {tile} to be drained")
        for event in self._writes:
            yield from self._wait(event, Cause.DRAIN, "the layer waits for its last results to be written")
        self._done = True

    def _begin(self, tile: int) -> Process:
        """Wait for a tile's data, for accumulators and for room for its results."""
        yield from self._wait(self._requested[tile], Cause.MEMORY, f"tile {tile} waits for room for its data")
        for event in self._arrivals[tile]:
            yield from self._wait(event, Cause.MEMORY, f"tile {tile} waits for its data")
        before = tile - self._schedule.accumulator_copies
        if before >= 0:
            yield from self._wait(self._drained[before], Cause.DRAIN, f"tile {tile} waits for accumulators")
        room = self._take_output_room(tile)
        if room is not None:
            yield from self._wait(room, Cause.BUFFER, f"tile {tile} waits for room in the output buffer")

    def _finish(self, tile: int) -> Process:
        """Let the PEs do a tile, wait for what streams in, and give its buffers back."""
        start, duration = self._now(), self._duration[tile]
        self._started[tile].succeed()
        if duration:
            yield self._env.timeout(duration)
        for event in self._streamed[tile]:
            yield from self._wait(event, Cause.MEMORY, f"tile {tile} waits for streamed data")
        for observer in self._observers:
            observer.tile(tile, start, self._now())
        for buffer, freed in self._releases[tile]:
            buffer.give_back(freed)
            self._note_level(buffer)
        self._start_drain(tile)

    def _wait(self, event: simpy.Event, cause: Cause, state: str) -> Process:
        if event.processed:
            return
        self._state = state
        since = self._now()
        yield event
        self._waits[cause] += self._now() - since

    def _take_output_room(self, tile: int) -> simpy.Event | None:
        parts, buffer = self._stores.slices[tile], self._buffers.get(Tensor.OUTPUT)
        if not parts or buffer is None:
            return None
        room = buffer.take(sum(size for *_, size in parts))
        self._note_level(buffer)
        return room

    def _start_drain(self, tile: int) -> None:
        """Hand a tile's results to the drain unit, which takes tiles one after the other."""
        if (
            self._schedule.drain_cycles[tile]
            or self._stores.slices[tile]
            or (tile and not self._drained[tile - 1].triggered)
        ):
            self._env.process(self._drain(tile))
        else:
            self._drained[tile].succeed()

    def _drain(self, tile: int) -> Process:
        env = self._env
        if tile and not self._drained[tile - 1].processed:
            yield self._drained[tile - 1]
        start, cycles = self._now(), int(self._schedule.drain_cycles[tile])
        if cycles:
            yield env.timeout(cycles)
        for observer in self._observers:
            observer.drain(tile, start, self._now())
        self._drained[tile].succeed()
        for tensor, first, stop, size in self._stores.slices[tile]:
            event = self._move(tile, tensor, first, stop, size, write=True)
            self._writes.append(event)
            buffer = self._buffers.get(tensor)
            if buffer is not None:
                event.callbacks.append(lambda _, buffer=buffer, size=size: self._written(buffer, size))  # type: ignore[union-attr]

    def _written(self, buffer: Buffer, size_bytes: int) -> None:
        buffer.give_back(size_bytes)
        self._note_level(buffer)

    def _move(self, tile: int, tensor: Tensor, start: int, stop: int, size: int, *, write: bool) -> simpy.Event:
        runs = (self._stores if write else self._loads).runs
        event = self._memory.transfer(runs.address[start:stop], runs.size_bytes[start:stop], write=write)
        if self._observers:
            since = self._now()

            def report(_: simpy.Event) -> None:
                for observer in self._observers:
                    observer.transfer(tile, tensor, since, self._now(), size, write=write)

            event.callbacks.append(report)  # type: ignore[union-attr]
        return event

    def _note_level(self, buffer: Buffer | None) -> None:
        if buffer is not None:
            for observer in self._observers:
                observer.buffer_level(buffer.name, self._now(), buffer.taken_bytes)


def check_capacities(schedule: LayerSchedule) -> None:
    """Raise `CapacityError`, naming the tile, its bytes and the buffer, when a tile could never be in its buffers."""
    for use in schedule.buffers:
        if use.streamed:
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
