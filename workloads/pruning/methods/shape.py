"""Shape-wise pruning: the same positions (c, [t,] r, s) in all filters.

As the columns of SSL (Wen et al., NIPS 2016) and in Zhu et al., TVLSI 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.layer import Layer
from workloads.pruning.base import Facts, Pruning, density
from workloads.pruning.choosing import energies, largest, share


def _columns(layer: Layer, weights: np.ndarray) -> np.ndarray:
    """(G, K/G, C/G·X): the im2col matrix of each group of a grouped convolution."""
    return weights.reshape(layer.groups, layer.group_out_channels, -1)


@dataclass(frozen=True)
class Shape(Pruning):
    """Keeps round(density x C/G·X) columns with the largest energy over all filters (of each convolution group)."""

    name: ClassVar[str] = "shape"
    title: ClassVar[str] = "keeps the same channels and kernel positions in all filters"
    examples: ClassVar[tuple[str, ...]] = ("density=0.3",)
    literature: ClassVar[str] = "VGG-16 0.34 to 0.36 of the operations (derived from Zhu et al., TVLSI 2020)"

    density: float = density("a filter's positions")

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`."""
        # (G, C/G·X): the energy of a position over the filters of its convolution group, whose columns compete among
        # themselves.
        scores = energies(_columns(layer, weights), rng, 1)
        # 0.3 of the 27 columns of 3x3 kernels over 3 channels are 8, the same ones in all filters.
        kept = largest(scores, share(self.density, scores.shape[1]))
        return (_columns(layer, weights != 0) & kept[:, np.newaxis]).reshape(weights.shape)

    def storage_format(self, layer: Layer) -> str:
        """One list for all filters; the groups of a grouped convolution keep positions of their own, a bit each."""
        return "shape" if layer.groups == 1 else "bitmap"

    def facts(self, layer: Layer, weights: np.ndarray) -> Facts:
        """Columns that any filter uses, over all convolution groups."""
        used = _columns(layer, weights).any(axis=1)
        return {"columns": int(used.sum()), "of": used.size}
