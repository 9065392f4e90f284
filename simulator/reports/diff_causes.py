"""Changes and what they follow from: a metric that only follows another one is told with it, not beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from simulator.reports.metrics import STACK

TOTAL = "total"

_RATIOS = {
    "time_us": ("cycles",),
    "utilization": ("cycles", "issued_macs"),
    "effectual_utilization": ("cycles", "effectual_macs"),
    "empty_lanes": ("cycles", "fragmented_lanes"),
    "load_imbalance": ("barrier_busy_cycles", "pe_cycle_stack.busy"),
    "speedup": ("cycles", "dense_cycles"),
    "speedup_factors.size": ("dense_cycles", "dense_slots"),
    "speedup_factors.skipped": ("issued_macs", "dense_issued_macs"),
    "speedup_factors.utilization": ("cycles", "issued_macs", "dense_slots"),
    "bound_ratio": ("cycles", "bounds.*"),
    "bounds.compute_cycles": ("issued_macs",),
    "bounds.fullest_pe_cycles": ("pe_cycle_stack.bank_conflict", "pe_cycle_stack.busy", "pe_cycle_stack.index"),
    "bounds.memory_cycles": ("dram.read_bytes", "dram.write_bytes", "dram.peak_gbs"),
    "dram.efficiency": ("dram.read_bytes", "dram.write_bytes", "cycles", "dram.peak_gbs"),
    "dram.achieved_gbs": ("dram.read_bytes", "dram.write_bytes", "cycles"),
    "network.time_us": ("network.cycles",),
    "network.alone_cycles": ("cycles",),
    "network.gain": ("network.cycles", "network.alone_cycles"),
    "network.bounds.compute_cycles": ("bounds.compute_cycles",),
    "network.bounds.fullest_pe_cycles": ("bounds.fullest_pe_cycles",),
    "network.bounds.memory_cycles": ("network.read_bytes", "network.write_bytes", "dram.peak_gbs"),
    "network.inputs.latency_cycles": ("network.cycles",),
    "network.inputs.latency_us": ("network.inputs.latency_cycles", "network.cycles"),
    "network.inputs.interval_us": ("network.inputs.interval_cycles",),
    "network.inputs.images_per_s": ("network.inputs.interval_cycles",),
    "weight_density": ("weight_macs",),
    "activation_density": ("effectual_macs",),
    "power_mw": ("energy.total_pj", "cycles"),
    "tops_per_watt.dense": ("energy.total_pj",),
    "tops_per_watt.effectual": ("energy.total_pj", "effectual_macs"),
    "energy_delay_product": ("energy.total_pj", "cycles"),
    "energy_vs_dense": ("energy.total_pj", "dense_cycles"),
    "energy.low_pj": ("energy.total_pj",),
    "energy.high_pj": ("energy.total_pj",),
    "energy.sparsity_share": ("energy.purposes.sparsity", "energy.total_pj"),
    "network.power_mw": ("network.energy.total_pj", "network.cycles"),
    "network.tops_per_watt.dense": ("network.energy.total_pj",),
    "network.tops_per_watt.effectual": ("network.energy.total_pj", "effectual_macs"),
    "network.energy_delay_product": ("network.energy.total_pj", "network.cycles"),
    "network.energy.low_pj": ("network.energy.total_pj",),
    "network.energy.high_pj": ("network.energy.total_pj",),
    "network.energy.sparsity_share": ("network.energy.purposes.sparsity", "network.energy.total_pj"),
    "area.low_mm2": ("area.total_mm2",),
    "area.high_mm2": ("area.total_mm2",),
    "area.sparsity_share": ("area.total_mm2",),
}
"""What is computed from others: metric -> those that may have moved it, the likeliest first."""

_PARTS = {
    "pe_cycle_stack.*": ("cycles",),
    "network.cycles": ("cycles",),
    "network.pe_cycle_stack.*": ("network.cycles",),
    "network.inputs.interval_cycles": ("network.cycles",),
    "network.inputs.cycles": ("network.inputs.count", "network.inputs.interval_cycles"),
    "network.inputs.pe_cycle_stack.*": ("network.inputs.cycles",),
    "network.inputs.read_bytes": ("network.inputs.count", "network.read_bytes"),
    "network.inputs.write_bytes": ("network.inputs.count", "network.write_bytes"),
    "network.read_bytes": ("dram.read_bytes",),
    "network.write_bytes": ("dram.write_bytes",),
    "fragmented_lanes": ("issued_macs", "pe_cycle_stack.busy"),
    "barrier_busy_cycles": ("pe_cycle_stack.busy",),
    "dense_issued_macs": ("dense_cycles",),
    "dense_slots": ("dense_cycles",),
    "dram.burst_bytes": ("dram.read_bytes", "dram.write_bytes"),
    "dram.wasted_bytes": ("dram.burst_bytes",),
    "dram.row_*": ("dram.burst_bytes",),
    "dram.activates": ("dram.row_misses", "dram.row_conflicts"),
    "dram.read_latency_p95_ns": ("dram.read_latency_ns",),
    "dram.activity.*": ("dram.read_bytes", "dram.write_bytes", "cycles"),
    "actions.multipliers.idle": ("cycles",),
    "actions.*": ("issued_macs", "effectual_macs", "dram.read_bytes", "dram.write_bytes"),
    # The energy itself stands beside the cycles: many have come for one of the two.
    "network.energy.total_pj": ("energy.total_pj",),
    "network.energy.*": ("network.energy.total_pj",),
    "energy.?*.*": ("energy.total_pj",),
    "energy.dynamic_pj": ("energy.total_pj",),
    "energy.leakage_pj": ("energy.total_pj",),
    "area.components.*": ("area.total_mm2",),
}
"""What is counted by itself and moves along with others."""


@dataclass(frozen=True)
class Change:
    """One metric of one layer (or of the total) on one machine.

    relative   (new - old) / |old|; infinite where old is 0
    effect     what it means for the whole network: a count's change over the whole it is a part of, a ratio's relative
               change weighed by the layer's share of the cycles; None where nothing says
    sense      1 for the better, -1 for the worse, 0 for neither
    follows    the metric of the same layer that this one moved with; empty for one that moved by itself
    """

    machine: str
    layer: str
    metric: str
    old: Any
    new: Any
    relative: float
    effect: float | None
    tolerated: bool
    sense: int = 0
    follows: str = ""

    @property
    def worse(self) -> bool:
        """Whether it is for the worse."""
        return self.sense < 0

    def to_dict(self) -> dict[str, Any]:
        """For JSON, which knows no infinity."""
        return {
            "accelerator": self.machine,
            "layer": self.layer,
            "metric": self.metric,
            "old": self.old,
            "new": self.new,
            "relative": self.relative if math.isfinite(self.relative) else None,
            "effect": self.effect,
            "sense": {1: "better", -1: "worse"}.get(self.sense),
            "tolerated": self.tolerated,
            "follows": self.follows or None,
        }


@dataclass(frozen=True)
class Cause:
    """What moved by itself on a machine, in one direction, and all that moved with it.

    first   the change that stands for the others: the total's where it has moved
    layers  further layers where the same metric moved, what fails first, then by effect
    more    how many metrics of these layers and of the total followed
    """

    first: Change
    layers: tuple[str, ...]
    more: int


def with_causes(changes: Sequence[Change]) -> list[Change]:
    """The changes of one layer, each with what it follows.

    A ratio goes with what it is computed from, and takes its sense: utilization that falls because fewer products are
    left to issue is no loss. A count stays by itself where it is worse and the other is not. What fails never
    goes with what is tolerated.
    """
    moved = {change.metric: change for change in changes}
    found = []
    for change in changes:
        root = _root(change, moved)
        sense = root.sense if change.metric in _RATIOS else change.sense
        found.append(replace(change, sense=sense, follows=root.metric if root is not change else ""))
    return found


def _root(change: Change, moved: Mapping[str, Change]) -> Change:
    is_ratio = change.metric in _RATIOS
    for glob in _sources(change.metric):
        for metric, source in moved.items():
            if metric == change.metric or not fnmatchcase(metric, glob):
                continue
            hides_failure = source.tolerated and not change.tolerated
            if not hides_failure and (is_ratio or source.worse or not change.worse):
                return _root(source, moved)
    return change


def _sources(metric: str) -> tuple[str, ...]:
    """Globs of what may have moved a metric."""
    if metric in _RATIOS:
        return _RATIOS[metric]
    # A tensor's bytes and rows are a part of those of all tensors.
    if metric.startswith("dram.tensors."):
        return (f"dram.{metric.rpartition('.')[2]}",)
    return next((sources for glob, sources in _PARTS.items() if fnmatchcase(metric, glob)), ())


def causes_of(changes: Iterable[Change]) -> list[Cause]:
    """What moved by itself, one entry for all layers of a machine where it moved alike; order as in `changes`."""
    groups: dict[tuple[object, ...], list[Change]] = {}
    followers: dict[tuple[str, str, str], int] = {}
    for change in changes:
        if change.follows:
            place = (change.machine, change.layer, change.follows)
            followers[place] = followers.get(place, 0) + 1
        else:
            groups.setdefault((change.machine, change.metric, change.sense, change.tolerated), []).append(change)
    return [_cause(group, followers) for group in groups.values()]


def _cause(group: Sequence[Change], followers: Mapping[tuple[str, str, str], int]) -> Cause:
    first = next((change for change in group if change.layer == TOTAL), group[0])
    layers = tuple(change.layer for change in group if change is not first)
    return Cause(first, layers, sum(followers.get((one.machine, one.layer, one.metric), 0) for one in group))


def is_amount(metric: str) -> bool:
    """Whether a metric with a fraction adds up over layers, as counts do: energies and areas."""
    return metric.removeprefix("network.").startswith(("energy.", "area.")) and not metric.endswith("_share")


def wholes_of(total: Mapping[str, Any]) -> Callable[[str], float]:
    """For a count's or an amount's metric the whole that its changes are measured against; 0 where there is none."""
    pe_cycles = sum(value for key, value in total.items() if key.startswith(STACK))
    moved = total.get("dram.read_bytes", 0) + total.get("dram.write_bytes", 0)
    rows = sum(total.get(f"dram.row_{key}", 0) for key in ("hits", "misses", "conflicts"))
    slots = total.get("multipliers", 0) * total.get("cycles", 0)
    network = sum(value for key, value in total.items() if key.startswith(f"network.{STACK}"))
    through_network = total.get("network.read_bytes", 0) + total.get("network.write_bytes", 0)
    inputs = sum(value for key, value in total.items() if key.startswith(f"network.inputs.{STACK}"))
    through_inputs = total.get("network.inputs.read_bytes", 0) + total.get("network.inputs.write_bytes", 0)
    wholes = {
        # Before those of the network, whose patterns they fit as well.
        "network.inputs.pe_cycle_stack.*": inputs,
        "network.inputs.*_bytes": through_inputs,
        "network.pe_cycle_stack.*": network,
        "network.bounds.*": total.get("network.cycles", 0),
        "network.*_bytes": through_network,
        "pe_cycle_stack.*": pe_cycles,
        "bounds.*": total.get("cycles", 0),
        "barrier_busy_cycles": total.get("cycles", 0),
        "fragmented_lanes": slots,
        "dram.*_bytes": moved,
        "dram.*row_*": rows,
        "dram.activates": rows,
        "network.energy.*": total.get("network.energy.total_pj", 0),
        "energy.*": total.get("energy.total_pj", 0),
        "area.*": total.get("area.total_mm2", 0),
    }

    def whole(metric: str) -> float:
        # Three bank conflicts where there were none are nothing beside a million PE-cycles, and no infinite change.
        return next((size for glob, size in wholes.items() if fnmatchcase(metric, glob)), abs(total.get(metric) or 0))

    return whole
