"""`Transfers`: the transfers of layers, asked of memory and told to observers."""

from __future__ import annotations

from collections.abc import Sequence

import simpy

from dataflows.schedule import Runs
from simulator.engine.buffer import Buffer
from simulator.engine.ideal_memory import Memory, Moved
from simulator.engine.layer_in_play import LayerInPlay
from simulator.engine.observer import Observer
from simulator.engine.traffic import Transfer


class Transfers:
    """The one way to memory.

    What a tile needs comes before its results, and these before what later tiles need, of whichever layer. Example:
    tile 3's data have urgency 6 and its results 7, tile 4's data 8.
    """

    def __init__(self, env: simpy.Environment, memory: Memory, observers: Sequence[Observer]) -> None:
        self._env = env
        self._memory = memory
        self._observers = observers
        self.burst_bytes = memory.burst_bytes

    def load(self, layer: LayerInPlay, tile: int, part: Transfer) -> Moved:
        """Start to load what a tile needs to compute."""
        number = layer.first_tile + tile
        return self._move(layer.schedule.loads, number, part, 2 * number, write=False)

    def load_operand(self, layer: LayerInPlay, tile: int, part: Transfer) -> Moved:
        """Start to load what a tile's results are added to, as urgent as these."""
        number = layer.first_tile + tile
        return self._move(layer.schedule.operands, number, part, 2 * number + 1, write=False)

    def store(self, layer: LayerInPlay, tile: int, part: Transfer) -> Moved:
        """Start to write a tile's results."""
        number = layer.first_tile + tile
        return self._move(layer.schedule.stores, number, part, 2 * number + 1, write=True)

    def _move(self, runs: Runs, number: int, part: Transfer, urgency: int, *, write: bool) -> Moved:
        moved = self._memory.transfer(runs, part, urgency, write=write)
        if self._observers and moved.last.callbacks is not None:  # pyright: ignore[reportUnnecessaryComparison] (simpy's None: over)
            since = int(self._env.now)
            # A request and an arrival are where the rate of a channel can change, so both are told.
            self._note_channels()

            def report(_: simpy.Event) -> None:
                self._note_channels()
                for observer in self._observers:
                    observer.transfer(number, part.tensor, since, int(self._env.now), part.size_bytes, write=write)

            moved.last.callbacks.append(report)
        return moved

    def _note_channels(self) -> None:
        moved = self._memory.channel_bytes()
        for observer in self._observers:
            observer.channels(int(self._env.now), moved)

    def note_level(self, buffer: Buffer) -> None:
        """Tell observers that a buffer's level has changed."""
        for observer in self._observers:
            observer.buffer_level(buffer.name, int(self._env.now), buffer.taken_bytes)
