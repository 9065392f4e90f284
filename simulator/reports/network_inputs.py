"""`NetworkInputs`: several inputs that follow one another through a network on one clock (docs/network.md)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from workloads.units import MICROSECONDS


@dataclass(frozen=True)
class InputSpan:
    """One of several inputs.

    start_cycle   its first layer begins: the array is done with the input before
    done_cycle    its last result has been written and its last tile drained
    alone_cycles  what it takes on an idle machine, from its first load to its last byte written
    """

    start_cycle: int
    done_cycle: int
    alone_cycles: int


@dataclass(frozen=True)
class NetworkInputs:
    """Several inputs, one behind the other.

    images          of an input
    cycles          until the last input is done
    pe_cycle_stack  PE-cycles of all inputs by cause
    read_bytes, write_bytes   useful bytes of all inputs that crossed DRAM
    each            in their order
    """

    images: int
    clock_hz: int
    cycles: int
    pe_cycle_stack: dict[str, int]
    read_bytes: int
    write_bytes: int
    each: tuple[InputSpan, ...]

    @property
    def latency_cycles(self) -> int:
        """Of the first input, on an idle machine."""
        return self.each[0].alone_cycles

    @property
    def interval_cycles(self) -> Fraction:
        """From one input that is done to the next, in the mean."""
        return Fraction(self.each[-1].done_cycle - self.each[0].done_cycle, len(self.each) - 1)

    @property
    def images_per_s(self) -> float | None:
        """Images that are done in a second; None where inputs cost nothing."""
        interval = self.interval_cycles
        return float(self.images * self.clock_hz / interval) if interval else None

    def to_dict(self) -> dict[str, Any]:
        """The figures under their names in the JSON report."""
        return {
            "count": len(self.each),
            "images": self.images,
            "cycles": self.cycles,
            "latency_cycles": self.latency_cycles,
            "latency_us": self.latency_cycles * MICROSECONDS / self.clock_hz,
            # Inputs that are done in 100, 231 and 363 follow in 131.5 cycles.
            "interval_cycles": round(float(self.interval_cycles), 3),
            "interval_us": float(self.interval_cycles * MICROSECONDS / self.clock_hz),
            "images_per_s": self.images_per_s,
            "pe_cycle_stack": self.pe_cycle_stack,
            "read_bytes": self.read_bytes,
            "write_bytes": self.write_bytes,
            "each": [asdict(span) for span in self.each],
        }


def images_per_s(time_us: float, images: int) -> float | None:
    """Images in a second where so many take that time and follow one another; None where they take none."""
    return images * MICROSECONDS / time_us if time_us else None
