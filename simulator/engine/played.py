"""What comes of playing a layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dataflows.schedule import CAUSE_KEYS
from simulator.engine.traffic import Traffic


@dataclass(frozen=True, eq=False)
class Played:
    """What came of playing a schedule.

    cycles            from the first load to the last byte written
    pe_cycles         int64 (PEs, CAUSES): every PE-cycle by its cause; the sum is PEs x cycles
    barrier_busy_cycles   sum over tiles of the busiest PE's busy cycles
    traffic           what memory carried
    buffer_peak_bytes fullest level of each buffer
    """

    cycles: int
    pe_cycles: np.ndarray
    barrier_busy_cycles: int
    traffic: Traffic
    buffer_peak_bytes: dict[str, int]

    @cached_property
    def stack(self) -> dict[str, int]:
        """PE-cycles of all PEs by cause."""
        return dict(zip(CAUSE_KEYS, self.pe_cycles.sum(axis=0).tolist(), strict=True))
