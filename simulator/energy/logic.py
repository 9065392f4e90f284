"""Arithmetic, registers, switches and wires: energy, leakage and area by kind and width, from synthesis results.

One table serves all machines, and none is fitted to any of them. What is priced at the node of Aladdin's table is
brought to the machine's by `simulator.energy.node`; wires go with the sides of areas and with the supply.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dataflows.hardware.components import Component, Kind
from simulator.energy import register_files
from simulator.energy.node import area_factor, energy_factor
from simulator.energy.operation import TABLE_BITS, TABLE_NM, Operation, aladdin, by_width, with_horowitz
from simulator.energy.price import Price
from simulator.energy.register_files import Built
from simulator.energy.switches import crossbar, selector, wire_pj


@dataclass(frozen=True, slots=True)
class LogicCost:
    """One component at the machine's node: pJ of an action, mW that leak, mm2."""

    pj: Price
    leakage_mw: float
    area_mm2: Price


def logic_cost(component: Component, node_nm: float, clock_hz: int, volts: float | None = None) -> LogicCost:
    """What one action of a component costs, one of `count`; storage in registers: see `file_cost`."""
    return _at_node(_COSTS[component.kind](component, 1e9 / clock_hz), node_nm, volts)


def file_cost(
    component: Component, node_nm: float, clock_hz: int, built: Built, volts: float | None = None
) -> LogicCost:
    """A storage of latches or flip-flops: a read, and leakage and area of all banks of one component."""
    bank = register_files.register_bank(component, 1e9 / clock_hz, built)
    one = _at_node(bank, node_nm, volts)
    return LogicCost(one.pj, one.leakage_mw * component.banks, one.area_mm2.times(component.banks))


def write_pj(component: Component, node_nm: float, clock_hz: int, built: Built, volts: float | None = None) -> Price:
    """A word written into a storage of latches or flip-flops."""
    return _at_node(register_files.write(component, 1e9 / clock_hz, built), node_nm, volts).pj


def _at_node(operation: Operation, node_nm: float, volts: float | None) -> LogicCost:
    energy, area = energy_factor(TABLE_NM, node_nm, volts), area_factor(TABLE_NM, node_nm)
    wires = wire_pj(operation.wire_bit_mm * math.sqrt(area), node_nm, volts)
    return LogicCost(operation.pj.times(energy) + wires, operation.leakage_mw * area, operation.area_mm2.times(area))


def _multiplier(component: Component, period_ns: float) -> Operation:
    # Partial products, and with them gates and energy, grow with the square of the width; counted gate by gate, with
    # the changes that a result does not keep, by the power of 2.1 (`benchmarks.experiments.multiplier_changes`).
    share = (component.bits / TABLE_BITS) ** 2
    return with_horowitz(aladdin("multiplier int", period_ns).scaled(share, share), "int mult", component.bits)


def _adder(component: Component, period_ns: float) -> Operation:
    return with_horowitz(by_width(aladdin("adder int", period_ns), component.bits), "int add", component.bits)


def _selector(component: Component, period_ns: float) -> Operation:
    return selector(component.inputs, component.bits, period_ns)


def _crossbar(component: Component, period_ns: float) -> Operation:
    return crossbar(component.inputs, component.outputs, component.bits, period_ns)


def _bus(component: Component, period_ns: float) -> Operation:
    """A delivery ends in the receiver's register; the wires to it are `Technology`'s, which knows the machine."""
    return aladdin("register", period_ns).scaled(component.bits, component.bits * component.outputs)


def _comparator(component: Component, period_ns: float) -> Operation:
    return by_width(aladdin("comparator", period_ns), component.bits)


def _counter(component: Component, period_ns: float) -> Operation:
    return by_width(aladdin("counter", period_ns), component.bits)


def _shifter(component: Component, period_ns: float) -> Operation:
    # A barrel shifter has log2(bits) levels of one multiplexer a bit.
    share = component.bits * math.log2(max(component.bits, 2)) / (TABLE_BITS * math.log2(TABLE_BITS))
    return aladdin("shifter", period_ns).scaled(share, share)


_COSTS = {
    Kind.MULTIPLIER: _multiplier,
    Kind.ADDER: _adder,
    Kind.SELECTOR: _selector,
    Kind.CROSSBAR: _crossbar,
    Kind.BUS: _bus,
    Kind.COMPARATOR: _comparator,
    Kind.COUNTER: _counter,
    Kind.SHIFTER: _shifter,
}
