"""The rates of ideal memory, exactly."""

from __future__ import annotations

from fractions import Fraction

from workloads.units import NANOSECONDS


def ideal_bytes_per_cycle(bandwidth_gbs: float, clock_hz: int) -> Fraction | None:
    """Bytes that ideal memory can move in one accelerator cycle; None when bandwidth is infinite."""
    if bandwidth_gbs == float("inf"):
        return None
    # By way of its text: 12.8 as a float is not quite 64/5.
    return Fraction(str(bandwidth_gbs)) * NANOSECONDS / clock_hz


def ideal_latency(latency_ns: float, clock_hz: int) -> Fraction:
    """Cycles from the moment a byte is moved until it arrives."""
    # 50 ns at 606 MHz are 30.3 of them.
    return Fraction(str(latency_ns)) * clock_hz / NANOSECONDS
