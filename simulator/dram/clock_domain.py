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
        # At 1 GHz beside DDR4-2400 a cycle lasts 1000 ps and a clock 833 ps: 1000/833 clocks a cycle, kept as a
        # fraction, since a float would drift over millions of cycles.
        return cls(Fraction(PICOSECONDS, clock_hz * tck_ps))

    def to_clock(self, cycle: int) -> int:
        """The first DRAM clock that starts no earlier than a cycle."""
        # At 1000/833 clocks a cycle, cycle 1 begins at clock 1.2 and is seen at clock 2.
        return ceil_div(cycle * self.clocks_per_cycle.numerator, self.clocks_per_cycle.denominator)

    def to_cycle(self, clock: int) -> int:
        """The first cycle that starts no earlier than a DRAM clock."""
        # Clock 2 begins at cycle 1.67 and is seen at cycle 2. There and back is therefore never earlier than the start.
        return ceil_div(clock * self.clocks_per_cycle.denominator, self.clocks_per_cycle.numerator)

    def earliest_cycle(self, clock: int) -> int:
        """The first cycle that is seen at a DRAM clock or later."""
        # ceil(cycle x rate) reaches `clock` as soon as cycle x rate exceeds clock - 1: hence the floor of the quotient,
        # plus 1. The first cycle that is seen at clock 2 or later is floor(833 / 1000) + 1 = 1.
        return (clock - 1) * self.clocks_per_cycle.denominator // self.clocks_per_cycle.numerator + 1


SAME_CLOCK = ClockDomain(Fraction(1))
