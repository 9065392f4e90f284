"""Which machines the compiled event loop plays, and what it has to know of them."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import NamedTuple

from dataflows.specs import DramSpec
from simulator.engine.ideal_rates import ideal_bytes_per_cycle, ideal_latency

_MOST = 1 << 18  # of a numerator or denominator: times the longest run still far below what int64 holds


class LoopMachine(NamedTuple):
    """Ideal memory in whole numbers.

    burst_bytes  its smallest transfer
    peak         bytes that it moves in a cycle; None: as many as there are
    latency      in cycles
    port_rate    bytes that a buffer takes in a cycle, where that is less; 0: it is not
    """

    burst_bytes: int
    peak: Fraction | None
    latency: Fraction
    port_rate: int


def loop_machine(dram: DramSpec, clock_hz: int, buffer_bytes_per_cycle: int | None) -> LoopMachine | None:
    """The machine as the compiled loop needs it; None where the loop does not take it."""
    if dram.kind != "ideal":
        return None
    return _ideal_machine(dram.bandwidth_gbs, dram.latency_ns, dram.burst_bytes, clock_hz, buffer_bytes_per_cycle)


@cache
def _ideal_machine(
    bandwidth_gbs: float, latency_ns: float, burst_bytes: int, clock_hz: int, rate: int | None
) -> LoopMachine | None:
    peak, latency = ideal_bytes_per_cycle(bandwidth_gbs, clock_hz), ideal_latency(latency_ns, clock_hz)
    whole, parts = (1, 1) if peak is None else (peak.numerator, peak.denominator)
    # Sums of both over one denominator, as `IdealMemory` rounds them.
    if max(whole, parts) >= _MOST or (latency.numerator + 2 * latency.denominator) * whole >= 1 << 62:
        return None
    return LoopMachine(burst_bytes, peak, latency, 0 if rate is None or peak is None or rate >= peak else rate)
