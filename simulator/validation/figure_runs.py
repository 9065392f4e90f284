"""`Run`: a point of a study that a published figure is taken from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Run:
    """A point of a study: what it sets, and its JSON report.

    parts  names that the figure asks for: of the machine's components, or of words; empty for all
    """

    values: dict[str, Any]
    report: dict[str, Any]
    parts: tuple[str, ...] = ()

    @property
    def total(self) -> dict[str, Any]:
        """The report's total."""
        return self.report["total"]

    @property
    def machine(self) -> str:
        """The name of its machine."""
        return self.report["accelerator"]["name"]


Runs = Sequence[Run]
