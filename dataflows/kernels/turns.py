"""Whose turn it is to compile a kernel: processes that need the same one wait for its entry and do not compile it too.

A turn is a lock on a file beside the entry, which the system gives back when its process ends, however it ends. Who
waits holds the turns of the kernels that call the one waited for; no kernel calls itself, so that nobody waits in a
circle. Where files cannot be locked everybody compiles for himself.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_PATIENCE_SECONDS = 120.0  # longer than any kernel takes: a process that was stopped must not stop the others
_PAUSE_SECONDS = 0.02
_handles: dict[Path, int] = {}  # open files of this process's turns


def take_turn(entry: Path) -> None:
    """Wait until no other process compiles the entry; ends with `end_turn`."""
    if fcntl is None or entry in _handles:
        return
    try:
        handle = os.open(_place(entry), os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError:
        return
    _handles[entry] = handle
    patient_until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < patient_until:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE_SECONDS)
        except OSError:  # a file system without locks
            return
        else:
            return


def end_turn(entry: Path) -> None:
    """Let others go on, who find the entry or compile it themselves."""
    handle = _handles.pop(entry, None)
    if handle is not None:
        # Removed before it is unlocked. Whoever opens a new file meanwhile finds the entry.
        _place(entry).unlink(missing_ok=True)
        os.close(handle)


def end_all_turns() -> None:
    """Let others go on after all, when a compilation has failed."""
    for entry in [*_handles]:
        end_turn(entry)


def _place(entry: Path) -> Path:
    return entry.with_suffix(".turn")
