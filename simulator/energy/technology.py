"""`Technology`: what an action of a component costs, what it leaks and how large it is."""

from __future__ import annotations

from dataclasses import dataclass

from dataflows.hardware.components import Action, Component, Kind
from simulator.energy.logic import is_register_file, logic_cost, write_pj
from simulator.energy.memories import CELLS, MemoryCost, memory_cost
from simulator.energy.price import Price

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
    """

    node_nm: float
    clock_hz: int
    volts: float | None = None
    cell: str = CELLS[0]
    clock_gating: bool = True

    def action_pj(self, component: Component, action: Action) -> Price:
        """Energy of one action, pJ."""
        if component.kind in _STORAGE:
            return self._access_pj(component, action)
        working = logic_cost(component, self.node_nm, self.clock_hz, self.volts).pj
        if action is Action.GATE or (action is Action.IDLE and self.clock_gating):
            return working.times(_GATED_SHARE)
        if action is Action.IDLE:
            # Its two operand registers are clocked (assumption).
            operands = Component("operands", Kind.REGISTERS, 1, 2 * component.bits)
            return write_pj(operands, self.node_nm, self.clock_hz, self.volts)
        return working

    def leakage_mw(self, component: Component) -> float:
        """What all of a component leak together, mW, whether they work or not."""
        if self._is_memory(component):
            return self._bank(component).leakage_mw * component.banks * component.count
        return logic_cost(component, self.node_nm, self.clock_hz, self.volts).leakage_mw * component.count

    def area_mm2(self, component: Component) -> Price:
        """The area of all of a component together, mm2."""
        if self._is_memory(component):
            area = self._bank(component).area_mm2 * component.banks * component.count
            return _spread(area)
        return Price.exact(logic_cost(component, self.node_nm, self.clock_hz).area_mm2 * component.count)

    def _is_memory(self, component: Component) -> bool:
        return component.kind in _STORAGE and not is_register_file(component)

    def _access_pj(self, component: Component, action: Action) -> Price:
        if not self._is_memory(component):
            if action is Action.WRITE:
                return write_pj(component, self.node_nm, self.clock_hz, self.volts)
            return logic_cost(component, self.node_nm, self.clock_hz, self.volts).pj
        values = [_accessed(self._bank(component, cell), action) for cell in dict.fromkeys((self.cell, _LOWER_POWER))]
        spread = _spread(values[0])
        return Price.among(values[0], spread.low, spread.high, *values[1:])

    def _bank(self, component: Component, cell: str | None = None) -> MemoryCost:
        return memory_cost(component.bank_bytes, component.bits, self.node_nm, cell or self.cell, self.volts)


def _accessed(bank: MemoryCost, action: Action) -> float:
    return bank.write_pj if action is Action.WRITE else bank.read_pj


def _spread(value: float) -> Price:
    return Price(value, value * (1 - _SRAM_SPREAD), value * (1 + _SRAM_SPREAD))
