"""A process of a sweep whose points do not compute but die, by their seeds; see test_study_processes.py."""

import os
import signal
from pathlib import Path

from simulator.studies import processes as study_processes
from simulator.studies.point import Outcome, Point

MEGABYTES = 150


def neighbours() -> list[int]:
    parent = os.getppid()
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in children if int(pid) != os.getpid()]


def deadly_point(point: Point, key: str) -> Outcome:
    if point.seed == 3:  # takes memory, and its neighbours with it
        held = b"x" * (MEGABYTES << 20)
        for pid in neighbours():
            os.kill(pid, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
        del held
    mark = Path(point.workload) / f"died-{point.seed}"
    if point.seed == 5 and not mark.exists():  # once, by accident
        mark.touch()
        os._exit(3)
    return Outcome(key, "{}", b"report")


def serve() -> None:
    study_processes.run_point = deadly_point
    study_processes.serve()
