"""`DramChannels`: transfers in, completions out, over any number of banked DRAM channels."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from simulator.dram.clock_domain import SAME_CLOCK, ClockDomain
from simulator.dram.controller import advance
from simulator.dram.layout import LAST_CLOCK, MAX_STREAMS, SEGMENT, TRANSFER, fresh_state
from simulator.dram.queues import offer
from simulator.dram.spec import BankedDramSpec
from simulator.dram.statistics import DramStatistics, open_clocks, tag_statistics
from workloads.errors import InputError, nearest


class Completion(NamedTuple):
    """A transfer whose last data has moved, and the cycle in which that is known."""

    transfer: Hashable
    cycle: int


class RequestObserver(Protocol):
    """Told of all bursts that are asked for, in the order of asking."""

    def requests(self, address: np.ndarray, bursts: np.ndarray, write: np.ndarray, clock: int) -> None:
        """Runs of bursts: first byte of the first one, how many, whether written; `clock` is the DRAM's."""
        ...


class DramChannels:
    """Banked DRAM as the event model uses it; cycles are those of the accelerator, see `ClockDomain`.

    Transfers of one tag enter the controllers in the order in which they were submitted; tags take turns. A run
    of bytes costs every burst that it touches.

    Use: `submit` transfers, then `advance(until)` to the next cycle at which something else may happen. It returns
    early when transfers complete; their cycles never lie before what has been simulated, so what they cause can still
    be submitted in time. Pieces of any length give the same result as one call.
    """

    def __init__(
        self,
        spec: BankedDramSpec,
        tags: Sequence[str],
        clock: ClockDomain = SAME_CLOCK,
        observers: Sequence[RequestObserver] = (),
    ) -> None:
        if not 1 <= len(tags) <= MAX_STREAMS:
            raise InputError(f"{len(tags)} tags of DRAM traffic, must be 1 to {MAX_STREAMS}")
        self.device = spec.device
        self.clock_domain = clock
        self._spec = spec
        self._streams = {tag: stream for stream, tag in enumerate(tags)}
        self._observers = observers
        self._state = fresh_state(spec.limits(len(tags)), channels=spec.channels, refresh=spec.refresh)
        self._transfers: list[Hashable] = [None] * len(self._state.transfers)
        self._free = list(range(len(self._state.transfers)))
        self._useful_bytes = [0] * len(tags)
        self._burst_bytes = [0] * len(tags)
        self._data_end_clock = 0

    @property
    def pending(self) -> int:
        """Transfers that have not completed."""
        return len(self._transfers) - len(self._free)

    @property
    def moved_bytes(self) -> list[int]:
        """What each channel has moved so far, in whole bursts."""
        return (self._state.channels["columns"] * self.device.burst_bytes).tolist()

    @property
    def earliest_cycle(self) -> int:
        """No transfer may be submitted for a cycle before this one."""
        # Channels need not have come equally far; what is new may lie behind none of them.
        return self.clock_domain.earliest_cycle(int(self._state.channels["clock"].max()))

    def submit(
        self,
        transfer: Hashable,
        address: np.ndarray,
        size_bytes: np.ndarray,
        *,
        write: bool | np.ndarray,
        cycle: int,
        tag: str,
    ) -> None:
        """Ask for byte runs (int64 arrays of equal length, sizes above 0), from `cycle` on.

        `write` holds for all runs, or is a bool array with one value a run. Raises `InputError` when a run leaves the
        memory or the tag is unknown.
        """
        if tag not in self._streams:
            raise InputError(f"unknown tag of DRAM traffic '{tag}': {nearest(tag, self._streams)}")
        self._check(transfer, address, size_bytes, cycle)
        burst = self.device.burst_bytes
        # Both ends are rounded down to bursts: with bursts of 64, the 72 bytes from 60 on (60 to 131) touch bursts 0, 1
        # and 2.
        first = address // burst
        bursts = (address + size_bytes - 1) // burst - first + 1
        direction = np.full(first.shape, write, np.int64)
        # Rounded up: a request that is made during a DRAM clock is seen at the next one, never before it was made.
        arrival = self.clock_domain.to_clock(cycle)
        for observer in self._observers:
            observer.requests(first * burst, bursts, direction != 0, arrival)
        stream = self._streams[tag]
        total = int(bursts.sum())
        self._useful_bytes[stream] += int(size_bytes.sum())
        self._burst_bytes[stream] += total * burst
        # A run leaves at most one segment on each channel, so every channel needs room for as many as there are runs.
        self._make_room(stream, len(first))
        offer(
            self._state,
            first,
            bursts,
            direction,
            stream,
            self._number(transfer, total),
            arrival,
            # Whole bursts: `BankedDramSpec` refuses an interleaving that is no multiple of them.
            self._spec.interleave_bytes // burst,
        )

    def advance(self, until: int | None = None) -> list[Completion]:
        """Simulate up to a cycle, or until transfers complete; without a cycle, until the next completion."""
        if until is None and not self.pending:
            return []
        until_clock = LAST_CLOCK if until is None else min(self.clock_domain.to_clock(until), LAST_CLOCK)
        advance(self._state, until_clock)
        completions = []
        # `finished` begins with its count; the numbers of transfers follow.
        for number in self._state.finished[1 : 1 + self._state.finished[0]].tolist():
            end = int(self._state.transfers["end"][number])
            self._data_end_clock = max(self._data_end_clock, end)
            completions.append(Completion(self._transfers[number], self.clock_domain.to_cycle(end)))
            self._free.append(number)
        return completions

    def statistics(self) -> DramStatistics:
        """What the channels have done so far."""
        channels = self._state.channels
        columns, clocks = int(channels["columns"].sum()), int(channels["clock"].max())
        return DramStatistics(
            tags={
                tag: tag_statistics(channels, stream, self._useful_bytes[stream], self._burst_bytes[stream])
                for tag, stream in self._streams.items()
            },
            activates=int(channels["activates"].sum()),
            precharges=int(channels["precharges"].sum()),
            refreshes=int(channels["refreshes"].sum()),
            open_clocks=open_clocks(channels, clocks),
            data_bus_clocks=columns * self.device.nBL,
            channels=len(channels),
            clocks=clocks,
            data_end_clock=self._data_end_clock,
            standard=self.device,
        )

    def _check(self, transfer: Hashable, address: np.ndarray, size_bytes: np.ndarray, cycle: int) -> None:
        """Refuse what cannot be simulated."""
        # Addresses are of all channels together; which of them a burst lies on is settled in `offer`.
        capacity = self.device.capacity_bytes * self._spec.channels
        if not len(address) or size_bytes.min() < 1 or address.min() < 0 or (address + size_bytes).max() > capacity:
            raise InputError(
                f"transfer '{transfer}' must be runs of at least a byte inside the {capacity} bytes of DRAM"
            )
        # Half, so that what is asked for last has as long again to end in.
        if self.clock_domain.to_clock(cycle) >= LAST_CLOCK // 2:
            raise InputError(f"transfer '{transfer}' for cycle {cycle}: later than DRAM can be simulated")
        # No input can bring this about: it would mean that DRAM was simulated past an event that still asks for data.
        if cycle < self.earliest_cycle:
            raise AssertionError(f"transfer '{transfer}' for cycle {cycle}, but DRAM is at {self.earliest_cycle}")

    def _number(self, transfer: Hashable, bursts: int) -> int:
        """A place in the table of transfers, which grows as needed."""
        if not self._free:
            # Doubled, so that growing costs a constant time per transfer; numbers given out before stay what they are.
            count = len(self._transfers)
            self._free = list(range(count, 2 * count))
            self._transfers += [None] * count
            self._state = self._state._replace(
                transfers=np.concatenate((self._state.transfers, np.zeros(count, TRANSFER))),
                finished=np.zeros(1 + 2 * count, np.int64),
            )
        number = self._free.pop()
        self._transfers[number] = transfer
        # Bursts that are still to end, on all channels together, and the clock of the latest end so far.
        self._state.transfers[number] = (bursts, 0)
        return number

    def _make_room(self, stream: int, needed: int) -> None:
        """See that every channel can take `needed` more segments of a stream."""
        # Views of the channel structs, not copies: what is written to them at the end is what the kernels read.
        tails = self._state.channels["tail"]
        capacity = self._state.segments.shape[2]
        if int(tails[:, stream].max()) + needed <= capacity:
            return
        heads = self._state.channels["head"]
        # Twice what is in use, so that moving costs a constant time per segment.
        capacity = max(capacity, 2 * (int((tails - heads).max()) + needed))
        # What was offered already, the segments before `head`, is left behind.
        moved = np.zeros((*heads.shape[:1], len(self._streams), capacity), SEGMENT)
        for channel, row in np.ndindex(*moved.shape[:2]):
            head, tail = heads[channel, row], tails[channel, row]
            moved[channel, row, : tail - head] = self._state.segments[channel, row, head:tail]
        tails -= heads
        heads[:] = 0
        self._state = self._state._replace(segments=moved)
