"""`Estimator`: a machine's counted actions as energy, and its components as area."""

from __future__ import annotations

from collections.abc import Mapping

from dataflows.accelerator import Accelerator
from dataflows.hardware.components import Action, Component
from dataflows.schedule import Cause
from simulator.energy.acted import Acted
from simulator.energy.dram_energy import dram_energy, part_of
from simulator.energy.own_tables import OwnTables
from simulator.energy.technology import Technology
from simulator.reports.energy_report import SPARSITY, AreaReport, EnergyReport, Prices, add_prices
from simulator.reports.price import NOTHING, Price

_PJ_PER_NANOJOULE = 1000  # a mW for a us is a nJ


class Estimator:
    """Prices of one machine in the technology of its spec; each is looked up once.

    Raises `InputError` for a table or a part of external memory that cannot be used.
    """

    def __init__(self, accelerator: Accelerator, *, baseline: bool = False) -> None:
        """`baseline`: a table of one's own may name none of its components, since nobody asked for the machine."""
        self._spec = spec = accelerator.spec
        part_of(spec)  # for its error alone, which comes before any layer runs
        self._components = {component.name: component for component in accelerator.components()}
        chosen = spec.energy
        self._technology = Technology(
            chosen.node_nm, spec.clock_hz, chosen.voltage or None, chosen.cell, clock_gating=chosen.clock_gating
        ).housing(accelerator.components())
        self._own = OwnTables({}, {})
        if chosen.tables:
            self._own = OwnTables.read(chosen.tables, accelerator, required=not baseline)
        self._actions: dict[tuple[str, str], Price] = {}
        self._leakage_mw = {name: self._leaks(component) for name, component in self._components.items()}

    def action_pj(self, component: str, action: str) -> Price:
        """Energy of one action."""
        key = component, action
        if key not in self._actions:
            own = self._own.action_pj.get(key)
            self._actions[key] = (
                Price.exact(own)
                if own is not None
                else self._technology.action_pj(self._components[component], Action(action))
            )
        return self._actions[key]

    def _leaks(self, component: Component) -> Price:
        own = self._own.action_pj.get((component.name, "leak"))
        if own is None:
            return Price.exact(self._technology.leakage_mw(component))
        # A pJ a cycle of each: at 1 GHz a mW.
        return Price.exact(own * component.count * self._spec.clock_hz / 1e9)

    def leakage_mw(self, component: str) -> Price:
        """What all of a component leak together."""
        return self._leakage_mw[component]

    def area(self) -> AreaReport:
        """The machine's area, memory outside the chip excepted."""
        areas: Prices = {}
        for name, component in self._components.items():
            own = self._own.area_um2.get(name)
            # A table of one's own says the area of one.
            areas[name] = (
                self._technology.area_mm2(component) if own is None else Price.exact(own * component.count / 1e6)
            )
        sparsity = frozenset(name for name, one in self._components.items() if one.purpose == SPARSITY)
        return AreaReport(areas, sparsity)

    def energy(self, acted: Acted) -> EnergyReport:
        """The energy of counted actions, of the time that passed, and of what external memory carried."""
        counts = acted.counts
        by_component, by_action, by_purpose = dict.fromkeys(counts, NOTHING), Prices(), Prices()
        for name, of_component in counts.items():
            for action, count in of_component.items():
                price = self.action_pj(name, action).times(count)
                by_component[name] += price
                by_action[action] = by_action.get(action, NOTHING) + price
        leakage = {name: self._leakage_mw[name].times(acted.time_us * _PJ_PER_NANOJOULE) for name in self._components}
        for name, component in self._components.items():
            spent = by_component.get(name, NOTHING) + leakage[name]
            by_purpose[component.purpose] = by_purpose.get(component.purpose, NOTHING) + spent
        memory = dram_energy(acted.dram, self._spec, acted.time_us)
        return EnergyReport(
            counts=counts,
            components=by_component,
            actions=by_action,
            leakage=leakage,
            purposes=by_purpose,
            causes=self._causes(by_component, by_action, leakage, acted),
            dram={name: getattr(memory, name) for name in memory.__dataclass_fields__},
        )

    def _causes(self, by_component: Prices, by_action: Prices, leakage: Prices, acted: Acted) -> Prices:
        """What actions and leakage cost, by cause of PE-cycles."""
        dynamic, leaked = (sum(prices.values(), NOTHING) for prices in (by_component, leakage))
        idle = by_action.get(Action.IDLE.value, NOTHING)
        causes = _shared(leaked, acted.pe_cycle_stack)
        if any(idle_slots := acted.idle_slots.values()):
            causes = add_prices((causes, _shared(idle, acted.idle_slots)))
        busy = Cause.BUSY.key
        working = dynamic + idle.times(-1) if any(idle_slots) else dynamic
        return causes | {busy: causes[busy] + working}


def _shared(price: Price, parts: Mapping[str, int]) -> Prices:
    whole = sum(parts.values())
    return {name: price.times(part / whole) if whole else NOTHING for name, part in parts.items()}
