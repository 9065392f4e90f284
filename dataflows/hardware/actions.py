"""`ActionCounts`: how often each component of a machine did what, for one layer; whole numbers, without technology."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dataflows.hardware.components import Action, Component
from dataflows.schedule import LayerSchedule

MULTIPLIERS = "multipliers"
"""What every machine calls its multipliers, so that their slots can be checked against the cycles.

Where a slot of the schedule is no multiplier's (add by value: an adder's), there is none of this name.
"""


@dataclass
class ActionCounts:
    """Counts by component and action.

    components  those of the machine, by name

    Example: ``counts.add("accumulators", Action.WRITE, 1200)`` says that partial sums were written 1,200 times.
    """

    components: Mapping[str, Component]
    counts: dict[tuple[str, Action], int] = field(default_factory=dict[tuple[str, Action], int])

    @classmethod
    def of(cls, components: tuple[Component, ...]) -> ActionCounts:
        """No action yet."""
        named = {component.name: component for component in components}
        if len(named) != len(components):
            raise AssertionError(f"components share a name: {[component.name for component in components]}")
        return cls(named)

    def add(self, component: str, action: Action, times: int) -> None:
        """Count an action; the component must be the machine's and know the action."""
        if action not in self.components[component].kind.actions or times < 0:
            raise AssertionError(f"component '{component}' cannot {action.value} {times} times")
        key = component, action
        self.counts[key] = self.counts.get(key, 0) + int(times)

    def access(self, component: str, *, reads: int = 0, writes: int = 0) -> None:
        """Count the accesses of a storage, in its words."""
        self.add(component, Action.READ, reads)
        self.add(component, Action.WRITE, writes)

    def multiply(self, schedule: LayerSchedule, both_nonzero: int, *, gated: bool = False) -> None:
        """Count the multipliers' slots that held a product; those left empty follow from the cycles (`idle`).

        both_nonzero  issued products of two non-zeros
        gated         whether a zero factor keeps the multiplier still
        """
        issued = schedule.issued_slots
        self.add(MULTIPLIERS, Action.MULTIPLY, both_nonzero)
        self.add(MULTIPLIERS, Action.GATE if gated else Action.MULTIPLY_ZERO, issued - both_nonzero)

    def idle(self, slots: int) -> None:
        """Count as idle what is left of the multipliers' slots, cycles times multipliers, beside the products."""
        held = sum(times for (name, _), times in self.counts.items() if name == MULTIPLIERS)
        self.add(MULTIPLIERS, Action.IDLE, slots - held)

    def of_component(self, name: str) -> dict[str, int]:
        """The counts of one component, by action."""
        return {action.value: times for (component, action), times in self.counts.items() if component == name}

    def __iter__(self) -> Iterator[tuple[Component, Action, int]]:
        for (name, action), times in self.counts.items():
            yield self.components[name], action, times

    def to_dict(self) -> dict[str, dict[str, int]]:
        """For the JSON report: component, action, count; components that did nothing included."""
        found: dict[str, dict[str, int]] = {name: {} for name in self.components}
        for (name, action), times in self.counts.items():
            found[name][action.value] = times
        return found
