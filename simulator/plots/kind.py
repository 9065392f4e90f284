"""`Kind`: a kind of plot. `@kind` registers one where it is defined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[..., "Figure"]
Source = Literal["totals", "reports", "timeline", "serving"]


@dataclass(frozen=True)
class Kind:
    """A kind of plot: how it is drawn, from what, and the options that it knows.

    line     what it shows, for lists
    options  names of the arguments that a user may give beside the data, and what each means
    source   totals: of every run; reports: whole reports with their layers; timeline: a timeline's file; serving: a
             report of 'serve'
    """

    name: str
    line: str
    draw: Draw
    options: Mapping[str, str] = field(default_factory=dict)
    source: Source = "totals"
    registry: ClassVar[dict[str, Kind]] = {}

    def __call__(self, data: Any, **options: Any) -> Figure:
        """The figure. Raises `InputError` when the data does not hold what this kind shows."""
        return self.draw(data, **options)


def kind(
    name: str, line: str, *, options: Mapping[str, str] | None = None, source: Source = "totals"
) -> Callable[[Draw], Draw]:
    """Register the function below as a kind of plot, see `Kind`; the function stays as it is.

    Name, line and options stand there as literals, since the command reads them without loading matplotlib. Raises
    `TypeError` for a name that is taken.
    """

    def register(draw: Draw) -> Draw:
        taken = Kind.registry.get(name)
        # The same module once more is one that was loaded again, as in a notebook.
        if taken is not None and taken.draw.__module__ != draw.__module__:
            raise TypeError(f"two kinds of plots are called '{name}'")
        Kind.registry[name] = Kind(name, line, draw, options or {}, source)
        return draw

    return register
