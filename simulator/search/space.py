"""A space of designs: for each varied setting its values in order; a design is a place in each list."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from simulator.reports.metrics import sense_of
from workloads.errors import InputError

Design = tuple[int, ...]
"""For each setting of a space the place of its value."""

Sampler = Literal["thompson", "nsga2", "tpe", "gp", "random", "all"]
_MOST_VALUES = 4096
_CONSTRAINT = re.compile(r"\s*([\w.]+)\s*(<=|>=)\s*([-+.\deE]+)\s*")


class SearchTable(BaseModel):
    """The table `search` of a study file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    objectives: Annotated[list[str], Field(min_length=1)] = ["time_us"]
    constraints: list[str] = []
    points: Annotated[int, Field(ge=1, le=10**6)] = 100
    sampler: Sampler = "thompson"
    seed: Annotated[int, Field(ge=0)] = 0
    ranges: Annotated[dict[str, Any], Field(min_length=1)]


@dataclass(frozen=True)
class Constraint:
    """A limit of a column or of a setting: value <= limit, or >= with `least`."""

    column: str
    limit: float
    least: bool

    @classmethod
    def parse(cls, text: str, source: str) -> Constraint:
        """`COLUMN <= NUMBER` or `COLUMN >= NUMBER`. Raises `InputError` for anything else."""
        found = _CONSTRAINT.fullmatch(text)
        try:
            limit = float(found[3]) if found else math.nan
        except ValueError:
            limit = math.nan
        if found is None or not math.isfinite(limit):
            raise InputError(
                f"{source}: search.constraints: {text!r:.80}: must be COLUMN <= NUMBER or COLUMN >= NUMBER"
            )
        return cls(found[1], limit, found[2] == ">=")

    def excess(self, value: float) -> float:
        """How far a value lies beyond the limit, over the limit's size; 0 or below where it is met."""
        beyond = self.limit - value if self.least else value - self.limit
        return beyond / (abs(self.limit) or 1.0)

    def __str__(self) -> str:
        return f"{self.column} {'>=' if self.least else '<='} {self.limit:g}"


@dataclass(frozen=True)
class Space:
    """The values of each setting, objectives with whether more of each is better, and the limits."""

    values: dict[str, tuple[Any, ...]]
    objectives: tuple[str, ...]
    more: tuple[bool, ...]
    constraints: tuple[Constraint, ...]

    @classmethod
    def of(cls, table: SearchTable, ranges: Mapping[str, Any], source: str) -> Space:
        """The space of a checked table; `ranges` have dotted keys. Raises `InputError` with a line for each fault."""
        lines, values = [], {}
        for key, given in ranges.items():
            try:
                values[key] = values_of(given)
            except InputError as error:
                lines.append(f"{source}: search.ranges.{key} = {given!r:.80}: {error}")
        senses = {column: sense_of(column) for column in table.objectives}
        neither = [column for column, sense in senses.items() if sense == 0]
        lines += [f"{source}: search.objectives: of '{column}' neither more nor less is better" for column in neither]
        constraints = []
        for text in table.constraints:
            try:
                constraints.append(Constraint.parse(text, source))
            except InputError as error:
                lines.append(str(error))
        if lines:
            raise InputError("\n".join(lines))
        more = tuple(sense > 0 for sense in senses.values())
        return cls(values, tuple(senses), more, tuple(constraints))

    @property
    def sides(self) -> tuple[int, ...]:
        """How many values each setting has."""
        return tuple(map(len, self.values.values()))

    @property
    def size(self) -> int:
        """How many designs there are."""
        return math.prod(self.sides)

    def settings(self, design: Design) -> dict[str, Any]:
        """The settings of a design by their dotted keys."""
        return {key: values[at] for (key, values), at in zip(self.values.items(), design, strict=True)}

    def designs(self) -> Iterator[Design]:
        """All of them, the last setting fastest."""
        return itertools.product(*map(range, self.sides))


def values_of(given: Any) -> tuple[Any, ...]:
    """The values of a range: a list as it stands, or {from, to} with a step or a factor.

    Example: {from = 2, to = 32, factor = 2} is 2, 4, 8, 16, 32. Raises `InputError`.
    """
    if isinstance(given, list):
        if not given:
            raise InputError("must not be empty")
        return tuple(given)
    if not isinstance(given, Mapping) or not {"from", "to"} <= given.keys() <= {"from", "to", "step", "factor"}:
        raise InputError("must be a list of values, or {from = .., to = .., step = ..} or {.., factor = ..}")
    numbers = [given[key] for key in given]
    if any(isinstance(one, bool) or not isinstance(one, int | float) or not math.isfinite(one) for one in numbers):
        raise InputError("from, to, step and factor must be numbers")
    return tuple(_rising(given["from"], given["to"], given))


def _rising(low: float, high: float, given: Mapping[str, Any]) -> Sequence[float]:
    if ("factor" in given) == ("step" in given) and len(given) > 2:
        raise InputError("has both step and factor, must have one of them")
    step, factor = given.get("step", 1), given.get("factor")
    if low > high or (step <= 0 if factor is None else factor <= 1 or low <= 0):
        raise InputError("must rise: from <= to, step above 0, factor above 1 and from above 0")
    found, value = [], low
    while value <= high:
        found.append(value)
        if len(found) > _MOST_VALUES:
            raise InputError(f"has more than {_MOST_VALUES} values")
        value = low + len(found) * step if factor is None else value * factor
    return found
