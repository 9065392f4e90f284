"""Kernels compiled ahead of their first call, by processes of their own, while a first run goes on.

numba compiles one kernel at a time in a process, and all of a machine's take seconds. Which will be called is known
from earlier runs: `first_kernels.txt` lists what `examples/tiny.toml` calls on every machine, the largest first,
because the last one to begin must not be the one that takes longest (`python -m benchmarks.first_kernels` writes it
anew). What is missing there, or no longer called, costs time and nothing else. `dataflows.kernels.turns` keeps the run
and the processes from compiling the same kernel twice. They end with the run that started them. The event loop comes
last: simpy plays in its place until it is there.

python -m dataflows.kernels.ahead compiles the whole list, so that no first run has to.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from dataflows.kernels.arguments import elements_of_name
from dataflows.kernels.threads import thread_count

_LIST = Path(__file__).with_name("first_kernels.txt")
_MOST_PROCESSES = 3  # more have nothing left to do: the largest kernel takes a third of all the time
_FEWEST_KERNELS = 3  # that are worth a process, which takes half a second to begin
_RUN = "from dataflows.kernels.ahead import compile_listed; compile_listed()"
_started: list[subprocess.Popen[str]] = []


def start(already: str) -> None:
    """Compile what is likely to be called next; `already` is the line of what the caller compiles itself.

    Only once in a process, and not in the workers of a sweep, which share their kernels out by taking turns.
    """
    processes = min(_MOST_PROCESSES, thread_count() - 1)
    if _started or processes < 1 or not sys.executable or multiprocessing.parent_process():
        return
    # Of machines that are not simulated no module is loaded.
    lines = [line for line in listed() if line.partition(":")[0] in sys.modules and line != already]
    processes = min(processes, len(lines) // _FEWEST_KERNELS)
    for first in range(processes):
        with suppress(OSError):  # no more processes: the run compiles all by itself
            _started.append(_process(lines[first::processes]))


def compile_all() -> None:
    """Compile the whole list, in as many processes as `thread_count` says, and wait for them."""
    processes = thread_count()
    started = [_process(listed()[first::processes]) for first in range(processes)]
    for process in started:
        process.wait()


def listed() -> list[str]:
    """Lines of the list: module, function and kind of arguments."""
    return _LIST.read_text(encoding="utf-8").splitlines()


def line_of(function: Any, kind: str) -> str:
    """How the list names a kernel."""
    return f"{function.__module__}:{function.__qualname__}({kind})"


def _process(lines: list[str]) -> subprocess.Popen[str]:
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(  # noqa: S603 (this very Python)
        [sys.executable, "-P", "-c", _RUN],  # it imports what this process would, and nothing from the current folder
        stdin=subprocess.PIPE,
        stdout=quiet,
        stderr=quiet,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
            "PRUNESIM_THREADS": "1",
        },
    )
    assert process.stdin  # noqa: S101 (asked for above)
    # The pipe stays open until this process ends, however it ends, and the other one with it.
    process.stdin.write(json.dumps(lines) + "\n")
    process.stdin.flush()
    return process


def compile_listed() -> None:
    """What such a process does."""
    lines = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    # numba imports all of scipy to see whether it is there; without it only linear algebra is missing.
    sys.modules["scipy"] = None  # type: ignore[assignment]
    for line in lines:
        with suppress(Exception):  # the run itself will say what is wrong, if it comes to call this
            module, _, call = line.partition(":")
            name, _, kinds = call[:-1].partition("(")
            getattr(import_module(module), name).prepare(*(sample(kind) for kind in split(kinds)))


def _end_with_the_run() -> None:
    sys.stdin.read()
    os._exit(0)  # from another thread, and whatever is being compiled


def sample(kind: str) -> Any:
    """An argument that is described by such words (`dataflows.kernels.arguments`)."""
    if kind == "none":
        return None
    if kind.endswith(")"):
        name, _, members = kind[:-1].partition("(")
        values = [sample(one) for one in split(members)]
        module, _, attribute = name.rpartition(".")
        return getattr(import_module(module), attribute)(*values) if name else tuple(values)
    dtype, _, form = kind.partition("[")
    if not form:
        return np.dtype(kind).type(0)
    axes, layout = int(form[0]), form[1]
    array = np.zeros((4,) * axes, elements_of_name(dtype), order="F" if layout == "F" else "C")
    array = array[(slice(None, None, 2),) * axes] if layout == "A" else array
    array.flags.writeable = not form.endswith("read-only]")
    return array


def split(kinds: str) -> list[str]:
    """Words of several arguments, taken apart at the commas that stand in no brackets."""
    parts, depth = [""], 0
    for letter in kinds:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


if __name__ == "__main__":
    compile_all()
