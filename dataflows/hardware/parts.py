"""Parts that most machines have: multipliers, adders, buffers that DRAM fills and empties.

Assumption for all of them, where a paper does not say: products and sums are twice as wide as a value while they are
added up, and as wide as a value where a machine keeps them in a buffer of values. A register of a single word is
written; what it holds is there without a read.
"""

from __future__ import annotations

from dataflows.hardware.actions import MULTIPLIERS, ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.schedule import LayerSchedule, Tensor
from workloads.whole_numbers import ceil_div


def sum_bits(value_bits: int) -> int:
    """Width of a product, and of the sum that it is added to."""
    return 2 * value_bits


def multipliers(count: int, value_bits: int) -> Component:
    """The multipliers of a whole machine."""
    return Component(MULTIPLIERS, Kind.MULTIPLIER, count, value_bits)


def adders(count: int, value_bits: int, name: str = "adders") -> Component:
    """Adders of products and sums, wherever in a tree they stand."""
    return Component(name, Kind.ADDER, count, sum_bits(value_bits))


def sum_registers(name: str, count: int, value_bits: int) -> Component:
    """Registers of a product or a sum each."""
    return Component(name, Kind.REGISTERS, count, sum_bits(value_bits), purpose="storage")


def buffer(
    name: str,
    size_bytes: int,
    word_bits: int,
    *,
    count: int = 1,
    banks: int = 1,
    kind: Kind = Kind.SRAM,
    purpose: str = "storage",
) -> Component:
    """`count` memories of `size_bytes` each, read and written by words of `word_bits`."""
    words = max(1, size_bytes * 8 // word_bits)
    return Component(name, kind, count, word_bits, words, min(banks, words), purpose=purpose)


def add_products(counts: ActionCounts, schedule: LayerSchedule, both_nonzero: int, *, gated: bool = False) -> int:
    """Count the products, the registers they go through, and the addition that each takes; how many there are.

    A tree adds n products by n - 1 adders, and one more adds their sum to what was there: n additions.
    """
    issued = schedule.issued_slots
    counts.multiply(schedule, both_nonzero, gated=gated)
    counts.access("product_registers", writes=issued)
    counts.add("adders", Action.ADD, issued)
    return issued


def fill(counts: ActionCounts, component: str, schedule: LayerSchedule, tensor: Tensor) -> None:
    """Count the words of a buffer that all loads of a tensor write."""
    bits = counts.components[component].bits
    counts.access(component, writes=ceil_div(8 * schedule.loads.bytes_of(tensor), bits))


def leave(counts: ActionCounts, component: str, schedule: LayerSchedule) -> None:
    """Count the words of a buffer that are read to be written to DRAM."""
    bits = counts.components[component].bits
    counts.access(component, reads=ceil_div(8 * schedule.stores.total_bytes, bits))
