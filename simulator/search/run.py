"""A search: asks a sampler, simulates what it says into a store, tells it, and keeps the front."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from dataflows.registry import machine
from simulator.configuration import faults, has_key, keys_of
from simulator.reports.front import pareto_front
from simulator.search.asked import Asked, Told
from simulator.search.samplers import sampler_of
from simulator.search.space import Design, SearchTable, Space
from simulator.studies.point import Place
from simulator.studies.store import Store
from simulator.studies.study import Study, run_study
from simulator.studies.study_file import StudyTable
from simulator.studies.workers import Workers
from workloads.errors import InputError, nearest
from workloads.texts import read_toml

Progress = Callable[[int, int, str], None]
_BATCH = 8  # designs that are asked for at a time, whatever the number of workers
_PATIENCE = 25  # batches without a new design, after which a sampler has come to its end


@dataclass(frozen=True)
class Search:
    """A study of one machine and one workload, the space around it, and how to look."""

    name: str
    title: str
    base: dict[str, Any]
    space: Space
    table: SearchTable

    @classmethod
    def read(cls, path: Path) -> Self:
        """The search of a study file with a table `search`. Raises `InputError` with a line for each fault."""
        return cls.of(read_toml(path), path.stem, str(path))

    @classmethod
    def of(cls, given: Mapping[str, Any], name: str, source: str) -> Self:
        """The search of the keys of such a file; `source` begins the lines of `InputError`."""
        values = dict(given)
        if not isinstance(values.get("search"), dict):
            raise InputError(f"{source}: has no table 'search' (docs/search.md); 'prunesim sweep' runs plain studies")
        own = values.pop("search")
        try:
            table = SearchTable.model_validate(own)
        except ValidationError as error:
            raise InputError(faults(error, SearchTable, source, "search.")) from None
        study = StudyTable.checked(values, source)
        combinations = list(study.combinations())
        if len(combinations) != 1:
            raise InputError(
                f"{source}: a search has one machine, one workload and one seed; this is {len(combinations)} points"
            )
        (base,) = combinations
        ranges = _ranges(table.ranges)
        Study.of(study, name, source)  # says what is wrong with the machine, the workload and what is set
        known = keys_of(machine(base["machine"]).Spec)
        lines = [
            f"{source}: search.ranges: unknown key '{key}': {nearest(key, known)}"
            for key in ranges
            if not has_key(known, key)
        ]
        if lines:
            raise InputError("\n".join(lines))
        return cls(name, study.title or name, base, Space.of(table, ranges, source), table)

    def study_of(self, designs: Sequence[Design]) -> Study:
        """The designs as a study, in their order."""
        return Study.made([self.base | self.space.settings(design) for design in designs], self.name, self.title)


@dataclass(frozen=True)
class Found:
    """What a search found.

    rows      a flat row for each simulated design that is possible
    front     places in `rows` of the designs within all limits that no other equals or beats, by the first objective
    simulated  designs that were simulated or found in the store; `size` is how many there are
    """

    search: Search
    rows: tuple[dict[str, Any], ...]
    front: tuple[int, ...]
    simulated: int
    impossible: int

    def table(self) -> list[dict[str, Any]]:
        """The front: settings, objectives, and what is limited."""
        space = self.search.space
        keys = [*space.values, *space.objectives, *(one.column for one in space.constraints)]
        return [{key: _of(self.rows[at], key) for key in dict.fromkeys(keys)} for at in self.front]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        space, table = self.search.space, self.search.table
        return {
            "title": self.search.title,
            "sampler": table.sampler,
            "seed": table.seed,
            "designs": space.size,
            "simulated": self.simulated,
            "impossible": self.impossible,
            "objectives": list(space.objectives),
            "constraints": [str(one) for one in space.constraints],
            "front": self.table(),
        }


@dataclass
class _Seen:
    """What is known of designs: their places, and what was told of them."""

    places: dict[Design, Place] = field(default_factory=dict)
    rows: dict[Design, dict[str, Any]] = field(default_factory=dict)


def run_search(search: Search, store: Store, workers: Workers, progress: Progress | None = None) -> Found:
    """Simulate as many designs as the table says, or all there are. What the store holds is not computed again.

    Raises `InputError` for an objective or a limit that no result has.
    """
    table, space, seen = search.table, search.space, _Seen()
    asked = sampler_of(table.sampler, space, table.seed, table.points)
    most = space.size if table.sampler == "all" else min(table.points, space.size)
    idle = 0
    while len(seen.places) < most and idle < _PATIENCE:
        if progress is not None:
            progress(len(seen.places), most, "")
        before = len(seen.places)
        if not _step(search, store, workers, asked, seen, most):
            break
        idle = idle + 1 if len(seen.places) == before else 0
    if progress is not None:
        progress(len(seen.places), len(seen.places), "")
    rows = [seen.rows[design] for design in seen.places if design in seen.rows]
    within = [at for at, row in enumerate(rows) if all(excess <= 0 for excess in _excesses(space, row))]
    points = [tuple(_number(rows[at], column) for column in space.objectives) for at in within]
    best = sorted(pareto_front(points, space.more), key=points.__getitem__)
    impossible = len(seen.places) - len(rows)
    return Found(search, tuple(rows), tuple(within[at] for at in best), len(seen.places), impossible)


def _step(search: Search, store: Store, workers: Workers, asked: Asked, seen: _Seen, most: int) -> bool:
    """One batch; False when the sampler has no more."""
    designs = asked.ask(_BATCH)
    new = [design for design in dict.fromkeys(designs) if design not in seen.places][: most - len(seen.places)]
    if new:
        study = search.study_of([*seen.places, *new])
        run_study(study, store, workers, grows=True)
        for design, place in zip([*seen.places, *new], study.places, strict=True):
            if design not in seen.places:
                seen.places[design] = place
                for row in store.rows_of(study.name, [place]):
                    seen.rows[design] = row
    asked.tell([_told(search.space, design, seen) for design in designs])
    return bool(designs)


def _told(space: Space, design: Design, seen: _Seen) -> Told:
    row = seen.rows.get(design)
    if row is None:  # impossible, or beyond the number of points
        return Told(design, None)
    return Told(design, tuple(_number(row, column) for column in space.objectives), tuple(_excesses(space, row)))


def _excesses(space: Space, row: Mapping[str, Any]) -> list[float]:
    return [one.excess(_number(row, one.column)) for one in space.constraints]


def _of(row: Mapping[str, Any], key: str) -> Any:
    """A column of a row; a setting that bears a metric's name stands under another one."""
    return row[f"set.{key}"] if f"set.{key}" in row else row.get(key)


def _number(row: Mapping[str, Any], column: str) -> float:
    value = row.get(column)
    if isinstance(value, bool) or not isinstance(value, int | float):
        known = [key for key, found in row.items() if isinstance(found, int | float) and not isinstance(found, bool)]
        raise InputError(f"search: no result has a number '{column}': {nearest(column, known)}")
    return float(value)


def _ranges(given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Ranges under dotted keys: a table that has `from` is a range, any other one holds more of them."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        if isinstance(value, Mapping) and "from" not in value:
            found |= _ranges(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found
