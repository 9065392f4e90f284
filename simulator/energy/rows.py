"""The tables of this folder, read once."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "tables"


@cache
def table_rows(name: str) -> tuple[dict[str, str], ...]:
    """The rows of ``tables/NAME.csv``, in the file's order."""
    with (_FOLDER / f"{name}.csv").open(newline="", encoding="utf-8") as stream:
        return tuple(csv.DictReader(stream))
