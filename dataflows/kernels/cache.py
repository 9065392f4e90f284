"""Compiled kernels on disk: where they lie, and why what is read there can be trusted.

A kept kernel is machine code: to load one is to run it. Therefore
- it is taken only from a folder named by a digest of every source that holds kernels or is imported there, of numba's
  version and of its settings (`dataflows.kernels.sources`): an edit anywhere starts afresh. numba itself would notice
  an edit of a kernel's own file, but not one of a kernel that it calls, or of a constant that it takes, from another
  file. A package above this one has kernels of its own, and nothing here depends on it: its folder's digest covers it
  and all below;
- folder and file must belong to the user, and nobody else may write them;
- an entry is one file with a checksum over its key and content. What does not agree is compiled anew and replaced.

Where no folder can be used, kernels are compiled in memory, which is said once.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import cache
from pathlib import Path

from dataflows.kernels.entries import UnusableEntryError, distrust, read_entry
from dataflows.kernels.sources import source_digest
from workloads.cache_folder import cache_base
from workloads.notices import tell

_TOLD = "PRUNESIM_CACHE_TOLD"  # in the environment, so that the workers of a sweep do not say it again


@cache
def cache_folder(package: str) -> Path | None:
    """The folder of a top-level package's kernels, made of exactly these sources; made when first asked for.

    None, said once, where it cannot be used.
    """
    folder = None
    try:
        base = folder = cache_base()
        _make(base)
        folder = base / f"kernels-{source_digest(package, kept_in=base)}"
        _make(folder)
    except OSError as error:
        tell_once(f"warning: kernels are compiled in memory and not kept: {error.filename or folder}: {error.strerror}")
        return None
    return folder


def _make(folder: Path) -> None:
    """A folder that nobody else may write: who may could put machine code of theirs into this process."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    reason = distrust(folder.stat())
    if reason:
        raise PermissionError(0, reason, str(folder))
    if not os.access(folder, os.W_OK):
        tempfile.TemporaryFile(dir=folder).close()  # tells why


def tell_once(line: str) -> None:
    """Say that kernels are not kept, once for a command and its workers."""
    if os.environ.get(_TOLD) != line:
        os.environ[_TOLD] = line
        tell(line)


def place_of(folder: Path, name: str, key: bytes, suffix: str) -> Path:
    """The file of a kernel's signature."""
    # File systems take names of 255 bytes; what is cut off is part of the key, and so of the digest.
    return folder / f"{name[-150:]}-{hashlib.sha256(key).hexdigest()[:24]}{suffix}"


def kept(path: Path, key: bytes) -> bytes | None:
    """An entry's content; None where there is none, or one that cannot be used, which is said."""
    try:
        return read_entry(path, key)
    except FileNotFoundError:
        return None
    except (OSError, UnusableEntryError) as error:
        tell(f"warning: {path}: {error}: compiled anew and replaced")
        return None
