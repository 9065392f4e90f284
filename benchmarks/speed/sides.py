"""Where speeds are measured: this checkout, and beside it another one, in alternation.

A side is a checkout with a process that times its code (`worker`). Every number of a comparison is the best of several
rounds, and each round runs all tasks on all sides, one after the other: whatever else the machine does meets all alike.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("worker.py")
LEAST_ROUNDS, MOST_ROUNDS = 2, 50
ENOUGH_SECONDS, LONG_SECONDS = 1.0, 5.0  # after which rounds end; after which one is enough

Task = tuple[Any, ...]  # the name of a task and its arguments, which JSON can say


class MeasurementError(Exception):
    """A side could not do what it was asked for."""


class Side:
    """A checkout of the project, and the process that times its code, started when it is first asked."""

    def __init__(self, name: str, checkout: Path, clock: str = "wall") -> None:
        self.name, self.checkout, self.clock = name, checkout, clock
        self._process: subprocess.Popen[str] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which a command runs this checkout's code."""
        return {**os.environ, "PYTHONPATH": str(self.checkout)}

    def ask(self, *order: Any) -> Any:
        """The worker's answer to an order. Raises `MeasurementError` with the worker's own words."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, str(WORKER), str(self.checkout), self.clock],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self.environment,
            )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": f"the process ended with {self._process.wait()}"}
        if "error" in answer:
            raise MeasurementError(f"{self.name} ({self.checkout}), {order}: {answer['error']}")
        return answer["value"]

    def command_seconds(self, arguments: Sequence[str], **variables: str) -> tuple[float, str]:
        """How long a command takes from start to end, and what it prints. Raises `MeasurementError` where it fails."""
        before, start = _children_cpu(), time.perf_counter()
        done = subprocess.run(
            arguments, env={**self.environment, **variables}, cwd=self.checkout, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        wall, cpu = time.perf_counter() - start, _children_cpu() - before
        if done.returncode:
            raise MeasurementError(f"{self.name} ({self.checkout}), {' '.join(arguments)}: {done.stderr}")
        return (cpu if self.clock == "cpu" else wall), done.stdout

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()
            self._process = None


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True)
class Measured:
    """What one task took, now and before (None: not compared, or not possible there), and what came out."""

    now: float
    before: float | None = None
    result: Any = None
    equal: bool = True


@dataclass
class Sides:
    """This checkout, and perhaps another one; a context manager."""

    now: Side
    before: Side | None = None
    status: Callable[[str], None] = field(default=lambda _: None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for side in self.all:
            side.close()

    @property
    def all(self) -> list[Side]:
        """The sides in the order in which they are measured."""
        return [side for side in (self.before, self.now) if side is not None]

    def measure(self, *tasks: Task, most: int = MOST_ROUNDS) -> list[Measured]:
        """Each task, timed in alternation with the others and with the other side; best of several rounds.

        A task that the other checkout cannot do is measured here alone. Raises `MeasurementError` where this one fails.
        """
        self.status(" ".join(str(word) for word in tasks[-1] if isinstance(word, str)))
        results = {side.name: self._prepared(side, tasks) for side in self.all}
        best: dict[tuple[str, int], float] = {}
        start, rounds = time.perf_counter(), 0
        while rounds < most:
            passed = time.perf_counter() - start
            if passed > (ENOUGH_SECONDS if rounds >= LEAST_ROUNDS else LONG_SECONDS):
                break
            rounds += 1
            for place, task in enumerate(tasks):
                for side in self.all:
                    if place in results[side.name]:
                        key = side.name, place
                        best[key] = min(best.get(key, float("inf")), side.ask("time", *task))
        for side in self.all:
            side.ask("forget")
        now, before = results[self.now.name], results[self.before.name] if self.before else {}
        return [
            Measured(
                best[self.now.name, place],
                best[self.before.name, place] if self.before and place in before else None,
                now[place],
                equal=place not in before or before[place] == now[place],
            )
            for place in range(len(tasks))
        ]

    def _prepared(self, side: Side, tasks: Sequence[Task]) -> dict[int, Any]:
        """Results by the place of the task."""
        results = {}
        for place, task in enumerate(tasks):
            try:
                results[place] = side.ask("prepare", *task)
            except MeasurementError as error:
                if side is self.now:
                    raise
                print(f"not measured before: {error}", file=sys.stderr)
        return results
