"""Published figures and what we get for them. Figures and studies are data (`published/`); no machine is known here.

A figure is measured on points of a study. A study may be run with changes, another seed for instance: they replace
what the study says under the same keys, and come after everything else it says.
"""

from __future__ import annotations

import json
import math
import tomllib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from dataflows.registry import machines
from simulator.figure_metrics import METRICS, Run
from simulator.files import write_whole
from simulator.study import Place, Progress, Study
from simulator.study_file import StudyTable
from simulator.study_workers import Workers
from workloads.errors import InputError, nearest

FOLDER = Path(__file__).with_name("published")
Changes = Mapping[str, Any]
MASKS: dict[str, Changes] = {
    "uniform": {},
    "clustered": {"activation_pattern": "clustered", "weight_pattern": "skewed"},
}


@dataclass(frozen=True)
class Figure:
    """A published figure, the study that rebuilds it, and what to take from there.

    where      what picks the study's points; empty for all of them
    tolerance  relative; with `most` the published value is an upper limit
    random     whether the value depends on how masks are drawn
    """

    id: str
    study: str
    metric: str
    unit: str
    published: float
    tolerance: float
    source: str
    how: str
    where: dict[str, Any] = field(default_factory=dict)
    most: bool = False
    random: bool = False

    @property
    def machine(self) -> str:
        """The machine of its study."""
        return study_table(self.study).machines[0]

    def of(self, runs: Sequence[Run]) -> float:
        """The figure's value from the runs of its study."""
        chosen = [run for run in runs if all(run.values.get(key) == value for key, value in self.where.items())]
        return float(METRICS[self.metric](chosen))


@dataclass(frozen=True)
class Band:
    """Lowest, mean and highest value over seeds."""

    low: float
    mean: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Band:
        """The band of some values."""
        return cls(min(values), sum(values) / len(values), max(values))


@dataclass(frozen=True)
class Result:
    """A figure beside its simulated value, with seed 0; `bands` over seeds for each family of `MASKS`."""

    figure: Figure
    simulated: float
    bands: dict[str, Band] = field(default_factory=dict)

    @property
    def deviation(self) -> float:
        """Simulated over published, minus 1."""
        return self.simulated / self.figure.published - 1

    @property
    def inside(self) -> bool:
        """Whether the deviation is within the figure's tolerance."""
        far = self.deviation if self.figure.most else abs(self.deviation)
        return far <= self.figure.tolerance + 1e-12

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        own = {"machine": self.figure.machine, "inside": self.inside}
        own |= {"simulated": known(self.simulated), "deviation": known(self.deviation)}
        return asdict(self.figure) | own | {"bands": {name: asdict(band) for name, band in self.bands.items()}}


def known(value: float) -> float | None:
    """The value, or None where a figure has none: JSON has no NaN."""
    return None if math.isnan(value) else value


def figures(machine: str | None = None) -> list[Figure]:
    """The table's figures, of one machine or of all. Raises `InputError` for a machine that has none."""
    rows = tomllib.loads((FOLDER / "figures.toml").read_text(encoding="utf-8"))["figure"]
    table = [Figure(**row) for row in rows]
    if machine is None:
        return table
    chosen = [figure for figure in table if figure.machine == machine]
    if not chosen:
        with_figures = {figure.machine for figure in table} | {"dram"}
        raise InputError(
            f"accelerator '{machine}' has no published figure; those that have: {', '.join(sorted(with_figures))}"
            if machine in machines()
            else f"unknown accelerator '{machine}': {nearest(machine, with_figures)}"
        )
    return chosen


@cache
def study_table(name: str) -> StudyTable:
    """A study of `published/`."""
    return StudyTable.read(FOLDER / f"{name}.toml")


def export(folder: Path) -> list[Path]:
    """Copy figures, readings and studies into a folder; returns the files. Raises `InputError` before it overwrites."""
    sources = sorted(FOLDER.glob("*.toml"))
    targets = [folder / source.name for source in sources]
    for target in targets:
        if target.exists():
            raise InputError(f"{target}: is there already")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}") from None
    for source, target in zip(sources, targets, strict=True):
        write_whole(target, source.read_bytes())
    return targets


def measure(
    chosen: Sequence[Figure], changes: Sequence[Changes] = ({},), jobs: int | None = 1, progress: Progress | None = None
) -> list[list[float]]:
    """For each figure its value under each set of changes. Raises `InputError` when a point cannot be simulated.

    jobs      processes, None: one a core; points that several figures or changes share are simulated once
    progress  called with (points done, points, "")
    """
    wanted = {figure.study: study_table(figure.study) for figure in chosen}
    studies = {
        (name, number): Study.made([row | dict(change) for row in table.combinations()], name, name).places
        for name, table in wanted.items()
        for number, change in enumerate(changes)
    }
    reports = simulated([place for places in studies.values() for place in places], jobs, progress)
    return [
        [
            figure.of([Run(place.values, reports[place.key]) for place in studies[figure.study, number]])
            for number in range(len(changes))
        ]
        for figure in chosen
    ]


def results(
    chosen: Sequence[Figure], seeds: int = 1, jobs: int | None = 1, progress: Progress | None = None
) -> list[Result]:
    """Every figure with seed 0; with more seeds also its bands, where it depends on masks. Raises as `measure`."""
    drawn = [figure for figure in chosen if figure.random and seeds > 1]
    fixed = [figure for figure in chosen if figure not in drawn]
    families = [{**masks, "seed": seed} for masks in MASKS.values() for seed in range(seeds)]
    found = {}
    for figure, (value,) in zip(fixed, measure(fixed, jobs=jobs, progress=progress), strict=True):
        found[figure.id] = Result(figure, value)
    for figure, values in zip(drawn, measure(drawn, families, jobs, progress), strict=True):
        parts = [values[start : start + seeds] for start in range(0, len(values), seeds)]
        bands = {name: Band.of(part) for name, part in zip(MASKS, parts, strict=True)}
        found[figure.id] = Result(figure, values[0], bands)
    return [found[figure.id] for figure in chosen]


def simulated(
    places: Sequence[Place], jobs: int | None = 1, progress: Progress | None = None
) -> dict[str, dict[str, Any]]:
    """The JSON report of every place by its key. Raises `InputError` when one cannot be simulated."""
    for place in places:
        if place.fault:
            raise InputError(f"{place.label}: {place.fault}")
    distinct = {place.key: place for place in places}
    reports: dict[str, dict[str, Any]] = {}
    if progress is not None:
        progress(0, len(distinct), "")
    for outcome in Workers(jobs).run({key: place.point for key, place in distinct.items()}, lambda _: False):
        if outcome.error:
            raise InputError(f"{distinct[outcome.key].label}: {outcome.error}")
        reports[outcome.key] = json.loads(zlib.decompress(outcome.report))
        if progress is not None:
            progress(len(reports), len(distinct), "")
    return reports
