"""On-chip buffers: room that is taken when a load starts and given back after its last use, and a port to fill them."""

from __future__ import annotations

from collections import deque

import simpy

from workloads.whole_numbers import ceil_div


class Buffer:
    """Bytes of room, given out first come first served.

    Unlike with `simpy.Container`, taking room that is there costs no event.
    """

    def __init__(self, env: simpy.Environment, name: str, capacity_bytes: int) -> None:
        self._env = env
        self.name = name
        self.capacity_bytes = capacity_bytes
        self.taken_bytes = 0
        self.peak_bytes = 0
        self._waiting: deque[tuple[int, simpy.Event]] = deque()

    def take(self, size_bytes: int) -> simpy.Event | None:
        """Take room: None when it was there, else the event that fires once it is taken."""
        # Who comes later waits behind those who wait, even if its few bytes would fit: loads come in the order of
        # tiles.
        # Example: of 100 bytes 70 are taken. A load of 40 waits, and one of 20 that comes after it waits behind it.
        if not self._waiting and self.taken_bytes + size_bytes <= self.capacity_bytes:
            self._grow(size_bytes)
            return None
        event = self._env.event()
        self._waiting.append((size_bytes, event))
        return event

    def give_back(self, size_bytes: int) -> None:
        """Give room back and wake those who can now go on."""
        self.taken_bytes -= size_bytes
        # Several may fit into the room that one load gives back; the first that does not fit holds the rest.
        # Where 60, 30 and 50 bytes wait, 100 free ones wake the first two, and 90 of them are taken.
        while self._waiting and self.taken_bytes + self._waiting[0][0] <= self.capacity_bytes:
            wanted, event = self._waiting.popleft()
            self._grow(wanted)
            event.succeed()

    def _grow(self, size_bytes: int) -> None:
        self.taken_bytes += size_bytes
        self.peak_bytes = max(self.peak_bytes, self.taken_bytes)


class Port:
    """The write ports of a buffer: `bytes_per_cycle` in all, loads one after the other."""

    def __init__(self, bytes_per_cycle: int) -> None:
        self._bytes_per_cycle = bytes_per_cycle
        self._free_at = 0  # in cycles times bytes per cycle, so that nothing is rounded

    def take(self, now: int, size_bytes: int) -> int:
        """The first cycle in which a load that may start now has been written."""
        # Two loads of 4 bytes at 3 bytes a cycle are written after 8/3 cycles, in cycle 3. Rounded one by one they
        # would take 4.
        self._free_at = max(self._free_at, now * self._bytes_per_cycle) + size_bytes
        return ceil_div(self._free_at, self._bytes_per_cycle)
