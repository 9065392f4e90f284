"""A study: the points of a study file, each checked, with its key; and its run into a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from dataflows.registry import machine, over_defaults
from simulator.analytical import require_model
from simulator.configuration import faults, has_key, keys_of, merge
from simulator.reports.report import ANALYTICAL
from simulator.studies.point import Outcome, Place, Point
from simulator.studies.store import Store
from simulator.studies.study_file import PointKeys, StudyTable
from simulator.studies.workers import Workers
from workloads.errors import InputError

Progress = Callable[[int, int, str], None]
_OF_POINTS = {"accelerator", *PointKeys.model_fields}  # what is no setting of a machine


@dataclass(frozen=True)
class Study:
    """Points in order. `varied` are the keys that have several values, seed and input left out."""

    name: str
    title: str
    places: tuple[Place, ...]
    varied: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """The study of a file, named like the file. Raises `InputError` with a line for each fault."""
        return cls.of(StudyTable.read(path), path.stem, str(path))

    @classmethod
    def of(cls, table: StudyTable, name: str, source: str) -> Self:
        """The study of checked tables. Raises `InputError` with a line for each fault, each beginning with `source`.

        A combination of values that are possible one by one is no fault: its point fails and the rest go on.
        """
        combinations = list(table.combinations())
        # The same fault in a thousand combinations is one line: `dict.fromkeys` below keeps the first of each.
        lines = [f"{source}: {line}" for values in combinations for line in _wrong_settings(values)]
        lines += [f"{source}: {line}" for line in _wrong_workloads(combinations)]
        if lines:
            raise InputError("\n".join(dict.fromkeys(lines)))
        return cls.made(combinations, name, table.title)

    @classmethod
    def made(cls, combinations: Sequence[dict[str, Any]], name: str, title: str = "") -> Self:
        """The study of points that are known to be right one by one; what each sets as `StudyTable.combinations`."""
        places = tuple(_place(values) for values in combinations)
        return cls(name, title or name, places, _varied(places))

    def varied_of(self, place: Place) -> dict[str, Any]:
        """What the varied keys are at a place; None for a setting that its machine does not have."""
        settings = dict(place.point.settings)
        return {key: place.values.get(key) if key in settings or key in _OF_POINTS else None for key in self.varied}

    def without_energy(self) -> Self:
        """The same points, of which no energy is reported."""
        return replace(self, places=tuple(_without_energy(place) for place in self.places))

    def scaled_lines(self) -> list[str]:
        """What each machine that is brought to an equal size becomes: a line for each that differs."""
        return list(dict.fromkeys(line for line, _ in self._scaled()))

    def _scaled(self) -> Iterator[tuple[str, list[str]]]:
        for place in self.places:
            if not place.fault and place.point.equal is not None:
                yield place.point.scaled()

    def warnings(self) -> list[str]:
        """A line for each setting that has no effect in any of a machine's points, and each size not reached."""
        idle: dict[str, list[dict[str, str]]] = {}
        for place in self.places:
            if not place.fault:
                idle.setdefault(place.point.machine, []).append(place.point.idle())
        missed = dict.fromkeys(line for _, lines in self._scaled() for line in lines)
        return [*missed] + [
            f"{name}: {key} has no effect: {reason}"
            for name, points in idle.items()
            for key, reason in points[0].items()
            # A setting that has an effect in one of the points is there to be varied.
            if all(key in point for point in points)
        ]

    def notes(self) -> list[str]:
        """What the workloads of the points assume, and what prunings could not do, each once."""
        # Neither machine nor seed nor input changes what is noted, so that 3 machines x 10 seeds prune a network once
        # and not 30 times.
        points = {
            replace(place.point, machine="", settings=(), seed=0, input=0) for place in self.places if not place.fault
        }
        lines: dict[str, None] = {}
        for point in sorted(points, key=repr):
            with suppress(InputError):  # the point will say so itself
                lines.update(dict.fromkeys(point.traced().notes))
        return list(lines)


@dataclass(frozen=True)
class Summary:
    """What a run of a study did, in points that differ: found in the store, computed now, failed."""

    found: int
    computed: int
    failed: int


def run_study(
    study: Study, store: Store, workers: Workers, progress: Progress | None = None, *, grows: bool = False
) -> Summary:
    """Compute what the store does not hold; results land as they come. Points that failed before are tried again.

    grows  the study gets its points bit by bit: that it had fewer before is nothing to be told

    `progress` is called with (points done, points, ""). Raises `InputError` when a cluster cannot be
    reached; a point that fails does not raise.
    """
    if store.declare(study.name, study.places) and not grows:
        workers.say(f"warning: {store.path}: study '{study.name}' had other points before; they are no longer its own")
    # Places with equal content, such as settings that a machine does not have, are one point and computed once.
    distinct = {place.key: place for place in study.places}
    todo = {key: place for key, place in distinct.items() if key not in store}
    found = len(distinct) - len(todo)
    computed = failed = 0
    if progress is not None:
        progress(found, len(distinct), "")
    for outcome in _outcomes(list(todo.values()), store, workers):
        store.put(outcome)
        computed += not outcome.error
        failed += bool(outcome.error)
        if progress is not None:
            progress(found + computed + failed, len(distinct), "")
    # Not `found`: another sweep on the same store may have brought some of the points meanwhile.
    return Summary(len(distinct) - computed - failed, computed, failed)


def check_declared(study: Study, store: Store) -> None:
    """Raise `InputError` when the store holds other points under the study's name, or lost some of its results."""
    # Neither a result nor a failure is there, though each point of a run ends as one of them.
    lost = sum(1 for place in study.places if place.key not in store and not store.failures([place]))
    if lost:
        raise InputError(
            f"{store.path}: {lost} points of this run are no longer in it: another process changed the file"
        )
    if not store.holds(study.name, study.places):
        raise InputError(
            f"{store.path}: another sweep gave the study '{study.name}' other points meanwhile; tables of this run are "
            "of its own points, but plots of the store show the other's: run again with a --store of its own"
        )


def _outcomes(places: Sequence[Place], store: Store, workers: Workers) -> Iterator[Outcome]:
    for place in places:
        if place.fault:
            yield Outcome(place.key, error=place.fault)
    possible = {place.key: place.point for place in places if not place.fault}
    # another sweep may fill the same store: what it has computed meanwhile is not computed again
    yield from workers.run(possible, lambda key: key in store)


def _varied(places: Sequence[Place]) -> tuple[str, ...]:
    """Keys with several values. One that follows another shows, too: what it does must not be read as the other's."""
    keys = dict.fromkeys(key for place in places for key in place.values if key not in ("seed", "input"))
    return tuple(key for key in keys if len({repr(place.values.get(key)) for place in places}) > 1)


def _place(values: dict[str, Any]) -> Place:
    name = values["machine"]
    known = keys_of(machine(name).Spec)
    own = {key: value for key, value in values.items() if key in PointKeys.model_fields}
    # Example: a study sets `pe_rows` to 4 and 8 on scnn and eie. eie has no such setting: its two places show it, but
    # their points are equal, have one key and are computed once.
    settings = {key: value for key, value in values.items() if key not in own}
    point = Point(**own, settings=tuple((key, value) for key, value in settings.items() if has_key(known, key)))
    first = {"accelerator": name, "workload": point.workload, "seed": point.seed}
    shown = first | {key: value for key, value in values.items() if key not in ("machine", *first)}
    try:
        return Place(shown, point, point.key())
    except InputError as error:
        return Place(shown, point, point.raw_key(), str(error))


def _without_energy(place: Place) -> Place:
    point = replace(place.point, energy=False)
    return replace(place, point=point, key=point.raw_key() if place.fault else point.key())


def _wrong_settings(values: dict[str, Any]) -> Iterator[str]:
    """Faults of single settings; a value that only its company makes impossible is none."""
    name, settings = values["machine"], {}
    try:
        chosen = machine(name)
        if values.get("model") == ANALYTICAL:
            require_model(name)
    except InputError as error:
        yield str(error)
        return
    known = keys_of(chosen.Spec)
    try:
        for key, value in values.items():
            # What other machines of the study have and this one does not is passed over here.
            if key not in PointKeys.model_fields and has_key(known, key):
                merge(settings, key, value)
        chosen.Spec.model_validate(over_defaults(chosen, settings))
    except ValidationError as error:
        # Validators raise "value_error", and nearly all of them look at several settings together.
        if any(fault["type"] != "value_error" for fault in error.errors()):
            yield from faults(error, chosen.Spec, name).splitlines()
    except InputError as error:
        yield str(error)


def _wrong_workloads(combinations: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Faults of workloads, prunings and globs, each combination of them looked at once."""
    keys = ("workload", "input", "layers", "prune", "batch", "weight_density", "weight_pattern", "activation_pattern")
    seen = {repr([values.get(key) for key in keys]): values for values in combinations}
    for values in seen.values():
        try:
            Point("", **{key: values[key] for key in keys if key in values}).check_workload()
        except InputError as error:
            yield str(error)
