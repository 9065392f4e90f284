"""One line of the table of speeds, and the table of a part."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from benchmarks.speed.limits import limit_of
from benchmarks.speed.sides import Measured, Sides


@dataclass(frozen=True)
class Figure:
    """What was measured, and the yardstick of the same run in the same unit (1 where the number is a ratio already).

    shown   the numbers behind it, for a person
    """

    name: str
    measured: Measured
    yardstick: float = 1.0
    shown: str = ""

    @property
    def ratio(self) -> float:
        """Of the yardstick; what limits speak of."""
        return self.measured.now / self.yardstick


@dataclass(frozen=True)
class Part:
    """A part of the table.

    key     as --only takes it
    unit    of the times; `scale` brings seconds (or bytes, or points) to it
    of      what the yardstick is, in a few words; None: the numbers are ratios themselves
    figures measures them, one after the other
    """

    key: str
    title: str
    unit: str
    scale: float
    of: str | None
    figures: Callable[[Sides], Iterator[Figure]]

    def head(self, *, compared: bool) -> tuple[str, ...]:
        """The names of the columns."""
        sides = [f"before, {self.unit}", f"now, {self.unit}"] if compared else [self.unit]
        ratios = ([] if not compared else ["before / now"]) + [f"of {self.of}"] if self.of else []
        return (self.key, *sides, *ratios, "limit", "", "result")

    def row(self, figure: Figure, *, compared: bool) -> tuple[str, ...]:
        """A figure as cells."""
        limit, measured = limit_of(self.key, figure.name), figure.measured
        values = [number(measured.now * self.scale)]
        if compared:
            values.insert(0, "" if measured.before is None else number(measured.before * self.scale))
        if compared and self.of:
            values.append("" if measured.before is None else number(measured.before / measured.now))
        if self.of:
            values.append(number(figure.ratio))
        bound = ("", "") if limit is None else (f"{limit:g}", "met" if figure.ratio <= limit else "NOT MET")
        result = figure.shown if measured.equal else f"{figure.shown} NOT THE SAME AS BEFORE".strip()
        return (figure.name, *values, *bound, result)


def number(value: float) -> str:
    """Three digits, never in powers of ten."""
    if value == 0:
        return "0"
    digits = max(0, 2 - max(-2, min(2, _magnitude(value))))
    return f"{value:,.{digits}f}"


def _magnitude(value: float) -> int:
    return int(f"{abs(value):e}".partition("e")[2])


def faults(part: str, figures: Iterable[Figure]) -> Iterator[str]:
    """Sentences about the figures that are above their limit, or whose result is another one than before."""
    for figure in figures:
        limit = limit_of(part, figure.name)
        if limit is not None and figure.ratio > limit:
            yield f"{part}: {figure.name}: {number(figure.ratio)}, limit {limit:g}"
        if not figure.measured.equal:
            yield f"{part}: {figure.name}: the result is not the same as before"
