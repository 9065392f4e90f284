"""`Milestone`: a count that only grows, and one process that may wait until it has come far enough."""

from __future__ import annotations

import simpy


class Milestone:
    """How far something has come, such as the tiles that have been started, which are started in order.

    An event exists only while somebody waits, and only one process may wait at a time.
    """

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._count = 0
        self._wanted: tuple[int, simpy.Event] | None = None

    def wait_for(self, count: int) -> simpy.Event | None:
        """None when the count has been reached, else the event that it is."""
        if self._count >= count:
            return None
        event = self._env.event()
        self._wanted = count, event
        return event

    def reach(self, count: int) -> None:
        """The count has come so far."""
        self._count = count
        if self._wanted is not None and count >= self._wanted[0]:
            self._wanted[1].succeed()
            self._wanted = None
