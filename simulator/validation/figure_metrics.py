"""What a published figure measures: one number from the JSON reports of a study's points, in the order of the study."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean, geometric_mean
from typing import Any

from dataflows.schedule import OWN_WORK, Cause
from simulator.validation.energy_metrics import ENERGY_METRICS
from simulator.validation.figure_runs import Run, Runs
from workloads.errors import InputError

__all__ = ["METRICS", "Run", "Runs", "crossover"]


def crossover(line: Sequence[tuple[float, float]]) -> list[float]:
    """Densities at which a line of (density, speedup) crosses 1; linear in the logarithm of speedup, as it is drawn.

    A line that only touches 1, or ends there, does not cross it.
    """
    # Speedups of 1 (logarithm 0) lie on neither side of the line; those of 0 have no logarithm.
    apart = [(x, math.log(y)) for x, y in line if y not in (0, 1)]
    # Where the straight line between two points of opposite sign is 0: with logarithms 1 and -1 halfway between them.
    return [x0 + (x1 - x0) * y0 / (y0 - y1) for (x0, y0), (x1, y1) in pairwise(apart) if y0 * y1 < 0]


def _sum(runs: Runs, key: str) -> float:
    return sum(run.total[key] for run in runs)


def _utilization(runs: Runs) -> float:
    """Products issued over multiplier slots."""
    return _sum(runs, "issued_macs") / sum(run.total["multipliers"] * run.total["cycles"] for run in runs)


def _mean_utilization(runs: Runs) -> float:
    """The mean over the runs of their utilization."""
    return fmean(_utilization([run]) for run in runs)


def _busy_utilization(runs: Runs) -> float:
    """Products issued over the multiplier slots of busy PEs: PEs that wait, or have no work, do not count."""
    # Slots of busy PEs are those that were filled and those left empty in busy cycles.
    issued = _sum(runs, "issued_macs")
    return issued / (issued + _sum(runs, "fragmented_lanes"))


def _mean_busy_utilization(runs: Runs) -> float:
    """The mean over the runs of their busy PEs' utilization, as a drawing with a bar a run shows it."""
    return fmean(_busy_utilization([run]) for run in runs)


def _idle(runs: Runs) -> float:
    """The share of PE-cycles in which a PE has nothing to do: no tile, or a wait for others, for data or for a drain.

    What its own work holds up is not idle: fillers (`index`) and bank conflicts. Figure 10 of the SCNN paper counts so:
    VGG-16's conv2_1 has 3 % idle PEs there and products that fill 94 % of the busy ones, at 52 % of its oracle's speed.
    """
    stacks = [run.total["pe_cycle_stack"] for run in runs]
    own_work = sum(stack[cause.key] for stack in stacks for cause in OWN_WORK)
    return 1 - own_work / sum(sum(stack.values()) for stack in stacks)


def _oracle_speedup(runs: Runs) -> float:
    """Dense baseline's cycles over those of all issued products on multipliers that are never idle."""
    return _sum(runs, "dense_cycles") / sum(run.total["issued_macs"] / run.total["multipliers"] for run in runs)


def _first_half_over_last(runs: Runs) -> float:
    """Cycles of the first half of the runs over those of the last half."""
    half, odd = divmod(len(runs), 2)
    if odd:
        raise InputError(f"metric 'first_half_over_last': needs an even number of points, not {len(runs)}")
    return _sum(runs[:half], "cycles") / _sum(runs[half:], "cycles")


def _joint_speedup(runs: Runs) -> float:
    """The networks one after the other: dense baseline's cycles over cycles."""
    return _sum(runs, "dense_cycles") / _sum(runs, "cycles")


def _mean_speedup(runs: Runs) -> float:
    """The mean of the runs' own speedups, however long each takes."""
    return fmean(_joint_speedup([run]) for run in runs)


def _issued_gops(runs: Runs) -> float:
    """Executed operations a nanosecond; a multiplication and its addition are two."""
    return 2 * _sum(runs, "issued_macs") / (1000 * _sum(runs, "time_us"))


def _layers_spilled(runs: Runs) -> float:
    """Layers whose activations do not fit on the chip."""
    return sum(layer["spills"] for run in runs for layer in run.report["layers"])


def _cycles_over_balance(runs: Runs) -> float:
    """Cycles over those that the same entries would take if all PEs had as many and none ever waited."""
    stacks = [run.total["pe_cycle_stack"] for run in runs]
    # Entries of zero-run encodings: products and the fillers between them, which take a cycle each.
    entries = sum(stack[Cause.BUSY.key] + stack[Cause.INDEX.key] for stack in stacks)
    return sum(run.total["pes"] * run.total["cycles"] for run in runs) / entries


def _last_machine_over_first(runs: Runs) -> float:
    """Time of the last run's machine over that of the first run's, each over all its runs and at its own clock."""
    # By time and not by cycles, since the machines may have different clocks.
    names = [run.machine for run in runs]
    last, first = (
        sum(run.total["time_us"] for run, name in zip(runs, names, strict=True) if name == wanted)
        for wanted in (names[-1], names[0])
    )
    return last / first


_WORK = ("workload", "layers", "prune", "density", "weight_density", "activation_density", "batch", "seed", "input")


def _by_work(runs: Runs) -> list[list[Run]]:
    """The runs of the same layers and densities together, whatever settings the machines have."""
    together: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        together.setdefault(tuple(run.values.get(key) for key in _WORK), []).append(run)
    return list(together.values())


def _mean_best_utilization(runs: Runs) -> float:
    """The highest utilization of each of the things that are run; their mean."""
    return fmean(max(_utilization([run]) for run in part) for part in _by_work(runs))


def _geometric_speedup_over_best(runs: Runs) -> float:
    """Least time of the other machines over the first machine's, by what they run; the geometric mean."""
    first, ratios = runs[0].report["accelerator"]["name"], []
    for part in _by_work(runs):
        names = [run.report["accelerator"]["name"] for run in part]
        if first not in names or set(names) == {first}:
            raise InputError("metric 'geometric_speedup_over_best': all that is run must run on two machines at least")
        times = [(name == first, run.total["time_us"]) for name, run in zip(names, part, strict=True)]
        ratios.append(min(time for own, time in times if not own) / min(time for own, time in times if own))
    return geometric_mean(ratios)


def _crossover_density(runs: Runs) -> float:
    """The density at which the machine is as fast as its dense baseline; NaN where it never is."""
    if any("density" not in run.values for run in runs):
        raise InputError("metric 'crossover_density': the study's points must differ in their density")
    found = crossover(sorted((run.values["density"], run.total["speedup"]) for run in runs))
    return found[0] if found else math.nan


METRICS: dict[str, Callable[[Runs], float]] = {
    "speedup": _joint_speedup,
    "utilization": _utilization,
    "mean_utilization": _mean_utilization,
    "mean_best_utilization": _mean_best_utilization,
    "busy_utilization": _busy_utilization,
    "mean_busy_utilization": _mean_busy_utilization,
    "idle": _idle,
    "oracle_speedup": _oracle_speedup,
    "mean_speedup": _mean_speedup,
    "time_ms": lambda runs: _sum(runs, "time_us") / 1000,
    "time_us": lambda runs: _sum(runs, "time_us"),
    "issued_gops": _issued_gops,
    "layers_spilled": _layers_spilled,
    "cycles_over_balance": _cycles_over_balance,
    "crossover_density": _crossover_density,
    "last_machine_over_first": _last_machine_over_first,
    "geometric_speedup_over_best": _geometric_speedup_over_best,
    "first_over_last": lambda runs: runs[0].total["cycles"] / runs[-1].total["cycles"],
    "first_half_over_last": _first_half_over_last,
    **ENERGY_METRICS,
}
