"""Which metrics tables of layers, totals and sizes show, what legends say of them, and the notes of layers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dataflows.schedule import Cause
from simulator.reports.metrics import (
    CAUSES,
    CYCLES,
    EFFECTUAL,
    EFFECTUAL_EFFICIENCY,
    EFFICIENCY,
    EMPTY_LANES,
    ENERGY,
    ENERGY_BAND,
    ENERGY_SHARES,
    ENERGY_VS_DENSE,
    FACTORS,
    IMBALANCE,
    POWER,
    SPEEDUP,
    TIME,
    TRAFFIC,
    Metric,
    Row,
)

Columns = tuple[Metric, ...]

TIMES: Columns = (CYCLES, TIME, SPEEDUP)
MORE: Columns = (EFFECTUAL, IMBALANCE, TRAFFIC)
ENERGIES: Columns = (
    ENERGY, ENERGY_BAND, *ENERGY_SHARES, POWER, EFFICIENCY, EFFECTUAL_EFFICIENCY, ENERGY_VS_DENSE,
)  # fmt: skip
LOSSES = frozenset({*CAUSES.values(), EMPTY_LANES})
_NUMBER = re.compile(r"\d+")


def cause_columns(rows: Sequence[Row]) -> Columns:
    """The share of PE-cycles of each cause that any row has, and beside busy the share of empty lanes."""
    columns: list[Metric] = []
    for cause, share in CAUSES.items():
        if any(share.value(row) for row in rows):
            columns.append(share)
        # Right behind busy, of whose share they are a part.
        if cause is Cause.BUSY and any(EMPTY_LANES.value(row) for row in rows):
            columns.append(EMPTY_LANES)
    return tuple(columns)


def legend(shown: Columns) -> str:
    """What the columns of a table mean, where their headings do not speak for themselves."""
    said = [f"{metric.heading}: {metric.meaning}." for metric in shown if metric.meaning]
    if set(FACTORS) <= set(shown):
        said.append(f"speedup = {' · '.join(metric.heading for metric in FACTORS)}.")
    if any(metric in CAUSES.values() for metric in shown):
        said.append(
            "Under the causes: their share of PE-cycles; imbalance there: PEs with work waiting for slower ones."
        )
    return " ".join(said)


def notes_by_layers(layers: Sequence[Mapping[str, Any]], *, alike: bool = False) -> list[str]:
    """Each note of a machine once, with the layers that it is about.

    With `alike` notes that differ in numbers only are one, in the words of the first layer.
    """
    about: dict[str, list[tuple[str, str]]] = {}
    for layer in layers:
        for note in layer["notes"]:
            # "needs 3 passes" and "needs 5 passes" are alike once their numbers are "#".
            key = _NUMBER.sub("#", note) if alike else note
            about.setdefault(key, []).append((layer["name"], note))
    return [_note(told) for told in about.values()]


def _note(told: Sequence[tuple[str, str]]) -> str:
    """One line of (layer, note) that are alike."""
    (first, note), more = told[0], len(told) - 1
    same = len({text for _, text in told}) == 1
    if same and more <= 1:
        return f"{', '.join(name for name, _ in told)}: {note}"
    # Layers conv1 to conv3 that need 3, 5 and 5 passes become "conv1 and 2 more layers with other numbers: needs 3
    # passes".
    layers = f"{more} more layer{'' if more == 1 else 's'}"
    return f"{first} and {layers}{'' if same else ' with other numbers'}: {note}"
