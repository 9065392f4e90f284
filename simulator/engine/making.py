"""`Making`: how far the results of a layer have come, for those who wait until they are made."""

from __future__ import annotations

from collections.abc import Collection

import simpy

_FREED, _WRITTEN = 1, 2


class Making:
    """Counts a layer's tiles that are computed and drained, and its stores that are written.

    It knows nothing of the schedule, so that it may outlive it.

    made        the event that all tiles have been computed and drained and all stores written
    unwritten   tiles whose stores have not been written
    """

    def __init__(self, env: simpy.Environment, tiles: int, storing: Collection[int]) -> None:
        self._env = env
        self.made = env.event()
        self.unwritten = len(storing)
        self._open = tiles + len(storing)
        # By tile, what has become of its results. One that stores nothing is never asked for.
        self._steps = bytearray(tiles)
        self._wanted: tuple[int, simpy.Event] | None = None
        if not self._open:
            self.made.succeed()

    def freed(self, tile: int) -> None:
        """A tile has been computed and drained, and has the operands that its results are added to."""
        self._step(tile, _FREED)

    def written(self, tile: int) -> None:
        """The results of a tile are in memory."""
        self.unwritten -= 1
        self._step(tile, _WRITTEN)

    def wait_for(self, tile: int) -> simpy.Event | None:
        """None when the results of a tile that stores some are made, else the event of it; one process may wait."""
        if self._steps[tile] == _FREED | _WRITTEN:
            return None
        event = self._env.event()
        self._wanted = tile, event
        return event

    def _step(self, tile: int, step: int) -> None:
        self._steps[tile] |= step
        self._open -= 1
        if not self._open:
            self.made.succeed()
        if self._wanted is not None and self._wanted[0] == tile and self._steps[tile] == _FREED | _WRITTEN:
            self._wanted[1].succeed()
            self._wanted = None
