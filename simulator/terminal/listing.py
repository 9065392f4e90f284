"""What `prunesim list` shows: name and one line for everything that can be named in a command.

To find it, every machine, pruning and format is imported and every network read, which takes many times as long as to
print it. So it is kept in the cache folder until a file of the packages that hold them has another size or time.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from workloads.cache_folder import cache_base

Listing = list[tuple[str, ...]]
_ROOT = Path(__file__).parents[2]


def accelerators() -> Listing:
    """Name, what it is, its dense baseline, the kinds of layers that it refuses."""
    from dataflows.registry import machines  # noqa: PLC0415 (imports all of them)
    from simulator.terminal.probes import not_run  # noqa: PLC0415

    rows = [
        (name, chosen.title, chosen.baseline_name or "itself, dense", ", ".join(not_run(chosen())))
        for name, chosen in machines().items()
    ]
    return [("accelerator", "what it is", "dense baseline", "does not run"), *rows]


def workloads() -> Listing:
    """Name, what it is, layers, dense MACs."""
    from workloads.catalog import available_workloads  # noqa: PLC0415 (imports all of them)

    rows = [(w.name, w.description, str(w.layers), f"{w.dense_macs:,}") for w in available_workloads()]
    return [("workload", "what it is", "layers", "dense MACs"), *rows]


def prunings() -> Listing:
    """Name, what it does with its keys, densities at which papers kept accuracy."""
    from workloads.pruning import available_prunings  # noqa: PLC0415 (imports all of them)

    rows = [(entry.name, entry.description, entry.literature) for entry in available_prunings()]
    return [("pruning", "what it does", "densities in the literature (no claim of ours)"), *rows]


def formats() -> Listing:
    """Name, how it stores, its parameters."""
    from workloads.formats import available_formats  # noqa: PLC0415 (imports all of them)

    rows = [(entry.name, entry.description, ", ".join(entry.parameters)) for entry in available_formats()]
    return [("format", "how it stores", "parameters"), *rows]


KINDS: dict[str, Callable[[], Listing]] = {
    "accelerators": accelerators,
    "workloads": workloads,
    "prunings": prunings,
    "formats": formats,
}


def listed(kinds: Sequence[str]) -> dict[str, Listing]:
    """The listings of some of `KINDS`; where nothing else is loaded yet, kept ones as long as they are true."""
    # All that can be listed needs numpy: where it is loaded, something may have been defined that stands in no file.
    stamp = [] if "numpy" in sys.modules else _stamp()
    kept = _kept(stamp) if stamp else {}
    missing = [kind for kind in kinds if kind not in kept]
    kept |= {kind: KINDS[kind]() for kind in missing}
    if missing and stamp:
        _keep(stamp, kept)
    return {kind: kept[kind] for kind in kinds}


def _stamp() -> list[Any]:
    """Path, size and time of every file that listings are made of, this one among them; empty where there are none."""
    found: list[Any] = []
    for package in ("workloads", "dataflows", "simulator/terminal"):
        for folder, inner, files in os.walk(_ROOT / package):
            inner[:] = sorted(set(inner) - {"__pycache__"})
            found += [_facts(f"{folder}/{file}") for file in sorted(files)]
    return found


def _facts(file: str) -> list[Any]:
    try:
        facts = os.stat(file)  # noqa: PTH116 (hundreds of files)
    except OSError:  # a link that leads nowhere, as some editors make
        return [file]
    return [file, facts.st_size, facts.st_mtime_ns]


def _kept(stamp: list[Any]) -> dict[str, Listing]:
    # What cannot be read, or is none of ours, is made anew.
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
        kept = json.loads(_file().read_text(encoding="utf-8"))
        if kept["stamp"] == stamp:
            return {kind: [tuple(map(str, row)) for row in rows] for kind, rows in kept["listings"].items()}
    return {}


def _keep(stamp: list[Any], listings: dict[str, Listing]) -> None:
    from workloads.errors import InputError  # noqa: PLC0415 (nothing is kept at most starts)
    from workloads.files import write_whole  # noqa: PLC0415

    with suppress(OSError, InputError):  # the next start will look again
        _file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(_file(), json.dumps({"stamp": stamp, "listings": listings}))


def _file() -> Path:
    return cache_base() / "listings.json"
