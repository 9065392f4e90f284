"""`BankedMemory`: the banked DRAM model as a component of the event model."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from fractions import Fraction
from typing import Any

import simpy

from dataflows.dram_spec import DramSpec
from dataflows.schedule import Runs, Tensor
from simulator.dram.channels import DramChannels, RequestObserver
from simulator.dram.clock_domain import ClockDomain
from simulator.dram.spec import BankedDramSpec
from simulator.memory import TensorTraffic, Traffic, Transfer

_PICOSECONDS = 1_000_000_000_000
_AFTER_ALL_OTHERS: Any = 2  # simpy's priorities are 0 (urgent) and 1 (normal); ties go to the smaller


class BankedMemory:
    """Transfers of each tensor form a stream; streams take turns before the controllers.

    DRAM is simulated from one event of the rest of the model to the next: nothing can ask for more in between. So it
    runs after all events of a cycle, up to the next event or to its own next completion, whichever comes first, and
    the interleaving of streams is exact at the DRAM's clock.
    """

    def __init__(
        self, env: simpy.Environment, dram: DramSpec, clock_hz: int, observers: Sequence[RequestObserver] = ()
    ) -> None:
        spec = BankedDramSpec.of(dram)
        clock = ClockDomain.between(clock_hz=clock_hz, tck_ps=spec.device.tCK_ps)
        self.burst_bytes = spec.device.burst_bytes
        self._env = env
        self._channels = DramChannels(spec, [tensor.key for tensor in Tensor], clock, observers)
        self._tensors = {tensor: TensorTraffic() for tensor in Tensor}
        self._waiting: dict[Hashable, simpy.Event] = {}
        self._transfers = 0
        self._scheduled = False

    def transfer(self, runs: Runs, part: Transfer, *, write: bool) -> simpy.Event:
        """Start to move a part of some runs; the event fires at the cycle in which the last byte is there."""
        self._tensors[part.tensor].add(part, write=write)
        rows = slice(part.start, part.stop)
        self._channels.submit(
            self._transfers,
            runs.address[rows],
            runs.size_bytes[rows],
            write=write,
            cycle=int(self._env.now),
            tag=part.tensor.key,
        )
        event = self._waiting[self._transfers] = self._env.event()
        self._transfers += 1
        if not self._scheduled:
            self._schedule(0)
        return event

    def channel_bytes(self) -> list[int]:
        """What each channel has moved, as far as DRAM has been simulated, which is up to the last event."""
        return self._channels.moved_bytes

    def traffic(self) -> Traffic:
        """What has been carried so far."""
        statistics = self._channels.statistics()
        for tensor, carried in self._tensors.items():
            tag = statistics.tags[tensor.key]
            carried.row_hits, carried.row_misses, carried.row_conflicts = (
                tag.row_hits,
                tag.row_misses,
                tag.row_conflicts,
            )
            carried.read_latency = tag.latency
        return Traffic(self._tensors, statistics.activates, statistics.standard.tCK_ps)

    def _schedule(self, delay: int) -> None:
        """Serve after all other events of the cycle that is `delay` ahead."""
        self._scheduled = True
        event = self._env.event()
        event._ok, event._value = True, None  # noqa: SLF001 (as simpy's own Timeout does, for a priority of our own)
        event.callbacks = [self._serve]
        self._env.schedule(event, _AFTER_ALL_OTHERS, delay)

    def _serve(self, _: simpy.Event) -> None:
        """Run DRAM to the next event; completions become events, after which DRAM is served again."""
        now, peek = int(self._env.now), self._env.peek()
        until = None if peek == float("inf") else int(peek)
        completions = self._channels.advance(until)
        for transfer, cycle in completions:
            event = self._waiting.pop(transfer)
            event._ok, event._value = True, None  # noqa: SLF001 (a success in the future, as a Timeout is)
            self._env.schedule(event, delay=cycle - now)
        self._scheduled = False
        stops = [cycle for _, cycle in completions] + ([] if until is None else [until])
        if self._channels.pending and stops:
            self._schedule(min(stops) - now)


def banked_bytes_per_cycle(dram: DramSpec, clock_hz: int) -> Fraction:
    """Bytes that all channels move in one accelerator cycle with every data bus busy, exactly."""
    device = BankedDramSpec.of(dram).device
    return Fraction(device.burst_bytes * _PICOSECONDS, device.nBL * device.tCK_ps * clock_hz) * dram.channels
