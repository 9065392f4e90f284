"""`EnergyReport` and `AreaReport`: what counted actions cost, and how large a machine is, in values of a report.

How they come about stands in `simulator.energy`, which is loaded only where energy is asked for; docs/energy.md says
what is counted and what is a look-up in a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from simulator.reports.price import NOTHING, Price

Counts = dict[str, dict[str, int]]
"""How often each component did what: component, action, count."""
Prices = dict[str, Price]

KEYS = ("actions", "energy", "power_mw", "tops_per_watt", "energy_delay_product", "energy_vs_dense")
"""What a layer or a total says of energy in the JSON report; all null where it was asked for and is not modelled."""

SPARSITY = "sparsity"
MULTIPLIERS = "multipliers"
_MICROWATTS_PER_MILLIWATT = 1000  # a pJ in a us is a uW
_JOULE_SECONDS = 1e-18  # pJ x us


@dataclass(frozen=True)
class EnergyReport:
    """Energy of a layer, or of several one after the other, pJ.

    counts      actions by component
    components  what the actions of each component took
    actions     the same by kind of action, all components together
    leakage     what each component leaked over the time
    purposes    actions and leakage by what components are for: compute, storage, sparsity, control
    causes      actions and leakage by cause of PE-cycles: actions belong to busy ones, empty multiplier slots to those
                that they passed in, and every PE-cycle leaks alike
    dram        external memory by what it did; "total_pj" is not among them
    dense_pj    what the dense baseline takes for the same layer without any zero; None where it does not say
    """

    counts: Counts
    components: Prices
    actions: Prices
    leakage: Prices
    purposes: Prices
    causes: Prices
    dram: Prices
    dense_pj: float | None = None

    @classmethod
    def sum(cls, parts: Sequence[Self]) -> Self:
        """Layers one after the other."""
        dense = [part.dense_pj for part in parts]
        return cls(
            add_counts(part.counts for part in parts),
            *(
                add_prices(getattr(part, name) for part in parts)
                for name in ("components", "actions", "leakage", "purposes", "causes", "dram")
            ),
            dense_pj=None if None in dense else sum(one for one in dense if one is not None),
        )

    @cached_property
    def dynamic(self) -> Price:
        """What the actions on the chip took."""
        return Price.sum(self.components.values())

    @cached_property
    def leaked(self) -> Price:
        """What the chip leaked."""
        return Price.sum(self.leakage.values())

    @cached_property
    def memory(self) -> Price:
        """What external memory took."""
        return Price.sum(self.dram.values())

    @cached_property
    def total(self) -> Price:
        """All of it."""
        return self.dynamic + self.leaked + self.memory

    @property
    def sparsity_share(self) -> float:
        """Share of the chip's energy that hardware for zeros took."""
        return share(self.purposes.get(SPARSITY, NOTHING).value, (self.dynamic + self.leaked).value)

    @property
    def vs_dense(self) -> float | None:
        """Energy over the dense baseline's; None where that does not say, or takes none."""
        return self.total.value / self.dense_pj if self.dense_pj else None

    def to_dict(self) -> dict[str, Any]:
        """The figures under `energy` of the JSON report; those of parts without their bands."""
        total = self.total
        return {
            "total_pj": total.value,
            "low_pj": total.low,
            "high_pj": total.high,
            "dynamic_pj": self.dynamic.value,
            "leakage_pj": self.leaked.value,
            "sparsity_share": self.sparsity_share,
            "components": values(self.components),
            "leakage": values(self.leakage),
            "actions": values(self.actions),
            "purposes": values(self.purposes),
            "causes": values(self.causes),
            "dram": {**values(self.dram), "total_pj": self.memory.value},
        }

    def figures(self, time_us: float, dense_macs: int, effectual_macs: int) -> dict[str, Any]:
        """All that a layer, a total or a network says of energy, by key of the JSON report.

        time_us                     how long it took
        dense_macs, effectual_macs  whose operations (two each) `tops_per_watt` counts
        """
        total = self.total.value
        macs = {"dense": dense_macs, "effectual": effectual_macs}
        return {
            "actions": self.counts,
            "energy": self.to_dict(),
            "power_mw": total / time_us / _MICROWATTS_PER_MILLIWATT if time_us else 0.0,
            # Operations a pJ are 10^12 operations a joule.
            "tops_per_watt": {name: 2 * count / total if total else 0.0 for name, count in macs.items()},
            "energy_delay_product": total * time_us * _JOULE_SECONDS,
            "energy_vs_dense": self.vs_dense,
        }

    def run_figures(self, time_us: float, dense_macs: int, effectual_macs: int) -> dict[str, Any]:
        """`figures` of a network's run: without what is that of its layers alone, actions and their baseline's."""
        figures = self.figures(time_us, dense_macs, effectual_macs)
        return {key: value for key, value in figures.items() if key not in ("actions", "energy_vs_dense")}


@dataclass(frozen=True)
class AreaReport:
    """Area of a machine on the chip, mm2.

    components  of each, all of its kind together
    sparsity    names of those that are there for zeros
    """

    components: Prices
    sparsity: frozenset[str]

    @property
    def total(self) -> Price:
        """All components."""
        return Price.sum(self.components.values())

    @property
    def sparsity_share(self) -> float:
        """Share of hardware for zeros."""
        # In the order of the components: a set has another one in every process, and sums of floats follow it.
        of_sparsity = sum(price.value for name, price in self.components.items() if name in self.sparsity)
        return share(of_sparsity, self.total.value)

    def to_dict(self) -> dict[str, Any]:
        """The figures under `area` of the JSON report."""
        total = self.total
        return {
            "total_mm2": total.value,
            "low_mm2": total.low,
            "high_mm2": total.high,
            "components": values(self.components),
            "sparsity_share": self.sparsity_share,
        }


def values(prices: Mapping[str, Price]) -> dict[str, float]:
    """Prices without their bands."""
    return {name: price.value for name, price in prices.items()}


def add_prices(parts: Iterable[Mapping[str, Price]]) -> Prices:
    """Sums by name; order of first appearance."""
    total: dict[str, list[Price]] = {}
    for part in parts:
        for name, price in part.items():
            total.setdefault(name, []).append(price)
    return {name: Price.sum(found) for name, found in total.items()}


def add_counts(parts: Iterable[Counts]) -> Counts:
    """Sums by component and action; order of first appearance."""
    total: Counts = {}
    for part in parts:
        for component, actions in part.items():
            of_component = total.setdefault(component, {})
            for action, count in actions.items():
                of_component[action] = of_component.get(action, 0) + count
    return total


def share(part: float, whole: float) -> float:
    """A part over a whole; 0 where there is no whole."""
    return part / whole if whole else 0.0
