"""The compiled event loop against simpy's on networks and on inputs in a row."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.network_layers import NetworkLayer
from tests.simulator.engine.compiled.equal import both_networks
from tests.simulator.engine.networks import GHZ
from tests.simulator.engine.random_networks import networks
from tests.simulator.engine.test_network_twin import Machine, machines

one_input = st.lists(networks(least=1, most=5), min_size=1, max_size=1)
inputs_in_a_row = st.lists(networks(least=1, most=3), min_size=1, max_size=3)


# Maps that are added may lie in DRAM from before the run, so that no layer makes them.
made_before = st.lists(st.booleans(), min_size=5, max_size=5)


def with_maps_made_before(layers: list[NetworkLayer], made: list[bool]) -> list[NetworkLayer]:
    """The same layers, some of which add what nobody here makes."""
    return [replace(layer, operands=()) if before else layer for layer, before in zip(layers, made, strict=False)]


def assert_equal(inputs: list[list[NetworkLayer]], machine: Machine) -> None:
    """Both loops have one outcome."""
    settings_of = machine.overlap, machine.write_back, machine.port_bytes
    compiled, events = both_networks(inputs, machine.memory, GHZ, *settings_of)
    assert compiled == events


@given(one_input, machines)
def test_equal_on_random_networks(inputs: list[list[NetworkLayer]], machine: Machine) -> None:
    assert_equal(inputs, machine)


@given(networks(least=1, most=5), made_before, machines)
def test_equal_where_maps_lie_in_dram(layers: list[NetworkLayer], made: list[bool], machine: Machine) -> None:
    assert_equal([with_maps_made_before(layers, made)], machine)


@given(inputs_in_a_row, machines)
def test_equal_on_inputs_in_a_row(inputs: list[list[NetworkLayer]], machine: Machine) -> None:
    assert_equal(inputs, machine)


@pytest.mark.slow
@settings(max_examples=1500)
@given(st.one_of(one_input, inputs_in_a_row), machines)
def test_equal_on_many_random_networks(inputs: list[list[NetworkLayer]], machine: Machine) -> None:
    assert_equal(inputs, machine)
