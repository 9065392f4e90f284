"""Points on processes of this machine, one point a process at a time, so that each process's point is known.

A process reads points from its standard input. When that ends, because the sweep is done or died in whatever way, the
process ends at once, even in the middle of a point. A point whose process died is put aside and computed again when
nothing else runs; only the point that was alone with the death three times is given up.
"""

from __future__ import annotations

import os
import pickle
import queue
import selectors
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, Self

from simulator.studies.point import Outcome, Point, run_point
from workloads.errors import PrunesimError
from workloads.units import BYTES_PER_GB

DEATHS_ALONE = 3  # of a point's worker, with nothing beside it, before the point is given up
_FAILED_STARTS = 3  # in a row
_KILOBYTE = 1 << (0 if sys.platform == "darwin" else 10)  # the unit of getrusage's memory
_COMMAND = "from simulator.studies.processes import serve; serve()"
_ONE_CORE = dict.fromkeys(
    ("PRUNESIM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


@dataclass(frozen=True)
class Death:
    """A process that ended with a point in its hands: how, and the most memory it had."""

    key: str
    exit_code: int
    memory_bytes: int

    def __str__(self) -> str:
        """As after "its worker"."""
        how = f"ended with exit code {self.exit_code}"
        if self.exit_code < 0:
            how = f"was killed by {signal.Signals(-self.exit_code).name}"
        hint = ", as when memory runs out" if self.exit_code == -signal.SIGKILL else ""
        return f"{how}{hint}; it had taken {self.memory_bytes / BYTES_PER_GB:.2f} GB of memory"


def computed(
    points: Mapping[str, Point], keys: Iterable[str], is_done: Callable[[str], bool], jobs: int
) -> Iterator[Outcome]:
    """Outcomes of the points with these keys, as they come, from that many processes. See `Workers.run`."""
    aside: list[str] = []
    for found in _shared_out(points, keys, is_done, jobs):
        if isinstance(found, Death):
            aside.append(found.key)
        else:
            yield found
    # Only now, with no other process to take its memory, is a death the point's own fault.
    for key in aside:
        yield from _alone(points, key, is_done)


def _alone(points: Mapping[str, Point], key: str, is_done: Callable[[str], bool]) -> Iterator[Outcome]:
    death: Outcome | Death | None = None
    for _ in range(DEATHS_ALONE):
        # The first thing told is all: the outcome, the death, or None where another sweep has computed it meanwhile.
        death = next(_shared_out(points, [key], is_done, 1), None)
        if not isinstance(death, Death):
            if death is not None:
                yield death
            return
    yield Outcome(key, error=f"with nothing beside it, its worker died {DEATHS_ALONE} times: it {death}")


def _shared_out(
    points: Mapping[str, Point], keys: Iterable[str], is_done: Callable[[str], bool], jobs: int
) -> Iterator[Outcome | Death]:
    """What became of each point. Processes that die are replaced while there are points to start."""
    left = deque(keys)
    with _Team() as team:
        for _ in range(min(jobs, len(left))):
            team.add()
        while team.members:
            for member in team.ready():
                # The first message of a process is its greeting, which brings it its first point.
                message = member.receive()
                if message is None:
                    yield from team.bury(member)
                    if left:
                        team.add()
                    continue
                if isinstance(message, Outcome):
                    yield message
                # Another sweep on the same store may have computed it since this one began.
                while left and is_done(left[0]):
                    left.popleft()
                if left:
                    key = left.popleft()
                    member.give(key, points[key])
                else:
                    team.remove(member)


class _Member:
    """A process, and the key of the point that it computes; None before its first."""

    def __init__(self) -> None:
        # A user's own setting wins over one core. Modules are looked for where this process found them, in this order,
        # and with -P not in the folder in which a sweep happens to run.
        environment = {**_ONE_CORE, **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, "-P", "-c", _COMMAND]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)  # noqa: S603 (our own interpreter and module)
        self.key: str | None = None

    @property
    def messages(self) -> IO[bytes]:
        """What the process sends."""
        assert self.process.stdout is not None  # noqa: S101 (a pipe was asked for)
        return self.process.stdout

    def give(self, key: str, point: Point) -> None:
        """Let it compute a point; a process that just died is noticed when it is heard next."""
        assert self.process.stdin is not None  # noqa: S101 (a pipe was asked for)
        self.key = key
        with suppress(BrokenPipeError):
            pickle.dump((point, key), self.process.stdin)
            self.process.stdin.flush()

    def receive(self) -> Outcome | str | None:
        """The outcome of its point, a greeting at its start, or None when it died."""
        try:
            # At most one message is on its way, since a point is only given after an answer: none can hide in the
            # stream's buffer while the selector waits at the pipe.
            return pickle.load(self.messages)  # noqa: S301 (from our own process)
        except (EOFError, pickle.UnpicklingError):
            return None

    def end(self) -> Death | None:
        """End it, and say how it ended where it had a point."""
        os.kill(self.process.pid, signal.SIGKILL)  # changes nothing for one that ended; Popen.kill would lose its usage
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        if self.key is None:
            return None
        return Death(self.key, self.process.returncode, usage.ru_maxrss * _KILOBYTE)


class _Team:
    """The processes of a run; a context manager that leaves none behind."""

    def __init__(self) -> None:
        self.members: list[_Member] = []
        self._failed_starts = 0
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for member in list(self.members):
            self.remove(member)
        self._selector.close()

    def add(self) -> None:
        """Start one more."""
        member = _Member()
        self.members.append(member)
        self._selector.register(member.messages, selectors.EVENT_READ, member)

    def remove(self, member: _Member) -> Death | None:
        """End a process; see `_Member.end`."""
        self._selector.unregister(member.messages)
        self.members.remove(member)
        return member.end()

    def bury(self, member: _Member) -> Iterator[Death]:
        """Remove one that died by itself. Raises `PrunesimError` where none comes so far as to compute."""
        death = self.remove(member)
        if death is not None:
            self._failed_starts = 0
            yield death
            return
        # It never had a point, so no point is to blame: the machine cannot start processes.
        self._failed_starts += 1
        if self._failed_starts == _FAILED_STARTS:
            raise PrunesimError("processes for points end as soon as they start; --jobs 1 needs none")

    def ready(self) -> list[_Member]:
        """Those that have something to say; waits for the first."""
        return [key.data for key, _ in self._selector.select()]


def serve() -> None:
    """Compute points from standard input until it ends: what a process of a sweep does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the sweep ends its processes by itself
    # A copy of standard output, which is then led to standard error.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print shall not come between the answers
    given: queue.SimpleQueue[tuple[Point, str]] = queue.SimpleQueue()
    # A thread of its own, which hears at once that the sweep is gone, whatever is being computed.
    threading.Thread(target=_listen, args=(given,), daemon=True).start()
    _answer(answers, "ready")
    while True:
        _answer(answers, run_point(*given.get()))


def _listen(given: queue.SimpleQueue[tuple[Point, str]]) -> None:
    """Pass points on; when the sweep is gone there is nobody to compute for."""
    with suppress(EOFError, pickle.UnpicklingError, OSError):
        while True:
            given.put(pickle.load(sys.stdin.buffer))  # noqa: S301 (from our own sweep)
    os._exit(0)  # at once, whatever is being computed


def _answer(stream: IO[bytes], message: Any) -> None:
    try:
        pickle.dump(message, stream)
        stream.flush()
    except BrokenPipeError:
        os._exit(0)
