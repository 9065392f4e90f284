"""The threads that share kernel work out.

Kernels release the interpreter lock, so independent slices of a layer run side by side in plain threads: no second
threading layer, and the result cannot depend on the number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from workloads.errors import InputError

Result = TypeVar("Result")
Slice = TypeVar("Slice")

# To hand tasks to threads and wait for them takes 0.05 to 0.2 ms, so that two threads gain nothing below about this.
LEAST_NANOSECONDS = 400_000
_MOST_THREADS = 1024


def thread_count() -> int:
    """Threads that kernels may use: ``PRUNESIM_THREADS``, else the processors this process may run on.

    Raises `InputError` for a setting that is no number of threads.
    """
    asked = os.environ.get("PRUNESIM_THREADS")
    if asked:
        # Its length comes first: int() has an error of its own for thousands of digits.
        if not (asked.isdecimal() and len(asked) <= 4 and 1 <= int(asked) <= _MOST_THREADS):
            raise InputError(f"PRUNESIM_THREADS = {asked}: must be a whole number from 1 to {_MOST_THREADS}")
        return int(asked)
    # In a container or under taskset the machine has more processors than this process may use.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_WORKER = threading.local()


def _mark_worker() -> None:
    _WORKER.busy = True


@cache
def _pool(threads: int, _process: int) -> ThreadPoolExecutor:
    """The threads of a process, kept: making them anew costs as much as a small layer. A forked child makes its own."""
    return ThreadPoolExecutor(threads, "kernels", _mark_worker)


def run_slices(
    task: Callable[[Slice], Result], slices: Sequence[Slice], nanoseconds: float | None = None
) -> list[Result]:
    """Results of a task for every slice of some work, in order, computed on `thread_count()` threads.

    `nanoseconds` is about what all tasks together take on one thread, where that is known: little is not shared out.
    `task` should spend its time in kernels, which release the interpreter lock. Inside a task a further call runs its
    own tasks one after the other: all threads have work already.
    """
    threads = thread_count()
    # A worker that waited for tasks of its own pool could wait forever.
    little = nanoseconds is not None and nanoseconds < LEAST_NANOSECONDS
    if little or min(threads, len(slices)) <= 1 or getattr(_WORKER, "busy", False):
        return [task(one) for one in slices]
    return list(_pool(threads, os.getpid()).map(task, slices))
