"""What a report is of, in a line: enough to tell two tables apart that were pasted side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dataflows.registry import machine
from simulator.reports.metrics import flat
from simulator.reports.report import EVENTS, machine_label
from workloads.errors import InputError, listed

_MOST_SETTINGS = 4


def title_of(reports: Sequence[Mapping[str, Any]]) -> str:
    """The workload and machines of JSON reports, with all that was asked for; each once."""
    names = dict.fromkeys(report["workload"]["name"] for report in reports)
    if len(reports) > 1 and "point" in reports[0]:  # whose settings stand in columns of their own
        machines = dict.fromkeys(report["accelerator"]["name"] for report in reports)
        return f"{', '.join(names)} on {', '.join(machines)}: {len(reports)} points of a study"
    machines, conditions = dict.fromkeys(map(machine_text, reports)), dict.fromkeys(map(conditions_text, reports))
    return f"{', '.join(names)} on {', '.join(machines)}: {'; '.join(conditions)}"


def conditions_text(report: Mapping[str, Any]) -> str:
    """How many layers a JSON report is of, their prunings, and the seed where it is not 0."""
    workload, ran = report["workload"], len(report["layers"])
    known = sum(kind == "layer" for _, kind, *_ in workload.get("graph") or ())
    layers = f"{ran} of {known} layers" if known > ran else f"{ran} layer{'' if ran == 1 else 's'}"
    seed = [f"seed {report['seed']}"] if report["seed"] else []
    return ", ".join([layers, *workload.get("prunings", ()), *seed])


def machine_text(report: Mapping[str, Any]) -> str:
    """The machine of a JSON report, its model where nothing was simulated, and its settings that are no defaults.

    At an equal size those that the size decides are left out, and the size is told instead.
    """
    settings = report["accelerator"]
    label = machine_label(settings["name"], report.get("model", EVENTS))
    size = [f"{key}={value}" for key, value in (report.get("equal") or {}).items() if value is not None]
    if size:
        return f"{label} (equal {', '.join(size)})"
    try:
        defaults = flat(machine(settings["name"]).Spec.model_validate({}).model_dump(mode="json"))
    except InputError:  # a machine of somebody else's
        return label
    changed = [
        f"{key}={value}"
        for key, value in flat({key: value for key, value in settings.items() if key != "name"}).items()
        if key in defaults and str(defaults[key]) != str(value)
    ]
    return f"{label} ({listed(changed, _MOST_SETTINGS)})" if changed else label
