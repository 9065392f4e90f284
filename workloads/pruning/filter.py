"""Filter pruning: whole filters, so that output channels vanish (Li et al., ICLR 2017; ThiNet, ICCV 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.layer import Layer
from workloads.pruning.base import Facts, Pruning
from workloads.pruning.choosing import energies, largest, matrix, share
from workloads.pruning.options import density


@dataclass(frozen=True)
class Filter(Pruning):
    """Keeps the round(density x K) filters of each layer with the largest energy (sum of squares).

    Filters of a grouped convolution compete across its groups. The layer keeps its shape: lost filters are zeros.
    """

    name: ClassVar[str] = "filter"
    title: ClassVar[str] = "keeps whole filters"
    literature: ClassVar[str] = (
        "0.5 to 0.7 typical (SSL rows, NIPS 2016; ThiNet, ICCV 2017; network slimming, ICCV 2017)"
    )

    density: float = density("a layer's filters")

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`."""
        del layer
        kept = largest(energies(matrix(weights), rng, (1, 2)), share(self.density, len(weights)))
        return (weights != 0) & kept.reshape(-1, *[1] * (weights.ndim - 1))

    def storage_format(self, layer: Layer) -> str:
        """An enable bit for each filter."""
        return f"block:filters=1,channels={min(layer.group_in_channels, 4096)}"

    def facts(self, layer: Layer, weights: np.ndarray) -> Facts:
        """See `Pruning`."""
        return {"filters": int(weights.any(axis=tuple(range(1, weights.ndim))).sum()), "of": layer.out_channels}
