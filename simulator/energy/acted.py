"""`Acted`: what a machine did in a layer and how its time passed; all that its energy follows from but prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dataflows.accelerator import Accelerator
from dataflows.hardware.actions import MULTIPLIERS
from dataflows.hardware.components import Action
from dataflows.schedule import Cause, LayerSchedule
from simulator.dram.activity import DramActivity
from simulator.engine.played import Played
from simulator.reports.energy_report import Counts
from workloads.trace import LayerTrace
from workloads.units import MICROSECONDS

_IDLE, _BUSY = Action.IDLE.value, Cause.BUSY.key


@dataclass(frozen=True)
class Acted:
    """A layer, or several one after the other.

    counts            actions by component, the multipliers' empty slots among them
    pe_cycle_stack    PE-cycles by cause
    fragmented_lanes  multiplier slots that stayed empty in busy PE-cycles
    lanes_per_pe      multipliers of a PE
    activity          what external memory did meanwhile
    """

    counts: Counts
    time_us: float
    pe_cycle_stack: Mapping[str, int]
    fragmented_lanes: int
    lanes_per_pe: int
    activity: DramActivity

    @property
    def idle_slots(self) -> dict[str, int]:
        """Multiplier slots that passed without a product, by cause of the PE-cycles that they passed in."""
        # 10 PE-cycles of imbalance on PEs of 16 multipliers are 160 empty slots; of busy ones the fragments.
        idle = {cause: cycles * self.lanes_per_pe for cause, cycles in self.pe_cycle_stack.items()}
        idle[_BUSY] = self.fragmented_lanes
        return idle


def acted(
    machine: Accelerator, trace: LayerTrace, effectual_macs: int, schedule: LayerSchedule, played: Played
) -> Acted | None:
    """What a machine did in a layer that was played; None where it counts no actions."""
    counted = machine.actions(trace, schedule, effectual_macs)
    if counted is None:
        return None
    time_us = played.cycles * MICROSECONDS / machine.spec.clock_hz
    return Acted(
        counts=with_idle_slots(counted.to_dict(), schedule.multipliers * played.cycles),
        time_us=time_us,
        pe_cycle_stack=played.stack,
        fragmented_lanes=played.stack[_BUSY] * schedule.lanes_per_pe - schedule.issued_slots,
        lanes_per_pe=schedule.lanes_per_pe,
        activity=played.traffic.activity,
    )


def with_idle_slots(counts: Counts, slots: int) -> Counts:
    """Counts whose multipliers passed so many slots in all, with a product or without.

    Where a slot of the schedule is an adder's (adding by value), no multiplier's slots are known, and nothing is added.
    """
    if MULTIPLIERS not in counts:
        return counts
    held = {action: count for action, count in counts[MULTIPLIERS].items() if action != _IDLE}
    return counts | {MULTIPLIERS: held | {_IDLE: slots - sum(held.values())}}
