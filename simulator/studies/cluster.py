"""Points on the workers of a Dask scheduler. Each point is sent to one worker, so that each worker's points are known.

Workers are asked for their version before they get a point; those with another one are not used, nor is a worker that
has another version of a workload file used for points of that workload. What a worker that died had in hand is put
aside and computed again with nothing beside it, as on one machine (`processes`).
"""

from __future__ import annotations

import logging
import queue
import time
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from simulator.studies.content import code_version
from simulator.studies.point import REFUSED, Outcome, Point, run_point
from simulator.studies.processes import DEATHS_ALONE
from workloads.errors import InputError

_CONNECT_SECONDS = 30
_ANSWER_SECONDS = 20  # of a scheduler, before it is taken for dead
_LOOK_SECONDS = 0.5  # between looks at which workers there are
_CLOSE_SECONDS = 2

IsDone = Callable[[str], bool]
Say = Callable[[str], None]


def computed(
    address: str, points: Mapping[str, Point], keys: Iterable[str], is_done: IsDone, wait: tuple[float, Say]
) -> Iterator[Outcome]:
    """Outcomes of the points with these keys, as they come, from a cluster's workers. See `Workers.run`.

    wait  seconds that the cluster may be without workers, and what is told lines for the user
    """
    client = _connected(address)
    try:
        yield from _Run(_Crew(client, address, *wait), points, is_done).outcomes(deque(keys))
    finally:
        with suppress(Exception):  # whatever a client of a dead scheduler raises
            client.close(timeout=_CLOSE_SECONDS)


def _connected(address: str) -> Any:
    try:
        import distributed  # noqa: PLC0415 (optional, and slow to load)
    except ImportError:
        raise InputError("--cluster needs Dask: pip install 'prunesim[cluster]'") from None
    for name in ("asyncio", *logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("asyncio", "distributed", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # what matters is said in lines of our own
    # In two steps, so that a client whose making fails is at hand: it has to be marked as closed.
    client = distributed.Client.__new__(distributed.Client)
    try:
        client.__init__(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except Exception as error:  # noqa: BLE001 (bad addresses, TLS and timeouts raise a dozen types)
        client.status = "closed"  # or the half made client waits a minute for itself when it is deleted
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"cluster {address}: cannot be reached: {reason}") from None
    return client


class _Crew:
    """The workers that a scheduler has and that have this version of prunesim; `threads` of each by its address."""

    def __init__(self, client: Any, address: str, patience_seconds: float, say: Say) -> None:
        self.client = client
        self.say = say
        self.threads: dict[str, int] = {}
        self._subject = f"cluster {address}"
        self._patience_seconds = patience_seconds
        self._unfit: set[str] = set()
        self._looked = 0.0
        self._empty_since: float | None = None

    def look(self) -> None:
        """See which workers there are, at most twice a second. Raises `InputError` when that makes no sense any more.

        That is when the scheduler does not answer, or when there was no worker for too long.
        """
        now = time.monotonic()
        if now < self._looked + _LOOK_SECONDS:
            return
        threads = self._ask()
        # Only those that are new since the last look: asking takes a round trip to each.
        self._check(set(threads) - set(self.threads) - self._unfit)
        # An address that is gone is forgotten: a worker that comes back under it is asked again.
        self._unfit &= set(threads)
        self.threads = {worker: count for worker, count in threads.items() if worker not in self._unfit}
        # Taken anew, for asking a slow worker may have lasted longer than the time between two looks.
        self._looked = time.monotonic()
        self._mind_emptiness(now)

    def _ask(self) -> dict[str, int]:
        try:
            if self.client.status != "running":
                raise OSError("the connection is lost")  # noqa: TRY301 (one place says it)
            return self.client.sync(self.client.scheduler.ncores, callback_timeout=_ANSWER_SECONDS)
        except Exception as error:  # noqa: BLE001 (Dask, Tornado and asyncio have errors of their own)
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{self._subject}: the scheduler is gone ({reason}); {_STORED}") from None

    def _check(self, new: set[str]) -> None:
        """Ask new workers for their version."""
        # An error comes back as a value: a worker without prunesim at all is one more that is not used.
        versions = self.client.run(code_version, workers=sorted(new), on_error="return") if new else {}
        for worker in sorted(new):
            found = versions.get(worker)
            if found != code_version():
                self._unfit.add(worker)
                has = f"has prunesim {found}" if isinstance(found, str) else f"cannot tell its version ({found!r})"
                self.say(f"warning: {self._subject}: worker {worker} is not used: it {has}, here is {code_version()}")

    def _mind_emptiness(self, now: float) -> None:
        if self.threads:
            self._empty_since = None
            return
        kind = "no worker with this version of prunesim" if self._unfit else "no worker"
        if self._empty_since is None:
            self._empty_since = now
            self.say(f"{self._subject}: {kind}; waiting {self._patience_seconds:.0f} s for one")
        if now - self._empty_since >= self._patience_seconds:
            raise InputError(f"{self._subject}: {kind} for {self._patience_seconds:.0f} s; {_STORED}")


_STORED = "what was computed is stored, run again to go on"


class _Run:
    """Points on their way: `flying` has the future and the worker of each key."""

    def __init__(self, crew: _Crew, points: Mapping[str, Point], is_done: IsDone) -> None:
        self._crew = crew
        self._points = points
        self._is_done = is_done
        self._refused: dict[str, set[str]] = defaultdict(set)  # workload -> workers that have another version of it
        self._flying: dict[str, tuple[Any, str]] = {}
        self._landed: queue.SimpleQueue[str] = queue.SimpleQueue()

    def outcomes(self, left: deque[str]) -> Iterator[Outcome]:
        """Every point's outcome; those of workers that died come last, one at a time."""
        aside: deque[str] = deque()
        deaths: Counter[str] = Counter()
        alone = False
        while left or aside or self._flying:
            self._crew.look()
            for key in self._lost():
                # A death beside other points may be theirs; only one with nothing beside it counts.
                deaths[key] += alone
                if deaths[key] < DEATHS_ALONE:
                    aside.append(key)
                else:
                    yield Outcome(key, error=f"with nothing beside it, its worker died {DEATHS_ALONE} times")
            # One at a time and with nothing on its way: from now on a death is the point's own.
            if not left and not self._flying and aside:
                alone = True
                left.append(aside.popleft())
            yield from self._send(left)
            for outcome in self._received():
                if outcome.error == REFUSED:
                    left.append(outcome.key)
                else:
                    yield outcome

    def _lost(self) -> list[str]:
        """Points whose worker is gone; they are on their way no longer."""
        lost = [key for key, (_, worker) in self._flying.items() if worker not in self._crew.threads]
        for key in lost:
            future, worker = self._flying.pop(key)
            future.cancel()
            self._crew.say(f"warning: worker {worker} is gone; its point is computed again at the end")
        return lost

    def _send(self, left: deque[str]) -> Iterator[Outcome]:
        """Give each worker a point for each of its threads; gives outcomes of points that every worker refuses."""
        busy = Counter(worker for _, worker in self._flying.values())
        # A place for each idle thread, so that no worker has more points than threads.
        free = deque(worker for worker, count in self._crew.threads.items() for _ in range(count - busy[worker]))
        # Each point that was there at the beginning is looked at once; those put back stand behind them.
        for _ in range(len(left)):
            if not free:
                return
            key = left.popleft()
            refused = self._refused[self._points[key].workload]
            # Only when every worker there is has refused: one that joins later may have the right file.
            if refused and refused.issuperset(self._crew.threads):
                yield Outcome(key, error=f"every worker refuses it: {REFUSED}")
            elif not self._is_done(key):
                fit = next((worker for worker in free if worker not in refused), None)
                if fit is None:
                    left.append(key)  # for another worker, once it is free
                else:
                    free.remove(fit)
                    self._fly(key, fit)

    def _fly(self, key: str, worker: str) -> None:
        # Another name for every try: Dask would answer an old name with what it remembers of it.
        name = f"prunesim-{uuid.uuid4()}"
        future = self._crew.client.submit(run_point, self._points[key], key, key=name, workers=[worker], pure=False)
        self._flying[key] = (future, worker)
        # Called on a thread of the client, hence a queue and nothing else.
        future.add_done_callback(lambda _: self._landed.put(key))

    def _received(self) -> Iterator[Outcome]:
        """What has landed by now; waits a little for the first."""
        with suppress(queue.Empty):
            key = self._landed.get(timeout=_LOOK_SECONDS)
            while True:
                # A point that was lost has its future cancelled, which lands as well; the key may have left again by
                # then.
                if key in self._flying and self._flying[key][0].done():
                    outcome = self._outcome(key)
                    if outcome is not None:
                        yield outcome
                key = self._landed.get_nowait()

    def _outcome(self, key: str) -> Outcome | None:
        """None where the worker died, or the scheduler: the next look tells."""
        future, worker = self._flying[key]
        if future.status not in ("finished", "error"):
            return None
        del self._flying[key]
        try:
            outcome = future.result(timeout=_ANSWER_SECONDS)
        except Exception as error:  # noqa: BLE001 (whatever came to pass there)
            outcome = Outcome(key, error=f"worker {worker}: {type(error).__name__}: {error}")
        if outcome.error == REFUSED:
            workload = self._points[key].workload
            self._refused[workload].add(worker)
            self._crew.say(f"warning: worker {worker} has another version of {workload}; its points go to others")
        return outcome
