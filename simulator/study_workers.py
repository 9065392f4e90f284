"""Who computes points: processes of this machine, or the workers of a Dask cluster, both through joblib's backends.

Each worker computes one point at a time on one core. A point's result depends on the point alone, so it is the same bit
for bit wherever and in whatever order points run.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from simulator.study_point import Outcome, Point, run_point
from workloads.errors import InputError

_CONNECT_SECONDS = 30
_CRASHES_IN_A_ROW = 3  # workers may die for want of memory; with no point done in between, the points are to blame


@dataclass(frozen=True)
class Workers:
    """How many local processes (None: one a core; 1: this process), or the address of a Dask scheduler."""

    jobs: int | None = None
    cluster: str | None = None

    def run(self, points: Mapping[str, Point], is_done: Callable[[str], bool]) -> Iterator[Outcome]:
        """Outcomes of points by their keys, as they come; `is_done` is asked again before each point starts.

        Workers that die are replaced, and their points computed again. Raises `InputError` when a cluster cannot be
        reached.
        """
        left, crashes = dict(points), 0
        with self._backend(len(points)) as count:
            while left:
                try:
                    for outcome in _computed(left, is_done, count):
                        left.pop(outcome.key)
                        crashes = 0
                        yield outcome
                    left.clear()  # the others were done meanwhile
                except _lost_worker_errors() as error:
                    crashes += 1
                    if crashes == _CRASHES_IN_A_ROW:
                        text = f"its worker died {crashes} times in a row: {type(error).__name__}"
                        yield from (Outcome(key, error=text) for key in left)
                        left.clear()

    def _backend(self, points: int) -> AbstractContextManager[int]:
        """Makes joblib use these workers while it lasts; gives joblib's number of jobs."""
        if self.cluster is not None:
            return _dask(self.cluster)
        import joblib  # noqa: PLC0415 (slow to load, and not needed by other commands)

        jobs = max(1, min(self.jobs or joblib.cpu_count(), points))
        return _this_process() if jobs == 1 else _processes(jobs)


def _computed(points: Mapping[str, Point], is_done: Callable[[str], bool], jobs: int) -> Iterator[Outcome]:
    import joblib  # noqa: PLC0415

    # Shuffled, so that sweeps that share a store do not compute the same points side by side, and the time left is
    # guessed from points of all kinds. One point a task: a killed sweep loses few.
    keys = random.sample(list(points), len(points))
    tasks = (joblib.delayed(run_point)(points[key], key) for key in keys if not is_done(key))
    return joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)(tasks)  # type: ignore[return-value]


@contextmanager
def _this_process() -> Iterator[int]:
    before = os.environ.get("PRUNESIM_THREADS")
    try:
        yield 1
    finally:
        if before is None:
            os.environ.pop("PRUNESIM_THREADS", None)


@contextmanager
def _processes(jobs: int) -> Iterator[int]:
    import joblib  # noqa: PLC0415

    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        yield jobs


@contextmanager
def _dask(address: str) -> Iterator[int]:
    import joblib  # noqa: PLC0415

    try:
        import distributed  # noqa: PLC0415
    except ImportError:
        raise InputError("--cluster needs Dask: pip install 'prunesim[cluster]'") from None
    try:
        client = distributed.Client(address, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise InputError(f"cluster {address}: cannot be reached: {error}") from None
    with client, joblib.parallel_config(backend="dask"):
        yield -1


def _lost_worker_errors() -> tuple[type[BaseException], ...]:
    try:
        from distributed import KilledWorker  # noqa: PLC0415
    except ImportError:
        return (BrokenExecutor,)
    return (BrokenExecutor, KilledWorker)
