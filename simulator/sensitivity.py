"""What could explain a figure's deviation: other readings of what papers leave open, one at a time.

Readings are data (`published/readings.toml`). Each is laid over the study of a figure; what it changes in the figure's
value, over what is missing to the published value, is the share of the deviation that it can explain.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulator.study import Progress
from simulator.study_file import flattened
from simulator.validation import FOLDER, Changes, Figure, known, measure

_NOTHING = 0.01  # relative deviation that needs no explanation


@dataclass(frozen=True)
class Reading:
    """Another value of a parameter, or other masks; `changes` with dotted keys."""

    machine: str
    parameter: str
    label: str
    changes: Changes


@dataclass(frozen=True)
class Effect:
    """A figure under a reading, beside its value without."""

    figure: Figure
    reading: Reading
    simulated: float
    unchanged: float

    @property
    def change(self) -> float:
        """The figure's relative change."""
        return self.simulated / self.unchanged - 1

    @property
    def share(self) -> float | None:
        """The share of the deviation that the reading explains, negative where it adds to it.

        None where there is nothing to explain: a deviation below one percent, or a limit that is kept.
        """
        missing = self.figure.published - self.unchanged
        if self.figure.most or abs(missing) < _NOTHING * self.figure.published:
            return None
        return (self.simulated - self.unchanged) / missing

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        own = {"figure": self.figure.id, "parameter": self.reading.parameter, "label": self.reading.label}
        return own | {
            "changes": dict(self.reading.changes),
            "published": self.figure.published,
            "unchanged": known(self.unchanged),
            "simulated": known(self.simulated),
            "share": None if self.share is None else known(self.share),
        }


def readings(machine: str) -> list[Reading]:
    """The readings of a machine."""
    rows = tomllib.loads((FOLDER / "readings.toml").read_text(encoding="utf-8"))["reading"]
    found = [row for row in rows if row["machine"] == machine]
    return [Reading(machine, row["parameter"], row["label"], flattened(row["changes"])) for row in found]


def effects(chosen: Sequence[Figure], jobs: int | None = 1, progress: Progress | None = None) -> list[Effect]:
    """Every figure under every reading of its machine, figure by figure. Raises as `measure`."""
    found: dict[str, list[Effect]] = {}
    for machine in dict.fromkeys(figure.machine for figure in chosen):
        own, others = [figure for figure in chosen if figure.machine == machine], readings(machine)
        values = measure(own, [{}, *(reading.changes for reading in others)], jobs, progress)
        for figure, (unchanged, *changed) in zip(own, values, strict=True):
            found[figure.id] = [
                Effect(figure, reading, value, unchanged) for reading, value in zip(others, changed, strict=True)
            ]
    return [effect for figure in chosen for effect in found[figure.id]]
