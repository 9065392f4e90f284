"""External memory as the event model sees it: transfers in, completion events out."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, Protocol

import numpy as np
import simpy

from dataflows.dram_spec import DramSpec
from dataflows.schedule import Runs, Tensor
from simulator.dram.latency import ReadLatency

NANOSECONDS = 1_000_000_000
_TENSORS = tuple(Tensor)


class Transfer(NamedTuple):
    """One tensor's share of a tile's traffic: rows start..stop of the runs, and their bytes."""

    tensor: Tensor
    start: int
    stop: int
    size_bytes: int
    burst_bytes: int


def transfers_by_tile(runs: Runs, burst_bytes: int) -> dict[int, list[Transfer]]:
    """The runs of one direction cut by tile and tensor, so that playing them needs no search; tiles in order.

    A burst is aligned to its size, and a run pays for every burst that it touches.
    """
    by_tile: dict[int, list[Transfer]] = {}
    if not len(runs.tile):
        return by_tile
    change = np.flatnonzero((np.diff(runs.tile) != 0) | (np.diff(runs.tensor) != 0)) + 1
    starts = np.concatenate(([0], change))
    bursts = (runs.address + runs.size_bytes - 1) // burst_bytes - runs.address // burst_bytes + 1
    columns = (
        runs.tile[starts],
        runs.tensor[starts],
        starts,
        np.append(change, len(runs.tile)),
        np.add.reduceat(runs.size_bytes, starts),
        np.add.reduceat(bursts, starts) * burst_bytes,
    )
    for tile, tensor, start, stop, size, burst in zip(*(column.tolist() for column in columns), strict=True):
        by_tile.setdefault(tile, []).append(Transfer(_TENSORS[tensor], start, stop, size, burst))
    return by_tile


@dataclass(slots=True)
class TensorTraffic:
    """What memory has carried of one tensor.

    Bytes are useful ones; `burst_bytes` counts whole bursts, so it includes what partial ones waste. A row hit found
    its row open, a miss its bank closed, a conflict another row open. `read_latency` is None where memory is not that
    detailed.
    """

    read_bytes: int = 0
    write_bytes: int = 0
    burst_bytes: int = 0
    row_hits: int = 0
    row_misses: int = 0
    row_conflicts: int = 0
    read_latency: ReadLatency | None = None

    def add(self, part: Transfer, *, write: bool) -> None:
        """Count a transfer."""
        if write:
            self.write_bytes += part.size_bytes
        else:
            self.read_bytes += part.size_bytes
        self.burst_bytes += part.burst_bytes


@dataclass(slots=True)
class Traffic:
    """What memory has carried, by tensor, and how often it opened a row; `clock_ps` is DRAM's clock, 0 for ideal."""

    tensors: dict[Tensor, TensorTraffic]
    activates: int = 0
    clock_ps: int = 0


class Memory(Protocol):
    """What `LayerSimulation` needs of a memory; `burst_bytes` is its smallest transfer."""

    burst_bytes: int

    def transfer(self, runs: Runs, part: Transfer, *, write: bool) -> simpy.Event:
        """Start to move a part of some runs; the event fires when the last byte is there."""
        ...

    def channel_bytes(self) -> list[int]:
        """What each channel has moved up to now, in whole bursts."""
        ...

    def traffic(self) -> Traffic:
        """What has been carried so far."""
        ...


class IdealMemory:
    """Bandwidth and latency, first come first served: no banks, rows or refresh.

    A transfer occupies the channels for its bursts at peak bandwidth, after those before it; its last byte arrives one
    latency later. Latencies of queued transfers overlap. With infinite bandwidth memory is not modelled at all and
    every transfer is there at once.
    """

    def __init__(self, env: simpy.Environment, dram: DramSpec, clock_hz: int) -> None:
        self.burst_bytes = dram.burst_bytes
        self._env = env
        self._bytes_per_cycle = ideal_bytes_per_cycle(dram, clock_hz)
        self._latency = Fraction(str(dram.latency_ns)) * clock_hz / NANOSECONDS
        # When the channels are free again, in cycles times the numerator of bytes per cycle: whole numbers keep this
        # clock exact, where rounding each transfer to a cycle would drift.
        self._free_at = 0
        self._tensors = {tensor: TensorTraffic() for tensor in Tensor}

    def transfer(self, runs: Runs, part: Transfer, *, write: bool) -> simpy.Event:
        """Start to move a part of some runs; the event fires at the cycle in which the last byte is there."""
        del runs
        self._tensors[part.tensor].add(part, write=write)
        if self._bytes_per_cycle is None:
            return self._env.timeout(0)
        now, unit, latency = int(self._env.now), self._bytes_per_cycle.numerator, self._latency
        self._free_at = max(self._free_at, now * unit) + part.burst_bytes * self._bytes_per_cycle.denominator
        done = self._free_at * latency.denominator + latency.numerator * unit
        return self._env.timeout(-(-done // (unit * latency.denominator)) - now)

    def channel_bytes(self) -> list[int]:
        """What has been moved up to now; the channels of an ideal memory are one."""
        asked = sum(tensor.burst_bytes for tensor in self._tensors.values())
        if self._bytes_per_cycle is None:
            return [asked]
        ahead = max(0, self._free_at - int(self._env.now) * self._bytes_per_cycle.numerator)
        return [asked - -(-ahead // self._bytes_per_cycle.denominator)]

    def traffic(self) -> Traffic:
        """What has been carried so far; an ideal memory has no rows."""
        return Traffic(self._tensors)


def ideal_bytes_per_cycle(dram: DramSpec, clock_hz: int) -> Fraction | None:
    """Bytes that ideal memory can move in one accelerator cycle, exactly; None when bandwidth is infinite."""
    if dram.bandwidth_gbs == float("inf"):
        return None
    return Fraction(str(dram.bandwidth_gbs)) * NANOSECONDS / clock_hz
