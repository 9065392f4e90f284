"""Arithmetic, registers and wires: energy, leakage and area by kind and width, from synthesis results.

Source: `tables/operations.csv`. The values are those of the Aladdin plug-in of Accelergy (MIT licence; synthesized at
40 nm, several clocks); the band's other end are Horowitz's ("Computing's energy problem", ISSCC 2014; 45 nm) where he
has one. One table serves all machines, and none is fitted to any of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from dataflows.hardware.components import Component, Kind
from simulator.energy.node import area_factor, energy_factor
from simulator.energy.price import Price
from simulator.energy.rows import table_rows

_ALADDIN_NM = 40.0
_HOROWITZ_NM = 45.0
_TABLE_BITS = 32
_HOROWITZ_BITS = 32
_GATES_OF_MULTIPLEXER = 3  # two ANDs and an OR a bit, two words to one
_LARGEST_REGISTER_FILE_BYTES = 128  # beyond, a memory of cells is smaller and cheaper (half of CACTI's smallest)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a table: pJ, mW that leak, mm2."""

    pj: Price
    leakage_mw: float
    area_mm2: float

    def scaled(self, energy: float, area: float) -> Operation:
        """Another width: energy and leakage, and area, by a factor each."""
        return Operation(self.pj.times(energy), self.leakage_mw * area, self.area_mm2 * area)


def logic_cost(component: Component, node_nm: float, clock_hz: int, volts: float | None = None) -> Operation:
    """What one action of a component costs, one of `count`; storage in registers: a read, see `write_pj`."""
    at_table = _COSTS[component.kind](component, 1e9 / clock_hz)
    energy, area = energy_factor(_ALADDIN_NM, node_nm, volts), area_factor(_ALADDIN_NM, node_nm)
    return Operation(at_table.pj.times(energy), at_table.leakage_mw * area, at_table.area_mm2 * area)


def is_register_file(component: Component) -> bool:
    """Whether a storage is made of registers rather than of memory cells."""
    return component.kind is Kind.REGISTERS and component.bank_bytes <= _LARGEST_REGISTER_FILE_BYTES


def write_pj(component: Component, node_nm: float, clock_hz: int, volts: float | None = None) -> Price:
    """A word written into registers: its bits' flip-flops, whichever word it is."""
    one = _aladdin("register", 1e9 / clock_hz).pj.times(component.bits)
    return one.times(energy_factor(_ALADDIN_NM, node_nm, volts))


def _multiplier(component: Component, period_ns: float) -> Operation:
    # Partial products, and with them gates and energy, grow with the square of the width: 8.63 pJ of 32 bits make
    # 2.16 of 16, where another synthesis at 45 nm has 2.20 with an adder.
    return _aladdin("multiplier int", period_ns, "int mult").scaled(*[(component.bits / _TABLE_BITS) ** 2] * 2)


def _adder(component: Component, period_ns: float) -> Operation:
    return _by_width(_aladdin("adder int", period_ns, "int add"), component.bits)


def _registers(component: Component, period_ns: float) -> Operation:
    """Reading one of `words`: a tree of multiplexers over the registers' outputs."""
    register, select = _aladdin("register", period_ns), _multiplexers(component.bank_words, component.bits, period_ns)
    area = register.scaled(1, component.bits * component.words)
    return Operation(
        register.pj.times(component.bits) + select.pj,
        area.leakage_mw + component.banks * select.leakage_mw,
        area.area_mm2 + component.banks * select.area_mm2,
    )


def _multiplexers(inputs: int, bits: int, period_ns: float) -> Operation:
    """One of `inputs` words: a word passes log2 of them levels of multiplexers, of which there are inputs - 1."""
    gate = _by_width(_aladdin("bitwise", period_ns), bits)
    levels = math.ceil(math.log2(inputs)) if inputs > 1 else 0
    # Example: one of 16 words passes 4 levels of 3 gates a bit: 0.0018 pJ a bit and level, with the register's 0.009
    # together 0.016, which is what another synthesis has for 16 words of 8 bits (0.130 pJ).
    return gate.scaled(_GATES_OF_MULTIPLEXER * levels, _GATES_OF_MULTIPLEXER * (inputs - 1))


def _selector(component: Component, period_ns: float) -> Operation:
    return _multiplexers(component.inputs, component.bits, period_ns)


def _crossbar(component: Component, period_ns: float) -> Operation:
    """A word's way through: the table's one-to-four switch drives four outputs, here `outputs`; one at every input."""
    one = _by_width(_aladdin("crossbar 1-to-4", period_ns), component.bits)
    return one.scaled(component.outputs / 4, component.inputs * component.outputs / 4)


def _bus(component: Component, period_ns: float) -> Operation:
    """A delivery ends in the receiver's register; wires are not priced (no length is known)."""
    return _aladdin("register", period_ns).scaled(component.bits, component.bits * component.outputs)


def _comparator(component: Component, period_ns: float) -> Operation:
    return _by_width(_aladdin("comparator", period_ns), component.bits)


def _counter(component: Component, period_ns: float) -> Operation:
    return _by_width(_aladdin("counter", period_ns), component.bits)


def _shifter(component: Component, period_ns: float) -> Operation:
    # A barrel shifter has log2(bits) levels of one multiplexer a bit.
    share = component.bits * math.log2(max(component.bits, 2)) / (_TABLE_BITS * math.log2(_TABLE_BITS))
    return _aladdin("shifter", period_ns).scaled(share, share)


def _by_width(operation: Operation, bits: int) -> Operation:
    return operation.scaled(bits / _TABLE_BITS, bits / _TABLE_BITS)


_COSTS = {
    Kind.MULTIPLIER: _multiplier,
    Kind.ADDER: _adder,
    Kind.REGISTERS: _registers,
    Kind.SELECTOR: _selector,
    Kind.CROSSBAR: _crossbar,
    Kind.BUS: _bus,
    Kind.COMPARATOR: _comparator,
    Kind.COUNTER: _counter,
    Kind.SHIFTER: _shifter,
}


@cache
def _aladdin(name: str, period_ns: float, other: str | None = None) -> Operation:
    """A row of the table: synthesized for the slowest clock that is no slower than the machine's, else the fastest.

    `other` names Horowitz's row of 32 bits, the other end of the band.
    """
    rows = sorted((row for row in table_rows("operations") if row["component"] == name), key=_clock)
    row = next((row for row in reversed(rows) if _clock(row) <= period_ns), rows[0])
    energies = [float(row["energy_pJ"]) for row in rows]
    if other is not None:
        found = next(
            r for r in table_rows("operations") if r["component"] == other and int(r["bits"]) == _HOROWITZ_BITS
        )
        energies.append(float(found["energy_pJ"]) * energy_factor(_HOROWITZ_NM, _ALADDIN_NM))
    return Operation(
        Price.among(float(row["energy_pJ"]), *energies), _leakage_mw(row, period_ns), float(row["area_um2"]) / 1e6
    )


def _clock(row: dict[str, str]) -> float:
    return float(row["clock_ns"])


def _leakage_mw(row: dict[str, str], period_ns: float) -> float:
    """From "leak 0.05 mW", or from "idle 2.5e-5 pJ" a cycle."""
    kind, figure = row["leak_mW_or_idle_pJ"].split()[:2]
    # A pJ a ns is a mW.
    return float(figure) if kind == "leak" else float(figure) / period_ns
