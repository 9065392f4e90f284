"""What a kernel is made of, as one digest: its sources and all that these import, numba, numba's settings, Python."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from dataflows.kernels.entries import UnusableEntryError, read_entry, write_entry

_PACKAGES = ("workloads", "dataflows")  # that any kernel may be made of, beside its own
_IMPORTS = re.compile(r"^\s*(?:from|import) +([\w.]+)(?: import (\([^)]*\)|.*))?", re.MULTILINE)
_ROOT = Path(__file__).resolve().parents[2]
_SETTINGS_WITHOUT_EFFECT = ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_CACHE_LOCATOR_CLASSES")
_CLOCK_TICK_SECONDS = 3.0  # more than the coarsest times that file systems keep


def source_digest(package: str, root: Path = _ROOT, kept_in: Path | None = None) -> str:
    """Digest of all that decides what a top-level package's kernels become: sources, numba's version, its settings.

    To read and search the sources takes longer than all else at a start. What was found is kept in the folder
    `kept_in` under a stamp of every source's name, size, inode and times. Only a file system that does not count
    changes, or a clock that was set back to the nanosecond of one, could make an edit go unnoticed.
    """
    digest = hashlib.sha256(b"".join(_versions()))
    for name in sorted(os.environ):
        if name.startswith("NUMBA_") and name not in _SETTINGS_WITHOUT_EFFECT:
            # Bounds checks, debug information and the like change what is compiled; where files lie does not.
            digest.update(f"{name}={os.environ[name]}\n".encode(errors="surrogateescape"))
    digest.update(_kept_digest(package, root, kept_in) if kept_in else _digest_of_sources(package, root))
    return digest.hexdigest()[:16]


@cache
def _versions() -> tuple[bytes, ...]:
    """Python, and the files in which numba, llvmlite and numpy say their versions: to read them imports nothing."""
    found = [sys.version.encode()]
    for name, file in (("numba", "_version.py"), ("llvmlite", "_version.py"), ("numpy", "version.py")):
        spec = find_spec(name)
        try:
            found.append(Path(str(spec and spec.origin)).with_name(file).read_bytes())
        except OSError:
            found.append(_imported_version(name))
    return tuple(found)


def _imported_version(name: str) -> bytes:
    return str(__import__(name).__version__).encode()


def _digest_of_sources(package: str, root: Path) -> bytes:
    digest = hashlib.sha256()
    for name, text in sorted(kernel_sources(package, root).items()):
        # With name and length, so that text moved from one module to the next changes the digest.
        digest.update(f"{name} {len(text)}\n".encode() + text)
    return digest.digest()


def kernel_sources(package: str, root: Path) -> dict[str, bytes]:
    """Modules that hold kernels, and all that these import: numba freezes their constants into a kernel."""
    sources = {}
    for entry in _files(package, root):
        path = Path(entry.path)
        sources[".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")] = path.read_bytes()
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


def _files(package: str, root: Path) -> Iterator[os.DirEntry[str]]:
    folders = [str(root / searched) for searched in {*_PACKAGES, package} if (root / searched).is_dir()]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.name.endswith(".py"):
                    yield entry


def _kept_digest(package: str, root: Path, folder: Path) -> bytes:
    """The digest of the sources, from the folder where their stamp is the one that it was found with."""
    whose = hashlib.sha256(f"{root}\n{package}\n".encode(errors="surrogateescape"))
    place = folder / f"sources-{whose.hexdigest()[:16]}"
    stamp, newest = whose, 0.0
    for path, facts in sorted((entry.path, entry.stat()) for entry in _files(package, root)):
        # The time of the last change of any kind stands beside that of the text: no program can set it.
        times = (facts.st_mtime_ns, facts.st_ctime_ns)
        stamp.update(f"{path} {facts.st_size} {facts.st_ino} {times}\n".encode(errors="surrogateescape"))
        newest = max(newest, facts.st_mtime, facts.st_ctime)
    try:
        return read_entry(place, stamp.digest())
    except (OSError, UnusableEntryError):
        found = _digest_of_sources(package, root)
    # What has only just been written may be written again within the same tick of the file system's clock.
    if newest < time.time() - _CLOCK_TICK_SECONDS:
        with suppress(OSError):
            write_entry(place, stamp.digest(), found)
    return found
