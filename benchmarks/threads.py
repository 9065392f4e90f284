"""What two threads bring each kernel: `python -m benchmarks.threads [WORKLOAD ...]` prints a table.

Every place that shares kernel work out (`dataflows.kernels.threads.run_slices`) is timed while machines schedule layers
of a few sizes, with one thread and with two. A gain below 1 is what threads cost there. "told" is what the place itself
expects of one thread: work is shared out from `LEAST_NANOSECONDS` on, and here all of it.
"""

import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.markdown import print_table
from dataflows.kernels import threads
from dataflows.registry import create, machines
from workloads.catalog import load_workload
from workloads.trace import LayerTrace

WORKLOADS = ("alexnet@deep-compression", "vgg16@deep-compression", "blazepose")
LAYERS_EACH = 6
REPEATS = 9

Place = tuple[str, float | None]  # where work is shared out, and what it says that it takes


class Watch:
    """In the place of `run_slices`: adds up the time of each place that calls it, outermost calls alone."""

    def __init__(self) -> None:
        self.seconds: dict[Place, float] = defaultdict(float)
        self._inside = False

    def __call__(
        self, task: Callable[[Any], Any], slices: Sequence[Any], nanoseconds: float | None = None
    ) -> list[Any]:
        """As `run_slices`."""
        if self._inside:
            return threads.run_slices(task, slices, nanoseconds)
        module = task.__module__ if hasattr(task, "__module__") else task.func.__module__  # type: ignore[attr-defined]
        caller = sys._getframe(1).f_code.co_name  # noqa: SLF001 (no other way to know a caller)
        place = (f"{module.removeprefix('dataflows.machines.')}.{caller}", nanoseconds)
        self._inside = True
        start = time.perf_counter()
        try:
            return threads.run_slices(task, slices, nanoseconds)
        finally:
            self.seconds[place] += time.perf_counter() - start
            self._inside = False


def watched(task: Callable[[], object]) -> dict[Place, float]:
    """Seconds of each place during a task, the best of several runs."""
    best: dict[Place, float] = {}
    users = [module for name, module in sys.modules.items() if name.startswith("dataflows.machines.")]
    users = [module for module in users if getattr(module, "run_slices", None) is threads.run_slices]
    for _ in range(REPEATS):
        watch = Watch()
        for module in users:
            module.run_slices = watch  # type: ignore[attr-defined]
        try:
            task()
        finally:
            for module in users:
                module.run_slices = threads.run_slices  # type: ignore[attr-defined]
        for place, seconds in watch.seconds.items():
            best[place] = min(seconds, best.get(place, seconds))
    return best


def gains(trace: LayerTrace) -> Iterator[tuple[Place, float, float]]:
    """For each place of every machine that runs the layer: seconds with one thread, and with two."""
    for name in machines():
        machine = create(name)
        if machine.refusal(trace.layer) is not None:
            continue
        found = []
        for count in ("1", "2"):
            os.environ["PRUNESIM_THREADS"] = count
            found.append(watched(lambda: machine.schedule(trace)))  # noqa: B023 (called at once)
        one, two = found
        for place, seconds in one.items():
            yield place, seconds, two[place]


def main() -> None:
    """The table, the smallest work first, place by place."""
    threads.LEAST_NANOSECONDS = 0
    rows: dict[str, list[tuple[float, list[str]]]] = defaultdict(list)
    for name in sys.argv[1:] or WORKLOADS:
        workload = load_workload(name)
        step = max(len(workload.layers) // LAYERS_EACH, 1)
        for index in range(step // 2, len(workload.layers), step):
            trace = workload.trace(index)
            for (place, told), one, two in gains(trace):
                cells = [place, f"{name}/{trace.layer.name}", "-" if told is None else f"{told / 1e6:.3f}"]
                cells += [f"{1000 * one:.3f}", f"{1000 * two:.3f}", f"{one / two:.2f}"]
                rows[place].append((one, cells))
    head = ["place", "layer", "told, ms", "one thread, ms", "two threads, ms", "gain"]
    sorted_rows = [cells for place in sorted(rows) for _, cells in sorted(rows[place])]
    print_table("What two threads bring", [head, *sorted_rows])


if __name__ == "__main__":
    main()
