"""What a result depends on, by content alone: the code, files by their bytes, workloads by kinds and parameters.

A key that is made from this is equal in every process, machine and folder for equal content, and another one for any
other content. What has no content that can be told, such as a function in memory, is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from simulator.version import VERSION
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.workload import Workload

_PACKAGES = ("workloads", "dataflows", "simulator")
_HELD_WORKLOADS = 16
_SETTLED_NS = 2_000_000_000  # clocks of file systems are coarse: a file may change again without a new time that soon

Signature = tuple[Any, ...]


@cache
def code_version() -> str:
    """The package's version with a digest of its sources and data, and numpy's: its random streams may change."""
    digest, root = hashlib.sha256(), Path(__file__).resolve().parents[2]
    for package in _PACKAGES:
        # Sorted, since file systems list in any order; the path goes in too, so that a renamed file is another version.
        for path in sorted((root / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(path.relative_to(root).as_posix().encode())
                digest.update(path.read_bytes())
    return f"{VERSION}+{digest.hexdigest()[:12]}, numpy {np.__version__}"


def digest_of(*parts: Any) -> str:
    """SHA-256 of JSON types, the same for equal ones."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def described(value: Any, *, from_files: bool = False) -> Any:
    """A value's content as JSON types: a file by the digest of its bytes, wherever it lies; an array likewise.

    from_files  functions are allowed: what they give follows from files whose digests are in the key already

    Fields that a dataclass does not compare are no content. Raises `InputError` for anything whose content cannot be
    told.
    """
    if is_dataclass(value) and not isinstance(value, type):
        content = {f.name: described(getattr(value, f.name), from_files=from_files) for f in fields(value) if f.compare}
        return [type(value).__name__, content]
    if isinstance(value, tuple | list):
        return [described(item, from_files=from_files) for item in value]
    if isinstance(value, Mapping):
        # Pairs in their order: keys need not be texts, as JSON's are, and an order may mean something.
        return [[described(part, from_files=from_files) for part in item] for item in value.items()]
    if callable(value) and from_files:
        return "from the files"
    return _described_leaf(value)


def _described_leaf(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Path):
        return file_digest(value)
    if isinstance(value, np.generic):
        # Bytes with their type: exact for every float, and 1 as int8 is another content than 1 as int64.
        return [value.dtype.str, value.tobytes().hex()]
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return [value.dtype.str, value.shape, hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()]
    raise InputError(f"a {type(value).__name__} has no content that a key could name")


@dataclass(frozen=True)
class _Held:
    """Something made from files, and what the files looked like then."""

    value: Any
    signature: Signature


_workloads: dict[tuple[str, str], _Held] = {}
_digests: dict[str, _Held] = {}


def loaded(text: str) -> Workload:
    """The workload of that name or path; the last ones are held until one of their files changes."""
    # A relative path means another file in another folder.
    place = (text, str(Path().absolute()))
    held = _workloads.pop(place, None)
    if held is None or held.signature != _signatures(held.value.files):
        began = time.time_ns()
        workload = load_workload(text)
        held = _Held(workload, _signatures(workload.files))
        # Given out but not held: a file that was written this very moment may change again under the same signature.
        if not _settled(held.signature, began):
            return workload
    _workloads[place] = held
    # Dictionaries keep the order of insertion and a hit is put back at the end: the first is the one used longest ago.
    while len(_workloads) > _HELD_WORKLOADS:
        _workloads.pop(next(iter(_workloads)), None)
    return held.value


def file_digest(path: Path) -> Any:
    """Digest of a file's bytes, or of a folder's files by name; None where there is neither."""
    if path.is_dir():
        # By name: folders that hold the same files elsewhere are equal content, a renamed file is another.
        return {one.name: file_digest(one) for one in _files_in(path)}
    if not path.is_file():
        return None
    place = str(path.absolute())
    held = _digests.get(place)
    if held is None or held.signature != _signature(path):
        began = time.time_ns()
        # Taken before reading: a file that changes meanwhile has another signature the next time and is read again.
        before = _signature(path)
        with path.open("rb") as stream:
            held = _Held(hashlib.file_digest(stream, "sha256").hexdigest(), before)
        if _settled(before, began):
            _digests[place] = held
    return held.value


def _files_in(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.is_file())


def _signatures(files: Iterable[Path]) -> Signature:
    return tuple(_signature(path) for path in files)


def _signature(path: Path) -> Signature:
    """What changes when a file does: its place on the disk, size and times; of a folder, that of each of its files."""
    try:
        status = os.stat(path)  # noqa: PTH116 (once for each file and point: Path.stat costs more)
        inside = tuple((one.name, _signature(one)) for one in _files_in(path)) if path.is_dir() else ()
    except (OSError, ValueError):
        return ()
    # Tools that copy or unpack set the time of modification back, but cannot set the time of change.
    return (status.st_dev, status.st_ino, status.st_size, max(status.st_mtime_ns, status.st_ctime_ns), inside)


def _settled(signature: Signature, moment_ns: int) -> bool:
    """Whether no file of a signature changed within two seconds before that moment."""
    # One file's signature has a time in fourth place; the signatures of five files are a tuple of five as well, and
    # have a tuple there.
    if len(signature) == 5 and isinstance(signature[3], int):
        return signature[3] < moment_ns - _SETTLED_NS and all(_settled(one, moment_ns) for _, one in signature[4])
    return all(_settled(one, moment_ns) for one in signature)
