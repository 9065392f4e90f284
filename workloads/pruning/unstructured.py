"""Unstructured pruning: single weights, wherever they lie, an exact share of each layer.

By size as in Han, Mao and Dally, ICLR 2016 (Deep Compression) where values are known; uniformly at random from the
seed where only a mask or a shape is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.layer import Layer
from workloads.pruning import Pruning, option
from workloads.synthetic import uniform_mask


@dataclass(frozen=True)
class Unstructured(Pruning):
    """Keeps round(density x weights) of each layer, or all of its non-zeros where it has fewer: zeros stay zeros."""

    name: ClassVar[str] = "unstructured"
    title: ClassVar[str] = "keeps the largest weights of each layer, or random ones where only a mask is known"

    density: float = option("share of a layer's weights that stay, 0 to 1", 0, 1)

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`; between weights of equal size the earlier ones (row-major) stay."""
        del layer
        count = round(self.density * weights.size)
        nonzeros = int(np.count_nonzero(weights))
        if count >= nonzeros:
            return weights != 0
        if weights.dtype == np.bool_:
            if nonzeros == weights.size:
                return uniform_mask(rng, weights.size, count).reshape(weights.shape)
            keep = np.zeros(weights.shape, np.bool_)
            keep[weights] = uniform_mask(rng, nonzeros, count)
            return keep
        return _largest(weights.reshape(-1), count).reshape(weights.shape)


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Bool (n,): the `count` entries of largest magnitude, ties going to the first."""
    if count == 0:
        return np.zeros(values.shape, np.bool_)
    wide = np.int64 if values.dtype.kind in "iu" else values.dtype  # the magnitude of int8's -128 needs more than int8
    sizes = np.abs(values.astype(wide))
    threshold = np.partition(sizes, values.size - count)[values.size - count]
    keep = sizes > threshold
    ties = np.flatnonzero(sizes == threshold)
    keep[ties[: count - int(np.count_nonzero(keep))]] = True
    return keep
