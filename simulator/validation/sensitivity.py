"""What could explain a figure's deviation: other readings of what papers leave open, one at a time.

Each reading is laid over the study of a figure; what it changes in the figure's value, over what is missing to the
published value, is the share of the deviation that it can explain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simulator.reports.report import EVENTS
from simulator.studies.study import Progress
from simulator.validation.figure_rows import Figure, Goal, Reading
from simulator.validation.figures import FigureSet
from simulator.validation.results import known, measure

_SAME = 0.1  # change of a recorded share from which it is another one
_NOTHING = 0.01  # deviation, as the goal counts it, that needs no explanation


@dataclass(frozen=True)
class Effect:
    """A figure with its goal under a reading, beside its value without."""

    figure: Figure
    goal: Goal
    reading: Reading
    simulated: float
    unchanged: float

    @property
    def change(self) -> float:
        """The figure's change, as its goal counts deviations."""
        return self.goal.deviation(self.simulated, self.unchanged)

    @property
    def share(self) -> float | None:
        """The share of the deviation that the reading explains, negative where it adds to it.

        None where there is nothing to explain: a deviation below a percentage point, or a limit that is kept.
        """
        # Of a published 2.0 and our 1.6, a reading that gives 1.9 explains 0.3 of the missing 0.4, a share of 75 %.
        missing = self.figure.published - self.unchanged
        if self.figure.most or abs(self.goal.deviation(self.unchanged, self.figure.published)) < _NOTHING:
            return None
        return (self.simulated - self.unchanged) / missing

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "figure": self.figure.id,
            "parameter": self.reading.parameter,
            "label": self.reading.label,
            "changes": self.reading.flat_changes,
            "published": self.figure.published,
            "unchanged": known(self.unchanged),
            "simulated": known(self.simulated),
            "share": None if self.share is None else known(self.share),
        }


def effects(chosen: FigureSet, jobs: int | None = 1, progress: Progress | None = None) -> list[Effect]:
    """Every simulated figure under every reading of its machine, machine by machine. Raises as `measure`."""
    found: list[Effect] = []
    # An analytical model has no masks, queues or memory that could be read otherwise.
    chosen = replace(chosen, figures=tuple(figure for figure in chosen.figures if chosen.model_of(figure) == EVENTS))
    # Machine by machine, since a reading changes one machine only and all of its figures are measured together.
    for machine in dict.fromkeys(chosen.machine_of(figure) for figure in chosen.figures):
        every = chosen.only(machine).figures
        for part in ([one for one in every if one.is_of_energy], [one for one in every if not one.is_of_energy]):
            found += _effects(replace(chosen, figures=tuple(part)), machine, jobs, progress)
    return found


def _effects(chosen: FigureSet, machine: str, jobs: int | None, progress: Progress | None) -> list[Effect]:
    """Those of a machine's figures that are all of time, or all of energy."""
    if not chosen.figures:
        return []
    readings = [reading for reading in chosen.readings_of(machine) if reading.concerns(chosen.figures[0])]
    values = measure(chosen, [{}, *(reading.flat_changes for reading in readings)], jobs, progress)
    return [
        Effect(figure, chosen.goal_of(figure), reading, value, unchanged)
        for figure, (unchanged, *changed) in zip(chosen.figures, values, strict=True)
        for reading, value in zip(readings, changed, strict=True)
    ]


def recorded_effects(
    chosen: FigureSet, unchanged: Mapping[str, float], jobs: int | None = 1, progress: Progress | None = None
) -> list[Effect]:
    """Every figure, its value without changes known, under the one reading recorded with it. Raises as `measure`."""
    found: list[Effect] = []
    readings = {figure.id: chosen.reading_of(figure) for figure in chosen.figures}
    for reading in chosen.readings:
        own = replace(chosen, figures=tuple(figure for figure in chosen.figures if readings[figure.id] == reading))
        if own.figures:
            values = measure(own, [reading.flat_changes], jobs, progress)
            pairs = zip(own.figures, values, strict=True)
            found += [
                Effect(figure, chosen.goal_of(figure), reading, changed, unchanged[figure.id])
                for figure, (changed,) in pairs
            ]
    return found


def moved_shares(chosen: FigureSet, found: Sequence[Effect]) -> list[str]:
    """A line for each recorded reading that explains another share than is recorded."""
    lines = []
    for effect in found:
        recorded = chosen.recorded.get(effect.figure.id)
        if recorded is None or recorded.share is None or chosen.reading_of(effect.figure) != effect.reading:
            continue
        if effect.share is None or abs(effect.share - recorded.share) > _SAME:
            now = "nothing" if effect.share is None else f"{effect.share:.0%}"
            lines.append(f"{effect.figure.id}: '{recorded.reading}' explains {now}, recorded {recorded.share:.0%}")
    return lines
