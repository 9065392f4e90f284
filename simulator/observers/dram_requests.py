"""`RequestRecorder`: an observer that keeps what banked DRAM was asked for, as a trace for other DRAM simulators."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np

from dataflows.schedule import LayerSchedule
from dataflows.specs import DramSpec
from simulator.dram.clock_domain import ClockDomain
from simulator.dram.spec import BankedDramSpec
from simulator.dram.trace_export import RequestTrace
from simulator.engine.observer import Observer
from workloads.errors import InputError
from workloads.files import require_writable, write_whole

FORMATS: dict[str, Callable[[RequestTrace], str]] = {
    "ramulator2": RequestTrace.ramulator2,
    "dramsim3": RequestTrace.dramsim3,
}


class RequestRecorder(Observer):
    """Every burst of a run, to be written to a file in one of `FORMATS`; layers follow one another in time."""

    def __init__(self, dram: DramSpec, form: str, path: Path) -> None:
        self._device = BankedDramSpec.of(dram).device
        self._trace = RequestTrace(self._device.burst_bytes)
        self._clock_hz = 1
        self._form, self.path = form, path

    @classmethod
    def of(cls, target: str, dram: DramSpec) -> Self:
        """From FORMAT:FILE. Raises `InputError` for another format, or for memory that has no requests."""
        form, _, path = target.partition(":")
        if form not in FORMATS or not path:
            raise InputError(f"--dram-trace {target}: must be FORMAT:FILE with a format of: {', '.join(FORMATS)}")
        if dram.kind != "banked":
            raise InputError(f"--dram-trace {target}: needs banked memory: --set dram.kind=banked")
        # Asked before the run, since the trace is only written behind it.
        require_writable(Path(path))
        return cls(dram, form, Path(path))

    def begin(self, layer: str, schedule: LayerSchedule, clock_hz: int) -> None:
        """See `Observer`."""
        del layer, schedule
        self._clock_hz = clock_hz

    def network_layer(self, layer: str, schedule: LayerSchedule, first_tile: int, clock_hz: int) -> None:
        """See `Observer`."""
        del layer, schedule, first_tile
        self._clock_hz = clock_hz

    def requests(self, address: np.ndarray, bursts: np.ndarray, write: np.ndarray, clock: int) -> None:
        """See `Observer`."""
        self._trace.requests(address, bursts, write, clock)

    def end(self, cycles: int) -> None:
        """See `Observer`."""
        # Rounded up to a whole clock, so that no request of the next layer comes before the last one of this.
        clock = ClockDomain.between(clock_hz=self._clock_hz, tck_ps=self._device.tCK_ps)
        self._trace.layer_ended(clock.to_clock(cycles))

    def write(self) -> None:
        """Write the trace."""
        write_whole(self.path, FORMATS[self._form](self._trace))
