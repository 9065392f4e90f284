"""`rescue`: copy what of a damaged store is whole into a new one."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.studies.store import Store
from simulator.studies.store_access import read_only, require_file
from simulator.studies.store_pages import whole_results
from simulator.studies.store_rows import DAMAGE, unpack
from workloads.errors import InputError


def rescue(path: Path) -> tuple[Path, int]:
    """Copy the whole results of a store, and its studies where they can be read, to NAME.rescued beside it.

    Returns the new file and how many results it holds. Raises `InputError` when there is none, or the file exists.
    """
    require_file(path)
    target = path.with_name(f"{path.stem}.rescued{path.suffix}")
    if target.exists():
        raise InputError(f"{target}: exists already; move it away first")
    # A result may lie on several pages, old and new; equal keys have equal results, so any of them will do.
    found = {outcome.key: outcome for outcome in whole_results(path)}
    if not found:
        raise InputError(f"{path}: no result in it is whole")
    with Store(target) as store:
        # Results before studies: a study that cannot be read loses its name and order, no result.
        for outcome in found.values():
            store.put(outcome)
        for name, places in _whole_studies(path).items():
            store.declare(name, places)
    return target, len(found)


@dataclass(frozen=True)
class _RescuedPlace:
    # As much of a `Place` as `Store.declare` reads; the rest of it is not in a store.
    key: str
    values: dict[str, Any]


def _whole_studies(path: Path) -> dict[str, list[Any]]:
    """The studies whose points SQLite can still read, all of them whole."""
    try:
        with closing(read_only(path)) as database:
            rows = database.execute("SELECT study, key, point FROM studies ORDER BY study, place").fetchall()
        found: dict[str, list[Any]] = {}
        for study, key, point in rows:
            found.setdefault(study, []).append(_RescuedPlace(key, json.loads(unpack(key, point))))
    except (sqlite3.Error, *DAMAGE):
        return {}
    return found
