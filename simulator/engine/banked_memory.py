"""`BankedMemory`: the banked DRAM model as a component of the event model."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import simpy

from dataflows.schedule import Runs, Tensor
from dataflows.specs import DramSpec
from simulator.dram.channels import DramChannels, RequestObserver
from simulator.dram.clock_domain import ClockDomain
from simulator.dram.spec import BankedDramSpec
from simulator.engine.ideal_memory import Moved
from simulator.engine.traffic import TensorTraffic, Traffic, Transfer
from workloads.units import PICOSECONDS

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
        # A stream for each tensor, so that inputs, weights and outputs take turns before the controller.
        self._channels = DramChannels(spec, [tensor.key for tensor in Tensor], clock, observers)
        self._tensors = {tensor: TensorTraffic() for tensor in Tensor}
        self._waiting: dict[Hashable, simpy.Event] = {}
        self._transfers = 0
        self._scheduled = False

    def transfer(self, runs: Runs, part: Transfer, urgency: int, *, write: bool) -> Moved:
        """Start to move a part of some runs; returns when its first burst and its last byte are there.

        The streams of tensors take turns, whatever their urgency; inside a stream what was asked for first is first.
        """
        del urgency
        self._tensors[part.tensor].add(part, write=write)
        address, size = (column[part.start : part.stop] for column in (runs.address, runs.size_bytes))
        # A write has no first burst that anybody waits for; a transfer of one burst has the first for its last.
        if write or part.burst_bytes <= self.burst_bytes:
            last = self._submit(part.tensor, address, size, write=write)
            return Moved(last, last)
        # The first burst is a transfer of its own, so that its arrival is an event; the requests are the same.
        # Up to the end of the burst in which the run begins: from address 100 on, 28 bytes of a burst of 64.
        # Of 200 bytes the other 172, from 128 on, are three bursts more.
        head = min(int(size[0]), self.burst_bytes - int(address[0]) % self.burst_bytes)
        first = self._submit(part.tensor, address[:1], np.array([head]), write=write)
        # Copies, since the columns are views of the schedule, which others read.
        address, size = address.copy(), size.copy()
        address[0], size[0] = address[0] + head, size[0] - head
        # A run that its head holds whole is dropped. Others are left then, since the transfer has more than one burst.
        return Moved(first, self._submit(part.tensor, address[size > 0], size[size > 0], write=write))

    def _submit(self, tensor: Tensor, address: np.ndarray, size_bytes: np.ndarray, *, write: bool) -> simpy.Event:
        """Ask for byte runs; the event fires at the cycle in which the last of them has moved."""
        self._channels.submit(
            self._transfers, address, size_bytes, write=write, cycle=int(self._env.now), tag=tensor.key
        )
        # The number is what a completion will name; it is never used again.
        event = self._waiting[self._transfers] = self._env.event()
        self._transfers += 1
        # One service a cycle is enough: it comes after all requests of the cycle.
        if not self._scheduled:
            self._schedule(0)
        return event

    def channel_bytes(self) -> list[int]:
        """What each channel has moved, as far as DRAM has been simulated, which is up to the last event."""
        return self._channels.moved_bytes

    def traffic(self) -> Traffic:
        """What has been carried so far."""
        # DRAM rests once nothing is pending. Until now it has gone on to refresh, and its rows stayed as they were.
        if not self._channels.pending:
            self._channels.advance(int(self._env.now))
        statistics = self._channels.statistics()
        for tensor, carried in self._tensors.items():
            tag = statistics.tags[tensor.key]
            carried.row_hits, carried.row_misses, carried.row_conflicts = (
                tag.row_hits,
                tag.row_misses,
                tag.row_conflicts,
            )
            carried.read_latency = tag.latency
        return Traffic(self._tensors, statistics.activity, statistics.standard.tCK_ps)

    def _schedule(self, delay: int) -> None:
        """Serve after all other events of the cycle that is `delay` ahead."""
        self._scheduled = True
        event = self._env.event()
        event._ok, event._value = True, None  # noqa: SLF001 (as simpy's own Timeout does, for a priority of our own)
        # Set by hand, as `succeed` would schedule with the normal priority, before requests of the same cycle.
        event.callbacks = [self._serve]
        self._env.schedule(event, _AFTER_ALL_OTHERS, delay)

    def _serve(self, _: simpy.Event) -> None:
        """Run DRAM to the next event; completions become events, after which DRAM is served again."""
        # Example: at cycle 100 the model's next event is at 140. If a transfer completes at 120, its event is set for
        # 120 and DRAM goes on from there; if none does, DRAM has come to 140 and waits for what is asked then.
        now, peek = int(self._env.now), self._env.peek()  # peek: when the rest of the model may ask for more
        until = None if peek == float("inf") else int(peek)
        completions = self._channels.advance(until)
        for transfer, cycle in completions:
            event = self._waiting.pop(transfer)
            event._ok, event._value = True, None  # noqa: SLF001 (a success in the future, as a Timeout is)
            self._env.schedule(event, delay=cycle - now)
        self._scheduled = False
        # The next service: with the next event of the model, which may ask for more, or with the first completion.
        stops = [cycle for _, cycle in completions] + ([] if until is None else [until])
        if self._channels.pending and stops:
            self._schedule(min(stops) - now)


def banked_bytes_per_cycle(dram: DramSpec, clock_hz: int) -> Fraction:
    """Bytes that all channels move in one accelerator cycle with every data bus busy, exactly."""
    device = BankedDramSpec.of(dram).device
    # A channel of DDR4-2400 moves 64 bytes in 4 clocks of 833 ps. Beside an accelerator of 1 GHz these are 3.332
    # cycles, and the rate is 64 / 3.332 = 19.2 bytes a cycle.
    return Fraction(device.burst_bytes * PICOSECONDS, device.nBL * device.tCK_ps * clock_hz) * dram.channels
