"""`Technology`: what an action of a component costs, what it leaks and how large it is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from dataflows.hardware.components import Action, Component, Kind
from simulator.energy.logic import LogicCost, file_cost, logic_cost, write_pj
from simulator.energy.memories import CELLS, MemoryCost, memory_cost
from simulator.energy.price import NOTHING, Price
from simulator.energy.register_files import LARGEST_DOUBTFUL_BYTES, Built, built_of
from simulator.energy.switches import wire_pj

_STORAGE = (Kind.REGISTERS, Kind.SRAM, Kind.EDRAM)
# A gated 16-bit multiply and add takes 0.066 pJ where a working one takes 2.20 (`tables/operations.csv`, MAC int16).
_GATED_SHARE = 0.06595 / 2.20035
_SRAM_SPREAD = 0.2  # what one formula for all of CACTI's runs would miss single points by
_LOWER_POWER = "itrs-lop"


@dataclass(frozen=True)
class Technology:
    """A node, its supply and its memory cells, at a clock.

    node_nm       7 to 130
    clock_hz      decides for which clock arithmetic was synthesized
    volts         supply; None: the node's nominal one
    cell          of memories: low standby power, low operating power, high performance
    clock_gating  True: what does nothing in a cycle is not clocked. False: empty multiplier slots clock their operands
    floor_mm2     what the machine takes, over which the receivers of its buses lie (`housing`); 0: wires of no length
    """

    node_nm: float
    clock_hz: int
    volts: float | None = None
    cell: str = CELLS[0]
    clock_gating: bool = True
    floor_mm2: float = 0.0

    def housing(self, components: Iterable[Component]) -> Technology:
        """The same for a machine, whose size gives its buses their lengths."""
        areas = (self.area_mm2(component).value for component in components if component.kind is not Kind.BUS)
        return replace(self, floor_mm2=sum(areas))

    def action_pj(self, component: Component, action: Action) -> Price:
        """Energy of one action, pJ."""
        if component.kind in _STORAGE:
            return self._access_pj(component, action)
        working = self._logic(component).pj
        if component.kind is Kind.BUS:
            return working + self._way_pj(component)
        if action is Action.GATE or (action is Action.IDLE and self.clock_gating):
            return working.times(_GATED_SHARE)
        if action is Action.IDLE:
            # Its two operand registers are clocked (assumption).
            operands = Component("operands", Kind.REGISTERS, 1, 2 * component.bits)
            return write_pj(operands, self.node_nm, self.clock_hz, Built.FLIP_FLOPS, self.volts)
        return working

    def leakage_mw(self, component: Component) -> float:
        """What all of a component leak together, mW, whether they work or not."""
        if component.kind not in _STORAGE:
            return self._logic(component).leakage_mw * component.count
        built = built_of(component)
        if built is not Built.CELLS:
            return self._file(component, built).leakage_mw * component.count
        return self._bank(component).leakage_mw * component.banks * component.count

    def area_mm2(self, component: Component) -> Price:
        """The area of all of a component together, mm2."""
        if component.kind not in _STORAGE:
            return self._logic(component).area_mm2.times(component.count)
        built = built_of(component)
        return _among({kind: self._area(component, kind) for kind in _possible(component, built)}, built)

    def _area(self, component: Component, built: Built) -> Price:
        if built is not Built.CELLS:
            return self._file(component, built).area_mm2.times(component.count)
        return _spread(self._bank(component).area_mm2 * component.banks * component.count)

    def _access_pj(self, component: Component, action: Action) -> Price:
        built = built_of(component)
        return _among({kind: self._pj(component, action, kind) for kind in _possible(component, built)}, built)

    def _pj(self, component: Component, action: Action, built: Built) -> Price:
        if built is not Built.CELLS:
            if action is Action.WRITE:
                return write_pj(component, self.node_nm, self.clock_hz, built, self.volts)
            return self._file(component, built).pj
        values = [_accessed(self._bank(component, cell), action) for cell in dict.fromkeys((self.cell, _LOWER_POWER))]
        spread = _spread(values[0])
        return Price.among(values[0], spread.low, spread.high, *values[1:])

    def _way_pj(self, component: Component) -> Price:
        """A word's way to one receiver: those of a bus lie evenly over the machine, and a line passes one by one."""
        receivers = component.count * component.outputs
        if not self.floor_mm2:
            return NOTHING
        return wire_pj(component.bits * math.sqrt(self.floor_mm2 / receivers), self.node_nm, self.volts)

    def _logic(self, component: Component) -> LogicCost:
        return logic_cost(component, self.node_nm, self.clock_hz, self.volts)

    def _file(self, component: Component, built: Built) -> LogicCost:
        return file_cost(component, self.node_nm, self.clock_hz, built, self.volts)

    def _bank(self, component: Component, cell: str | None = None) -> MemoryCost:
        return memory_cost(component.bank_bytes, component.bits, self.node_nm, cell or self.cell, self.volts)


def _possible(component: Component, built: Built) -> tuple[Built, ...]:
    """What else a storage might be made of: registers of a few words to some hundred bytes."""
    doubtful = component.kind is Kind.REGISTERS and component.bank_words > 1
    if not doubtful or component.bank_bytes > LARGEST_DOUBTFUL_BYTES:
        return (built,)
    return tuple(Built)


def _among(prices: dict[Built, Price], built: Built) -> Price:
    """The price of what it is built of, in a band that holds all."""
    return Price.among(prices[built].value, *(end for price in prices.values() for end in (price.low, price.high)))


def _accessed(bank: MemoryCost, action: Action) -> float:
    return bank.write_pj if action is Action.WRITE else bank.read_pj


def _spread(value: float) -> Price:
    return Price(value, value * (1 - _SRAM_SPREAD), value * (1 + _SRAM_SPREAD))
