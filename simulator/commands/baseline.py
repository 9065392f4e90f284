"""`--baseline`: one run that all others are compared with, a machine's of the same layers or that of a stored report.

This module loads quickly, since `prunesim --help` reads those that use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from simulator.terminal.wishes import inform
from workloads.errors import InputError

if TYPE_CHECKING:
    from dataflows.accelerator import Accelerator
    from simulator.plots.data import Data
    from simulator.reports.report import NetworkReport

BASELINE_HELP = (
    "Also give speedups over one run for all: an accelerator's on the same layers, or that of another run's JSON "
    "report (FILE, or FILE:MACHINE)."
)


def beside(baseline: str | None, names: Sequence[str]) -> list[str]:
    """The accelerator that runs for a baseline alone: none without one, nor where it is compared or a file."""
    from dataflows.registry import machines

    return [baseline] if baseline and baseline in machines() and baseline not in names else []


def split(
    able: Sequence[Accelerator], names: Sequence[str], baseline: str | None, refused: Mapping[str, str]
) -> tuple[list[Accelerator], list[Accelerator]]:
    """Those that are compared, and the one that is not shown; `InputError` where the baseline's was refused."""
    if baseline is not None and baseline in refused:
        raise InputError(f"--baseline {baseline}: {refused[baseline]}")
    return [one for one in able if one.name in names], [one for one in able if one.name not in names]


def compared_with(baseline: str | None, reports: Sequence[NetworkReport], shown: int) -> list[NetworkReport]:
    """The first `shown` reports, over the baseline where one is asked for; it is among the reports, or in a file."""
    from simulator.reports.common_baseline import CommonBaseline
    from simulator.reports.stored_baseline import read_baseline

    if baseline is None:
        return list(reports)
    own = [report for report in reports if report.machine == baseline]
    common = CommonBaseline(baseline, own[0].to_dict()) if own else read_baseline(baseline)
    found = [replace(report, common=common) for report in reports[:shown]]
    if difference := common.differences(found[0].to_dict()):
        inform(f"note: {difference}")
    return found


def results_over(baseline: str | None, results: Data) -> Data:
    """Stored results over the baseline: one of their accelerators, or another run's report."""
    from simulator.plots.data import reports_of, rows_of
    from simulator.reports.stored_baseline import rows_with_baseline, with_baseline

    if baseline is None:
        return results
    try:
        reports: list[dict[str, Any]] = reports_of(results)
    except InputError:
        return rows_with_baseline(rows_of(results), baseline)
    return with_baseline(reports, baseline)
