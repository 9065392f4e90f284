"""Published figures as data: a folder with `figures.toml`, the studies that it names, and other readings of them.

The package has such a folder, `published/`; a user may have one as well, to compare with other papers or an RTL run.
A folder inside it with a `figures.toml` of its own belongs to it: goals and readings hold for both, studies and
recorded deviations lie where the figures do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ValidationError

from dataflows.registry import machine, machines
from simulator.configuration import faults, has_key, keys_of, read_toml
from simulator.reports.report import EVENTS, Model, machine_label
from simulator.studies.study_file import PointKeys, StudyTable
from simulator.validation.figure_rows import Drawing, Figure, Goal, Outside, Reading, Refused
from workloads.errors import InputError, nearest
from workloads.files import write_whole

FOLDER = Path(__file__).with_name("published")
FIGURES, DRAWINGS, READINGS = "figures.toml", "drawings.toml", "readings.toml"
RECORDED, REFUSED = "recorded.toml", "refused.toml"

Row = TypeVar("Row", bound=BaseModel)


@dataclass(frozen=True)
class FigureSet:
    """Figures with their goals, studies and readings, their recorded deviations and drawings by id, what is refused."""

    figures: tuple[Figure, ...]
    studies: dict[str, StudyTable]
    goals: dict[str, Goal]
    readings: tuple[Reading, ...] = ()
    recorded: dict[str, Outside] = field(default_factory=dict)
    refused: tuple[Refused, ...] = ()
    drawings: dict[str, Drawing] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Self:
        """All of a folder. Raises `InputError` with a line for each fault: the file, the key, what is allowed."""
        places = [folder, *sorted(path.parent for path in folder.glob(f"*/{FIGURES}"))]
        chosen = [figure for place in places for figure in _figures(place, folder)]
        studies = {name: StudyTable.read(folder / f"{name}.toml") for name in dict.fromkeys(f.study for f in chosen)}
        readings = [row for place in places for row in _rows_if_there(place / READINGS, "reading", Reading)]
        recorded = [row for place in places for row in _rows_if_there(place / RECORDED, "outside", Outside)]
        refused = [row for place in places for row in _rows_if_there(place / REFUSED, "refused", Refused)]
        drawings = [row for place in places for row in _rows_if_there(place / DRAWINGS, "drawing", Drawing)]
        by_id = {row.id: row for row in recorded}
        drawn = {row.id: row for row in drawings}
        found = cls(tuple(chosen), studies, _goals(places), tuple(readings), by_id, tuple(refused), drawn)
        lines = [f"{folder / found.home_of(name) / FIGURES}: {line}" for name, line in found._wrong_figures()]
        lines += [f"{folder / READINGS}: {line}" for line in found._wrong_readings()]
        # Records last, and only where the rest is right: a record's reading can only be found among right ones.
        lines += [] if lines else [f"{folder / RECORDED}: {line}" for line in found._wrong_records()]
        if lines:
            raise InputError("\n".join(lines))
        return found

    @property
    def homes(self) -> list[Path]:
        """Where figures lie, from the folder that was read."""
        return list(dict.fromkeys(Path(figure.study).parent for figure in self.figures))

    def home_of(self, name: str) -> Path:
        """Where the figure of that id lies, from the folder that was read."""
        return next(Path(figure.study).parent for figure in self.figures if figure.id == name)

    def _wrong_figures(self) -> Iterator[tuple[str, str]]:
        """Ids, and what is wrong with the figure."""
        ids = [figure.id for figure in self.figures]
        yield from ((name, f"figure '{name}' is there twice") for name in dict.fromkeys(ids) if ids.count(name) > 1)
        for figure in self.figures:
            goal = self.goals.get(figure.kind)
            if goal is None:
                yield figure.id, f"figure '{figure.id}': kind = '{figure.kind}': {nearest(figure.kind, self.goals)}"
            elif goal.unit and goal.unit != figure.unit:
                yield figure.id, f"figure '{figure.id}': unit = '{figure.unit}': goal '{figure.kind}' is in {goal.unit}"
            if not any(figure.picks(values) for values in self.points(figure)):
                yield figure.id, f"figure '{figure.id}': where = {figure.where} picks no point of its study"
            if figure.drawing:
                yield from ((figure.id, f"figure '{figure.id}': {line}") for line in self._wrong_place(figure))

    def _wrong_place(self, figure: Figure) -> Iterator[str]:
        """What is wrong with a figure's place in its drawing."""
        if figure.drawing not in self.drawings:
            yield f"drawing = '{figure.drawing}': {nearest(figure.drawing, self.drawings)}"
            return
        try:
            self.drawings[figure.drawing].place_of(figure)
        except ValueError as error:
            yield f"drawing = '{figure.drawing}': {error}"

    def _wrong_readings(self) -> Iterator[str]:
        for reading in self.readings:
            if reading.machine not in machines():
                yield f"machine = '{reading.machine}': {nearest(reading.machine, machines())}"
                continue
            known = keys_of(machine(reading.machine).Spec)
            for key in reading.flat_changes:
                if key not in PointKeys.model_fields and not has_key(known, key):
                    yield f"unknown key '{key}': {nearest(key, {*known, *PointKeys.model_fields})}"

    def _wrong_records(self) -> Iterator[str]:
        figures = {figure.id: figure for figure in self.figures}
        for name, row in self.recorded.items():
            if name not in figures:
                yield f"id = '{name}': {nearest(name, figures)}"
            elif row.reading and self.reading_of(figures[name]) is None:
                own = [reading.name for reading in self.readings_of(self.machine_of(figures[name]))]
                yield f"id = '{name}': reading = '{row.reading}': {nearest(row.reading, own)}"

    def goal_of(self, figure: Figure) -> Goal:
        """The goal of the figure's kind."""
        return self.goals[figure.kind]

    def allowed(self, figure: Figure) -> float:
        """The largest deviation that the figure's goal allows."""
        return self.goal_of(figure).allowed(figure.published)

    def readings_of(self, name: str) -> list[Reading]:
        """The other readings of a machine."""
        return [reading for reading in self.readings if reading.machine == name]

    def reading_of(self, figure: Figure) -> Reading | None:
        """The reading that is recorded with the figure's deviation, if one is."""
        row = self.recorded.get(figure.id)
        found = (r for r in self.readings_of(self.machine_of(figure)) if row is not None and r.name == row.reading)
        return next(found, None)

    def points(self, figure: Figure) -> list[dict[str, Any]]:
        """What the points of a figure's study set, as results name it: the machine is the `accelerator`."""
        rows = self.studies[figure.study].combinations()
        return [{"accelerator": row["machine"]} | {key: row[key] for key in row if key != "machine"} for row in rows]

    def machine_of(self, figure: Figure) -> str:
        """The machine that a figure is about."""
        return next(values["accelerator"] for values in self.points(figure) if figure.picks(values))

    def model_of(self, figure: Figure) -> Model:
        """Whether a figure's points are simulated, or expected by the machine's analytical model."""
        return next(values.get("model", EVENTS) for values in self.points(figure) if figure.picks(values))

    def label_of(self, figure: Figure) -> str:
        """The machine that a figure is about, with the model where it is not simulated."""
        return machine_label(self.machine_of(figure), self.model_of(figure))

    def only(self, name: str) -> Self:
        """The figures of one machine. Raises `InputError` when there are none."""
        owners = {figure.id: self.machine_of(figure) for figure in self.figures}
        chosen = tuple(figure for figure in self.figures if owners[figure.id] == name)
        if not chosen:
            with_figures = {*owners.values(), "dram"}
            raise InputError(
                f"accelerator '{name}' has no published figure; those that have: {', '.join(sorted(with_figures))}"
                if name in machines()
                else f"unknown accelerator '{name}': {nearest(name, with_figures)}"
            )
        return replace(self, figures=chosen)


def export(folder: Path) -> list[Path]:
    """Copy the package's figures, readings and studies. Raises `InputError` before it overwrites anything."""
    sources = sorted(FOLDER.rglob("*.toml"))
    # Nothing is written before all targets are known to be free: no half export.
    targets = [folder / source.relative_to(FOLDER) for source in sources]
    for target in targets:
        if target.exists():
            raise InputError(f"{target}: is there already")
    try:
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}") from None
    for source, target in zip(sources, targets, strict=True):
        write_whole(target, source.read_bytes())
    return targets


def _figures(place: Path, folder: Path) -> Iterator[Figure]:
    """The figures of a place in a folder, whose studies are named from there."""
    for figure in _rows(place / FIGURES, "figure", Figure):
        yield figure.model_copy(update={"study": (place.relative_to(folder) / figure.study).as_posix()})


def _goals(places: list[Path]) -> dict[str, Goal]:
    """The goals by kind, of which the first place must have some. Raises `InputError` with a line for each fault."""
    goals: dict[str, Goal] = {}
    lines = []
    for path in (place / FIGURES for place in places):
        named = read_toml(path).get("goals", {} if goals else None)
        if not isinstance(named, dict) or not (named or goals):
            raise InputError(f"{path}: must have at least one [goals.KIND]")
        for kind, table in named.items():
            if kind in goals:
                lines.append(f"{path}: goals.{kind} is there already, in {places[0] / FIGURES}")
                continue
            try:
                goals[kind] = Goal.model_validate(table)
            except ValidationError as error:
                lines += faults(error, Goal, f"{path}: goals.{kind}").splitlines()
    if lines:
        raise InputError("\n".join(lines))
    return goals


def _members(table: Any) -> list[Any]:
    """A table itself, or one for each row of its list `each`: with the table's keys, and `where` of both."""
    if not isinstance(table, dict) or not isinstance(table.get("each"), list):
        return [table]
    # What rows share stands once in the table: a row wins over it, and the conditions of both hold.
    shared = {key: value for key, value in table.items() if key != "each"}
    where = shared.get("where", {})
    return [shared | row | {"where": where | row.get("where", {})} for row in table["each"]]


def _rows_if_there(path: Path, key: str, kind: type[Row]) -> list[Row]:
    return _rows(path, key, kind) if path.exists() and read_toml(path) else []


def _rows(path: Path, key: str, kind: type[Row]) -> list[Row]:
    """The rows of a file's list of tables. Raises `InputError` with a line for each fault."""
    tables = read_toml(path).get(key)
    if not isinstance(tables, list) or not tables:
        raise InputError(f"{path}: must have at least one [[{key}]]")
    rows, lines = [], []
    for number, table in enumerate(tables):
        for row in _members(table):
            try:
                rows.append(kind.model_validate(row))
            except ValidationError as error:
                lines += faults(error, kind, f"{path}: {key}.{number}").splitlines()
    if lines:
        raise InputError("\n".join(lines))
    return rows
