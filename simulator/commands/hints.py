"""What somebody probably meant who gave a command the wrong kind of thing; told before it is read as something else."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from workloads.errors import InputError

_RESULTS = (".json", ".sqlite", ".parquet")


def require_one_machine(name: str) -> None:
    """Raise `InputError` for a list of accelerators where one runs."""
    if "," in name or name == "all":
        raise InputError(f"--on {name}: one accelerator runs here; 'prunesim compare' takes several, or all")


def require_workload(text: str) -> None:
    """Raise `InputError` for results, a study or an accelerator's configuration where a workload is asked for."""
    if text.endswith(_RESULTS) and os.path.isfile(text):  # noqa: PTH113 (False for a name too long)
        raise InputError(f"{text}: results, no workload; 'prunesim plot', 'report' and 'diff' read them")
    kind = _kind_of(text)
    if kind == "accelerator":
        raise InputError(f"{text}: an accelerator's configuration, no workload; give it as --config {text}")
    if kind == "study":
        raise InputError(f"{text}: a study, no workload; run it with: prunesim sweep {text}")


def require_study(text: str) -> None:
    """Raise `InputError` for a workload, or an accelerator's configuration, where a study is asked for."""
    from workloads.catalog import is_known

    kind = _kind_of(text)
    if is_known(text) or kind == "network":
        raise InputError(f"{text}: a workload, no study; to sweep it, say on what: --on MACHINE,... --vary KEY=V1,V2")
    if kind == "accelerator":
        raise InputError(f"{text}: an accelerator's configuration, no study; 'prunesim run' takes it with --config")


def _kind_of(text: str) -> str:
    """What a TOML file describes, by its keys; nothing for any other, and for one whose reader says what is wrong."""
    from workloads.texts import read_toml

    keys = set[str]()
    if text.endswith(".toml") and os.path.isfile(text):  # noqa: PTH113 (False for a name too long)
        with suppress(InputError):
            keys = read_toml(Path(text)).keys()
    kinds = {"accelerator": {"accelerator"}, "study": {"machines", "workloads"}, "network": {"layers", "network"}}
    return next((kind for kind, marks in kinds.items() if marks & keys), "")
