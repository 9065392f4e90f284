"""Conversion between the accelerator's cycles and the DRAM's clocks, exact at any distance from the start."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from workloads.units import PICOSECONDS
from workloads.whole_numbers import ceil_div


@dataclass(frozen=True)
class ClockDomain:
    """Two clocks that start together. Both conversions round up: an event is seen at the other's next edge."""

    clocks_per_cycle: Fraction

    @classmethod
    def between(cls, *, clock_hz: int, tck_ps: int) -> Self:
        """An accelerator of `clock_hz` beside a DRAM whose clock lasts `tck_ps`."""
        return cls(Fraction(PICOSECONDS, clock_hz * tck_ps))

    def to_clock(self, cycle: int) -> int:
        """The first DRAM clock that starts no earlier than a cycle."""
        return ceil_div(cycle * self.clocks_per_cycle.numerator, self.clocks_per_cycle.denominator)

    def to_cycle(self, clock: int) -> int:
        """The first cycle that starts no earlier than a DRAM clock."""
        return ceil_div(clock * self.clocks_per_cycle.denominator, self.clocks_per_cycle.numerator)

    def earliest_cycle(self, clock: int) -> int:
        """The first cycle that is seen at a DRAM clock or later."""
        return (clock - 1) * self.clocks_per_cycle.denominator // self.clocks_per_cycle.numerator + 1


SAME_CLOCK = ClockDomain(Fraction(1))
