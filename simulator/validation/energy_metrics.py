"""What a published energy, area or power measures: one number from the JSON reports of a study's points."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from simulator.validation.figure_runs import Run, Runs
from simulator.validation.word_costs import word_over_mac
from workloads.errors import InputError

_NANOJOULES = 1000  # pJ
_ALWAYS_ON = ("background_pj", "refresh_pj")


def _event_pj(run: Run) -> float:
    """Energy without what external memory takes while it does nothing, which models of events leave out."""
    energy = run.total["energy"]
    return energy["total_pj"] - sum(energy["dram"][key] for key in _ALWAYS_ON)


def energy_over_last_machine(runs: Runs) -> float:
    """Energy of the first run's machine over that of the last run's, each over all its runs."""
    first, last = (
        sum(_event_pj(run) for run in runs if run.machine == wanted) for wanted in (runs[0].machine, runs[-1].machine)
    )
    return first / last


def area_mm2(runs: Runs) -> float:
    """Area of the parts, of all of their kind together."""
    (run,) = runs
    return _sum(run, run.report["area"]["components"])


def _pe_area_mm2(runs: Runs) -> float:
    return area_mm2(runs) / runs[0].total["pes"]


def power_mw(runs: Runs) -> float:
    """Mean power of the parts, what they leak included; that of the chip without external memory."""
    (run,) = runs
    energy = run.total["energy"]
    spent = _sum(run, energy["components"]) + _sum(run, energy["leakage"])
    # A nJ in a us is a mW.
    return spent / _NANOJOULES / run.total["time_us"]


def _pe_power_mw(runs: Runs) -> float:
    return power_mw(runs) / runs[0].total["pes"]


def _sum(run: Run, of_components: Mapping[str, float]) -> float:
    unknown = [name for name in run.parts if name not in of_components]
    if unknown:
        raise InputError(f"parts = '{unknown[0]}': {run.machine} has {', '.join(of_components)}")
    return sum(of_components[name] for name in run.parts or of_components)


ENERGY_METRICS: dict[str, Callable[[Runs], float]] = {
    "energy_over_last_machine": energy_over_last_machine,
    "area_mm2": area_mm2,
    "pe_area_mm2": _pe_area_mm2,
    "power_mw": power_mw,
    "pe_power_mw": _pe_power_mw,
    "word_over_mac": word_over_mac,
}
"""Metrics that need a report's energy or area; the readings of prices are laid over figures of these alone."""
