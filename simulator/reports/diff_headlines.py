"""A line for each machine of two reports: how much faster or slower it is, and where the PE-cycles went."""

from __future__ import annotations

from typing import Any

from dataflows.schedule import Cause
from simulator.reports.metrics import CAUSES, STACK, Row

_CAUSES_SHOWN = 2
_SMALLEST = 0.0005  # a share below it rounds to nothing


def headline(machine: str, old: Row, new: Row, *, same_layers: bool) -> str:
    """What happened to a machine's total: "scnn 3.4 % slower, bank conflict 0.6 -> 2.6 % of PE-cycles"."""
    if not same_layers:
        return f"{machine}: the reports hold different layers, so that their totals cannot be compared"
    slower = _slower(old, new)
    parts = [f"{machine} {_speed(slower)}", *filter(None, (_causes(old, new, slower or 0.0), _traffic(old, new)))]
    return ", ".join(parts)


def percent(share: float) -> str:
    """Three digits of a share in per cent, as small as it may be."""
    shown = 100 * share
    return f"{shown:,.0f} %" if abs(shown) >= 100 else f"{shown:.3g} %"


def _slower(old: Row, new: Row) -> float | None:
    """By how much the time grew, as a share; cycles where a report has no time. None where it has neither."""
    for column in ("time_us", "cycles"):
        before, after = old.get(column), new.get(column)
        if before and after is not None:
            return after / before - 1
    return None


def _speed(slower: float | None) -> str:
    if slower is None:
        return "has no time to compare"
    if not slower:
        return "as fast as before"
    word = "slower" if slower > 0 else "faster"
    # One digit, as in tables, where that is not nothing.
    shown = f"{abs(slower):.1%}".replace("%", " %") if abs(slower) >= _SMALLEST else percent(abs(slower))
    return f"{shown} {word}"


def _causes(old: Row, new: Row, slower: float) -> str:
    """The causes that took the largest further share of PE-cycles; of a machine that became faster, that gave most."""
    moved: list[tuple[float, str]] = []
    for cause in CAUSES:
        before, after = (_share(row, cause) for row in (old, new))
        # Busy PE-cycles are what the others leave over, so that they explain nothing.
        if before is None or after is None or cause is Cause.BUSY or abs(after - before) < _SMALLEST:
            continue
        if not slower or (after > before) == (slower > 0):
            name = cause.key.replace("_", " ")
            moved.append((abs(after - before), f"{name} {100 * before:.1f} -> {100 * after:.1f}"))
    moved.sort(reverse=True)
    shown = " %, ".join(text for _, text in moved[:_CAUSES_SHOWN])
    return f"{shown} % of PE-cycles" if shown else ""


def _share(row: Row, cause: Cause) -> float | None:
    total = sum(row.get(STACK + one.key, 0) for one in Cause)
    return row.get(STACK + cause.key, 0) / total if total else None


def _traffic(old: Row, new: Row) -> str:
    before, after = (_bytes(row) for row in (old, new))
    if not before or abs(after / before - 1) < _SMALLEST:
        return ""
    return f"DRAM traffic {100 * (after / before - 1):+.1f} %"


def _bytes(row: Row) -> Any:
    return row.get("dram.read_bytes", 0) + row.get("dram.write_bytes", 0)
