"""Machines by name: only the one asked for is loaded; one that a session defines is found like any other."""

import subprocess
import sys

import pytest

from dataflows.registry import machine, machines
from workloads.errors import InputError

MINE = """
from dataflows.accelerator import Accelerator
from dataflows.machines.ideal import Ideal
from dataflows.registry import create, machine, machines

def define(called):
    class Mine(Ideal):
        name = called
    return Mine
"""


def session(statements):
    done = subprocess.run([sys.executable, "-c", MINE + statements], capture_output=True, text=True, check=False)
    return done.stdout.splitlines() or done.stderr.splitlines()[-1:]


@pytest.mark.parametrize("name", machines())
def test_a_machine_is_found_by_its_name(name):
    assert machine(name) is machines()[name]
    assert machine(name).name == name


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(InputError) as error:
        machine("scn")
    assert str(error.value) == "unknown accelerator 'scn': did you mean 'scnn'?"


@pytest.mark.parametrize("before", ["", "machines()"])
def test_a_machine_of_a_session_is_found(before):
    assert session(f"{before}\nmine = define('mine')\nprint(machine('mine') is mine, create('mine').name)") == [
        "True mine"
    ]


@pytest.mark.parametrize("before", ["", "machine('dcnn')"])
def test_the_name_of_another_machine_cannot_be_taken(before):
    assert session(f"{before}\ndefine('dcnn')\nmachine('dcnn')") == ["TypeError: two machines are called 'dcnn'"]
