"""Slow twin of the queue, in plain Python: no events, batch after batch (Lindley's recurrence, with batches and a room).

Written from docs/serving.md: it looks at all images again for every batch and knows of no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from simulator.serving.queueing import Rules
from simulator.serving.service import Service


class Batch(NamedTuple):
    """A batch: its images by number, when it starts and when it is done."""

    images: tuple[int, ...]
    start: int
    done: int


def batches_of(arrivals: Sequence[int], service: Service, rules: Rules) -> tuple[list[Batch], list[int]]:
    """The batches, and the images that were dropped."""
    batches: list[Batch] = []
    dropped: list[int] = []
    waiting: list[int] = []
    ready, last_done, coming = 0, None, 0
    while waiting or coming < len(arrivals):
        # When the images that wait now would start if nobody came: never, where nobody waits.
        start = None
        if waiting:
            full = len(waiting) >= rules.batch
            start = max(ready, arrivals[waiting[rules.batch - 1]] if full else arrivals[waiting[0]] + rules.wait_cycles)
        if coming < len(arrivals) and (start is None or arrivals[coming] < start):
            if rules.room is not None and len(waiting) >= rules.room:
                dropped.append(coming)
            else:
                waiting.append(coming)
            coming += 1
            continue
        images, waiting = tuple(waiting[: rules.batch]), waiting[rules.batch :]
        assert start is not None
        times = service(len(images))
        one = times[len(batches) % len(times)]
        done = start + one.latency_cycles
        if last_done is not None:
            done = max(done, last_done + one.interval_cycles)
        batches.append(Batch(images, start, done))
        ready, last_done = start + one.interval_cycles, done
    return batches, dropped
