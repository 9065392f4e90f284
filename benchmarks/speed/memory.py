"""Peak memory of a run, in a process of its own, against twice the largest layer's trace and 200 MB."""

import os
import subprocess
import sys
import tempfile
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


def peak_bytes(side: Side, arguments: list[str]) -> int:
    """The largest resident size of a command. Raises `MeasurementError` where it fails."""
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "simulator", *arguments],
            env=side.environment, cwd=side.checkout, stdout=subprocess.DEVNULL, stderr=told,
        )  # fmt: skip
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            told.seek(0)
            words = f"{' '.join(arguments)}: {told.read().decode()}"
            raise MeasurementError(f"{side.name} ({side.checkout}): {words}")
    return used.ru_maxrss * 1024  # Linux tells kilobytes
