"""`Bounds`: cycles that no run can stay below."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """Cycles that no run can stay below.

    compute_cycles      issued products / multipliers, rounded up
    fullest_pe_cycles   the most cycles that one PE works or is held up by its own work (busy, index, bank conflicts)
    memory_cycles       DRAM bytes / peak bandwidth, rounded up
    """

    compute_cycles: int
    fullest_pe_cycles: int
    memory_cycles: int

    @property
    def largest(self) -> int:
        """The bound that binds."""
        return max(self.compute_cycles, self.fullest_pe_cycles, self.memory_cycles)
