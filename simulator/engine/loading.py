"""`Loading`: brings the data of every tile into the buffers, as far ahead as the machine allows."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import simpy

from dataflows.schedule import Tensor
from simulator.engine.arrivals import Arrival
from simulator.engine.buffer import Port
from simulator.engine.layer_in_play import LayerInPlay
from simulator.engine.milestone import Milestone
from simulator.engine.traffic import Transfer
from simulator.engine.transfers import Transfers

Process = Generator[simpy.Event, Any, None]


class Loading:
    """Loads are asked for in the order of the tiles, each as soon as prefetch and room in its buffer allow.

    ports      by tensor, those that are slower than memory; faster ones never hold a load up
    started    tiles, of all layers, that the array has begun
    computed   tiles that it has computed
    ended      tiles that it is done with: with blocking write-back their results are written

    Only the loads wait for these three, and only the array for the loads of its next tile.
    """

    def __init__(self, env: simpy.Environment, transfers: Transfers, ports: Mapping[Tensor, Port]) -> None:
        self._env = env
        self._transfers = transfers
        self._ports = ports
        self.started, self.computed, self.ended = Milestone(env), Milestone(env), Milestone(env)
        self._requested = Milestone(env)

    def load(self, layer: LayerInPlay) -> Process:
        """Start the loads of every tile of a layer; one process does so for all layers."""
        conditions = layer.conditions
        # One process asks for all loads, so that a tile that waits for room holds up those behind it and none
        # overtakes.
        for tile, parts in layer.loads.items():
            # Part by part: a tile's inputs may be on their way while its weights still wait for room.
            for part in parts if conditions is None else conditions.in_order(tile, parts):
                near = self._near(layer, tile) if conditions is None or conditions.on_prefetch(tile, part) else None
                if near is not None:
                    yield near
                if conditions is not None:
                    yield from conditions.met(tile, part)
                buffer = layer.buffers.get(part.tensor)
                # Room comes before the request: bytes that are on their way need their place already.
                room = buffer.take(part.size_bytes) if buffer else None
                if room is not None:
                    yield room
                if buffer is not None:
                    self._transfers.note_level(buffer)
                layer.arrivals[tile].append(self._ask(layer, tile, part))
            # From here on `arrivals` lists all loads of the tile, which those who wait for this rely on.
            self._requested.reach(layer.first_tile + tile + 1)

    def _near(self, layer: LayerInPlay, tile: int) -> simpy.Event | None:
        """The event that the array has come near enough to a tile to load its data; None when it has."""
        # With prefetch a load waits for the start of the tile so far before its own, without for the end of the last.
        # Example: two tiles ahead, the loads of tile 5 wait for the start of tile 3, which is the fourth; without
        # prefetch for the end of tile 4, the fifth.
        number, ahead = layer.first_tile + tile, layer.schedule.prefetch_tiles
        return self.started.wait_for(number - ahead + 1) if ahead else self.ended.wait_for(number)

    def _ask(self, layer: LayerInPlay, tile: int, part: Transfer) -> Arrival:
        moved = self._transfers.load(layer, tile, part)
        port = self._ports.get(part.tensor)
        filled = self._env.process(self._fill(port, part.size_bytes, moved.last)) if port else moved.last
        return Arrival.of(self._env, part, self._transfers.burst_bytes, moved, filled)

    def _fill(self, port: Port, size_bytes: int, arrival: simpy.Event) -> Process:
        """A load through a port slower than memory: there when both DRAM and the port are done with it."""
        # The port is taken at the request and fills while DRAM delivers; the later of the two counts.
        # Example: 400 bytes at 8 a cycle keep the port for 50 cycles. Asked for in cycle 100, they are there in 150 if
        # DRAM is done in 130, and in 160 if DRAM is done in 160.
        done = port.take(int(self._env.now), size_bytes)
        yield arrival
        if done > int(self._env.now):
            yield self._env.timeout(done - int(self._env.now))

    def requested(self, layer: LayerInPlay, tile: int) -> simpy.Event | None:
        """The event that all loads of a tile are on their way; None where they are, or it has none."""
        return self._requested.wait_for(layer.first_tile + tile + 1) if tile in layer.loads else None

    def give_back(self, layer: LayerInPlay, tile: int) -> None:
        """The array is done with a tile's data: what no later tile uses leaves the buffers."""
        for buffer, freed in layer.releases.get(tile, ()):
            buffer.give_back(freed)
            self._transfers.note_level(buffer)
        self.computed.reach(layer.first_tile + tile + 1)
