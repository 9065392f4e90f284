"""The one decorator for every jitted kernel of the project, and the thread pool that shares kernel work out.

Rules for a kernel: arrays and scalars in, arrays out; no random numbers, no exceptions, no globals; counts and cycles
are int64. Kernels are serial and release the interpreter lock, so independent slices of a layer run side by side in
plain threads (`run_slices`): no second threading layer, and the result cannot depend on the number of threads.

numba notices an edit of a kernel's own file, but not an edit of a kernel that it calls from another file. The cache
folder is therefore named by a digest of every source file that may hold a kernel: an edit anywhere starts afresh.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import config as numba_config

Result = TypeVar("Result")

_PROJECT_PACKAGES = ("workloads", "dataflows", "simulator")


def _source_digest() -> str:
    """Digest of every Python source of the project beside this package, in a fixed order."""
    digest = hashlib.sha256(numba.__version__.encode())
    root = Path(__file__).resolve().parent.parent
    for package in _PROJECT_PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            text = path.read_bytes()
            if b"@kernel" in text or b"@intrinsic" in text:
                digest.update(path.relative_to(root).as_posix().encode())
                digest.update(text)
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Folder of the compiled kernels of exactly these sources (``PRUNESIM_CACHE_DIR`` moves its parent)."""
    parent = os.environ.get("PRUNESIM_CACHE_DIR")
    base = Path(parent) if parent else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "prunesim"
    return base / f"kernels-{_source_digest()}"


_CACHE_FOLDER = str(cache_folder())


def kernel(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Compile a function as a kernel: nopython, releasing the interpreter lock, cached on disk by source digest.

    Further keywords go to ``numba.njit`` (``inline``, ``boundscheck`` ...).
    """

    def decorate(target: Callable[..., Any]) -> Any:
        # numba reads the folder when the dispatcher is made; putting it back leaves other users of numba alone.
        config: Any = numba_config  # its attributes are made at run time, so type checkers do not know them
        before, config.CACHE_DIR = config.CACHE_DIR, _CACHE_FOLDER
        try:
            return numba.njit(cache=True, nogil=True, error_model="numpy", **options)(target)
        finally:
            config.CACHE_DIR = before

    return decorate if function is None else decorate(function)


def thread_count() -> int:
    """Threads that kernels may use: ``PRUNESIM_THREADS``, else the processors this process may run on."""
    asked = os.environ.get("PRUNESIM_THREADS")
    if asked:
        return max(1, int(asked))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_WORKER = threading.local()


def _mark_worker() -> None:
    _WORKER.busy = True


@cache
def _pool(threads: int, _process: int) -> ThreadPoolExecutor:
    """The threads of a process, kept: making them anew costs as much as a small layer. A forked child makes its own."""
    return ThreadPoolExecutor(threads, "kernels", _mark_worker)


def run_slices(task: Callable[[int], Result], indices: Sequence[int]) -> list[Result]:
    """Results of ``task(i)`` for every index, in order, computed on `thread_count()` threads.

    `task` should spend its time in kernels, which release the interpreter lock. Inside a task a further call runs its
    own tasks one after the other: all threads have work already.
    """
    threads = thread_count()
    if min(threads, len(indices)) <= 1 or getattr(_WORKER, "busy", False):
        return [task(index) for index in indices]
    return list(_pool(threads, os.getpid()).map(task, indices))
