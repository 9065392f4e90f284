"""Files that hold what was computed once: whole or not at all, checked, and nobody's but the user's."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

_HEAD = b"prunesim kernel 2\n"
_DIGEST_BYTES = 32
_LENGTH_BYTES = 4  # of the key, which stands before the content
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
    start = len(_HEAD) + _DIGEST_BYTES
    content = data[start:]
    if data[:start] != _HEAD + hashlib.sha256(content).digest() or not content.startswith(_length(key) + key):
        raise UnusableEntryError("damaged")
    return content[_LENGTH_BYTES + len(key) :]


def key_of_entry(path: Path) -> bytes:
    """The key that an entry was written with."""
    content = path.read_bytes()[len(_HEAD) + _DIGEST_BYTES :]
    size = int.from_bytes(content[:_LENGTH_BYTES], "little")
    return content[_LENGTH_BYTES : _LENGTH_BYTES + size]


def _length(key: bytes) -> bytes:
    return len(key).to_bytes(_LENGTH_BYTES, "little")


def write_entry(path: Path, key: bytes, payload: bytes) -> None:
    """A file with a checksum, whole or not at all, private to the user. Raises `OSError`."""
    # Beside its place, so that the renaming is one step: a reader finds the whole entry or none.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as stream:
            content = _length(key) + key + payload
            stream.write(_HEAD + hashlib.sha256(content).digest() + content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
