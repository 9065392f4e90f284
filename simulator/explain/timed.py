"""How long a machine takes for a trace, and nothing else: no baseline, no counts, so that many can be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dataflows.accelerator import Accelerator
from dataflows.schedule import Cause, LayerSchedule
from simulator.configuration import merge, validate
from simulator.engine.countable import require_countable
from simulator.engine.layer_simulation import Played
from simulator.engine.memory_kinds import least_cycles, peak_bytes_per_cycle
from simulator.network_simulation import play
from simulator.reports.bounds import Bounds
from workloads.errors import PrunesimError
from workloads.trace import LayerTrace
from workloads.units import MICROSECONDS


@dataclass(frozen=True)
class Timed:
    """A layer that was played: its time, and where the PE-cycles went."""

    time_us: float
    schedule: LayerSchedule
    played: Played
    bounds: Bounds

    @property
    def cycles(self) -> int:
        """Cycles of the layer."""
        return self.played.cycles

    def share(self, cause: Cause) -> float:
        """Share of all PE-cycles."""
        every = int(self.played.pe_cycles.sum())
        return int(self.played.pe_cycles[:, cause].sum()) / every if every else 0.0

    @property
    def empty_lanes(self) -> float:
        """Share of all multiplier slots that are empty inside busy PEs."""
        slots = self.schedule.multipliers * self.cycles
        busy = int(self.played.pe_cycles[:, Cause.BUSY].sum()) * self.schedule.lanes_per_pe
        return (busy - int(self.schedule.issued.sum())) / slots if slots else 0.0

    @property
    def utilization(self) -> float:
        """Share of all multiplier slots that held a product."""
        slots = self.schedule.multipliers * self.cycles
        return int(self.schedule.issued.sum()) / slots if slots else 0.0


def timed(machine: Accelerator, trace: LayerTrace) -> Timed:
    """Play a trace. Raises what `MachineRun.layer` raises, broken books excepted."""
    machine.require(trace.layer)
    schedule = machine.schedule(trace)
    require_countable(trace.layer.name, schedule, machine.spec)
    played = play(machine, schedule)
    moved = played.traffic.read_bytes + played.traffic.write_bytes
    peak = peak_bytes_per_cycle(machine.spec.dram, machine.spec.clock_hz)
    bounds = Bounds(schedule.compute_cycles, schedule.fullest_pe_cycles, least_cycles(moved, peak))
    return Timed(played.cycles * MICROSECONDS / machine.spec.clock_hz, schedule, played, bounds)


def with_settings(machine: Accelerator, settings: Mapping[str, Any]) -> Accelerator | None:
    """The machine with other values under dotted names; None where they are not possible together."""
    values = machine.spec.model_dump()
    for key, value in settings.items():
        merge(values, key, value)
    chosen = type(machine)
    try:
        return chosen(validate(chosen, values, machine.name))
    except PrunesimError:
        return None


def timed_or_none(machine: Accelerator | None, trace: LayerTrace) -> Timed | None:
    """As `timed`; None for no machine, and for one that cannot run the layer."""
    if machine is None:
        return None
    try:
        return timed(machine, trace)
    except PrunesimError:
        return None
