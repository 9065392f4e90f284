"""External memory as the event model sees it: transfers in, completion events out."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import simpy

from dataflows.schedule import Runs, Tensor
from dataflows.specs import DramSpec
from simulator.engine.ideal_rates import ideal_bytes_per_cycle, ideal_latency
from simulator.engine.traffic import TensorTraffic, Traffic, Transfer
from workloads.whole_numbers import ceil_div


class Moved(NamedTuple):
    """Events of a transfer: its first burst, and its last byte, have been moved."""

    first: simpy.Event
    last: simpy.Event


class Memory(Protocol):
    """What `LayerSimulation` needs of a memory; `burst_bytes` is its smallest transfer."""

    burst_bytes: int

    def transfer(self, runs: Runs, part: Transfer, urgency: int, *, write: bool) -> Moved:
        """Start to move a part of some runs; returns when its first burst and its last byte are there.

        `urgency` orders transfers that wait at the same time, the smallest first, where memory can choose.
        """
        ...

    def channel_bytes(self) -> list[int]:
        """What each channel has moved up to now, in whole bursts."""
        ...

    def traffic(self) -> Traffic:
        """What has been carried so far."""
        ...


@dataclass(slots=True, order=True)
class _Job:
    """Bursts that wait for the channels: the most urgent first, of equals the one asked for first.

    work   what is left, in bytes times the denominator of bytes per cycle
    moved  the event that the last of them is there
    """

    urgency: int
    number: int
    work: int = field(compare=False)
    moved: simpy.Event = field(compare=False)


class IdealMemory:
    """Bandwidth and latency: no banks, rows or refresh.

    The channels move bursts at peak bandwidth, those of the most urgent transfer first: what a tile that comes later
    needs never holds up an earlier one, however far loads run ahead. The last byte arrives one latency after it was
    moved; latencies overlap. With infinite bandwidth memory is not modelled at all and every transfer is there at once.

    Time is kept in cycles times the numerator of bytes per cycle, so that this clock is exact, where rounding each
    transfer to a cycle would drift. Example: 12.8 GB/s at 1 GHz are 64/5 bytes a cycle. A burst of 64 bytes is work of
    64 x 5 = 320, and so much time at 64 a cycle: 5 cycles, after which the next burst begins, at 320.
    """

    def __init__(self, env: simpy.Environment, dram: DramSpec, clock_hz: int) -> None:
        self.burst_bytes = dram.burst_bytes
        self._env = env
        self._bytes_per_cycle = ideal_bytes_per_cycle(dram.bandwidth_gbs, clock_hz)
        self._latency = ideal_latency(dram.latency_ns, clock_hz)
        self._tensors = {tensor: TensorTraffic() for tensor in Tensor}
        self._jobs: list[_Job] = []
        self._number = 0
        self._served_until = 0
        self._awake_at: int | None = None

    def transfer(self, runs: Runs, part: Transfer, urgency: int, *, write: bool) -> Moved:
        """Start to move a part of some runs; returns when its first burst and its last byte are there."""
        del runs
        self._tensors[part.tensor].add(part, write=write)
        # Memory that is not modelled: there at once, but as an event, so that callers need no second path.
        if self._bytes_per_cycle is None:
            now = self._env.timeout(0)
            return Moved(now, now)
        self._serve()
        # The first burst of a load is a job of its own, so that its arrival is an event. Nobody waits for that of a
        # store.
        sizes = [part.burst_bytes]
        if not write and part.burst_bytes > self.burst_bytes:
            sizes = [self.burst_bytes, part.burst_bytes - self.burst_bytes]
        # Example: 64 bytes a cycle and a latency of 20. Ten bursts for tile 7 are asked for in cycle 0, three for tile
        # 5 in cycle 4, when four have been moved: the three are moved by 7 and there by 27, the other six are there by
        # 33.
        events = [self._ask(size * self._bytes_per_cycle.denominator, urgency) for size in sizes]
        self._wake()
        return Moved(events[0], events[-1])

    def _ask(self, work: int, urgency: int) -> simpy.Event:
        event = self._env.event()
        heappush(self._jobs, _Job(urgency, self._number, work, event))
        self._number += 1
        return event

    def _serve(self) -> None:
        """Move what can have been moved up to now."""
        unit, latency = (self._bytes_per_cycle or Fraction(1)).numerator, self._latency
        now = int(self._env.now) * unit
        # The channels have worked through their jobs, the most urgent first, from where they were left up to now.
        while self._jobs and self._served_until < now:
            job = self._jobs[0]
            moved = min(job.work, now - self._served_until)
            job.work -= moved
            self._served_until += moved
            # Time ran out in the middle of this job. It may be overtaken later by one more urgent.
            # Even within a burst, since work is counted in parts of bytes and not in bursts.
            if job.work:
                return
            heappop(self._jobs)
            # served_until / unit cycles, and the latency on top, over one denominator: the sum is rounded up once, not
            # each part.
            # Example: served until 320 at 64 a cycle, and a latency of 61/2 cycles: (320 x 2 + 61 x 64) / (64 x 2) =
            # 35.5, hence in cycle 36.
            done = self._served_until * latency.denominator + latency.numerator * unit
            event = job.moved
            event._ok, event._value = True, None  # noqa: SLF001 (a success in the future, as a Timeout is)
            self._env.schedule(event, delay=ceil_div(done, unit * latency.denominator) - int(self._env.now))
        # Time in which there was nothing to move is not saved up for later.
        if not self._jobs:
            self._served_until = max(self._served_until, now)

    def _wake(self) -> None:
        """Come back in the cycle in which the most urgent transfer will have been moved."""
        if not self._jobs:
            return
        unit = (self._bytes_per_cycle or Fraction(1)).numerator
        # Rounded up: woken in a cycle before it has been moved, the memory would find work left and have to come again.
        at = ceil_div(self._served_until + self._jobs[0].work, unit)
        # An alarm is added where a more urgent transfer will be done before the one that the set alarm was for.
        if self._awake_at is None or at < self._awake_at:
            self._awake_at = at
            event = self._env.timeout(at - int(self._env.now))
            assert event.callbacks is not None  # noqa: S101 (just made)
            event.callbacks.append(self._awake)

    def _awake(self, _: simpy.Event) -> None:
        # An alarm that was overtaken by an earlier one finds another time here and does nothing.
        if self._awake_at == int(self._env.now):
            self._awake_at = None
            self._serve()
            self._wake()

    def channel_bytes(self) -> list[int]:
        """What has been moved up to now; the channels of an ideal memory are one."""
        # Work is booked when a job is done or another comes. What has been moved since is caught up first (below), or
        # the count would stand still in between.
        asked = sum(tensor.burst_bytes for tensor in self._tensors.values())
        if self._bytes_per_cycle is None:
            return [asked]
        self._serve()
        # What is left is rounded up, so that no byte counts as moved before it was.
        return [asked - ceil_div(sum(job.work for job in self._jobs), self._bytes_per_cycle.denominator)]

    def traffic(self) -> Traffic:
        """What has been carried so far; an ideal memory has no rows."""
        return Traffic.of_ideal(self._tensors, self.burst_bytes)
