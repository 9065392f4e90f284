"""The process in which a checkout of the project is timed: orders come as lines of JSON, and so do the answers.

    python worker.py CHECKOUT wall|cpu

What is measured comes from CHECKOUT; how it is measured comes from the checkout in which this file lies, so that two
checkouts are measured alike. Orders: ["prepare", task, ...], answered by the task's result after a run that does not
count (compilation, caches); ["time", task, ...], answered by seconds; ["forget"], which drops all tasks.
"""

import json
import os
import sys
import time
import traceback
from pathlib import Path
from types import ModuleType

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def lead(checkout: str) -> None:
    """Let imports of the project find the checkout, and those of `benchmarks` the folder of this file."""
    sys.path[0] = checkout  # where the interpreter put this file's folder
    package = ModuleType("benchmarks")
    package.__path__ = [str(Path(__file__).resolve().parents[1])]
    sys.modules["benchmarks"] = package


def serve(clock: str) -> None:
    """Answer orders until there are no more."""
    from benchmarks.speed.tasks import Tasks  # noqa: PLC0415 (the checkout leads only now)

    # The answers have a stream of their own, whatever is printed meanwhile.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    tasks = Tasks(CLOCKS[clock])
    for line in sys.stdin:
        order, *task = json.loads(line)
        try:
            answer = {"value": getattr(tasks, order)(*task)}
        except Exception:  # noqa: BLE001 (whatever a checkout does, who asked is told)
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    lead(sys.argv[1])
    serve(sys.argv[2])
