"""Every machine at one size on the same zeros, as docs/machine_comparison.md has it.

Two studies: really pruned networks and published densities, and the same densities of both operands from 0.1 to 1.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from dataflows.registry import machine, machines
from dataflows.schedule import Cause
from simulator.equal_size import at_equal_size, parse_equal_size, shortfalls, size_of
from simulator.reports.metrics import MOST_LOST, PJ_PER_MILLIJOULE, STACK
from simulator.studies.store import Store
from simulator.studies.study import Study, run_study
from simulator.studies.study_file import StudyTable
from simulator.studies.workers import Workers
from simulator.terminal.progress import progress
from workloads.units import BYTES_PER_MB

SIZE = "multipliers=1024, clock_ghz=1, on_chip_kib=1024, bandwidth_gbs=50, bits=16"
UNHURRIED = SIZE.replace("bandwidth_gbs=50", "bandwidth_gbs=inf")
"""The same with a memory for which nobody waits longer than its latency: what the arrays themselves make of zeros."""
COMMON = "dcnn"
"""The dense machine that all are compared with, beside each machine's own."""
NETWORKS: dict[str, tuple[str, str]] = {
    "vgg16-deep-compression": ("vgg16@deep-compression", "*"),
    "vgg16-scnn": ("vgg16@scnn", "*"),
    "mobilenet-v1": ("mobilenet-v1", "*"),
    "mobilenet-v2": ("mobilenet-v2", "*"),
    "blazepose": ("blazepose", "*"),
    "fully-connected": ("vgg16@deep-compression", "fc*"),
}
"""Workload and layers of each network, by the ending of its table's name."""
PARTS = ("fully-connected",)
"""Those that are layers of another one, and have no part in the order."""
REAL = "resnet50-real"
DENSITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SWEPT = ("vgg16", "conv[3-5]_2")
_SHARED = parse_equal_size(SIZE).shared_settings()  # alike in all

Row = dict[str, Any]
Rows = Iterator[Sequence[str]]


@dataclass(frozen=True)
class Results:
    """The points of a study: rows of those that ran, and what was refused with the reason."""

    rows: tuple[Row, ...]
    refused: tuple[tuple[Row, str], ...]

    def at(self, **values: Any) -> dict[str, Row]:
        """The rows of these values by machine, the fastest first."""
        chosen = [row for row in self.rows if all(row.get(key) == value for key, value in values.items())]
        return {row["accelerator"]: row for row in sorted(chosen, key=lambda row: row["time_us"])}


def study(name: str, title: str, points: list[Row], size: str = SIZE) -> Study:
    """All machines at a size, at each of some points."""
    values = {"title": title, "machines": list(machines()), "equal": size, "points": points}
    return Study.of(StudyTable.checked(values, name), name, name)


def networks(folder: str | None = None) -> Study:
    """The study of networks; with the folder of really pruned masks that one, too."""
    chosen = dict(NETWORKS) if folder is None else {REAL: (folder, "*")}
    points: list[Row] = [{"workload": workload, "layers": layers} for workload, layers in chosen.values()]
    return study("machines-real" if folder else "machines-networks", "Machines of one size on pruned networks", points)


def densities(size: str = SIZE) -> Study:
    """The study over density."""
    workload, layers = SWEPT
    points: list[Row] = [{"workload": workload, "layers": layers, "density": density} for density in DENSITIES]
    name = "machines-densities" if size == SIZE else "machines-densities-unhurried"
    return study(name, "Machines of one size over density", points, size).without_energy()


@cache
def results(chosen: str, option: str | None = None) -> Results:
    """A study's results; `option` is the folder of `networks` or the size of `densities`.

    They are kept in the temporary folder, so that an interrupted run goes on where it stopped.
    """
    asked = densities(option or SIZE) if chosen == "densities" else networks(option)
    with Store(Path(tempfile.gettempdir()) / "prunesim-machines.sqlite") as store, progress(asked.title) as advance:
        run_study(asked, store, Workers(), advance)
        return Results(tuple(store.rows_of(asked.name, asked.places)), tuple(store.failures(asked.places)))


def sizes() -> Rows:
    """What each machine becomes at the size, and what it cannot reach."""
    yield ("machine", "multipliers", "on chip KiB", "becomes", "cannot")
    for name in machines():
        accelerator, settings = at_equal_size(machine(name), {}, parse_equal_size(SIZE), (), name)
        reached = size_of(accelerator)
        own = (f"{key} {value:,}" for key, value in settings.items() if key not in _SHARED)
        missed = (line.removeprefix(f"{name}: ") for line in shortfalls(accelerator, parse_equal_size(SIZE)))
        yield (
            f"`{name}`",
            f"{reached['multipliers']:,}",
            "-" if reached["on_chip_kib"] is None else f"{reached['on_chip_kib']:,.0f}",
            ", ".join(own),
            "; ".join(missed),
        )


def network(name: str, folder: str | None = None) -> Rows:
    """All machines on a network, the fastest first."""
    yield (
        "machine",
        "ms",
        "over own dense",
        f"over `{COMMON}`",
        "utilization",
        "effectual",
        "waits for DRAM",
        "most lost to",
        "DRAM MB",
        "mJ",
        "band",
        f"mJ of `{COMMON}`",
    )
    rows = on(name, folder)
    common = rows.get(COMMON)
    for machine_name, row in rows.items():
        yield (
            f"`{machine_name}`",
            f"{row['time_us'] / 1000:,.3f}",
            f"{row['speedup']:.2f}",
            "-" if common is None else f"{common['time_us'] / row['time_us']:.2f}",
            f"{row['utilization']:.1%}",
            f"{row['effectual_utilization']:.1%}",
            f"{share(row, 'memory'):.1%}",
            MOST_LOST.text(row),
            f"{(row['dram.read_bytes'] + row['dram.write_bytes']) / BYTES_PER_MB:,.1f}",
            *_energy(row, common),
        )


def on(name: str, folder: str | None = None) -> dict[str, Row]:
    """The rows of a network by machine, the fastest first."""
    workload, layers = (folder, "*") if name == REAL else NETWORKS[name]
    return results("networks", folder if name == REAL else None).at(workload=workload, layers=layers)


def share(row: Row, cause: str) -> float:
    """The part of the PE-cycles that a cause has."""
    every = sum(row.get(STACK + one.key, 0) for one in Cause)
    return row.get(STACK + cause, 0) / every if every else 0.0


def _energy(row: Row, common: Row | None) -> Sequence[str]:
    """Energy, what the sources of prices leave open, and energy over that of the common machine."""
    if row.get("energy.total_pj") is None:
        return ("-", "-", "-")
    total, low, high = (row[f"energy.{part}_pj"] / PJ_PER_MILLIJOULE for part in ("total", "low", "high"))
    against = common and common.get("energy.total_pj")
    return (f"{total:.3g}", f"{low:.3g}-{high:.3g}", f"{row['energy.total_pj'] / against:.2f}" if against else "-")


def over_common(rows: dict[str, Row]) -> dict[str, float]:
    """Speedups over the common machine."""
    if COMMON not in rows:
        return {}
    return {name: rows[COMMON]["time_us"] / row["time_us"] for name, row in rows.items()}


def order(folder: str | None = None) -> dict[str, dict[str, float]]:
    """Speedups over the common machine by network and machine, on whole networks that the common machine runs."""
    names = [*(name for name in NETWORKS if name not in PARTS), *([REAL] if folder else [])]
    return {name: found for name in names if (found := over_common(on(name, folder)))}


def means(found: dict[str, dict[str, float]]) -> dict[str, float]:
    """Each machine's geometric mean over the networks that it runs."""
    names = dict.fromkeys(name for speedups in found.values() for name in speedups)
    return {name: geometric_mean(own[name] for own in found.values() if name in own) for name in names}


def ranks(folder: str) -> Rows:
    """Speedups over the common machine, a column a network; machines by their geometric mean."""
    found = order(folder)
    yield ("machine", *found, "geometric mean")
    by_mean = means(found)
    for name in sorted(by_mean, key=lambda name: (-by_mean[name], name)):
        cells = (f"{own[name]:.2f}" if name in own else "-" for own in found.values())
        whole = all(name in own for own in found.values())
        yield (f"`{name}`", *cells, f"{by_mean[name]:.2f}" if whole else "-")


def refusals(folder: str) -> Rows:
    """Who cannot run what, and why."""
    yield ("machine", "workload", "reason")
    for values, reason in (*results("networks").refused, *results("networks", folder).refused):
        workload = REAL if values["workload"] == folder else values["workload"]
        yield (f"`{values['accelerator']}`", workload, " ".join(reason.split()))


def at_densities(size: str = SIZE) -> dict[float, dict[str, Row]]:
    """The rows over density by machine, the fastest first."""
    return {density: results("densities", size).at(density=density) for density in DENSITIES}


def over_density(size: str = SIZE) -> Rows:
    """Speedups over the common machine by density, machines in the order of the lowest density."""
    found = {density: over_common(rows) for density, rows in at_densities(size).items()}
    yield ("machine", *(f"{density:g}" for density in DENSITIES))
    for name in found[DENSITIES[0]]:
        yield (f"`{name}`", *(f"{speedups[name]:.2f}" for speedups in found.values()))


def slower_with_zeros(size: str = SIZE) -> Iterator[tuple[str, float, float, float]]:
    """Machine, density, the next one above it, and time over the time there, where fewer non-zeros cost time."""
    found = at_densities(size)
    for low, high in pairwise(DENSITIES):
        below, above = found[low], found[high]
        for name, row in below.items():
            if row["time_us"] > above[name]["time_us"]:
                yield name, low, high, row["time_us"] / above[name]["time_us"]
