"""What cannot be counted is refused before anything is played: PE-cycles are int64, and must be so everywhere."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from dataflows.schedule import CAUSES, Cause, LayerSchedule
from dataflows.specs import AcceleratorSpec
from simulator.engine.memory_kinds import peak_bytes_per_cycle
from workloads.errors import InputError
from workloads.units import NANOSECONDS

MOST_PE_CYCLES = 1 << 62
_PER_TRANSFER = 4  # cycles that roundings and events cost a transfer at most


def most_cycles(schedule: LayerSchedule, spec: AcceleratorSpec) -> dict[str, int]:
    """Upper bounds of a layer's cycles by what drives them; all of them, one after the other, are never exceeded."""
    parts = (schedule.loads, schedule.stores, schedule.operands)
    transfers, carried = sum(len(runs.tile) for runs in parts), sum(runs.total_bytes for runs in parts)
    dram, peak = spec.dram, peak_bytes_per_cycle(spec.dram, spec.clock_hz)
    found = {
        "what the PEs do": _array_cycles(schedule),
        "drain": int(schedule.drain_cycles.max(initial=0)) * schedule.tiles,
        "the buffers' ports": carried // spec.buffers.bytes_per_cycle + _PER_TRANSFER * transfers,
    }
    if dram.kind == "banked" or peak is None:  # a banked memory ends its time by itself
        return found
    latency = Fraction(str(dram.latency_ns)) * spec.clock_hz / NANOSECONDS
    return found | {
        f"dram.bandwidth_gbs = {dram.bandwidth_gbs:g}": int(carried / peak),
        # A run touches a burst more than its bytes fill, at either end.
        f"dram.burst_bytes = {dram.burst_bytes}": int(2 * transfers * dram.burst_bytes / peak),
        f"dram.latency_ns = {dram.latency_ns:g}": int(transfers * latency),
    }


def require_countable(name: str, schedule: LayerSchedule, spec: AcceleratorSpec, before: int = 0) -> int:
    """A layer's cycles at most, which may follow on others of its network that take at most `before`.

    Raises `InputError`, naming the layer and what drives it, where PE-cycles could leave int64.
    """
    found = most_cycles(schedule, spec)
    own = sum(found.values())
    cycles = before + own
    # A wait is shared out by how long a PE is unmapped in the tile, which takes the product of both.
    idle = _longest_idle(schedule) if cycles >= 1 << 31 else 1
    if max(schedule.pes, idle) * cycles <= MOST_PE_CYCLES:
        return own
    driver = max(found, key=lambda part: found[part])
    raise InputError(
        f"layer '{name}': up to {cycles:.2g} cycles on {schedule.pes:,} PEs ({driver}) cannot be counted: "
        "at most 2^62 PE-cycles"
    )


def _array_cycles(schedule: LayerSchedule) -> int:
    """What the tiles take on the array, at most."""
    cycles = schedule.cycles
    # One pass settles it nearly always; else each tile is looked at, in floats, which do not overflow.
    crude = int(cycles.max(initial=0)) * CAUSES * schedule.tiles
    if crude * schedule.pes <= MOST_PE_CYCLES // 4:
        return crude
    return int(cycles.sum(axis=2, dtype=np.float64).max(axis=1, initial=0).sum())


def _longest_idle(schedule: LayerSchedule) -> int:
    """The most cycles for which a PE has no work in a tile that others work in."""
    own = schedule.cycles.sum(axis=2, dtype=np.float64)
    unmapped = schedule.cycles[:, :, Cause.UNMAPPED]
    alone = np.where(own > unmapped, unmapped, own.max(axis=1, keepdims=True, initial=0))
    return int(alone.max(initial=1))
