"""`Estimator`: a machine's counted actions as energy, and its components as area."""

from __future__ import annotations

from dataflows.accelerator import Accelerator
from dataflows.hardware.components import Action, Component
from dataflows.schedule import Cause
from simulator.energy.acted import Acted
from simulator.energy.dram_energy import MemoryPrices, activity_pj, part_of
from simulator.energy.own_tables import OwnTables
from simulator.energy.price_map import (
    ACTIONS,
    CHIP,
    COMPONENTS,
    DYNAMIC,
    LEAKAGE,
    LEAKED,
    PURPOSES,
    Keys,
    PriceMap,
    keys_of,
)
from simulator.energy.technology import Technology
from simulator.reports.energy_report import SPARSITY, AreaReport, EnergyReport, Prices
from simulator.reports.price import NOTHING, Price

_PJ_PER_NANOJOULE = 1000  # a mW for a us is a nJ
_IDLE, _BUSY = Action.IDLE.value, Cause.BUSY.key


class Estimator:
    """Prices of one machine in the technology of its spec; each is looked up once.

    Raises `InputError` for a table or a part of external memory that cannot be used.
    """

    def __init__(self, accelerator: Accelerator, *, baseline: bool = False) -> None:
        """`baseline`: a table of one's own may name none of its components, since nobody asked for the machine."""
        self._spec = spec = accelerator.spec
        self._part = part_of(spec)  # its error comes before any layer runs
        self._memory = MemoryPrices.of(spec.dram, self._part)
        self._components = {component.name: component for component in accelerator.components()}
        chosen = spec.energy
        self._technology = Technology(
            chosen.node_nm, spec.clock_hz, chosen.voltage or None, chosen.cell, clock_gating=chosen.clock_gating
        ).housing(accelerator.components())
        self._own = OwnTables({}, {})
        if chosen.tables:
            self._own = OwnTables.read(chosen.tables, accelerator, required=not baseline)
        self._purposes: dict[str, list[str]] = {}
        for name, component in self._components.items():
            self._purposes.setdefault(component.purpose, []).append(name)
        self._actions: dict[tuple[str, str], Price] = {}
        self._maps: dict[Keys, PriceMap] = {}
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

    def energy(self, acted: Acted, dense_pj: float | None = None) -> EnergyReport:
        """The energy of counted actions, of the time that passed, and of what external memory carried.

        dense_pj  what the dense baseline takes for the same
        """
        time = acted.time_us * _PJ_PER_NANOJOULE
        sums = self._map_of(acted).sums(acted.counts, time)
        actions = sums[ACTIONS]
        return EnergyReport(
            counts=acted.counts,
            components=sums[COMPONENTS],
            actions=actions,
            leakage=sums[LEAKAGE],
            purposes=sums[PURPOSES],
            causes=_causes(sums[CHIP][DYNAMIC], sums[CHIP][LEAKED], actions.get(_IDLE, NOTHING), acted),
            dram=self._memory.energy(acted.activity, acted.time_us),
            dense_pj=dense_pj,
        )

    def total_pj(self, acted: Acted) -> float:
        """The energy in all, without bands or parts."""
        chip = self._map_of(acted).total(acted.counts, acted.time_us * _PJ_PER_NANOJOULE)
        return chip + activity_pj(acted.activity, self._spec.dram, self._part, acted.time_us)

    def _map_of(self, acted: Acted) -> PriceMap:
        """Layers of a machine count the same actions, but for a few kinds of layers."""
        keys = keys_of(acted.counts)
        if keys not in self._maps:
            self._maps[keys] = PriceMap.of(keys, self.action_pj, self._leakage_mw, self._purposes)
        return self._maps[keys]


def _causes(dynamic: Price, leaked: Price, idle: Price, acted: Acted) -> Prices:
    """What actions, the empty slots (`idle`) among them, and leakage cost, by cause of PE-cycles."""
    slots = acted.idle_slots
    cycles, empty = sum(acted.pe_cycle_stack.values()), sum(slots.values())
    causes = dict.fromkeys(acted.pe_cycle_stack, NOTHING)  # as most are
    for name, share in acted.pe_cycle_stack.items():
        if share or slots[name]:
            of_idle, of_time = slots[name] / empty if empty else 0.0, share / cycles if cycles else 0.0
            causes[name] = leaked.times(of_time) + idle.times(of_idle)
    # Where slots stay empty, what they cost is no busy PE's.
    worked = dynamic + idle.times(-1.0) if empty else dynamic
    causes[_BUSY] += worked
    return causes
