"""Slow twin of the network's engine: the rules of docs/network.md played cycle by cycle, written from that page alone.

As in the twin of one layer nothing here is an event: every cycle the rules are asked what can happen now until nothing
does, then memory moves the bytes of one cycle. Only ideal memory. Numbers of tiles count through all layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, inf
from typing import Literal

import numpy as np

from dataflows.schedule import CAUSES, Cause, Tensor
from dataflows.specs import DramSpec
from simulator.engine.network_layers import NetworkLayer, Overlap
from tests.simulator.engine.engine_twin import CYCLE_LIMIT, ByteServer, arrival_bound
from tests.simulator.engine.network_twin_plan import Part, Plan, Tile
from tests.simulator.engine.twin_books import pe_cycles


@dataclass(frozen=True, eq=False)
class TwinLayer:
    """A layer's part: when the array belonged to it, and its books (PEs, CAUSES)."""

    start: int
    end: int
    pe_cycles: np.ndarray


@dataclass(frozen=True, eq=False)
class TwinPlayed:
    """What came of playing a network.

    peaks   fullest level by name of each buffer that holds what it takes: the least and the most that the rules allow
    """

    cycles: int
    layers: tuple[TwinLayer, ...]
    peaks: dict[str, tuple[int, int]]


class NetworkTwin:
    """Plays layers; `play` once."""

    def __init__(
        self,
        layers: Sequence[NetworkLayer],
        dram: DramSpec,
        clock_hz: int,
        overlap: Overlap,
        *,
        write_back: Literal["overlapped", "blocking"] = "overlapped",
        buffer_bytes_per_cycle: int | None = None,
    ) -> None:
        self.layers = layers
        self.overlap = overlap
        self.blocking = write_back == "blocking"
        self.memory = ByteServer(dram, clock_hz)
        peak, rate = self.memory.bytes_per_cycle, buffer_bytes_per_cycle
        self.port_rate = rate if rate is not None and peak is not None and rate < peak else None
        self.port_free = {Tensor.INPUT: Fraction(0), Tensor.WEIGHT: Fraction(0)}
        self.plan = Plan(layers, overlap, dram.burst_bytes)
        self.tiles, self.of_layer = self.plan.tiles, self.plan.of_layer
        self.tails = [[0] * CAUSES for _ in layers]
        self.begins = [0]
        self.now = 0
        self.current = 0

    # The cycles.

    def play(self) -> TwinPlayed:
        """Step until everything is computed, drained and written."""
        actions = (self._give_back, self._end, self._drain, self._leave, self._start, self._load, self._write)
        while True:
            while any(action() for action in actions):
                pass
            self.plan.settle()
            if self.current == len(self.tiles) and all(tile.is_written(self.now) for tile in self.tiles):
                return self._played()
            assert self.now < CYCLE_LIMIT, "starved"
            self._count_wait()
            self.memory.move(self.now)
            draining = next((tile for tile in self.tiles if tile.end is not None and not tile.drained), None)
            if draining is not None:
                draining.drain_left -= 1
            self.now += 1

    def _tile(self) -> Tile | None:
        return self.tiles[self.current] if self.current < len(self.tiles) else None

    # What can happen now; each returns whether something did.

    def _give_back(self) -> bool:
        written = [tile for tile in self.tiles if tile.held_bytes and all(s.is_there(self.now) for s in tile.stores)]
        for tile in written:
            assert tile.output is not None
            tile.output.give_back(tile.held_bytes)
            tile.held_bytes = 0
        return bool(written)

    def _end(self) -> bool:
        tile = self._tile()
        if tile is None or tile.start is None or tile.end is not None or self._lags(tile) is not None:
            return False
        tile.end = self.now
        # A tile that has nothing to drain does not stand in line for the drain unit.
        tile.drained = not (tile.drain_cycles or tile.stores or tile.operands)
        for part in self.plan.queue:
            if part.tile.layer == tile.layer and part.room is not None:
                part.room.give_back(part.load.room_until.get(tile.local, 0))
        return True

    def _lags(self, tile: Tile) -> Cause | None:
        """What a started tile waits for at its end, or its own work, in the order of the conditions; None: it is over."""
        assert tile.start is not None
        if self.now < tile.start + tile.duration:
            return Cause.BUSY
        for part in tile.parts:
            if not part.load.is_there(self.now):
                return Cause.MEMORY
            if not part.is_filled(self.now):
                return Cause.PORT
        if tile.parts:
            loads = [replace(one.load, last=max(one.load.last or 0, one.port_done)) for one in tile.parts]
            in_step, burst = tile.schedule.operands_in_step, self.memory.burst_bytes
            if self.now < arrival_bound(loads, tile.duration, burst, in_step=in_step):
                return Cause.MEMORY
        leaves_through = tile.schedule.outputs_as_made and tile.store_bytes > (
            tile.output.capacity_bytes if tile.output else inf
        )
        if leaves_through and not all(store.is_there(self.now) for store in tile.stores):
            return Cause.MEMORY
        return None

    def _drain(self) -> bool:
        tile = next((tile for tile in self.tiles if tile.end is not None and not tile.drained), None)
        if tile is None or tile.drain_left:
            return False
        tile.drained = True
        return True

    def _leave(self) -> bool:
        """The array turns to the next tile: at once, but with blocking write-back and with `serial` (R1, R8)."""
        tile = self._tile()
        if tile is None or tile.end is None or self._is_blocked(tile):
            return False
        if self.overlap == "serial" and tile.is_last and not self._is_made(tile.layer):
            return False
        tile.left = self.now
        self.current += 1
        if tile.is_last:
            self.begins.append(self.now)
        return True

    def _is_blocked(self, tile: Tile) -> bool:
        return self.blocking and not all(one.is_written(self.now) for one in self.tiles[: self.tiles.index(tile) + 1])

    def _is_made(self, layer: int) -> bool:
        return all(tile.is_written(self.now) for tile in self.of_layer[layer])

    def _start(self) -> bool:
        tile = self._tile()
        if tile is None or tile.start is not None or self._waits_for(tile) is not None:
            return False
        if tile.output is not None and tile.store_bytes:
            tile.held_bytes = min(tile.store_bytes, tile.output.capacity_bytes)
            tile.output.taken_bytes += tile.held_bytes
        tile.start = self.now
        return True

    def _waits_for(self, tile: Tile) -> Cause | None:
        """What keeps the current tile from starting, in the order of the conditions."""
        firsts = [part.load.first for part in tile.parts[:1]]
        if any(part.load.asked is None for part in tile.parts):
            return Cause.MEMORY
        if any(first is None or first > self.now for first in firsts):
            return Cause.MEMORY
        before = self._accumulators(tile) + self._maps_on_chip(tile)
        if not all(one.drained for one in before):
            return Cause.DRAIN
        if not all(one.has_operands(self.now) for one in before):
            return Cause.MEMORY
        if self._has_output_room(tile):
            return None
        draining = any(one.end is not None and not one.drained for one in self.tiles)
        stores = [store for one in self.tiles for store in one.stores]
        writing = any(store.asked is not None and not store.is_there(self.now) for store in stores)
        return Cause.BUFFER if draining and not writing else Cause.MEMORY

    def _accumulators(self, tile: Tile) -> list[Tile]:
        """The tiles that must be drained before one starts (R6)."""
        number, copies = self.tiles.index(tile), tile.schedule.accumulator_copies
        return [
            one
            for other, one in enumerate(self.tiles[:number])
            if number - other >= min(copies, one.schedule.accumulator_copies)
        ]

    def _maps_on_chip(self, tile: Tile) -> list[Tile]:
        """The tiles that make the maps that a layer finds on the chip (R4, its end)."""
        if tile.local or tile.schedule.loads.bytes_of(Tensor.INPUT):
            return []
        return [one for read in self.layers[tile.layer].reads for one in self.of_layer[read.layer]]

    def _has_output_room(self, tile: Tile) -> bool:
        if not tile.store_bytes:
            return True
        if tile.layer and not self.plan.is_alike(tile.layer, Tensor.OUTPUT):
            before = [store for one in self.of_layer[tile.layer - 1] for store in one.stores]
            if not all(store.is_there(self.now) for store in before):
                return False
        if tile.output is None:
            return True
        return tile.output.fits(min(tile.store_bytes, tile.output.capacity_bytes))

    def _load(self) -> bool:
        part = next((part for part in self.plan.queue if part.load.asked is None), None)
        if part is None or not self._may_load(part):
            return False
        if part.room is not None:
            if not part.room.fits(part.load.size_bytes):
                return False
            part.room.taken_bytes += part.load.size_bytes
        if self.port_rate is not None:
            free = max(self.port_free[part.load.tensor], Fraction(self.now))
            self.port_free[part.load.tensor] = free + Fraction(part.load.size_bytes, self.port_rate)
            part.port_done = ceil(self.port_free[part.load.tensor])
        self.memory.ask(part.load, self.now)
        return True

    def _may_load(self, part: Part) -> bool:
        layer = part.tile.layer
        if layer:
            if self.overlap == "serial" and not self._is_made(layer - 1):
                return False
            if self.of_layer[layer - 1][0].start is None:  # R3
                return False
            if not self.plan.is_alike(layer, part.load.tensor) and self.of_layer[layer - 1][-1].end is None:  # R5
                return False
        return self._is_near(part) and all(tile.is_written(self.now) for tile in part.needs)

    def _is_near(self, part: Part) -> bool:
        """Whether the array has come near enough to a part's tile (R3)."""
        ahead, number = part.tile.schedule.prefetch_tiles, self.tiles.index(part.tile)
        if ahead == 0:
            return number == 0 or self.tiles[number - 1].left is not None
        waits_for_room_alone = part.tile.local == 0 and part.room is not None
        return waits_for_room_alone or number < ahead or self.tiles[number - ahead].start is not None

    def _write(self) -> bool:
        """Ask for operands and for writing results."""
        asked = False
        for tile in self.tiles:
            makers = self.layers[tile.layer].operands
            wanted = tile.operands if tile.start is not None and all(self._is_made(one) for one in makers) else []
            for load in (*wanted, *(tile.stores if self._may_store(tile) else ())):
                if load.asked is None:
                    self.memory.ask(load, self.now)
                    asked = True
        return asked

    def _may_store(self, tile: Tile) -> bool:
        if not tile.schedule.outputs_as_made:
            return tile.is_released(self.now)
        if tile.start is None or not tile.has_operands(self.now):
            return False
        per_cycle = self.memory.bytes_per_cycle
        write_cycles = 0 if per_cycle is None else ceil(sum(s.burst_bytes for s in tile.stores) / per_cycle)
        lead = min(tile.duration, max(0, write_cycles - tile.drain_cycles))
        return self.now >= tile.start + tile.duration - lead

    # The books.

    def _count_wait(self) -> None:
        """Give this cycle a cause where the array does not compute (R9)."""
        tile = self._tile()
        if tile is None or (tile.end is not None and not self._is_blocked(tile)):
            layer = len(self.layers) - 1 if tile is None else tile.layer
            self.tails[layer][self._end_cause()] += 1
        elif tile.end is not None:
            tile.waits[self._end_cause()] += 1
        else:
            cause = self._waits_for(tile) if tile.start is None else self._lags(tile)
            assert cause is not None
            if cause is not Cause.BUSY:
                tile.waits[cause] += 1

    def _end_cause(self) -> Cause:
        return Cause.MEMORY if all(one.drained or one.end is None for one in self.tiles) else Cause.DRAIN

    def _played(self) -> TwinPlayed:
        ends = [*self.begins[1:-1], self.now]
        return TwinPlayed(
            self.now,
            tuple(TwinLayer(self.begins[layer], end, self._pe_cycles(layer)) for layer, end in enumerate(ends)),
            self.plan.peaks(),
        )

    def _pe_cycles(self, layer: int) -> np.ndarray:
        waits = [tile.waits for tile in self.of_layer[layer]]
        return pe_cycles(self.layers[layer].schedule, waits, self.tails[layer])
