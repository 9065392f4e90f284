"""How many weights each layer keeps under one threshold for a whole network.

A network's weights are never held together: two passes over the layers find the threshold from a histogram of the
magnitudes' bits, whose order as numbers is that of the magnitudes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workloads.masks.synthetic import rounded
from workloads.source import LayerSource

_HALF = 16  # bits of a float32 that one pass looks at


def global_counts(sources: Sequence[LayerSource], seed: int, density: float) -> list[int]:
    """Weights that each layer keeps; their sum is round(density x all weights), or all non-zeros where fewer.

    By magnitude (as float32) where every layer has values, ties going to the first layers; otherwise in proportion to
    the layers' non-zeros, largest remainders rounded up.
    """
    # First pass: the high halves, 65,536 bins a layer. The bin in which the threshold lies is then looked at again, by
    # its low halves, so that two small histograms do the work of one with 2^32 bins.
    high = [_Histogram.of(source.weight_array(seed)) for source in sources]
    nonzeros = np.array([histogram.nonzeros for histogram in high], np.int64)
    # Zeros stay zeros: no more weights can stay than are there.
    total = min(round(density * sum(source.layer.weight_count for source in sources)), int(nonzeros.sum()))
    if total == 0:
        return [0] * len(sources)
    # A mask has no magnitudes to compare with those of other layers.
    if any(histogram.mask for histogram in high):
        return [int(count) for count in rounded(nonzeros * (total / nonzeros.sum()), total)]
    above, level = _split(np.sum([histogram.counts for histogram in high], axis=0), total)
    # The weights are made a second time, layer by layer, in place of holding all of them.
    low = [_low_bits(source.weight_array(seed), level) for source in sources]
    inside, threshold = _split(np.sum(low, axis=0), total - above)
    # Weights exactly at the threshold: as many as are still missing, in the order of the layers.
    # Of the layers [5 4] and [4 2] a total of 2 keeps 2 and 0 weights, a total of 3 keeps 2 and 1.
    room = total - above - inside
    counts = []
    for histogram, bits in zip(high, low, strict=True):
        ties = min(room, int(bits[threshold]))
        room -= ties
        counts.append(int(histogram.counts[level + 1 :].sum() + bits[threshold + 1 :].sum()) + ties)
    return counts


def _split(counts: np.ndarray, total: int) -> tuple[int, int]:
    """Elements above the bin in which the total is reached from above, and that bin."""
    # Bins [3 4 2] and a total of 4: from above, 2 and then 6 are reached, so the bin is the middle one, with 2 above
    # it.
    reached = np.cumsum(counts[::-1])
    place = int(np.searchsorted(reached, total))
    return int(reached[place] - counts[::-1][place]), len(counts) - 1 - place


def _bits(weights: np.ndarray) -> np.ndarray:
    """Uint32 of the magnitudes of the non-zeros; none becomes 0."""
    # A float64 too small for float32 becomes 0; its bits are set to 1, the smallest magnitude, since it is no zero.
    # In bits 1.0 is 0x3F800000, 1.5 is 0x3FC00000 and 2.0 is 0x40000000: the order of the numbers.
    magnitudes = np.abs(weights[weights != 0].astype(np.float32))
    return np.maximum(magnitudes.view(np.uint32), 1)


def _low_bits(weights: np.ndarray, level: int) -> np.ndarray:
    bits = _bits(weights)
    return np.bincount(bits[bits >> _HALF == level] & ((1 << _HALF) - 1), minlength=1 << _HALF)


class _Histogram:
    """Of the high halves of a layer's magnitudes."""

    def __init__(self, nonzeros: int, counts: np.ndarray, mask: bool) -> None:
        self.nonzeros, self.counts, self.mask = nonzeros, counts, mask

    @classmethod
    def of(cls, weights: np.ndarray) -> _Histogram:
        nonzeros = int(np.count_nonzero(weights))
        if weights.dtype == np.bool_:
            return cls(nonzeros, np.zeros(1, np.int64), mask=True)
        return cls(nonzeros, np.bincount(_bits(weights) >> _HALF, minlength=1 << _HALF), mask=False)
