"""How many points a study may have: more would take weeks, and minutes before the first word."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from workloads.errors import InputError

MOST_POINTS = 1_000_000


def require_points(values: Mapping[str, Any], source: str) -> None:
    """Raise `InputError` when the checked tables of a study ask for more than `MOST_POINTS` combinations."""
    factors = {f"axes.{number}": _longest_list(axis) for number, axis in enumerate(values["axes"])}
    factors |= {key: len(values[key]) for key in ("points", "workloads", "machines")}
    # A number means so many seeds, from 0 on; a list names them. So it is with inputs, which may be left out.
    for key in ("seeds", "inputs"):
        given = values[key]
        factors[key] = given if isinstance(given, int) else len(given or [])
    # An axis without lists has length 0 here, and is a fault that is told elsewhere.
    # An axis of lists of 10, two machines and `seeds = 5` ask for 10 x 2 x 5 = 100 points.
    count = math.prod(max(factor, 1) for factor in factors.values())
    if count > MOST_POINTS:
        made = " x ".join(f"{factor:,} ({key})" for key, factor in factors.items() if factor > 1)
        raise InputError(f"{source}: asks for {made} points: at most {MOST_POINTS:,}")


def _longest_list(table: Mapping[str, Any]) -> int:
    """Of an axis's lists, which go together; it may hold tables of its own."""
    lengths = [
        _longest_list(value) if isinstance(value, Mapping) else len(value) if isinstance(value, list) else 0
        for value in table.values()
    ]
    return max(lengths, default=0)
