"""Read latencies: in which bin the controller counts one, and what the bins say."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from dataflows.kernels.compiled import kernel
from simulator.dram.layout import BINS_PER_OCTAVE, FINE_CLOCKS, LATENCY_BINS, OCTAVES, as_index
from workloads.whole_numbers import ceil_div


@kernel(forceinline=True)
def latency_bin(clocks: int) -> int:
    """The bin of a latency."""
    if clocks < FINE_CLOCKS:
        return as_index(clocks)
    octave = 0
    while octave < OCTAVES and clocks >= 2 * FINE_CLOCKS << octave:
        octave += 1
    if octave == OCTAVES:
        return as_index(LATENCY_BINS - 1)
    place = (clocks >> octave) * BINS_PER_OCTAVE // FINE_CLOCKS - BINS_PER_OCTAVE
    return as_index(FINE_CLOCKS + octave * BINS_PER_OCTAVE + place)


def longest_clocks(index: int) -> int | None:
    """The longest latency of a bin; None for the last, which has no end."""
    if index < FINE_CLOCKS:
        return index
    if index >= LATENCY_BINS - 1:
        return None
    octave, place = divmod(index - FINE_CLOCKS, BINS_PER_OCTAVE)
    return ((BINS_PER_OCTAVE + place + 1) * (FINE_CLOCKS // BINS_PER_OCTAVE) << octave) - 1


@dataclass(frozen=True, eq=False)
class ReadLatency:
    """Clocks from acceptance to the end of data: their exact sum, and reads by bin, int64 (LATENCY_BINS,)."""

    sum_clocks: int
    bins: np.ndarray

    def __add__(self, other: ReadLatency) -> ReadLatency:
        return ReadLatency(self.sum_clocks + other.sum_clocks, self.bins + other.bins)

    @property
    def reads(self) -> int:
        """Reads that have ended."""
        return int(self.bins.sum())

    @property
    def mean_clocks(self) -> float | None:
        """Their mean, exactly; None without reads."""
        return self.sum_clocks / self.reads if self.reads else None

    def share_clocks(self, share: Fraction = Fraction(95, 100)) -> int | None:
        """The least number of clocks within which this share of the reads ended, up to the width of a bin.

        None without reads, and where it lies in the last bin.
        """
        if not self.reads:
            return None
        needed = ceil_div(self.reads * share.numerator, share.denominator)
        return longest_clocks(int(np.searchsorted(np.cumsum(self.bins), needed)))
