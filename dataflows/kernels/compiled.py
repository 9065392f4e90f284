"""The one decorator for every jitted kernel of the project, and the thread pool that shares kernel work out.

Rules for a kernel: arrays and scalars in, arrays out; no random numbers, no exceptions, no globals; counts and cycles
are int64. Kernels are serial and release the interpreter lock, so independent slices of a layer run side by side in
plain threads (`run_slices`): no second threading layer, and the result cannot depend on the number of threads.

Compiled kernels are kept on disk (`dataflows.kernels.cache`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import numba
from numba.core import config as numba_config

from dataflows.kernels.cache import KernelCache
from workloads.errors import InputError

Result = TypeVar("Result")

_MOST_THREADS = 1024


def kernel(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Compile a function as a kernel: nopython, releasing the interpreter lock, kept on disk.

    Further keywords go to ``numba.njit`` (``inline``, ``boundscheck`` ...).
    """

    def decorate(target: Callable[..., Any]) -> Any:
        if numba_config.DISABLE_JIT:  # type: ignore[attr-defined]
            raise InputError("NUMBA_DISABLE_JIT is set: kernels exist compiled only, unset it")
        dispatcher: Any = numba.njit(nogil=True, error_model="numpy", **options)(target)
        dispatcher._cache = KernelCache(target)  # noqa: SLF001 (numba's own trusts whatever it finds)
        return dispatcher

    return decorate if function is None else decorate(function)


def thread_count() -> int:
    """Threads that kernels may use: ``PRUNESIM_THREADS``, else the processors this process may run on.

    Raises `InputError` for a setting that is no number of threads.
    """
    asked = os.environ.get("PRUNESIM_THREADS")
    if asked:
        if not (asked.isdecimal() and len(asked) <= 4 and 1 <= int(asked) <= _MOST_THREADS):
            raise InputError(f"PRUNESIM_THREADS = {asked}: must be a whole number from 1 to {_MOST_THREADS}")
        return int(asked)
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
