"""The rows of a folder of published figures: goals, figures, drawings, readings, recorded deviations, refused rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from simulator.studies.study_file import flattened
from simulator.validation.energy_metrics import ENERGY_METRICS
from simulator.validation.figure_metrics import METRICS, Run

Verdict = Literal["within", "explained", "unexplained"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
LEFT = 0.5  # the most that a reading that explains a deviation leaves of it, where it does not meet the goal


def _metric(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"must be one of {', '.join(METRICS)}")
    return name


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Goal(_Row):
    """How near figures of a kind shall come: `relative` of the published value and `absolute` in `unit` together.

    Without a relative part, for shares that may be near zero, deviations are differences in the figure's unit.
    """

    relative: float = Field(ge=0)
    absolute: float = Field(default=0.0, ge=0)
    unit: str = Field(default="", description="of figures and `absolute`; empty for figures of any unit")
    what: str = Field(default="", description="what figures are of this kind")

    @property
    def is_difference(self) -> bool:
        """Whether deviations are differences, and not shares of the published value."""
        return self.absolute > 0 and self.relative == 0

    def deviation(self, value: float, published: float) -> float:
        """How far a value is from the published one."""
        return value - published if self.is_difference else value / published - 1

    def value(self, deviation: float, published: float) -> float:
        """The value that is so far from the published one."""
        return published + deviation if self.is_difference else published * (1 + deviation)

    def allowed(self, published: float) -> float:
        """The largest deviation from a published value."""
        # An absolute goal in the figure's unit as a relative one: 0.5 ms of a published 10 ms are 5 %.
        return self.absolute if self.is_difference else self.relative + self.absolute / published

    def text(self, deviation: float) -> str:
        """A deviation with its sign."""
        return f"{deviation:+.3f}" if self.is_difference else f"{deviation:+.1%}"

    def prose(self, deviation: float) -> str:
        """The same as documents write it."""
        return self.text(deviation).replace("%", " %")

    def __str__(self) -> str:
        absolute = f"{self.absolute:g} {self.unit}".strip() if self.absolute else ""
        return absolute if self.is_difference else " + ".join(filter(None, (f"{100 * self.relative:g} %", absolute)))


class Figure(_Row):
    """A published figure, the study that rebuilds it, and what to take from there."""

    id: str
    study: str = Field(description="name of a study file of the folder, without .toml")
    where: dict[str, Any] = Field(
        default={}, description="what picks the study's points: values, or lists of them; empty for all"
    )
    metric: Annotated[str, AfterValidator(_metric)]
    parts: tuple[str, ...] = Field(
        default=(), description="components of the machine that an area or a power adds up, or a word; empty for all"
    )
    unit: str
    published: float = Field(gt=0)
    kind: str = Field(description="name of the goal")
    rows: list[str] = Field(default=[], description="names of the rows of published tables that it stands for")
    drawing: str = Field(default="", description="id of the drawing of which it is a bar or a point")
    series: str = Field(default="", description="of the drawing's bars or lines")
    label: str = Field(default="", description="where it stands in the drawing, if `where` does not say it")
    most: bool = Field(default=False, description="whether the published value is an upper limit")
    random: bool = Field(default=False, description="whether the value depends on how masks are drawn")
    source: str
    how: str = ""

    def picks(self, values: dict[str, Any]) -> bool:
        """Whether a point with these values belongs to the figure."""
        # A list in `where` means any of its values.
        return all(
            values.get(key) in (value if isinstance(value, list) else [value]) for key, value in self.where.items()
        )

    def of(self, runs: Sequence[Run]) -> float:
        """The figure's value from the runs of its study."""
        return float(METRICS[self.metric]([replace(run, parts=self.parts) for run in runs if self.picks(run.values)]))

    @property
    def is_of_energy(self) -> bool:
        """Whether it needs the energy or the area of its points."""
        return self.metric in ENERGY_METRICS


class Drawing(_Row):
    """A picture that `prunesim validate --plot` draws of the figures that name it, published beside simulated.

    Bars have a panel for each series, lines share one. A figure stands at its `label`, or where its `where` says under
    `along`, which for lines is a number.
    """

    id: str
    title: str
    kind: Literal["bars", "lines"] = "bars"
    along: str = ""
    x: str = Field(default="", description="what the horizontal axis shows")
    y: str = Field(default="", description="what the vertical axis shows; series name the panels of bars")
    log: bool = Field(default=False, description="whether the vertical axis is logarithmic")

    def place_of(self, figure: Figure) -> str | float:
        """Where a figure stands: the text below a bar, or the number along a line. Raises `ValueError` without one."""
        place = figure.label or figure.where.get(self.along, "")
        if self.kind == "lines":
            if not isinstance(place, int | float):
                raise ValueError(f"where.{self.along} must be a number")
            return float(place)
        if not isinstance(place, str | int | float) or place == "":
            raise ValueError(f"needs a label or where.{self.along}")
        return str(place)


class Reading(_Row):
    """Another value of a parameter that is not published, or other masks: `changes` to a machine's studies."""

    machine: str
    parameter: str
    label: str
    changes: dict[str, Any]

    @property
    def name(self) -> str:
        """What recorded deviations call it."""
        return f"{self.parameter}: {self.label}"

    @property
    def is_of_prices(self) -> bool:
        """Whether it changes what actions cost and nothing else."""
        return bool(self.changes) and all(key.startswith("energy.") for key in self.flat_changes)

    def concerns(self, figure: Figure) -> bool:
        """Whether it is laid over the figure: readings of prices over those of energy, the others over all others."""
        return self.is_of_prices == figure.is_of_energy

    @property
    def flat_changes(self) -> dict[str, Any]:
        """The changes with dotted keys."""
        return flattened(self.changes)


class Outside(_Row):
    """A recorded deviation beyond the goal.

    `reading` names one of the folder's readings, `share` what it alone explains of the deviation. The deviation is
    explained where what is left is within the goal or at most half of it; otherwise, and without a reading, it is
    unexplained. `note` says what else is known.
    """

    id: str
    deviation: float = Field(description="as the goal counts it, measured with seed 0")
    reading: str = ""
    share: float | None = None
    note: str = ""

    @property
    def told(self) -> str:
        """The reading and its share in words; empty without a reading."""
        return "" if self.share is None else f"{self.reading} explains {self.share:.0%}"

    @property
    def left(self) -> float:
        """What is left of the deviation with the reading."""
        return self.deviation * (1 - (self.share or 0.0))

    def verdict(self, goal: float) -> Verdict:
        """Whether the reading explains the deviation of a figure whose goal allows this one."""
        # Share 0.6 leaves 40 % of the deviation, which is enough; the 1e-12 is for sums that end on the limit itself.
        enough = self.share is not None and abs(self.left) <= max(goal, LEFT * abs(self.deviation)) + 1e-12
        return "explained" if enough else "unexplained"

    @model_validator(mode="after")
    def _reading_is_measured(self) -> Self:
        if bool(self.reading) != (self.share is not None):
            raise ValueError("reading and share must both be given, or neither")
        return self


class Refused(_Row):
    """Rows of published tables, as globs, that no figure stands for."""

    rows: list[str]
    reason: str
