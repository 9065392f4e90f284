"""The circuits add and multiply, and what is concluded from their changes holds."""

import numpy as np
import pytest

from benchmarks.experiments.multiplier_changes import Circuit, changes, product_of, settle, sum_of
from dataflows.hardware.components import Action, Component, Kind
from simulator.energy.operation import aladdin
from simulator.energy.technology import Technology


def value(levels, lines, pair):
    return sum(int(levels[line, pair]) << place for place, line in enumerate(lines) if line is not None)


@pytest.mark.parametrize("bits", [1, 2, 5, 16])
@pytest.mark.parametrize("operation", ["add", "multiply"])
def test_circuits_compute_what_they_are_called(operation, bits):
    circuit = Circuit()
    one, other = circuit.inputs(bits), circuit.inputs(bits)
    out = sum_of(circuit, list(one), list(other)) if operation == "add" else product_of(circuit, one, other)
    inputs = np.random.default_rng(1).random((2 * bits, 50)) < 0.5
    levels, _ = settle(circuit, np.zeros((len(circuit.gates), 50), bool), inputs)
    for pair in range(50):
        operands = value(levels, one, pair), value(levels, other, pair)
        expected = sum(operands) % (1 << bits) if operation == "add" else operands[0] * operands[1]
        assert value(levels, out, pair) == expected


def test_what_settles_counts_every_change_on_the_way():
    # One XOR of an input and the AND of both: from 0, 1 to 1, 1 its output rises at once and falls a delay later.
    circuit = Circuit()
    one, other = circuit.inputs(2)
    circuit.gate(3, one, circuit.gate(1, one, other))
    before, _ = settle(circuit, np.zeros((4, 1), bool), np.array([[False], [True]]))
    after, counted = settle(circuit, before, np.array([[True], [True]]))
    assert after[:, 0].tolist() == [True, True, True, False]
    assert counted == 3


def test_the_width_of_a_multiplier_goes_in_by_about_its_square():
    assert np.log2(changes("multiply", 16, 100) / changes("multiply", 8, 100)) == pytest.approx(2.3, abs=0.15)
    assert np.log2(changes("multiply", 32, 100) / changes("multiply", 16, 100)) == pytest.approx(2.1, abs=0.1)


def test_the_price_of_a_multiplication_lies_between_those_of_its_gates_at_two_clocks():
    ratio = changes("multiply", 16) / changes("add", 32)
    fast, slow = (ratio * aladdin("adder int", clock).pj.value for clock in (1.0, 2.0))
    part = Component("multipliers", Kind.MULTIPLIER, 1, 16)
    assert slow < Technology(40, 10**9).action_pj(part, Action.MULTIPLY).value < fast
