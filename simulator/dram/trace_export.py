"""Export of the requests that DRAM was asked for, as traces that other DRAM simulators read."""

from __future__ import annotations

import numpy as np

from workloads.whole_numbers import starts


class RequestTrace:
    """An observer of `DramChannels` that keeps every burst: byte address, direction and DRAM clock of asking."""

    def __init__(self, burst_bytes: int) -> None:
        self._burst_bytes = burst_bytes
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._start_clock = 0

    def requests(self, address: np.ndarray, bursts: np.ndarray, write: np.ndarray, clock: int) -> None:
        """Keep runs of bursts."""
        # Each burst's place in its run: of runs of 2 and 3 bursts, 0 1 2 3 4 less 0 0 2 2 2 are 0 1 0 1 2.
        within = np.arange(bursts.sum()) - np.repeat(starts(bursts), bursts)
        addresses = np.repeat(address, bursts) + within * self._burst_bytes
        # Clocks of a layer count from its start, those of the trace from the start of the run.
        self._parts.append((addresses, np.repeat(write, bursts), np.full(len(addresses), self._start_clock + clock)))

    def layer_ended(self, clocks: int) -> None:
        """The layer took so many DRAM clocks; what follows counts from its end."""
        self._start_clock += clocks

    def columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(address, write, clock) of all bursts in the order of their clocks; equal clocks keep the order of asking."""
        if not self._parts:
            return np.zeros(0, np.int64), np.zeros(0, np.bool_), np.zeros(0, np.int64)
        address, write, clock = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        order = np.argsort(clock, kind="stable")
        return address[order], write[order], clock[order]

    def ramulator2(self) -> str:
        """A trace for Ramulator 2's LoadStoreTrace frontend: "LD 0x40" or "ST 0x40" a line. It holds no clocks."""
        address, write, _ = self.columns()
        rows = zip(address.tolist(), write.tolist(), strict=True)
        return "".join(f"{'ST' if w else 'LD'} 0x{a:x}\n" for a, w in rows)

    def dramsim3(self) -> str:
        """A trace for DRAMsim3's trace-based CPU: "0x40 READ 12" or "0x40 WRITE 12" a line, the last a clock."""
        address, write, clock = self.columns()
        rows = zip(address.tolist(), write.tolist(), clock.tolist(), strict=True)
        return "".join(f"0x{a:x} {'WRITE' if w else 'READ'} {c}\n" for a, w, c in rows)
