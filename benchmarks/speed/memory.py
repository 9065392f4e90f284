"""Peak memory of a run, in a process of its own, against twice the largest layer's trace and 200 MB."""

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.speed.figures import Figure
from benchmarks.speed.sides import Measured, MeasurementError, Side, Sides
from workloads.catalog import available_workloads

ROOM_BYTES = 200_000_000
TRACES = 2


def memory(sides: Sides) -> Iterator[Figure]:
    """Every built-in network on SCNN, or on the first machine that runs it where SCNN does not."""
    machines = ["scnn", *sides.now.ask("prepare", "names")]
    for entry in available_workloads():
        network = entry.name
        machine = next(one for one in machines if runs_all(sides, network, entry.layers, one))
        sides.status(f"{network} {machine}")
        trace = sides.now.ask("prepare", "trace_bytes", network)
        peaks = {side.name: peak_bytes(side, ["run", network, "--on", machine]) for side in sides.all}
        measured = Measured(peaks[sides.now.name], peaks[sides.before.name] if sides.before else None)
        yield Figure(
            f"{network} {machine}", measured, TRACES * trace + ROOM_BYTES, f"largest trace {trace / 1e6:.0f} MB"
        )


def runs_all(sides: Sides, network: str, layers: int, machine: str) -> bool:
    """Whether a machine takes every layer of a network."""
    return len(sides.now.ask("prepare", "network_able", network, machine)) == layers


# Linux counts what a process was before it became a command as well. Between this process, which may be large, and the
# command stands one that is small: it starts the command, and says what the command took at its most.
_STARTER = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
print(used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""


def peak_bytes(side: Side, arguments: list[str]) -> int:
    """The largest resident size of a command. Raises `MeasurementError` where it fails."""
    command = [sys.executable, "-c", _STARTER, sys.executable, "-m", "simulator", *arguments]
    done = subprocess.run(
        command, env=side.environment, cwd=side.checkout, capture_output=True, text=True, check=False
    )  # fmt: skip
    if done.returncode:
        raise MeasurementError(f"{side.name} ({side.checkout}): {' '.join(arguments)}: {done.stderr}")
    return int(done.stdout) * 1024  # Linux tells kilobytes
