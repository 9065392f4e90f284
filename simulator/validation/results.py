"""Published figures and what we get for them; figures and their studies are data (`figures`), no machine is known here.

A study may be run with changes, another seed for instance: they replace what the study says under the same keys.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean
from typing import Any, Self

from simulator.reports.report import EVENTS, Model
from simulator.studies.point import Place
from simulator.studies.study import Progress, Study
from simulator.studies.workers import Workers
from simulator.validation.figure_metrics import Run
from simulator.validation.figure_rows import Figure, Goal, Outside, Verdict
from simulator.validation.figures import FigureSet
from workloads.errors import InputError

_SAME = 0.01  # change of a recorded deviation from which it is another one

Changes = Mapping[str, Any]
MASKS: dict[str, Changes] = {
    "uniform": {"activation_pattern": "uniform", "weight_pattern": "uniform"},
    "clustered": {"activation_pattern": "clustered", "weight_pattern": "skewed"},
}


@dataclass(frozen=True)
class Band:
    """Lowest, mean and highest value over seeds."""

    low: float
    mean: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """The band of some values."""
        return cls(min(values), fmean(values), max(values))


@dataclass(frozen=True)
class Result:
    """A figure of a machine beside its value simulated with seed 0, its goal, and what is recorded of its deviation.

    `bands` over seeds for each family of `MASKS`; `model` as in reports: an analytical value is not simulated at all.
    """

    figure: Figure
    machine: str
    simulated: float
    goal: Goal
    recorded: Outside | None = None
    bands: dict[str, Band] = field(default_factory=dict)
    model: Model = EVENTS

    @property
    def deviation(self) -> float:
        """How far the simulated value is from the published one, as the goal counts it."""
        return self.goal.deviation(self.simulated, self.figure.published)

    @property
    def inside(self) -> bool:
        """Whether the deviation is within the goal."""
        # An upper limit can only be missed upwards: a negative deviation keeps it.
        far = self.deviation if self.figure.most else abs(self.deviation)
        return far <= self.goal.allowed(self.figure.published) + 1e-12

    @property
    def verdict(self) -> Verdict:
        """Within the goal, or what the record says."""
        if self.inside:
            return "within"
        return (
            "unexplained" if self.recorded is None else self.recorded.verdict(self.goal.allowed(self.figure.published))
        )

    @property
    def moved(self) -> str:
        """How the deviation differs from what is recorded of it; empty where it does not."""
        if self.recorded is None:
            return "" if self.inside else "not recorded"
        if self.inside:
            return f"closed, was {self.goal.text(self.recorded.deviation)}"
        same = abs(self.deviation - self.recorded.deviation) <= _SAME
        return "" if same else f"moved from {self.goal.text(self.recorded.deviation)}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        own = {"machine": self.machine, "model": self.model, "goal": self.goal.allowed(self.figure.published)}
        own |= {"verdict": self.verdict, "moved": self.moved}
        own |= {"simulated": known(self.simulated), "deviation": known(self.deviation)}
        own |= {"recorded": None if self.recorded is None else self.recorded.model_dump(exclude={"id"})}
        return self.figure.model_dump() | own | {"bands": {name: asdict(band) for name, band in self.bands.items()}}


def known(value: float) -> float | None:
    """The value, or None where a figure has none: JSON has no NaN."""
    return None if math.isnan(value) else value


def results(chosen: FigureSet, seeds: int = 1, jobs: int | None = 1, progress: Progress | None = None) -> list[Result]:
    """Every figure with seed 0; with more seeds also its bands, where it depends on masks. Raises as `measure`."""
    # A figure that does not depend on masks is the same with every seed, so it is simulated once.
    drawn = tuple(figure for figure in chosen.figures if figure.random and seeds > 1)
    fixed = tuple(figure for figure in chosen.figures if figure not in drawn)
    # The first value is the figure's own, with the study's masks and seed 0; then come the families, seed by seed.
    families = [{}, *({**masks, "seed": seed} for masks in MASKS.values() for seed in range(seeds))]
    found: dict[str, Result] = {}
    for part, changes, masks in ((fixed, [{}], ()), (drawn, families, MASKS)):
        values_of = measure(replace(chosen, figures=part), changes, jobs, progress)
        for figure, (own_value, *values) in zip(part, values_of, strict=True):
            # Values come family by family: with 3 seeds the uniform ones are 0 to 2, the clustered ones 3 to 5.
            by_family = (values[start : start + seeds] for start in range(0, len(values), seeds))
            bands = {name: Band.of(own) for name, own in zip(masks, by_family, strict=False)}
            recorded = chosen.recorded.get(figure.id)
            goal = chosen.goal_of(figure)
            about = (figure, chosen.machine_of(figure), own_value, goal, recorded, bands)
            found[figure.id] = Result(*about, chosen.model_of(figure))
    return [found[figure.id] for figure in chosen.figures]


def measure(
    chosen: FigureSet, changes: Sequence[Changes] = ({},), jobs: int | None = 1, progress: Progress | None = None
) -> list[list[float]]:
    """For each figure its value under each set of changes. Raises `InputError` when a point cannot be simulated.

    jobs      processes, None: one a core; points that several figures or changes share are simulated once, and those
              that no figure picks not at all
    progress  called with (points done, points, "")
    """
    # One study a figure and set of changes; equal points of different ones have equal keys and are simulated once.
    with_energy = {figure.study for figure in chosen.figures if figure.is_of_energy}
    studies = {
        (figure.study, number): _places(chosen, figure.study, change, energy=figure.study in with_energy)
        for figure in chosen.figures
        for number, change in enumerate(changes)
    }
    picked = [
        [
            [place for place in studies[figure.study, number] if figure.picks(place.values)]
            for number in range(len(changes))
        ]
        for figure in chosen.figures
    ]
    reports = simulated([place for places in picked for own in places for place in own], jobs, progress)
    return [
        [figure.of([Run(place.values, reports[place.key]) for place in own]) for own in places]
        for figure, places in zip(chosen.figures, picked, strict=True)
    ]


def _places(chosen: FigureSet, study: str, change: Changes, *, energy: bool) -> tuple[Place, ...]:
    """The points of a study under a change; nothing is counted where no figure asks for energy."""
    made = Study.made([row | dict(change) for row in chosen.studies[study].combinations()], study)
    return (made if energy else made.without_energy()).places


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
