"""The front door: what a script or a notebook needs, under one name; `import prunesim` itself loads almost nothing.

    import prunesim

    network = prunesim.load("alexnet@scnn").select("conv[345]*")
    report = prunesim.simulate("scnn", network)
    both = prunesim.simulate(["scnn", prunesim.machine("dcnn", {"dram.bandwidth_gbs": 25.6})], network)
    points = prunesim.sweep(machines=["scnn"], workloads=["alexnet@scnn"], axes=[{"queue_depth": [0, 2, 8]}])
    prunesim.plot("sweep", points, y="utilization").savefig("queues.pdf")

What cannot be used raises `prunesim.InputError`, whose text is one clear line a fault. What is behind these names, and
more, is in the packages `workloads`, `dataflows` and `simulator`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from simulator.version import VERSION
from workloads.errors import InputError, PrunesimError, UnsupportedLayerError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dataflows.accelerator import Accelerator
    from simulator.reports.report import NetworkReport
    from simulator.search.run import Found
    from workloads.workload import Workload

__all__ = [
    "InputError",
    "PrunesimError",
    "UnsupportedLayerError",
    "__version__",
    "load",
    "machine",
    "machines",
    "plot",
    "prune",
    "search",
    "simulate",
    "sweep",
]

__version__ = VERSION

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called with what is done, of how much, and what is next."""


def load(name: str = "blazepose", *, seed: int = 0, batch: int | None = None) -> Workload:
    """The workload of a name or a path, as for `prunesim run` (`workloads.catalog.load_workload`)."""
    from workloads.catalog import load_workload

    return load_workload(name, seed, batch)


def machines() -> list[str]:
    """The names of all accelerators."""
    from dataflows.registry import machines as known

    return list(known())


def machine(name: str, settings: Mapping[str, Any] | None = None) -> Accelerator:
    """An accelerator with some settings in place of its defaults, nested (`{"dram": {...}}`) or with dotted names."""
    from dataflows.registry import machine as chosen
    from simulator.configuration import merge, validate

    values: dict[str, Any] = {}
    for key, value in (settings or {}).items():
        merge(values, key, value)
    return chosen(name)(validate(chosen(name), values, name))


def prune(workload: Workload | str, pruning: str) -> Workload:
    """The workload with its weights pruned by METHOD:KEY=VALUE,..., as for `--prune`; several are joined by `+`."""
    from workloads.pruning import parse

    return _workload(workload).prune(parse(pruning))


@overload
def simulate(
    machine: Accelerator | str, workload: Workload | str = ..., *, progress: Progress | None = ..., energy: bool = ...
) -> NetworkReport: ...
@overload
def simulate(
    machine: list[Accelerator | str] | tuple[Accelerator | str, ...],
    workload: Workload | str = ...,
    *,
    progress: Progress | None = ...,
    energy: bool = ...,
) -> list[NetworkReport]: ...
def simulate(
    machine: Accelerator | str | list[Accelerator | str] | tuple[Accelerator | str, ...],
    workload: Workload | str = "blazepose",
    *,
    progress: Progress | None = None,
    energy: bool = True,
) -> NetworkReport | list[NetworkReport]:
    """The report of a workload on one machine, or those on several; names stand for machines as they are by default."""
    from simulator.network_simulation import simulate as run

    several = isinstance(machine, list | tuple)
    chosen = [_machine(one) for one in (machine if several else [machine])]
    reports = run(chosen, _workload(workload), progress, energy=energy)
    return reports if several else reports[0]


def sweep(
    *, store: str | Path | None = None, jobs: int | None = None, progress: Progress | None = None, **study: Any
) -> list[dict[str, Any]]:
    """A row for each point of a study, given by the keys of a study file (docs/studies.md) or as `file=PATH`.

    With a `store` results are kept there, and only what it misses is computed. Points that failed have no row; all of
    them raise `InputError`.
    """
    from simulator.studies.store import Store
    from simulator.studies.study import Study, run_study
    from simulator.studies.study_file import StudyTable
    from simulator.studies.workers import Workers

    if "file" in study:
        chosen = Study.read(Path(study["file"]))
    else:
        chosen = Study.of(StudyTable.checked(study, "sweep"), str(study.get("title", "sweep")), "sweep")
    with tempfile.TemporaryDirectory() as folder, Store(Path(store or Path(folder, "sweep.sqlite"))) as kept:
        run_study(chosen, kept, Workers(jobs), progress)
        rows = list(kept.rows_of(chosen.name, chosen.places))
        failures = kept.failures(chosen.places)
    if failures and not rows:
        raise InputError(failures[0][1])
    return rows


def search(
    *, store: str | Path | None = None, jobs: int | None = None, progress: Progress | None = None, **study: Any
) -> Found:
    """What a search finds: a study of one machine and workload, by its keys with a table `search`, or as `file=PATH`.

    docs/search.md has the keys. With a `store` results are kept there, and only what it misses is computed.
    """
    from simulator.search.run import Search, run_search
    from simulator.studies.store import Store
    from simulator.studies.workers import Workers

    chosen = Search.read(Path(study["file"])) if "file" in study else Search.of(study, "search", "search")
    with tempfile.TemporaryDirectory() as folder, Store(Path(store or Path(folder, "search.sqlite"))) as kept:
        return run_search(chosen, kept, Workers(jobs), progress)


def plot(kind: str, results: Any, **options: str) -> Figure:
    """A figure of one of the kinds of `prunesim plot`: of reports, rows, a frame, or the file that holds them."""
    from simulator import plots
    from simulator.plots.files import read_results

    chosen = plots.plot_kind(kind)
    if isinstance(results, str | Path):
        results = read_results(Path(results), whole=chosen.source == "reports")
    return chosen(results, **options)


def _machine(chosen: Accelerator | str) -> Accelerator:
    return machine(chosen) if isinstance(chosen, str) else chosen


def _workload(chosen: Workload | str) -> Workload:
    return load(chosen) if isinstance(chosen, str) else chosen


if __name__ == "__main__":
    from simulator.commands.main import main

    main()
