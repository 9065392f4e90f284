"""The energy of a run by part, as stacked bars show it: parts on the chip, and memory outside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dataflows.schedule import Cause
from simulator.plots.data import Row, value
from simulator.plots.style import PARTS, VISIBLE_SHARE
from workloads.errors import InputError, nearest

Energies = dict[str, float]
"""pJ by part; together they are the run's energy."""

LEAKAGE, OTHERS = "leakage", "all others"
TRANSFERS, STANDBY = "DRAM: transfers", "DRAM: refresh and standby"
_DRAM = {
    TRANSFERS: ("activate_pj", "read_pj", "write_pj"),
    STANDBY: ("refresh_pj", "background_pj"),
}
_PURPOSES = ("compute", "storage", "sparsity", "control")
# Of groups that hold none of it; purposes and causes hold their part of it.
_LEAKAGE_APART = ("components", "actions")
_MOST = 9  # parts that a reader can tell apart by their colours

_COLOURS = ("#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#F0E442", "#CC79A7", "#6A3D9A", "#B2DF8A", "#009E73")
_FIXED = {
    "compute": ("#0072B2", ""),
    Cause.BUSY.key: ("#0072B2", ""),
    "storage": ("#56B4E9", ""),
    "sparsity": ("#D55E00", "//"),
    "control": ("#CC79A7", ""),
    OTHERS: ("#DDDDDD", ".."),
    LEAKAGE: ("#999999", "xx"),
    TRANSFERS: ("#8C510A", ""),
    STANDBY: ("#DFC27D", "\\\\"),
}


def energies_of(rows: Sequence[Row], by: str) -> list[Energies]:
    """The energy of each row by part, as `by` splits the chip's; parts in the order of the stack.

    Of many parts the largest over all rows stand by themselves. Raises `InputError` for another split than
    "purposes", "components", "actions" or "causes".
    """
    splits: Mapping[str, Callable[[Sequence[Energies]], list[str]]] = {
        "purposes": lambda _: list(_PURPOSES),
        "components": _largest,
        "actions": _largest,
        "causes": lambda _: [cause.key for cause in Cause],
    }
    if by not in splits:
        raise InputError(f"--by {by}: {nearest(by, splits)}")
    split = [_group(row, f"energy.{by}.") for row in rows]
    shown = splits[by](split)
    return [
        _on_chip(group, shown)
        | ({LEAKAGE: value(row, "energy.leakage_pj") or 0.0} if by in _LEAKAGE_APART else {})
        | {part: math.fsum(_number(row, f"energy.dram.{key}") for key in keys) for part, keys in _DRAM.items()}
        for row, group in zip(rows, split, strict=True)
    ]


def part_styles(energies: Sequence[Energies]) -> dict[str, dict[str, Any]]:
    """How to draw each part that any row has."""
    free = iter(_COLOURS)
    styles = {}
    for part in energies[0]:
        most = max(row[part] / (math.fsum(row.values()) or 1.0) for row in energies)
        if not most:
            continue
        if part in PARTS:
            label, colour, hatch = PARTS[part]
        else:
            colour, hatch = _FIXED.get(part) or (next(free), "")
            label = part.replace("_", " ")
        shown = label if most > VISIBLE_SHARE else "_"  # which matplotlib leaves out of legends
        styles[part] = {"label": shown, "color": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0.4}
    return styles


def _largest(split: Sequence[Energies]) -> list[str]:
    """The parts with the most energy over all rows, those by themselves in order of first appearance."""
    total: Energies = {}
    for row in split:
        for part, energy in row.items():
            total[part] = total.get(part, 0.0) + energy
    if len(total) <= _MOST:
        return list(total)
    largest = sorted(total, key=lambda part: -total[part])[: _MOST - 1]
    return [part for part in total if part in largest]


def _on_chip(group: Energies, shown: Sequence[str]) -> Energies:
    rest = math.fsum(energy for part, energy in group.items() if part not in shown)
    return {part: group.get(part, 0.0) for part in shown} | {OTHERS: rest}


def _group(row: Row, prefix: str) -> Energies:
    return {key.removeprefix(prefix): _number(row, key) for key in row if key.startswith(prefix)}


def _number(row: Row, column: str) -> float:
    return value(row, column) or 0.0
