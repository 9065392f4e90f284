"""Selectors, crossbars and wires: one of many words to one place, or to any of several.

A selector of I words is a tree of two-to-one multiplexers; a crossbar of I by O is O such trees. A word that passes
pays the levels of one tree; its line drives the first level of all O, which take their share of it or not; and it runs
through the switch, which is taken for a square of its own cells: along the whole side where it has to reach all
outputs, and half a side from where it is chosen to the edge. Arbitration and the select lines are not priced.

Sources: `tables/cells.csv` (sizes of cells and of their inputs' gates at 45 nm); energy of a level by Aladdin's gates;
wires by Keckler, Dally et al., "GPUs and the future of parallel computing", IEEE Micro 31(5),
2011, table 1: 240 fJ a transition, bit and mm at 40 nm and 0.9 V, 310 pJ for 256 random bits over 10 mm. Capacitance a
mm stays the same over the nodes (ibid.), so that only the supply counts. The band's lower end is a wire without
repeaters, 0.345 pF a mm (a 50 nm node; wire table of Accelergy's plug-in for interconnect), a quarter of C V^2 a bit.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

from simulator.energy.node import area_factor, energy_factor, supply
from simulator.energy.operation import TABLE_NM, Operation, aladdin, by_width
from simulator.energy.price import NOTHING, Price
from simulator.energy.rows import table_rows

_GATES_OF_MULTIPLEXER = 3  # two ANDs and an OR a bit, two words to one
_CELLS_NM = 45.0
_OXIDE_FF_PER_UM2 = 31.4  # silicon dioxide of 1.1 nm (assumption for 45 nm): 34.5 fF nm/um2 / 1.1 nm
_RANDOM = 0.25  # of C V^2: every second bit changes, and a change takes a half
_WIRE_V, _WIRE_PJ = 0.9, 310 / 256 / 10
_BARE_WIRE_PF = 0.345


def wire_pj(bit_mm: float, node_nm: float, volts: float | None = None) -> Price:
    """Random bits over a wire, pJ; bit_mm: bits times length."""
    supply_v = supply(node_nm) if volts is None else volts
    value, bare = _WIRE_PJ * (supply_v / _WIRE_V) ** 2, _RANDOM * _BARE_WIRE_PF * supply_v**2
    return Price.among(value, bare).times(bit_mm)


def cells(name: str, count: float) -> Operation:
    """So many cells of the library, which take room and leak: as much of their area as Aladdin's register."""
    register = aladdin("register", 1.0)
    area = Price.exact(_cell(name, "area_um2") * area_factor(_CELLS_NM, TABLE_NM) * count / 1e6)
    return Operation(NOTHING, register.leakage_mw * area.value / register.area_mm2.value, area)


def cell_share(name: str) -> float:
    """Area of a cell over that of the flip-flop of its library."""
    return _cell(name, "area_um2") / _cell("flip-flop", "area_um2")


def fan_out(inputs: int, bits: int, name: str) -> Operation:
    """What it takes to drive so many inputs of a cell with random bits."""
    femtojoules = _RANDOM * _cell(name, "input_gate_um2") * _OXIDE_FF_PER_UM2 * supply(_CELLS_NM) ** 2
    pj = femtojoules / 1000 * inputs * bits * energy_factor(_CELLS_NM, TABLE_NM)
    return Operation(Price.exact(pj), 0.0, NOTHING)


def multiplexers(inputs: int, bits: int, period_ns: float) -> Operation:
    """One of `inputs` words: a word passes log2 of them levels of multiplexers, of which there are inputs - 1."""
    gate = by_width(aladdin("bitwise", period_ns), bits)
    levels = math.ceil(math.log2(inputs)) if inputs > 1 else 0
    # Example: one of 16 words passes 4 levels of 3 gates a bit: 0.0018 pJ a bit and level, with the register's 0.009
    # together 0.016, which is what another synthesis has for 16 words of 8 bits (0.130 pJ). A gate of that table may be
    # an AND, an OR or an XOR, and is larger than a cell that is one of them: the area is the multiplexer cell's.
    room = cells("multiplexer", bits * (inputs - 1))
    return room + Operation(gate.pj.times(_GATES_OF_MULTIPLEXER * levels), 0.0, NOTHING)


def side_mm(operation: Operation) -> float:
    """The side of a square as large as an operation's cells, at the node of the table."""
    return math.sqrt(operation.area_mm2.value)


def with_wire(operation: Operation, bits: int, length_mm: float) -> Operation:
    """An operation whose bits run so far."""
    wire = Operation(NOTHING, 0.0, NOTHING, bits * length_mm)
    return operation + wire


def selector(inputs: int, bits: int, period_ns: float) -> Operation:
    """One of `inputs` words to one output."""
    tree = multiplexers(inputs, bits, period_ns)
    return with_wire(tree, bits, side_mm(tree) / 2)


def crossbar(inputs: int, outputs: int, bits: int, period_ns: float) -> Operation:
    """Any of `inputs` words to any of `outputs`, each output of which is a selector."""
    if outputs == 1:
        return selector(inputs, bits, period_ns)
    tree = multiplexers(inputs, bits, period_ns)
    trees = tree.scaled(1, outputs) + fan_out(outputs, bits, "multiplexer")
    switch = with_wire(trees, bits, 1.5 * side_mm(trees))
    # Aladdin's one-to-four switch, as often as there are four outputs, is the upper end: its energy is all that is
    # known of it, and one tree of multiplexers with four inputs does not explain it.
    other = by_width(aladdin("crossbar 1-to-4", period_ns), bits).pj.value * outputs / 4
    return replace(switch, pj=switch.pj._replace(high=max(switch.pj.high, other)))


@cache
def _cell(name: str, column: str) -> float:
    return next(float(row[column]) for row in table_rows("cells") if row["cell"] == name)
