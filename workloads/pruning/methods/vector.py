"""Vector pruning: rows or columns of kernels (Mao et al., CVPR workshops 2017, the 1-D granularity)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.layer import Layer
from workloads.options import choice
from workloads.pruning.base import Facts, Pruning, density
from workloads.pruning.choosing import energies, largest, share


@dataclass(frozen=True)
class Vector(Pruning):
    """Keeps round(density x vectors) of a layer by energy: the S weights of a kernel's row, or the R of a column.

    In a 1x1 kernel a vector is a single weight.
    """

    name: ClassVar[str] = "vector"
    title: ClassVar[str] = "keeps whole rows or columns of kernels"
    examples: ClassVar[tuple[str, ...]] = ("density=0.3", "density=0.3,axis=column")
    literature: ClassVar[str] = "0.25 to 0.35 (Mao et al., CVPR workshops 2017; from memory of the paper)"

    density: float = density("a layer's vectors")
    axis: str = choice("what a vector is in a kernel", "row", "column")

    @property
    def _axis(self) -> int:
        # From the end, where rows and columns stand in 2-D and 3-D kernels alike.
        return -1 if self.axis == "row" else -2

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`."""
        del layer
        # The weights' shape without the vector's axis: (K, C/G, [T,] R) where rows are vectors.
        scores = energies(weights, rng, self._axis)
        kept = largest(scores.reshape(-1), share(self.density, scores.size)).reshape(scores.shape)
        # The vector's axis comes back with length 1, so that one decision is spread over all its weights.
        return (weights != 0) & np.expand_dims(kept, self._axis)

    def facts(self, layer: Layer, weights: np.ndarray) -> Facts:
        """See `Pruning`."""
        del layer
        used = weights.any(axis=self._axis)
        return {"vectors": int(used.sum()), "of": used.size}
