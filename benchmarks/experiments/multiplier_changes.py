"""How much more than an adder does a multiplier take? Changes of its gates' outputs, counted one gate delay at a time.

    python -m benchmarks.experiments.multiplier_changes

An adder with parallel prefixes (Sklansky) and a multiplier (AND gates, carry-save tree after Wallace, such an adder)
are built of AND, OR and XOR gates that all take one delay. From one pair of random operands to the next all changes
count, those that the result does not keep included. Prints, by width, changes an operation; their ratio to those of an
addition of 32 bits; and that ratio times what the table of prices has for such an addition. The multiplier's own rows
stand beside it. This is a check on prices whose sources are four times apart, not itself a price.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from benchmarks.markdown import print_table
from simulator.energy.operation import TABLE_BITS, aladdin
from simulator.energy.rows import table_rows

WIDTHS = (8, 16, 32)
PAIRS = 300
AND, OR, XOR = 1, 2, 3

Line = int | None  # a gate; None: always 0


@dataclass
class Circuit:
    """Gates of two inputs in the order in which they are built; an input of the circuit is a gate of kind 0."""

    gates: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])

    def inputs(self, bits: int) -> list[int]:
        """New inputs."""
        self.gates += [(0, 0, 0)] * bits
        return list(range(len(self.gates) - bits, len(self.gates)))

    def gate(self, kind: int, one: Line, other: Line) -> Line:
        """A gate's output; where an input is always 0 there is none."""
        if one is None or other is None:
            return None if kind == AND else one if other is None else other
        self.gates.append((kind, one, other))
        return len(self.gates) - 1

    def add(self, one: Line, other: Line, carry: Line) -> tuple[Line, Line]:
        """Sum and carry of three bits."""
        half = self.gate(XOR, one, other)
        both, through = self.gate(AND, one, other), self.gate(AND, half, carry)
        return self.gate(XOR, half, carry), self.gate(OR, both, through)


def sum_of(circuit: Circuit, one: list[Line], other: list[Line]) -> list[Line]:
    """An adder: carries by Sklansky's tree of prefixes."""
    halves = [circuit.gate(XOR, *pair) for pair in zip(one, other, strict=True)]
    carries = [circuit.gate(AND, *pair) for pair in zip(one, other, strict=True)]
    spans, step = list(halves), 1
    while step < len(one):
        before = list(zip(carries, spans, strict=True))
        for place in (place for place in range(len(one)) if place // step % 2):
            carry, span = before[place // step * step - 1]
            carries[place] = circuit.gate(OR, before[place][0], circuit.gate(AND, before[place][1], carry))
            spans[place] = circuit.gate(AND, before[place][1], span)
        step *= 2
    return [halves[0], *(circuit.gate(XOR, half, carry) for half, carry in zip(halves[1:], carries, strict=False))]


def product_of(circuit: Circuit, one: list[int], other: list[int]) -> list[Line]:
    """A multiplier: rows of ANDs, three lines of a column to two until no column has more, and an adder."""
    columns: list[list[Line]] = [[] for _ in range(2 * len(one))]
    for place, bit in enumerate(one):
        for shift, by in enumerate(other):
            columns[place + shift].append(circuit.gate(AND, bit, by))
    while max(map(len, columns)) > 2:
        lower: list[list[Line]] = [[] for _ in range(len(columns) + 1)]
        for place, column in enumerate(columns):
            whole = len(column) // 3 * 3
            for first in range(0, whole, 3):
                bit, carry = circuit.add(*column[first : first + 3])
                lower[place].append(bit)
                lower[place + 1].append(carry)
            lower[place] += column[whole:]
        columns = lower[: len(columns)]  # the product has no more bits: what would be carried on is always 0
    rows = [[column[row] if row < len(column) else None for column in columns] for row in (0, 1)]
    return sum_of(circuit, *rows)


def settle(circuit: Circuit, levels: np.ndarray, inputs: np.ndarray) -> tuple[np.ndarray, int]:
    """Levels after new inputs, bool (gates, pairs), and how many outputs changed until nothing did."""
    kinds, ones, others = np.array(circuit.gates).T
    places = {kind: np.flatnonzero(kinds == kind) for kind in (AND, OR, XOR)}
    logic = {AND: np.logical_and, OR: np.logical_or, XOR: np.logical_xor}
    levels, changes = levels.copy(), 0
    levels[: len(inputs)] = inputs
    while True:
        after = levels.copy()
        for kind, at in places.items():
            after[at] = logic[kind](levels[ones[at]], levels[others[at]])
        changed = int(np.count_nonzero(after != levels))
        if not changed:
            return levels, changes
        levels, changes = after, changes + changed


def changes(operation: str, bits: int, pairs: int = PAIRS) -> float:
    """Changes of gates' outputs in a mean "add" or "multiply" of random operands, seed 0."""
    circuit = Circuit()
    one, other = circuit.inputs(bits), circuit.inputs(bits)
    _ = sum_of(circuit, list(one), list(other)) if operation == "add" else product_of(circuit, one, other)
    random = np.random.default_rng(0)
    first, second = (random.random((2 * bits, pairs)) < 0.5 for _ in range(2))
    before, _ = settle(circuit, np.zeros((len(circuit.gates), pairs), bool), first)
    return settle(circuit, before, second)[1] / pairs


def rows() -> list[tuple[str, ...]]:
    """By width: changes, their ratio to an addition's of 32 bits, and prices for clocks of 1 and 2 ns."""
    adding = changes("add", TABLE_BITS)
    found: list[tuple[str, ...]] = [
        ("bits", "changes", "over an addition of 32", "pJ so at 1 ns", "at 2 ns", "Aladdin's row", "Horowitz's, 45 nm")
    ]
    horowitz = {row["bits"]: row["energy_pJ"] for row in table_rows("operations") if row["component"] == "int mult"}
    for bits in WIDTHS:
        counted = changes("multiply", bits)
        ratio = counted / adding
        by_adder = (f"{ratio * aladdin('adder int', clock).pj.value:.2f}" for clock in (1.0, 2.0))
        square = (bits / TABLE_BITS) ** 2
        own = " and ".join(f"{aladdin('multiplier int', clock).pj.value * square:.2f}" for clock in (1.0, 2.0))
        found.append((str(bits), f"{counted:.0f}", f"{ratio:.1f}", *by_adder, own, horowitz.get(str(bits), "-")))
    return found


if __name__ == "__main__":
    print_table("Multiplications by changes of gates, 40 nm", rows())
