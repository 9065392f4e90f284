"""`serve`: images that arrive at a machine, wait, are put together to batches and served, as discrete events.

The rules, of which docs/serving.md says why:

- An image that arrives waits, unless so many wait already as there is room for; then it is dropped.
- A batch starts when the machine is ready and N images wait, or the oldest has waited long enough. It takes up to
  N images, the oldest first.
- The machine is ready an interval of the last batch behind its start. A batch is done its latency behind its start, and
  no sooner than its interval behind the batch before.
- In one cycle batches start before images arrive, and images that have arrived are seen at once.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import simpy

from simulator.serving.service import Service


@dataclass(frozen=True)
class Rules:
    """How images become batches.

    batch        images in a batch at most
    wait_cycles  how long the oldest image waits for others at most
    room         images that may wait; None: any number
    """

    batch: int = 1
    wait_cycles: int = 0
    room: int | None = None


@dataclass
class Served:
    """What became of the images; times in cycles.

    latency_cycles  of each image that was served, in order: from its arrival until its batch is done
    dropped         images that found no room
    batches         how many batches of each size
    busy_cycles     intervals of all batches: the machine was ready for no other
    waiting_cycles  images that wait, summed over cycles
    most_waiting    at the end of a cycle
    first_cycle     of an arrival, and `last_cycle`, when the machine is done with everything and ready again
    first_done, first_images, last_done   when the first batch was done, its images, and when the last one was
    """

    latency_cycles: list[int] = field(default_factory=list)
    dropped: int = 0
    batches: Counter[int] = field(default_factory=Counter)
    busy_cycles: int = 0
    waiting_cycles: int = 0
    most_waiting: int = 0
    first_cycle: int = 0
    last_cycle: int = 0
    first_done: int = 0
    first_images: int = 0
    last_done: int = 0


def serve(arrivals: Sequence[int], service: Service, rules: Rules) -> Served:
    """Play so many images, which arrive in these cycles (never one before the last), until all have left."""
    env = simpy.Environment(arrivals[0])
    queue = _Queue(env, service, rules)
    env.process(queue.admit(arrivals))
    env.run()
    return queue.result()


class _Queue:
    def __init__(self, env: simpy.Environment, service: Service, rules: Rules) -> None:
        self._env = env
        self._service = service
        self._rules = rules
        self._waiting = deque[int]()  # when they arrived
        self._ready = 0  # when the machine can start the next batch
        self._last_done: int | None = None
        self._looks_at: int | None = None  # when a batch may start next, as far as it is known
        self._counted = int(env.now)  # up to when those that wait are summed
        self._served = Served(first_cycle=int(env.now))

    def admit(self, arrivals: Sequence[int]) -> Generator[simpy.Event, None, None]:
        """Let images arrive."""
        room = self._rules.room
        for cycle in arrivals:
            if cycle > self._env.now:
                # The cycle is over for those that have arrived in it.
                self._note_most()
                yield self._env.timeout(cycle - int(self._env.now))
            self._start()
            if room is not None and len(self._waiting) >= room:
                self._served.dropped += 1
                continue
            self._count()
            self._waiting.append(cycle)
            self._start()
        self._note_most()

    def result(self) -> Served:
        """What became of all images, when nothing happens any more."""
        served = self._served
        assert not self._waiting  # noqa: S101 (the oldest always starts: no wait is endless)
        served.last_cycle = max(self._ready, served.last_done)
        return served

    def _note_most(self) -> None:
        self._served.most_waiting = max(self._served.most_waiting, len(self._waiting))

    def _count(self) -> None:
        now = int(self._env.now)
        self._served.waiting_cycles += len(self._waiting) * (now - self._counted)
        self._counted = now

    def _start(self) -> None:
        """Start what can start now, and look again when something next can."""
        while self._waiting:
            at = self._next_start()
            if at > self._env.now:
                self._look(at)
                return
            self._serve(min(self._rules.batch, len(self._waiting)))

    def _next_start(self) -> int:
        full = len(self._waiting) >= self._rules.batch
        return self._ready if full else max(self._ready, self._waiting[0] + self._rules.wait_cycles)

    def _look(self, at: int) -> None:
        now = int(self._env.now)
        if self._looks_at is not None and now < self._looks_at <= at:
            return
        self._looks_at = at
        event = self._env.timeout(at - now)
        event.callbacks.append(lambda _: self._start())

    def _serve(self, size: int) -> None:
        now, served = int(self._env.now), self._served
        times = self._service(size)
        one = times[sum(served.batches.values()) % len(times)]
        done = now + one.latency_cycles
        if self._last_done is not None:
            done = max(done, self._last_done + one.interval_cycles)
        else:
            served.first_done, served.first_images = done, size
        self._count()
        served.latency_cycles += [done - self._waiting.popleft() for _ in range(size)]
        served.batches[size] += 1
        served.busy_cycles += one.interval_cycles
        self._ready = now + one.interval_cycles
        self._last_done = served.last_done = done
