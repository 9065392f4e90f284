"""The conservation laws of counted actions and of what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose

from dataflows.hardware.actions import MULTIPLIERS
from dataflows.hardware.components import Action
from simulator.reports.energy_report import EnergyReport, Prices
from simulator.reports.price import Price

_ROUNDING = 1e-9  # sums in other orders


def energy_laws(energy: EnergyReport, *, slots: int, issued_macs: int, effectual_macs: int) -> list[tuple[str, bool]]:
    """Every law of a layer's actions and energy, and whether it holds.

    slots   multiplier slots that passed: multipliers x cycles
    """
    chip = energy.dynamic + energy.leaked
    counts = [count for of_component in energy.counts.values() for count in of_component.values()]
    return [
        ("no action is counted less than never", min(counts) >= 0),
        *_slot_laws(energy.counts.get(MULTIPLIERS), slots, issued_macs, effectual_macs),
        ("energy by action is that by component", _alike(energy.actions, energy.dynamic)),
        ("energy by purpose is the chip's", _alike(energy.purposes, chip)),
        ("energy by cause is the chip's", _alike(energy.causes, chip)),
        ("the band holds the figure", energy.total.low <= energy.total.value <= energy.total.high),
    ]


def _slot_laws(
    counts: Mapping[str, int] | None, slots: int, issued_macs: int, effectual_macs: int
) -> list[tuple[str, bool]]:
    """Laws of the multipliers' slots; none where a slot is an adder's, as a machine that adds by value has them."""
    if counts is None:
        return []
    held = sum(count for action, count in counts.items() if action != Action.IDLE.value)
    return [
        ("every multiplier slot has one action", sum(counts.values()) == slots),
        ("slots that held a product are the issued products", held == issued_macs),
        ("effectual products are multiplied", effectual_macs <= counts.get(Action.MULTIPLY.value, 0)),
    ]


def _alike(parts: Prices, whole: Price) -> bool:
    """Whether the parts sum to the whole, at both ends of the band as well."""
    total = Price.sum(parts.values())
    sides = ((total.value, whole.value), (total.low, whole.low), (total.high, whole.high))
    return all(isclose(one, other, rel_tol=_ROUNDING) for one, other in sides)
