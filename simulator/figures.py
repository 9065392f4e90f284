"""Published figures as data: a folder with `figures.toml`, the studies that it names, and other readings of them.

The package has such a folder, `published/`; a user may have one as well, to compare with other papers or an RTL run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from dataflows.registry import machine, machines
from simulator.configuration import faults, has_key, keys_of, read_toml
from simulator.figure_metrics import METRICS, Run
from simulator.files import write_whole
from simulator.study_file import PointKeys, StudyTable, flattened
from workloads.errors import InputError, nearest

FOLDER = Path(__file__).with_name("published")
FIGURES, READINGS = "figures.toml", "readings.toml"


def _metric(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"must be one of {', '.join(METRICS)}")
    return name


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Gap(_Row):
    """A deviation beyond the tolerance that is known: what was measured, and the reason as far as it is known."""

    deviation: float = Field(description="relative, as measured with seed 0")
    reason: str


class Figure(_Row):
    """A published figure, the study that rebuilds it, and what to take from there."""

    id: str
    study: str = Field(description="name of a study file of the folder, without .toml")
    where: dict[str, Any] = Field(
        default={}, description="what picks the study's points: values, or lists of them; empty for all"
    )
    metric: Annotated[str, AfterValidator(_metric)]
    unit: str
    published: float = Field(gt=0)
    tolerance: float = Field(ge=0, description="relative")
    most: bool = Field(default=False, description="whether the published value is an upper limit")
    random: bool = Field(default=False, description="whether the value depends on how masks are drawn")
    gap: Gap | None = Field(default=None, description="why the value lies outside the tolerance; none: it must not")
    source: str
    how: str = ""

    def picks(self, values: dict[str, Any]) -> bool:
        """Whether a point with these values belongs to the figure."""
        return all(
            values.get(key) in (value if isinstance(value, list) else [value]) for key, value in self.where.items()
        )

    def of(self, runs: Sequence[Run]) -> float:
        """The figure's value from the runs of its study."""
        return float(METRICS[self.metric]([run for run in runs if self.picks(run.values)]))


class Reading(_Row):
    """Another value of a parameter that is not published, or other masks: `changes` to a machine's studies."""

    machine: str
    parameter: str
    label: str
    changes: dict[str, Any]

    @property
    def flat_changes(self) -> dict[str, Any]:
        """The changes with dotted keys."""
        return flattened(self.changes)


Row = TypeVar("Row", bound=_Row)


@dataclass(frozen=True)
class FigureSet:
    """Figures with their studies and readings."""

    figures: tuple[Figure, ...]
    studies: dict[str, StudyTable]
    readings: tuple[Reading, ...] = ()

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Self:
        """All of a folder. Raises `InputError` with a line for each fault: the file, the key, what is allowed."""
        chosen = _rows(folder / FIGURES, "figure", Figure)
        studies = {name: StudyTable.read(folder / f"{name}.toml") for name in dict.fromkeys(f.study for f in chosen)}
        readings = _rows(folder / READINGS, "reading", Reading) if (folder / READINGS).exists() else []
        found = cls(tuple(chosen), studies, tuple(readings))
        lines = [f"{folder / FIGURES}: {line}" for line in found._wrong_figures()]
        lines += [f"{folder / READINGS}: {line}" for line in found._wrong_readings()]
        if lines:
            raise InputError("\n".join(lines))
        return found

    def _wrong_figures(self) -> Iterator[str]:
        ids = [figure.id for figure in self.figures]
        yield from (f"figure '{name}' is there twice" for name in dict.fromkeys(ids) if ids.count(name) > 1)
        for figure in self.figures:
            if not any(figure.picks(values) for values in self.points(figure)):
                yield f"figure '{figure.id}': where = {figure.where} picks no point of its study"

    def _wrong_readings(self) -> Iterator[str]:
        for reading in self.readings:
            if reading.machine not in machines():
                yield f"machine = '{reading.machine}': {nearest(reading.machine, machines())}"
                continue
            known = keys_of(machine(reading.machine).Spec)
            for key in reading.flat_changes:
                if key not in PointKeys.model_fields and not has_key(known, key):
                    yield f"unknown key '{key}': {nearest(key, {*known, *PointKeys.model_fields})}"

    def points(self, figure: Figure) -> list[dict[str, Any]]:
        """What the points of a figure's study set, as results name it: the machine is the `accelerator`."""
        rows = self.studies[figure.study].combinations()
        return [{"accelerator": row["machine"]} | {key: row[key] for key in row if key != "machine"} for row in rows]

    def machine_of(self, figure: Figure) -> str:
        """The machine that a figure is about."""
        return next(values["accelerator"] for values in self.points(figure) if figure.picks(values))

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


def _rows(path: Path, key: str, kind: type[Row]) -> list[Row]:
    """The tables of a file's list. Raises `InputError` with a line for each fault."""
    tables = read_toml(path).get(key)
    if not isinstance(tables, list) or not tables:
        raise InputError(f"{path}: must have at least one [[{key}]]")
    rows, lines = [], []
    for number, table in enumerate(tables):
        try:
            rows.append(kind.model_validate(table))
        except ValidationError as error:
            lines += faults(error, kind, f"{path}: {key}.{number}").splitlines()
    if lines:
        raise InputError("\n".join(lines))
    return rows
