"""What a shell completes, and that it does so without loading what it names."""

import os
import subprocess
import sys

import pytest

from dataflows.names import machine_names
from dataflows.registry import machines
from simulator.commands.names import workload_names
from workloads.catalog import SHIPPED
from workloads.network import network_names


def completed(words: str) -> list[str]:
    """What click answers bash for the last word of a command line."""
    given = os.environ | {
        "_PRUNESIM_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    code = "from simulator.commands.main import cli; cli(prog_name='prunesim')"
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=True)
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_names_are_all_that_can_be_named():
    own = [name for name, chosen in machines().items() if chosen.__module__.startswith("dataflows.machines.")]
    assert machine_names() == sorted(own)
    assert workload_names() == sorted({*SHIPPED, *network_names()})


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("prunesim exp", ["explain"]),
        ("prunesim run blazeface --on cam", ["cambricon-x"]),
        ("prunesim compare blazeface --on scnn,dcnn-,dcnn-o", ["scnn,dcnn-,dcnn-opt"]),
        ("prunesim compare blazeface --on a", ["abm", "all"]),
        ("prunesim run vgg16@s", ["vgg16@scnn"]),
        ("prunesim config ei", ["eie"]),
        ("prunesim sweep squeeze", ["squeezenet1.0", "squeezenet1.1"]),
    ],
)
def test_a_shell_completes_commands_machines_and_workloads(words, found):
    assert completed(words) == found


def test_completing_loads_neither_numba_nor_numpy():
    code = (
        "import sys; from simulator.commands import compare; "
        "print([item.value for item in compare.names.machines(None, None, 'scnn,')][:1], 'numba' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['scnn,abm'] False False\n"
