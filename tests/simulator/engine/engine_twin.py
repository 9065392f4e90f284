"""Slow twin of the event engine: the same layer played cycle by cycle, written from the rules and not from the engine.

Nothing here is an event. Every cycle the rules are asked again and again what can happen now, until nothing does; then
memory moves the bytes of one cycle, in exact fractions. Only ideal memory, overlapped writing and buffers that take what
memory delivers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, inf

import numpy as np

from dataflows.schedule import CAUSES, Cause, LayerSchedule, Runs, Tensor
from dataflows.specs import DramSpec
from tests.simulator.engine.twin_books import pe_cycles

CYCLE_LIMIT = 100_000


@dataclass
class Load:
    """A tensor's share of a tile's loads or stores; times in whole cycles, None until known.

    room_until   bytes of the buffer by the tile at whose end they are given back
    asked        cycle in which memory was asked for it
    first, last  cycles in which its first burst and its last byte are there
    """

    tile: int
    tensor: Tensor
    size_bytes: int
    burst_bytes: int
    urgency: int
    room_until: dict[int, int] = field(default_factory=dict)
    moved_bytes: Fraction = Fraction(0)
    asked: int | None = None
    first: int | None = None
    last: int | None = None

    def is_there(self, now: int) -> bool:
        """Whether all of it has arrived."""
        return self.last is not None and self.last <= now


def loads_of(runs: Runs, burst_bytes: int, *, stores: bool) -> list[Load]:
    """The runs of one direction, put together where neighbours have the same tile and tensor."""
    loads: list[Load] = []
    for tile, last_tile, tensor, address, size in zip(
        *(getattr(runs, name).tolist() for name in ("tile", "last_tile", "tensor", "address", "size_bytes")),
        strict=True,
    ):
        if not loads or (loads[-1].tile, loads[-1].tensor) != (tile, tensor):
            loads.append(Load(tile, Tensor(tensor), 0, 0, 2 * tile + stores))
        load = loads[-1]
        load.size_bytes += size
        load.burst_bytes += burst_bytes * len({byte // burst_bytes for byte in range(address, address + size)})
        load.room_until[last_tile] = load.room_until.get(last_tile, 0) + size
    return loads


class ByteServer:
    """Moves `bytes_per_cycle` (None: any number at once), the most urgent first, of equals the one asked for first."""

    def __init__(self, dram: DramSpec, clock_hz: int) -> None:
        per_cycle = Fraction(0) if dram.bandwidth_gbs == inf else Fraction(dram.bandwidth_gbs) * 10**9 / clock_hz
        self.bytes_per_cycle = per_cycle or None
        self.burst_bytes = dram.burst_bytes
        self.latency_cycles = Fraction(dram.latency_ns) * clock_hz / 10**9
        self.waiting: list[Load] = []

    def ask(self, load: Load, now: int) -> None:
        """Ask for a load; without a bandwidth it is there at once."""
        load.asked = now
        if self.bytes_per_cycle is None:
            load.first = load.last = now
        else:
            self.waiting.append(load)

    def move(self, now: int) -> None:
        """Move what one cycle allows."""
        time = Fraction(now)
        while self.waiting and time < now + 1 and self.bytes_per_cycle is not None:
            load = min(self.waiting, key=lambda one: one.urgency)
            amount = min(load.burst_bytes - load.moved_bytes, (now + 1 - time) * self.bytes_per_cycle)
            first_burst = time + (self.burst_bytes - load.moved_bytes) / self.bytes_per_cycle
            time += amount / self.bytes_per_cycle
            load.moved_bytes += amount
            if load.first is None and load.moved_bytes >= self.burst_bytes:
                load.first = ceil(first_burst + self.latency_cycles)
            if load.moved_bytes == load.burst_bytes:
                load.last = ceil(time + self.latency_cycles)
                self.waiting.remove(load)


def arrival_bound(loads: list[Load], duration: int, burst_bytes: int, *, in_step: bool) -> Fraction:
    """The first moment at which a tile's work can be done as its data came: max of u + (1 - possible(u)) · duration.

    Loads that are on their way at the same time share it, burst by burst, from the moment at which the later one's first
    burst can come; until then nothing is possible. All bursts are spread evenly over the time; the last one belongs to
    the load of which more was missing when they joined.
    """
    early, late = loads[0], loads[-1]
    assert early.first is not None
    assert early.last is not None
    assert late.first is not None
    assert late.last is not None
    assert late.asked is not None
    joined, had = Fraction(early.first), Fraction(0)  # when both come, and what is there of the earlier one
    if late.asked != early.asked:
        shared_from = max(early.first, late.asked)
        if early.last > shared_from:
            had = Fraction(shared_from - early.first, early.last - early.first)
            joined = Fraction(late.first - early.last + shared_from)
        else:
            had, joined = Fraction(1), Fraction(late.first)
    bytes_left, end = (1 - had) * early.burst_bytes, max(early.last, late.last)
    behind = early if bytes_left > late.burst_bytes else late
    bounds = [joined + duration, end + Fraction(burst_bytes, behind.burst_bytes) * duration]
    if not in_step and len(loads) == 2 and had < 1 and end > joined and duration:
        rate = (bytes_left + late.burst_bytes) / (end - joined) / 2  # of each of the two
        until = min(bytes_left, Fraction(late.burst_bytes)) / rate
        # What is lost after u, u + (1 - (had + rate·u/p) · rate·u/q) · duration, is a parabola that opens downwards.
        square = duration * rate**2 / (early.burst_bytes * late.burst_bytes)
        linear = 1 - duration * had * rate / late.burst_bytes
        top = max(Fraction(0), min(linear / (2 * square), until))
        bounds.append(joined + duration + top * linear - square * top**2)
    return max(bounds)


@dataclass
class Tile:
    """One tile's way through the array; times in whole cycles."""

    loads: list[Load]
    stores: list[Load]
    duration: int
    drain_cycles: int
    start: int | None = None
    end: int | None = None
    drain_left: int | None = None
    drained: bool = False
    waits: list[int] = field(default_factory=lambda: [0] * CAUSES)

    @property
    def store_bytes(self) -> int:
        """Bytes of its results."""
        return sum(store.size_bytes for store in self.stores)


class EngineTwin:
    """Plays a schedule; `play` once, then ask for `pe_cycles` and `peaks`."""

    def __init__(self, schedule: LayerSchedule, dram: DramSpec, clock_hz: int) -> None:
        self.schedule = schedule
        self.memory = ByteServer(dram, clock_hz)
        self.queue = loads_of(schedule.loads, dram.burst_bytes, stores=False)
        stores = loads_of(schedule.stores, dram.burst_bytes, stores=True)
        self.tiles = [
            Tile(
                [load for load in self.queue if load.tile == tile],
                [store for store in stores if store.tile == tile],
                int(schedule.cycles[tile].sum(axis=1).max()),
                int(schedule.drain_cycles[tile]),
            )
            for tile in range(schedule.tiles)
        ]
        self.capacity = {use.tensor: use.capacity_bytes for use in schedule.buffers if not use.streamed}
        self.taken = dict.fromkeys(self.capacity, 0)
        self.given_back = dict.fromkeys(self.capacity, 0)  # in this cycle
        self.settled_peak = dict.fromkeys(self.capacity, 0)
        self.peak = dict.fromkeys(self.capacity, 0)
        self.held: dict[int, int] = {}  # output room by tile
        self.now = 0
        self.current = 0
        self.tail = [0] * CAUSES

    def peaks(self) -> dict[str, tuple[int, int]]:
        """Fullest level by name of each buffer that holds what it takes; a FIFO has no level.

        Two numbers, as the rules leave open what comes first within a cycle: the level when the cycle's room has been
        given back and taken, and with all of it taken before any is given back.
        """
        return {
            use.name: (self.settled_peak[use.tensor], self.peak[use.tensor])
            for use in self.schedule.buffers
            if not use.streamed
        }

    def play(self) -> int:
        """Step until everything is computed, drained and written; returns the cycles."""
        while True:
            while self._give_back() or self._end() or self._drain() or self._start() or self._load() or self._store():
                pass
            self._settle()
            if all(tile.drained and all(store.is_there(self.now) for store in tile.stores) for tile in self.tiles):
                return self.now
            assert self.now < CYCLE_LIMIT, "starved"
            self._count_wait()
            self.memory.move(self.now)
            for tile in self.tiles:
                if tile.drain_left and all(before.drained for before in self.tiles[: self.tiles.index(tile)]):
                    tile.drain_left -= 1
            self.now += 1

    # What can happen now; each returns whether something did.

    def _give_back(self) -> bool:
        written = [tile for tile in self.held if all(store.is_there(self.now) for store in self.tiles[tile].stores)]
        for tile in written:
            self._free(Tensor.OUTPUT, self.held.pop(tile))
        return bool(written)

    def _running(self) -> Tile | None:
        if self.current == len(self.tiles) or self.tiles[self.current].start is None:
            return None
        return self.tiles[self.current]

    def _end(self) -> bool:
        tile = self._running()
        if tile is None or not self._is_computed(tile):
            return False
        tile.end = self.now
        tile.drain_left = tile.drain_cycles
        for load in self.queue:
            if load.tensor in self.capacity and load.asked is not None:
                self._free(load.tensor, load.room_until.get(self.current, 0))
        self.current += 1
        return True

    def _is_computed(self, tile: Tile) -> bool:
        assert tile.start is not None
        if self.now < tile.start + tile.duration or not all(load.is_there(self.now) for load in tile.loads):
            return False
        if not self._is_behind_data(tile):
            return False
        if self.schedule.outputs_as_made and tile.store_bytes > self.capacity.get(Tensor.OUTPUT, inf):
            return all(store.is_there(self.now) for store in tile.stores)
        return True

    def _is_behind_data(self, tile: Tile) -> bool:
        return not tile.loads or self.now >= arrival_bound(
            tile.loads, tile.duration, self.memory.burst_bytes, in_step=self.schedule.operands_in_step
        )

    def _drain(self) -> bool:
        for tile in self.tiles:
            if not tile.drained:
                tile.drained = tile.drain_left == 0
                return tile.drained
        return False

    def _load(self) -> bool:
        load = next((load for load in self.queue if load.asked is None), None)
        if load is None or not self._may_load(load.tile):
            return False
        if load.tensor in self.capacity:
            if not self._has_room(load.tensor, load.size_bytes):
                return False
            self._take(load.tensor, load.size_bytes)
        self.memory.ask(load, self.now)
        return True

    def _may_load(self, tile: int) -> bool:
        if self.schedule.prefetch_tiles == 0:
            return tile == 0 or self.tiles[tile - 1].end is not None
        before = tile - self.schedule.prefetch_tiles
        return before < 0 or self.tiles[before].start is not None

    def _take(self, tensor: Tensor, size_bytes: int) -> None:
        self.taken[tensor] += size_bytes

    def _free(self, tensor: Tensor, size_bytes: int) -> None:
        self.taken[tensor] -= size_bytes
        self.given_back[tensor] += size_bytes

    def _settle(self) -> None:
        """At the end of a cycle, when no room can be given back or taken any more."""
        for tensor, taken in self.taken.items():
            self.settled_peak[tensor] = max(self.settled_peak[tensor], taken)
            self.peak[tensor] = max(self.peak[tensor], min(self.capacity[tensor], taken + self.given_back[tensor]))
            self.given_back[tensor] = 0

    def _start(self) -> bool:
        if self.current == len(self.tiles) or self._running() is not None or self._waits_for() is not None:
            return False
        tile = self.tiles[self.current]
        if Tensor.OUTPUT in self.capacity and tile.store_bytes:
            self.held[self.current] = self._output_room(tile)
            self._take(Tensor.OUTPUT, self.held[self.current])
        tile.start = self.now
        return True

    def _output_room(self, tile: Tile) -> int:
        return min(tile.store_bytes, self.capacity[Tensor.OUTPUT])

    def _waits_for(self) -> Cause | None:
        """What keeps the current tile from starting, in the order of the conditions."""
        tile = self.tiles[self.current]
        if any(load.asked is None for load in tile.loads):
            return Cause.MEMORY
        if tile.loads and (tile.loads[0].first is None or tile.loads[0].first > self.now):
            return Cause.MEMORY
        freed = self.current - self.schedule.accumulator_copies
        if freed >= 0 and not self.tiles[freed].drained:
            return Cause.DRAIN
        if Tensor.OUTPUT not in self.capacity or self._has_room(Tensor.OUTPUT, self._output_room(tile)):
            return None
        draining = any(one.end is not None and not one.drained for one in self.tiles)
        return Cause.BUFFER if draining and not self._is_writing() else Cause.MEMORY

    def _has_room(self, tensor: Tensor, size_bytes: int) -> bool:
        return self.taken[tensor] + size_bytes <= self.capacity[tensor]

    def _is_writing(self) -> bool:
        stores = [store for tile in self.tiles for store in tile.stores]
        return any(store.asked is not None and not store.is_there(self.now) for store in stores)

    def _store(self) -> bool:
        asked = False
        for tile in self.tiles:
            for store in tile.stores:
                if store.asked is None and self._may_store(tile):
                    self.memory.ask(store, self.now)
                    asked = True
        return asked

    def _may_store(self, tile: Tile) -> bool:
        if not self.schedule.outputs_as_made:
            return tile.drained
        if tile.start is None:
            return False
        per_cycle = self.memory.bytes_per_cycle
        write_cycles = 0 if per_cycle is None else ceil(sum(s.burst_bytes for s in tile.stores) / per_cycle)
        lead = min(tile.duration, max(0, write_cycles - tile.drain_cycles))
        return self.now >= tile.start + tile.duration - lead

    # The books.

    def _count_wait(self) -> None:
        """Give this cycle a cause where the array does not compute."""
        if self.current == len(self.tiles):
            self.tail[Cause.MEMORY if all(tile.drained for tile in self.tiles) else Cause.DRAIN] += 1
            return
        tile = self.tiles[self.current]
        cause = self._waits_for() if tile.start is None else Cause.MEMORY
        assert cause is not None
        if tile.start is None or self.now >= tile.start + tile.duration:
            tile.waits[cause] += 1

    def pe_cycles(self) -> np.ndarray:
        """Every PE-cycle by its cause, int64 (PEs, CAUSES)."""
        return pe_cycles(self.schedule, [tile.waits for tile in self.tiles], self.tail)
