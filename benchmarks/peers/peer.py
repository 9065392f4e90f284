"""What every comparison with another simulator needs: finding it, timing its command and ours, one line of a table."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAD = ("work", "ours, s", "theirs, s", "theirs / ours", "compared", "ours", "theirs", "difference")


@dataclass(frozen=True)
class Comparison:
    """The same work on both sides: seconds, and a number that both say."""

    work: str
    our_seconds: float
    their_seconds: float
    compared: str
    ours: int
    theirs: int

    def row(self) -> tuple[str, ...]:
        """As cells under `HEAD`."""
        return (
            self.work, f"{self.our_seconds:.3f}", f"{self.their_seconds:.3f}",
            f"{self.their_seconds / self.our_seconds:.1f}", self.compared, f"{self.ours:,}", f"{self.theirs:,}",
            f"{self.theirs / self.ours - 1:+.2%}",
        )  # fmt: skip


@dataclass(frozen=True)
class Peer:
    """Another simulator.

    published  where it can be had
    variable   of the environment, which says the command that runs it
    default    that command where the variable says nothing
    needs      a module that the command, a Python, must find; None: the command is the simulator itself
    work       what both sides do, and what is timed
    measure    compares, given the command
    """

    name: str
    published: str
    variable: str
    default: str
    needs: str | None
    work: str
    measure: Callable[[str], Iterator[Comparison]]

    def command(self) -> str | None:
        """The program that runs it; None where there is none."""
        found = shutil.which(os.environ.get(self.variable) or self.default)
        if found is None or (self.needs and not _finds(found, self.needs)):
            return None
        # Runs happen in folders of their own.
        return str(Path(found).absolute())

    def missing(self) -> str:
        """What a person must do to measure it."""
        what = f"a Python that has the module '{self.needs}'" if self.needs else f"its program '{self.default}'"
        said = os.environ.get(self.variable)
        why = f"{self.variable} = '{said}' is none" if said else f"{self.variable} may name it"
        return f"{self.name}: not measured: {what} is needed, and {why}. Published at {self.published}"


def _finds(python: str, module: str) -> bool:
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return subprocess.run([python, "-c", code], check=False, capture_output=True).returncode == 0


def timed(arguments: Sequence[str], folder: Path, *, ours: bool = False) -> float:
    """Seconds of a command in a folder. Raises `RuntimeError` with the end of what it says where it fails."""
    paths = {"PYTHONPATH": str(ROOT)} if ours else {}
    environment = {key: value for key, value in os.environ.items() if ours or key != "PYTHONPATH"} | paths
    start = time.perf_counter()
    done = subprocess.run(arguments, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(arguments)} ended with {done.returncode}: {(done.stderr or done.stdout)[-2000:]}"
        )
    return seconds


def our_command(*arguments: str) -> list[str]:
    """Our own command line."""
    return [sys.executable, "-m", "simulator", *arguments]
