"""`Loading`: brings the data of every tile into the buffers, as far ahead as the machine allows."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
import simpy

from dataflows.schedule import LayerSchedule, Tensor
from simulator.engine.arrivals import Arrival
from simulator.engine.buffer import Buffer, Port
from simulator.engine.transfers import Transfers

Process = Generator[simpy.Event, Any, None]


class Loading:
    """Loads are asked for in the order of the tiles, each as soon as prefetch and room in its buffer allow.

    Events exist only where somebody may wait: for the start or the end of a tile on which a load depends, and for the
    loads of a tile.

    buffers   by tensor, those whose room a load takes
    ports     by tensor, those that are slower than memory; faster ones never hold a load up
    """

    def __init__(
        self,
        env: simpy.Environment,
        schedule: LayerSchedule,
        transfers: Transfers,
        buffers: Mapping[Tensor, Buffer],
        ports: Mapping[Tensor, Port],
    ) -> None:
        self._env = env
        self._ahead = schedule.prefetch_tiles
        self._transfers = transfers
        self._buffers = buffers
        self._ports = ports
        self._releases = _release_table(schedule, buffers)
        # With prefetch a load waits for the start of the tile so far before its own, without for the end of the last.
        loads = transfers.loads
        # Example: two tiles ahead, the loads of tile 5 wait for the start of tile 3; without prefetch for the end of
        # tile 4. The loads of tiles 0 and 1 get events -2 and -1, which nobody waits for.
        self._started = {tile - self._ahead: env.event() for tile in loads}
        self._ended = {} if self._ahead else {tile - 1: env.event() for tile in loads}
        self._requested = {tile: env.event() for tile in loads}
        self._arrivals: dict[int, list[Arrival]] = {tile: [] for tile in loads}

    def process(self) -> Process:
        """Start the loads of every tile."""
        # One process asks for all loads, so that a tile that waits for room holds up those behind it and none
        # overtakes.
        for tile, parts in self._transfers.loads.items():
            gate = self._started.get(tile - self._ahead) if self._ahead else self._ended.get(tile - 1)
            # The first tiles have no tile before them on which they could depend.
            if tile >= max(self._ahead, 1) and gate is not None and not gate.processed:
                yield gate
            # Part by part: a tile's inputs may be on their way while its weights still wait for room.
            for part in parts:
                buffer = self._buffers.get(part.tensor)
                # Room comes before the request: bytes that are on their way need their place already.
                room = buffer.take(part.size_bytes) if buffer else None
                if room is not None:
                    yield room
                if buffer is not None:
                    self._transfers.note_level(buffer)
                moved = self._transfers.move(tile, part, write=False)
                port = self._ports.get(part.tensor)
                filled = self._env.process(self._fill(port, part.size_bytes, moved.last)) if port else moved.last
                self._arrivals[tile].append(Arrival.of(self._env, part, self._transfers.burst_bytes, moved, filled))
            # From here on `arrivals` lists all loads of the tile, which those who wait for this event rely on.
            self._requested[tile].succeed()

    def _fill(self, port: Port, size_bytes: int, arrival: simpy.Event) -> Process:
        """A load through a port slower than memory: there when both DRAM and the port are done with it."""
        # The port is taken at the request and fills while DRAM delivers; the later of the two counts.
        # Example: 400 bytes at 8 a cycle keep the port for 50 cycles. Asked for in cycle 100, they are there in 150 if
        # DRAM is done in 130, and in 160 if DRAM is done in 160.
        done = port.take(int(self._env.now), size_bytes)
        yield arrival
        if done > int(self._env.now):
            yield self._env.timeout(done - int(self._env.now))

    def requested(self, tile: int) -> simpy.Event | None:
        """The event that all loads of a tile are on their way; None where it has none."""
        return self._requested.get(tile)

    def arrivals(self, tile: int) -> list[Arrival]:
        """The loads of a tile that are on their way or there."""
        return self._arrivals.get(tile, [])

    def tile_started(self, tile: int) -> None:
        """The array has begun a tile: loads that are allowed so far ahead of it may start."""
        if tile in self._started:
            self._started[tile].succeed()

    def give_back(self, tile: int) -> None:
        """The array is done with a tile's data: what no later tile uses leaves the buffers."""
        for buffer, freed in self._releases.get(tile, ()):
            buffer.give_back(freed)
            self._transfers.note_level(buffer)

    def tile_ended(self, tile: int) -> None:
        """A tile is over: without double buffering the next one's loads may start."""
        if tile in self._ended:
            self._ended[tile].succeed()


def _release_table(schedule: LayerSchedule, buffers: Mapping[Tensor, Buffer]) -> dict[int, list[tuple[Buffer, int]]]:
    """Per tile the room that its end gives back, buffer by buffer."""
    runs = schedule.loads
    table: dict[int, list[tuple[Buffer, int]]] = {}
    for tensor, buffer in buffers.items():
        mask = runs.tensor == tensor
        freed = np.zeros(schedule.tiles, np.int64)
        # Several runs may have the same last tile; `freed[...] +=` would count only one of them.
        np.add.at(freed, runs.last_tile[mask], runs.size_bytes[mask])
        for tile in np.flatnonzero(freed).tolist():
            table.setdefault(tile, []).append((buffer, int(freed[tile])))
    return table
