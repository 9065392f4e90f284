"""A common baseline from what is stored: another run's report, or one machine of the same results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from simulator.reports.common_baseline import CommonBaseline
from simulator.reports.files import read_reports
from simulator.reports.metrics import BASELINE, OVER_BASELINE
from workloads.errors import InputError, nearest

_SAME = ("name", "workload", "seed", "input", "layers", "prune", "density", "batch")
"""Columns that rows of one piece of work share, whichever machine it ran on, where they have them."""


def read_baseline(text: str) -> CommonBaseline:
    """The report of a file, FILE:MACHINE where it holds several. Raises `InputError` where there is none."""
    path, machine = Path(text), ""
    if not path.exists():
        file, _, machine = text.rpartition(":")
        path = Path(file) if file and Path(file).exists() else path
    if path.is_dir() or not path.exists():
        raise InputError(f"--baseline {text}: neither an accelerator nor a JSON report")
    found = {report["accelerator"]["name"]: report for report in read_reports(path)}
    if not machine and len(found) > 1:
        raise InputError(f"--baseline {text}: holds several reports, choose one: {text}:{next(iter(found))}")
    name = machine or next(iter(found))
    if name not in found:
        raise InputError(f"--baseline {text}: no report of '{name}': {nearest(name, found)}")
    return CommonBaseline(f"{name} of {path.name}", found[name])


def with_baseline(reports: Sequence[Mapping[str, Any]], text: str) -> list[dict[str, Any]]:
    """Stored reports over one of them, by its machine's name, or over that of another file."""
    found = [report for report in reports if report["accelerator"]["name"] == text]
    if len(found) > 1:
        raise InputError(f"--baseline {text}: the results hold several reports of it")
    baseline = CommonBaseline(text, found[0]) if found else read_baseline(text)
    return [baseline.over(report) for report in reports]


def rows_with_baseline(rows: Sequence[Mapping[str, Any]], machine: str) -> list[dict[str, Any]]:
    """Flat rows over those of one machine that are of the same work.

    Raises `InputError` where the machine has no row for some work, or several.
    """
    work = {key for key in _SAME if any(key in row for row in rows)}
    times: dict[tuple[str, ...], Any] = {}
    for row in rows:
        if row["accelerator"] == machine:
            key = _key(row, work)
            if key in times:
                raise InputError(f"--baseline {machine}: has several rows of {_shown(row, work)}: choose with --where")
            times[key] = row["time_us"]
    if not times:
        known = ", ".join(dict.fromkeys(str(row["accelerator"]) for row in rows))
        raise InputError(f"--baseline {machine}: the results have no rows of it; accelerators: {known}")
    for row in rows:
        if _key(row, work) not in times:
            raise InputError(f"--baseline {machine}: has no row of {_shown(row, work)}")
    return [
        {**row, BASELINE: machine, OVER_BASELINE: times[_key(row, work)] / row["time_us"] if row["time_us"] else None}
        for row in rows
    ]


def _key(row: Mapping[str, Any], work: Iterable[str]) -> tuple[str, ...]:
    return tuple(str(row.get(key)) for key in _SAME if key in work)


def _shown(row: Mapping[str, Any], work: Iterable[str]) -> str:
    return ", ".join(f"{key} = {row.get(key)}" for key in _SAME if key in work)
