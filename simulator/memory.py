"""External memory as the event model sees it: transfers in, completion events out."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
import simpy

from dataflows.accelerator import DramSpec

NANOSECONDS = 1_000_000_000


@dataclass(slots=True)
class Traffic:
    """What memory has carried, in bytes; `burst_bytes` counts whole bursts, so it includes what partial ones waste."""

    read_bytes: int = 0
    write_bytes: int = 0
    burst_bytes: int = 0
    row_hits: int = 0
    row_misses: int = 0


class Memory(Protocol):
    """What `LayerSimulation` needs of a memory."""

    traffic: Traffic

    def transfer(self, address: np.ndarray, size_bytes: np.ndarray, *, write: bool) -> simpy.Event:
        """Start to move address runs (int64 arrays of equal length); the event fires when the last byte is there."""
        ...


def peak_bytes_per_cycle(dram: DramSpec, clock_hz: int) -> Fraction | None:
    """Bytes that memory can move in one accelerator cycle, exactly; None when bandwidth is infinite."""
    if dram.bandwidth_gbs == float("inf"):
        return None
    return Fraction(str(dram.bandwidth_gbs)) * NANOSECONDS / clock_hz


def burst_total_bytes(address: np.ndarray, size_bytes: np.ndarray, burst_bytes: int) -> int:
    """Bytes of all bursts that the runs touch; a burst is aligned to its size, and a run pays for whole ones."""
    first = address // burst_bytes
    last = (address + size_bytes - 1) // burst_bytes
    return int((last - first + 1).sum()) * burst_bytes


class IdealMemory:
    """Bandwidth and latency, first come first served: no banks, rows or refresh.

    A transfer occupies the channels for its bursts at peak bandwidth, after those before it; its last byte arrives one
    latency later. Latencies of queued transfers overlap. With infinite bandwidth memory is not modelled at all and
    every transfer is there at once.
    """

    def __init__(self, env: simpy.Environment, dram: DramSpec, clock_hz: int) -> None:
        self._env = env
        self._burst_bytes = dram.burst_bytes
        self._bytes_per_cycle = peak_bytes_per_cycle(dram, clock_hz)
        self._latency_cycles = Fraction(str(dram.latency_ns)) * clock_hz / NANOSECONDS
        self._free_at = Fraction(0)
        self.traffic = Traffic()

    def transfer(self, address: np.ndarray, size_bytes: np.ndarray, *, write: bool) -> simpy.Event:
        """Start to move address runs; the event fires at the cycle in which the last byte is there."""
        useful = int(size_bytes.sum())
        bursts = burst_total_bytes(address, size_bytes, self._burst_bytes)
        if write:
            self.traffic.write_bytes += useful
        else:
            self.traffic.read_bytes += useful
        self.traffic.burst_bytes += bursts
        now = int(self._env.now)
        if self._bytes_per_cycle is None:
            return self._env.timeout(0)
        # Fractions keep the channel's clock exact: rounding each transfer up would drift by a cycle a transfer.
        self._free_at = max(self._free_at, Fraction(now)) + Fraction(bursts) / self._bytes_per_cycle
        done = self._free_at + self._latency_cycles
        return self._env.timeout(-(-done.numerator // done.denominator) - now)
