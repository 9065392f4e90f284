"""A study as its TOML says it: checked tables, and every combination of values that they ask for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from dataflows.registry import machines
from simulator.configuration import faults, has_key, keys_of, read_toml
from simulator.equal_size import parse_equal_size
from simulator.reports.report import Model
from simulator.studies.limits import require_points
from workloads.errors import InputError, nearest, shown
from workloads.masks.named import ACTIVATION_PATTERNS, WEIGHT_PATTERNS, parse_pattern

Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(min_length=1)]
Seed = Annotated[int, Field(ge=0)]
Input = Annotated[int, Field(ge=0)]


def _pattern(*allowed: str) -> AfterValidator:
    def check(text: str) -> str:
        try:
            parse_pattern(text, allowed)
        except InputError as error:
            raise ValueError(str(error)) from None
        return text

    return AfterValidator(check)


WeightPattern = Annotated[str, _pattern(*WEIGHT_PATTERNS)]
ActivationPattern = Annotated[str, _pattern(*ACTIVATION_PATTERNS)]


def _equal_size(text: str) -> str:
    try:
        parse_equal_size(text, "equal")
    except InputError as error:
        raise ValueError("; ".join(str(error).splitlines())) from None
    return text


EqualSizeText = Annotated[str, AfterValidator(_equal_size)]
_LISTED = ("workload", "machine", "seed", "input")  # a study has a list of each


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PointKeys(_Table):
    """What a point may say beside settings of the machine; these keys may be varied as well."""

    machine: Text | None = Field(None, description="accelerator")
    workload: Text | None = Field(None, description="as for 'prunesim run'")
    layers: Text | None = Field(None, description="glob of layer names")
    prune: Text | None = Field(None, description="METHOD:KEY=VALUE,...")
    density: Share | None = Field(None, description="of weights and activations, drawn afresh")
    weight_density: Share | None = Field(None, description="of weights, drawn afresh")
    activation_density: Share | None = Field(None, description="of activations, drawn afresh")
    weight_pattern: WeightPattern | None = Field(None, description="of drawn weights: uniform, skewed[:KEY=NUMBER,..]")
    activation_pattern: ActivationPattern | None = Field(
        None, description="of drawn activations: uniform, clustered[:KEY=NUMBER,..]"
    )
    batch: Annotated[int, Field(ge=1)] | None = Field(None, description="images in a batch")
    equal: EqualSizeText | None = Field(None, description="size of all machines, as for '--equal'")
    model: Model | None = Field(None, description="events (simulated) or analytical (expected from densities)")
    seed: Seed | None = Field(None, description="seed of synthetic masks")
    input: Input | None = Field(None, description="which of the workload's inputs, from 0 on")


class StudyTable(_Table):
    """A whole study file.

    Points are all combinations of: the rows of each table of `axes` (the lists of one table go together, element by
    element), the tables of `points` (one after the other), `workloads`, `machines`, `seeds` and `inputs` (lists, or how
    many of each).
    """

    title: str = ""
    machines: list[Text] = []
    workloads: list[Text] = ["blazepose"]
    seeds: Annotated[int, Field(ge=1)] | list[Seed] = 1
    inputs: Annotated[int, Field(ge=1)] | list[Input] | None = None
    layers: Text | None = None
    prune: Text | None = None
    density: Share | None = None
    weight_density: Share | None = None
    activation_density: Share | None = None
    weight_pattern: WeightPattern | None = None
    activation_pattern: ActivationPattern | None = None
    batch: Annotated[int, Field(ge=1)] | None = None
    equal: EqualSizeText | None = None
    model: Model | None = None
    set: dict[str, Any] = {}
    axes: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []

    @classmethod
    def read(cls, path: Path) -> Self:
        """A study from its file. Raises `InputError` with a line for each fault: file, dotted key, what is allowed."""
        return cls.checked(read_toml(path), str(path))

    @classmethod
    def checked(cls, values: dict[str, Any], source: str) -> Self:
        """A study from the tables of `source`; raises as `read`."""
        try:
            table = cls.model_validate(values)
        except ValidationError as error:
            raise InputError(faults(error, cls, source)) from None
        require_points(table.model_dump(), source)
        wrong = [f"{source}: {line}" for line in table.wrong_keys()]
        if wrong:
            raise InputError("\n".join(dict.fromkeys(wrong)))
        return table

    def wrong_keys(self) -> Iterator[str]:
        """A line for each key that is not known, and each value that is not possible by itself."""
        known = {key for chosen in machines().values() for key in keys_of(chosen.Spec)}
        for key, value in flattened(self.set).items():
            yield from _key_faults(f"set.{key}", key, [value], known, settings_only=True)
        for number, axis in enumerate(self.axes):
            yield from _axis_faults(f"axes.{number}", axis, known)
        for number, point in enumerate(self.points):
            for key, value in flattened(point).items():
                yield from _key_faults(f"points.{number}.{key}", key, [value], known)
        if not self.machines and any("machine" not in values for values in self._own_rows()):
            yield "machines: must name at least one accelerator"
        for key in ("workloads", "seeds", "inputs"):
            if getattr(self, key) == []:
                yield f"{key}: must not be empty"

    def _own_rows(self) -> Iterator[dict[str, Any]]:
        """What axes and points set, combined."""
        axes = [_zipped(flattened(axis)) for axis in self.axes]
        axes += [[flattened(point) for point in self.points]] if self.points else []
        # Later axes win over earlier ones where both set a key.
        # Axes of 2 and 3 rows and 4 points give 24 combinations; without any there is one, which sets nothing.
        for rows in itertools.product(*axes):
            yield {key: value for row in rows for key, value in row.items()}

    def combinations(self) -> Iterator[dict[str, Any]]:
        """What each point sets, in order; the seed changes fastest, and inputs faster still where the study says any.

        Axes and points win over the study's own keys.
        """
        fixed = {key: getattr(self, key) for key in PointKeys.model_fields if key not in _LISTED}
        fixed = {key: value for key, value in fixed.items() if value is not None} | flattened(self.set)
        lists = {"workload": self.workloads, "machine": self.machines, "seed": _counted(self.seeds)}
        lists |= {} if self.inputs is None else {"input": _counted(self.inputs)}
        for own in self._own_rows():
            # A list that axes or points set themselves is not multiplied in again.
            named = [[(key, value) for value in values] for key, values in lists.items() if key not in own]
            # The last list turns fastest: two machines and two seeds come as m1 0, m1 1, m2 0, m2 1.
            for row in itertools.product(*named):
                yield dict(row) | fixed | own


def _counted(given: int | list[int]) -> list[int]:
    """A list as it stands, or so many numbers from 0 on."""
    return list(range(given)) if isinstance(given, int) else given


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flattened(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _zipped(axis: dict[str, list[Any]]) -> list[dict[str, Any]]:
    # {a: [1, 2], b: [3, 4]} are the rows {a: 1, b: 3} and {a: 2, b: 4}.
    return [dict(zip(axis, row, strict=True)) for row in zip(*axis.values(), strict=True)]


def _axis_faults(place: str, axis: dict[str, Any], known: set[str]) -> Iterator[str]:
    lists = flattened(axis)
    if not lists:
        yield f"{place}: must name at least one key"
    for key, values in lists.items():
        if not isinstance(values, list) or not values:
            yield f"{place}.{key} = {shown(values)}: must be a list of values"
        else:
            yield from _key_faults(f"{place}.{key}", key, values, known)
    lengths = {key: len(values) for key, values in lists.items() if isinstance(values, list) and values}
    if len(set(lengths.values())) > 1:
        sizes = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        yield f"{place}: lists that go together must be equally long: {sizes}"


def _key_faults(
    place: str, key: str, values: list[Any], known: set[str], *, settings_only: bool = False
) -> Iterator[str]:
    own = set() if settings_only else set(PointKeys.model_fields)
    if key not in own:
        if not has_key(known, key):
            yield f"{place}: unknown key '{key}': {nearest(key, known | own)}"
        return
    for value in values:
        try:
            PointKeys.model_validate({key: value})
        except ValidationError as error:
            (line,) = faults(error, PointKeys, place.removesuffix(f".{key}")).splitlines()[:1]
            # "axes.0: batch = 0: must be ..." becomes "axes.0.batch = 0: must be ...", the place as a user finds it in
            # the file.
            yield line.replace(": ", ".", 1)
