"""Published compression of the layers of 3-D networks under group-wise pruning (data/group_ratios.csv)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from workloads.errors import InputError
from workloads.source import LayerSource

TABLES = ("c3d", "r2plus1d-18")
_FILE = Path(__file__).parent / "data" / "group_ratios.csv"


@cache
def load_ratios(table: str) -> dict[str, dict[str, float]]:
    """By layer: the ratios kgr, kgc and kgrc, operations before over operations after; at least 1."""
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    # The file begins with its source, as comments, which the table's reader does not know.
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return {
        row["layer"]: {scheme: float(row[scheme]) for scheme in ("kgr", "kgc", "kgrc")}
        for row in rows
        if row["table"] == table
    }


def layer_ratios(subject: str, table: str, sources: Sequence[LayerSource]) -> list[dict[str, float] | None]:
    """The ratios of each layer, None where the table does not have it. Raises `InputError` when it has none of them."""
    known = load_ratios(table)
    # By name alone: a table belongs to the layers of one network, and other layers stay whole.
    found = [known.get(source.layer.name) for source in sources]
    if not any(found):
        raise InputError(
            f"{subject}: table = {table}: has none of these layers ('{sources[0].layer.name}', ...); "
            f"it is for the network {table}"
        )
    return found
