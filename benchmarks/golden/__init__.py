"""Golden reports: what every machine, with its defaults, makes of the shipped network, kept to notice what moves.

`python -m benchmarks.golden [MACHINE ...]` writes them anew, `... --check [MACHINE ...]` compares
(exit code 1 when something moved), without names those of all machines. A file a machine; layers hold what decides,
the total holds everything, and so does the network but for when each layer ran, and both but for what each component
leaks, which time and the sum of it decide.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dataflows.registry import create
from simulator.network_simulation import simulate
from simulator.reports.diff import Difference, Tolerances, difference
from simulator.reports.files import read_reports
from workloads.catalog import load_workload
from workloads.errors import InputError

FOLDER = Path(__file__).parent
_LAYER_KEYS = ("name", "cycles", "dense_cycles", "issued_macs")
_DRAM_KEYS = ("read_bytes", "write_bytes")
_ROUNDING = Tolerances((("*", 1e-9),))  # sums of floats may differ in the last digits between processors


def path(machine: str) -> Path:
    """Where a machine's golden report lies."""
    return FOLDER / f"{machine}.json"


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report with short layers."""
    layers = [
        {key: layer[key] for key in _LAYER_KEYS} | {"dram": {key: layer["dram"][key] for key in _DRAM_KEYS}}
        for layer in report["layers"]
    ]
    kept = {key: value for key, value in report.items() if key not in ("tool", "digest")}
    workload = {key: value for key, value in report["workload"].items() if key != "graph"}
    network = {key: value for key, value in report["network"].items() if key != "layers"}
    total = _without_leakage(report["total"])
    return {**kept, "workload": workload, "layers": layers, "total": total, "network": _without_leakage(network)}


def _without_leakage(figures: Mapping[str, Any]) -> dict[str, Any]:
    energy = figures.get("energy")
    left = {key: value for key, value in energy.items() if key != "leakage"} if energy else energy
    return {**figures, **({"energy": left} if "energy" in figures else {})}


def text(report: Mapping[str, Any]) -> str:
    """JSON with a line a layer, so that what moved shows in version control."""
    short = summary(report)
    layers = ",\n".join("  " + json.dumps(layer, separators=(",", ":")) for layer in short.pop("layers"))
    head = json.dumps(short, indent=1)
    return f'{head[:-2]},\n "layers": [\n{layers}\n ]\n}}\n'


def report_now(machine: str) -> dict[str, Any]:
    """What the machine makes of the shipped network today, or of those layers of it that the machine can run."""
    accelerator, workload = create(machine), load_workload()
    able = tuple(source for source in workload.sources if accelerator.refusal(source.layer) is None)
    (report,) = simulate([accelerator], replace(workload, sources=able))
    return report.to_dict()


def moved(machine: str) -> Difference:
    """What differs from the golden report. Raises `InputError` that says how to make it when there is none."""
    if not path(machine).exists():
        raise InputError(f"{machine} has no golden report: `python -m benchmarks.golden {machine}` writes it")
    return difference(read_reports(path(machine)), [report_now(machine)], _ROUNDING)
