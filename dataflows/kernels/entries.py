"""Files that hold what was computed once: whole or not at all, checked, and nobody's but the user's."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

_MAGIC = b"prunesim kernel 2\n"
_DIGEST_BYTES = 32
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class UnusableEntryError(Exception):
    """An entry is damaged or not ours; the text says which."""


def distrust(facts: os.stat_result) -> str:
    """Why others could have put something into a file or folder, or empty."""
    if hasattr(os, "geteuid") and facts.st_uid != os.geteuid():
        return "belongs to another user"
    return "others may write it (chmod go-w)" if facts.st_mode & _OTHERS_MAY_WRITE else ""


def read_entry(path: Path, key: bytes) -> bytes:
    """What `write_entry` wrote. Raises `OSError`, or `UnusableEntryError` when it is damaged or not ours."""
    # No link is followed, and the owner is asked of the file that is open: nobody can exchange it in between.
    with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as stream:
        reason = distrust(os.fstat(stream.fileno()))
        if reason:
            raise UnusableEntryError(reason)
        data = stream.read()
    start = len(_MAGIC) + _DIGEST_BYTES
    found, payload = data[start : start + len(key)], data[start + len(key) :]
    if data[:start] != _MAGIC + hashlib.sha256(key + payload).digest() or found != key:
        raise UnusableEntryError("damaged")
    return payload


def write_entry(path: Path, key: bytes, payload: bytes) -> None:
    """A file with a checksum, whole or not at all, private to the user. Raises `OSError`."""
    # Beside its place, so that the renaming is one step: a reader finds the whole entry or none.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(_MAGIC + hashlib.sha256(key + payload).digest() + key + payload)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
