"""Compiled kernels on disk: where they lie, and why what is read there can be trusted.

A kernel is machine code inside a pickle: to load one is to run it. Therefore
- it is taken only from a folder named by a digest of every source that holds kernels or is imported there, of numba's
  version and of its settings: an edit anywhere starts afresh. numba itself would notice an edit of a kernel's own
  file, but not one of a kernel that it calls, or of a constant that it takes, from another file. A package above this
  one has kernels of its own, and nothing here depends on it: its folder's digest covers it and all below;
- folder and file must belong to the user, and nobody else may write them;
- an entry is one file with a checksum over its key and content. What does not agree is compiled anew and replaced.

Where no folder can be used, kernels are compiled in memory, which is said once.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import stat
import tempfile
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import numba
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from dataflows.kernels.turns import end_turn, take_turn
from workloads.cache_folder import cache_base
from workloads.notices import tell

_PACKAGES = ("workloads", "dataflows")  # that any kernel may be made of, beside its own
_IMPORTS = re.compile(r"^\s*(?:from|import) +([\w.]+)(?: import (\([^)]*\)|.*))?", re.MULTILINE)
_ROOT = Path(__file__).resolve().parents[2]
_MAGIC = b"prunesim kernel 1\n"
_DIGEST_BYTES = 32
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_SETTINGS_WITHOUT_EFFECT = ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_CACHE_LOCATOR_CLASSES")
_TOLD = "PRUNESIM_CACHE_TOLD"  # in the environment, so that the workers of a sweep do not say it again


class UnusableEntryError(Exception):
    """An entry is damaged or not ours; the text says which."""


def source_digest(package: str, root: Path = _ROOT) -> str:
    """Digest of all that decides what a top-level package's kernels become: sources, numba's version, its settings."""
    digest = hashlib.sha256(numba.__version__.encode())
    for name in sorted(os.environ):
        if name.startswith("NUMBA_") and name not in _SETTINGS_WITHOUT_EFFECT:
            # Bounds checks, debug information and the like change what is compiled; where files lie does not.
            digest.update(f"{name}={os.environ[name]}\n".encode(errors="surrogateescape"))
    for name, text in sorted(_kernel_sources(package, root).items()):
        # With name and length, so that text moved from one module to the next changes the digest.
        digest.update(f"{name} {len(text)}\n".encode() + text)
    return digest.hexdigest()[:16]


def _kernel_sources(package: str, root: Path) -> dict[str, bytes]:
    """Modules that hold kernels, and all that these import: numba freezes their constants into a kernel."""
    sources = {}
    for searched in {*_PACKAGES, package}:
        for path in (root / searched).rglob("*.py"):
            sources[".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")] = (
                path.read_bytes()
            )
    found: dict[str, bytes] = {}
    names = [name for name, text in sources.items() if b"@kernel" in text or b"@intrinsic" in text]
    while names:
        name = names.pop()
        if name in sources and name not in found:
            found[name] = sources[name]
            for module, imported in _IMPORTS.findall(sources[name].decode()):
                # `from a import b` may name a module b as well as a constant of a: both are tried, and what is
                # no module is passed over.
                names += [module, *(f"{module}.{one}" for one in re.findall(r"\w+", imported))]
    return found


@cache
def cache_folder(package: str) -> Path | None:
    """The folder of a top-level package's kernels, made of exactly these sources; made when first asked for.

    None, said once, where it cannot be used.
    """
    folder = None
    try:
        folder = cache_base()
        for folder in (folder, folder / f"kernels-{source_digest(package)}"):  # noqa: B020 (the fault names either)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Whoever may write the folder could put machine code of theirs into this process.
            reason = _distrust(folder.stat())
            if reason:
                raise PermissionError(0, reason)
        tempfile.TemporaryFile(dir=folder).close()  # only an attempt tells
    except OSError as error:
        _tell_once(
            f"warning: kernels are compiled in memory and not kept: {error.filename or folder}: {error.strerror}"
        )
        return None
    return folder


def _distrust(facts: os.stat_result) -> str:
    """Why others could have put something into a file or folder, or empty."""
    if hasattr(os, "geteuid") and facts.st_uid != os.geteuid():
        return "belongs to another user"
    return "others may write it (chmod go-w)" if facts.st_mode & _OTHERS_MAY_WRITE else ""


def _tell_once(line: str) -> None:
    if os.environ.get(_TOLD) != line:
        os.environ[_TOLD] = line
        tell(line)


class KernelCache:
    """A kernel's compiled signatures on disk; takes the place of numba's own cache in its dispatcher."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self._package = function.__module__.partition(".")[0]
        self._name = f"{function.__module__}.{function.__qualname__}".replace("<", "").replace(">", "")

    @property
    def cache_path(self) -> str | None:
        """The folder, or None."""
        folder = cache_folder(self._package)
        return None if folder is None else str(folder)

    def enable(self) -> None:
        """Always enabled."""

    def disable(self) -> None:
        """Always enabled."""

    def flush(self) -> None:
        """Entries of exactly these sources are never out of date."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled signature, or None where it must be compiled."""
        folder = cache_folder(self._package)
        if folder is None:
            return None
        target_context.refresh()
        key = self._key(sig, target_context.codegen())
        path = self._path(folder, key)
        try:
            payload = read_entry(path, key)
        except FileNotFoundError:
            payload = _made_meanwhile(path, key)
        except (OSError, UnusableEntryError) as error:
            tell(f"warning: {path}: {error}: compiled anew and replaced")
            return None
        if payload is None:
            return None
        return CompileResult._rebuild(target_context, *pickle.loads(payload))  # noqa: S301, SLF001 (checked; numba's)

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled signature; a full disk is no fault of the run."""
        folder = cache_folder(self._package)
        if folder is None:
            return
        key = self._key(sig, data.codegen)
        path = self._path(folder, key)
        try:
            # Lifted loops and addresses of this process mean nothing to another one.
            lifted, code = attrgetter("lifted", "library")(data)
            if not (lifted or code.has_dynamic_globals):
                write_entry(path, key, dumps(data._reduce()))  # noqa: SLF001 (as numba's own cache does)
        except OSError as error:
            _tell_once(f"warning: kernels are not kept: {folder}: {error.strerror or error}")
        finally:
            end_turn(path)

    def _key(self, sig: Any, codegen: Any) -> bytes:
        """Signature, processor and bytecode; a closure's variables are part of what is compiled."""
        closure = self._function.__closure__ or ()
        made_of = self._function.__code__.co_code + dumps(tuple(cell.cell_contents for cell in closure))
        line = self._function.__code__.co_firstlineno
        return repr((self._name, line, sig, codegen.magic_tuple(), hashlib.sha256(made_of).hexdigest())).encode()

    def _path(self, folder: Path, key: bytes) -> Path:
        # File systems take names of 255 bytes; what is cut off is part of the key, and so of the digest.
        return folder / f"{self._name[-150:]}-{hashlib.sha256(key).hexdigest()[:24]}.kernel"


def _made_meanwhile(path: Path, key: bytes) -> bytes | None:
    """What another process has compiled while it was its turn; else None, and the turn is ours until it is saved."""
    take_turn(path)
    try:
        payload = read_entry(path, key)
    except (OSError, UnusableEntryError):
        return None
    end_turn(path)
    return payload


def read_entry(path: Path, key: bytes) -> bytes:
    """What `write_entry` wrote. Raises `OSError`, or `UnusableEntryError` when it is damaged or not ours."""
    # No link is followed, and the owner is asked of the file that is open: nobody can exchange it in between.
    with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as stream:
        reason = _distrust(os.fstat(stream.fileno()))
        if reason:
            raise UnusableEntryError(reason)
        data = stream.read()
    start = len(_MAGIC) + _DIGEST_BYTES
    found, payload = data[start : start + len(key)], data[start + len(key) :]
    if data[:start] != _MAGIC + hashlib.sha256(key + payload).digest() or found != key:
        raise UnusableEntryError("damaged")
    return payload


def write_entry(path: Path, key: bytes, payload: bytes) -> None:
    """A file with a checksum, whole or not at all, private to the user."""
    # Beside its place, so that the renaming is one step: a reader finds the whole entry or none.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(_MAGIC + hashlib.sha256(key + payload).digest() + key + payload)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
