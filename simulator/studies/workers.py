"""Who computes points: this process, processes of this machine, or the workers of a Dask cluster.

Each worker computes one point at a time on one core. A point's result depends on the point alone, so it is the same bit
for bit wherever and in whatever order points run.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from simulator.studies import processes
from simulator.studies.point import Outcome, Point, run_point
from simulator.studies.point_workload import PointWorkload


def _silent(line: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Workers:
    """How many local processes (None: one a core; 1: this process), or the address of a Dask scheduler.

    patience_seconds  how long a cluster may be without workers before a run ends
    say               is given lines that a user should read
    """

    jobs: int | None = None
    cluster: str | None = None
    patience_seconds: float = 120.0
    say: Callable[[str], None] = _silent

    def run(self, points: Mapping[str, Point], is_done: Callable[[str], bool]) -> Iterator[Outcome]:
        """Outcomes of points by their keys, as they come; `is_done` is asked again before each point starts.

        Workers that die are replaced, and their points computed again. Raises `InputError` when a cluster cannot be
        reached, or is gone.
        """
        if not points:
            return iter(())
        keys = _in_order(points)
        if self.cluster is not None:
            from simulator.studies import cluster as study_cluster  # noqa: PLC0415 (not needed by most sweeps)

            return study_cluster.computed(self.cluster, points, keys, is_done, (self.patience_seconds, self.say))
        # A process more than there are points would start, load everything, and be sent home.
        jobs = min(self.jobs or available_cores(), len(points))
        if jobs == 1:
            return _in_this_process(points, keys, is_done)
        return processes.computed(points, keys, is_done, jobs)


def _in_order(points: Mapping[str, Point]) -> list[str]:
    """Keys of points, those of one workload after the other, for which a worker makes each trace once."""
    groups: dict[PointWorkload, list[str]] = {}
    for key, point in points.items():
        groups.setdefault(point.subject, []).append(key)
    # Shuffled, groups and each group, so that sweeps that share a store do not compute the same points side by side,
    # and the time left is guessed from points of all kinds.
    shuffled = random.sample(list(groups.values()), len(groups))
    return [key for group in shuffled for key in random.sample(group, len(group))]


def available_cores() -> int:
    """Processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_this_process(
    points: Mapping[str, Point], keys: Iterable[str], is_done: Callable[[str], bool]
) -> Iterator[Outcome]:
    with _threads_put_back():
        for key in keys:
            if not is_done(key):
                yield run_point(points[key], key)


@contextmanager
def _threads_put_back() -> Generator[None]:
    """`run_point` leaves kernels of its process one thread, which shall not last."""
    before = os.environ.get("PRUNESIM_THREADS")
    try:
        yield
    finally:
        if before is None:
            # A value that a user had set is still there: `run_point` puts none over it.
            os.environ.pop("PRUNESIM_THREADS", None)
