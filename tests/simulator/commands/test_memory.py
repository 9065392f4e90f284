"""Memory of whole commands on the networks with the largest layers: twice the largest trace, and 200 MiB."""

import os
import subprocess
import sys

import pytest

from tests.project import ROOT
from workloads.catalog import load_workload

_KILOBYTE = 1 << (0 if sys.platform == "darwin" else 10)  # the unit of getrusage's memory


def peak_bytes(*arguments: str) -> int:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "simulator", *arguments]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * _KILOBYTE


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "wait4"), reason="the memory of a process is not told here")
@pytest.mark.parametrize("name", ["vgg16", "vgg16@deep-compression"])
@pytest.mark.parametrize("command", ["run --on scnn", "inspect"])
def test_a_command_takes_no_more_than_two_traces_beside_the_program(name, command):
    trace_bytes = max(layer.weight_count + layer.input_count for layer in load_workload(name).layers)
    verb, *options = command.split()
    peak_bytes(verb, name, *options)  # what compiling kernels takes does not count
    assert peak_bytes(verb, name, *options) < 2 * trace_bytes + (200 << 20)
