"""Read latencies that the controller has counted in bins (`latency.latency_bin`): what the bins say."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from simulator.dram.layout import BINS_PER_OCTAVE, FINE_CLOCKS, LATENCY_BINS
from workloads.whole_numbers import ceil_div


def longest_clocks(index: int) -> int | None:
    """The longest latency of a bin; None for the last, which has no end."""
    if index < FINE_CLOCKS:
        return index
    if index >= LATENCY_BINS - 1:
        return None
    octave, place = divmod(index - FINE_CLOCKS, BINS_PER_OCTAVE)
    # The next bin's first latency less 1: place 113 of octave 1 ends at 626 x 8 x 2 - 1 = 10,015.
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
        # Rounded up, since at least that share must have ended: 95 % of 10 reads are all 10 of them.
        needed = ceil_div(self.reads * share.numerator, share.denominator)
        # The first bin at which the running count is enough: of bins of 2, 0 and 3 reads (2, 2, 5) the third read is in
        # the last.
        return longest_clocks(int(np.searchsorted(np.cumsum(self.bins), needed)))
