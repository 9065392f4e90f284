"""How a store's file is opened, for writing or on media that only read, and how it says what is wrong with it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from simulator.studies.store_pages import whole_results
from simulator.studies.store_rows import DAMAGE
from workloads.errors import InputError, PrunesimError

_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR", "SQLITE_MISMATCH", "SQLITE_FORMAT")


@contextmanager
def naming(path: Path) -> Generator[None]:
    """Everything that goes wrong with a store becomes an `InputError` of one line that names it."""
    try:
        yield
    except PrunesimError:
        raise
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
        # Extended names begin with the plain one: SQLITE_CORRUPT_INDEX is damage too.
        if name.startswith(_DAMAGED) and path.is_file() and os.access(path, os.R_OK):
            raise InputError(_damaged(path, str(error))) from None
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_BUSY")):
            raise InputError(f"{path}: cannot be written: {error}; what it holds stays, run again to go on") from None
        raise InputError(f"{path}: cannot be used as a store: {error}") from None
    except DAMAGE as error:
        raise InputError(_damaged(path, " ".join(str(error).split()))) from None


def _damaged(path: Path, reason: str) -> str:
    count = sum(1 for _ in whole_results(path))
    if not count:
        return f"{path}: cannot be used as a store: {reason}"
    rows = "result in it is" if count == 1 else "results in it are"
    return f"{path}: damaged: {reason}; {count} {rows} whole: 'prunesim sweep --rescue {path}' copies what is"


def require_file(path: Path, *, missing: bool = False) -> None:
    """Raise `InputError` for anything but an ordinary file: a FIFO would wait for ever, a device hold nothing."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if missing:
            return
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be used as a store: {reason}") from None
    if not stat.S_ISREG(mode):
        what = "is a directory" if stat.S_ISDIR(mode) else "is no ordinary file"
        raise InputError(f"{path}: cannot be used as a store: {what}")


def writable(path: Path, wait_seconds: float) -> sqlite3.Connection:
    """A connection that creates the file where it is missing; waits that long for other writers."""
    require_file(path, missing=True)
    # Without a level of isolation Python begins no transactions by itself; `Store` begins and ends its own.
    return sqlite3.connect(path, timeout=wait_seconds, isolation_level=None)


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that leaves the file and its folder as they are.

    A store whose last sweep was killed has a log beside it that belongs to it. SQLite needs to write beside the file to
    read that; where it may not, both are copied first.
    """
    require_file(path)
    log, index = (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return _opened(path, "mode=rw")  # closing it clears away what opening it made
    if index.exists():
        return _opened(path, "mode=ro")  # somebody is writing
    if not log.exists() or not log.stat().st_size:
        # "immutable" says that nobody writes: SQLite takes no locks and looks for no log, which it could not open here.
        return _opened(path, "mode=ro&immutable=1")
    with tempfile.TemporaryDirectory(prefix="prunesim-") as folder:
        for file in (path, log):
            shutil.copyfile(file, Path(folder) / file.name)
        copied = sqlite3.connect(Path(folder) / path.name)
        # All pages go into memory, so that the copies can go before the first query.
        held = sqlite3.connect(":memory:", isolation_level=None)
        copied.backup(held)
        copied.close()
    return held


def _opened(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?{how}", uri=True, timeout=10.0, isolation_level=None)
