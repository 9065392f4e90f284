"""Memory of whole commands on the networks with the largest layers: twice the largest trace, and 200 MB."""

import os

import pytest

from benchmarks.speed.memory import ROOM_BYTES, TRACES, peak_bytes
from benchmarks.speed.sides import Side
from tests.project import ROOT
from workloads.catalog import load_workload


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "wait4"), reason="the memory of a process is not told here")
@pytest.mark.parametrize("name", ["vgg16", "vgg16@deep-compression"])
@pytest.mark.parametrize("command", ["run --on scnn", "inspect"])
def test_a_command_takes_no_more_than_two_traces_beside_the_program(name, command):
    trace_bytes = max(layer.weight_count + layer.input_count for layer in load_workload(name).layers)
    verb, *options = command.split()
    here = Side("now", ROOT)
    peak_bytes(here, [verb, name, *options])  # what compiling kernels takes does not count
    assert peak_bytes(here, [verb, name, *options]) < TRACES * trace_bytes + ROOM_BYTES
