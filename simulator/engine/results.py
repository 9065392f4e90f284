"""`Results`: what becomes of a tile's results: room for them, the drain unit, and their way to memory."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from fractions import Fraction
from typing import Any

import simpy

from dataflows.schedule import LayerSchedule
from simulator.engine.buffer import Buffer
from simulator.engine.observer import Observer
from simulator.engine.transfers import Transfers

Process = Generator[simpy.Event, Any, None]


class Results:
    """Tiles are drained one after the other; what is drained is written, unless outputs are written as they are made.

    buffer    whose room results take from the start of their tile until they are written; None: they need none
    peak      bytes that memory moves in a cycle at best; None: as many as there are
    drained   by tile, the events that the drain unit is done with it; only of tiles that have something to drain
    writes    the events that results have been written, in the order in which writing began
    """

    def __init__(
        self,
        env: simpy.Environment,
        schedule: LayerSchedule,
        transfers: Transfers,
        buffer: Buffer | None,
        peak: Fraction | None,
        observers: Sequence[Observer],
    ) -> None:
        self._env = env
        self._transfers = transfers
        self._buffer = buffer
        self._peak = peak
        self._observers = observers
        self._as_made = schedule.outputs_as_made
        self._drain_cycles: list[int] = schedule.drain_cycles.tolist()
        self.drained: dict[int, simpy.Event] = {}
        self.last_drain: simpy.Event | None = None
        self.writes: list[simpy.Event] = []

    def _stored_bytes(self, tile: int) -> int:
        return sum(part.size_bytes for part in self._transfers.stores.get(tile, ()))

    def take_room(self, tile: int) -> simpy.Event | None:
        """Take room for a tile's results: None when it was there, else the event that fires once it is taken."""
        size = self._stored_bytes(tile)
        if not size or self._buffer is None:
            return None
        # A tile of more results than the buffer holds takes all of it, and leaves through it piece by piece.
        # 900 bytes take the 600 of their buffer; the tile ends when the last of them have left it.
        room = self._buffer.take(min(size, self._buffer.capacity_bytes))
        self._transfers.note_level(self._buffer)
        return room

    def exceed_room(self, tile: int) -> bool:
        """Whether a tile makes more results than the buffer holds, so that it cannot end before they left."""
        return self._buffer is not None and self._stored_bytes(tile) > self._buffer.capacity_bytes

    def write_lead(self, tile: int, duration: int) -> int:
        """How long before the end of a tile its results begin to leave, so that the last one leaves when it is made.

        Written at full speed they take so long; begun then, no result leaves before it is made, since they are made
        evenly over the whole tile and drained behind it.
        """
        if not self._as_made or self._peak is None or tile not in self._transfers.stores:
            return 0
        # Whole bursts, since these are what peak bandwidth moves. Draining comes behind the tile and gives that much
        # time more.
        bursts = sum(part.burst_bytes for part in self._transfers.stores[tile])
        # Example: 2,000 bytes are 32 bursts of 64, 107 cycles at 19.2 bytes a cycle. With 20 cycles of draining behind
        # the tile, writing begins 107 - 20 = 87 cycles before the tile's end.
        return min(duration, max(0, math.ceil(bursts / self._peak) - self._drain_cycles[tile]))

    def write_as_made(self, tile: int) -> list[simpy.Event]:
        """Begin to write the results of a tile that is still computing, where the machine does that."""
        return self._store(tile) if self._as_made else []

    def start_drain(self, tile: int) -> None:
        """Hand a tile's results, if it has any, to the drain unit, which takes tiles one after the other."""
        # Each drain waits for the one before it: `last_drain` is the end of that chain.
        if self._drain_cycles[tile] or tile in self._transfers.stores:
            before, self.last_drain = self.last_drain, self._env.event()
            self.drained[tile] = self.last_drain
            self._env.process(self._drain(tile, before, self.last_drain))

    def _drain(self, tile: int, before: simpy.Event | None, drained: simpy.Event) -> Process:
        if before is not None and not before.processed:
            yield before
        # Tiles that end in cycles 10 and 12 and take 5 cycles each to drain are drained in 15 and in 20.
        start, cycles = int(self._env.now), self._drain_cycles[tile]
        if cycles:
            yield self._env.timeout(cycles)
        for observer in self._observers:
            observer.drain(tile, start, int(self._env.now))
        # Before anything is written: from here on the accumulators are free, whatever becomes of the results.
        drained.succeed()
        # What is written as it is made has been on its way since before the tile's end.
        if not self._as_made:
            self._store(tile)

    def _store(self, tile: int) -> list[simpy.Event]:
        """Begin to write a tile's results; returns the events that they have been written."""
        parts = self._transfers.stores.get(tile, ())
        written = [self._transfers.move(tile, part, write=True).last for part in parts]
        self.writes += written
        if written:
            last = written[-1]  # memory writes a tile's parts in order
            assert last.callbacks is not None  # noqa: S101 (just made)
            last.callbacks.append(lambda _: self._written(tile))
        return written

    def _written(self, tile: int) -> None:
        if self._buffer is not None:
            # As much as `take_room` took, which was no more than the whole buffer.
            self._buffer.give_back(min(self._stored_bytes(tile), self._buffer.capacity_bytes))
            self._transfers.note_level(self._buffer)
