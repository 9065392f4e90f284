"""`Transfers`: the transfers of a schedule, asked of memory and told to observers."""

from __future__ import annotations

from collections.abc import Sequence

import simpy

from dataflows.schedule import LayerSchedule
from simulator.engine.buffer import Buffer
from simulator.engine.ideal_memory import Memory, Moved, Transfer, transfers_by_tile
from simulator.engine.observer import Observer


class Transfers:
    """What each tile loads and stores, and the one way to memory.

    loads, stores   by tile, of those that have any
    """

    def __init__(
        self, env: simpy.Environment, schedule: LayerSchedule, memory: Memory, observers: Sequence[Observer]
    ) -> None:
        self._env = env
        self._schedule = schedule
        self._memory = memory
        self._observers = observers
        self.burst_bytes = memory.burst_bytes
        self.loads = transfers_by_tile(schedule.loads, memory.burst_bytes)
        self.stores = transfers_by_tile(schedule.stores, memory.burst_bytes)

    def move(self, tile: int, part: Transfer, *, write: bool) -> Moved:
        """Start a transfer."""
        runs = self._schedule.stores if write else self._schedule.loads
        # What a tile needs comes before its results, and these before what later tiles need.
        # Tile 3's data have urgency 6 and its results 7, tile 4's data 8.
        moved = self._memory.transfer(runs, part, 2 * tile + int(write), write=write)
        if self._observers and moved.last.callbacks is not None:  # pyright: ignore[reportUnnecessaryComparison] (simpy's None: over)
            since = int(self._env.now)
            # A request and an arrival are where the rate of a channel can change, so both are told.
            self._note_channels()

            def report(_: simpy.Event) -> None:
                self._note_channels()
                for observer in self._observers:
                    observer.transfer(tile, part.tensor, since, int(self._env.now), part.size_bytes, write=write)

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
