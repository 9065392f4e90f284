"""`ExpectedWork`: what an analytical model says of a layer, where a schedule says what a machine does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ExpectedWork:
    """The cycles and products that each PE is expected to spend on a layer under uniform masks of given densities.

    Nothing ever waits: no memory, no bank, no buffer, no drain, and PEs meet once, at the end of the layer.

    pe_grid       rows and columns of the PE array
    lanes_per_pe  multipliers of a PE
    busy          float (PEs,): cycles in which a PE issues a product; 0 for one without work
    issued        float (PEs,): products; at least one, at most `lanes_per_pe` a busy cycle
    """

    pe_grid: tuple[int, int]
    lanes_per_pe: int
    busy: np.ndarray
    issued: np.ndarray

    @property
    def cycles(self) -> float:
        """Cycles of the fullest PE."""
        return float(self.busy.max())
