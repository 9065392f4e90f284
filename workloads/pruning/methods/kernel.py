"""Kernel pruning, also called connectivity pruning: whole R x S kernels, so that a filter ignores some channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.layer import Layer
from workloads.options import choice
from workloads.pruning.base import Facts, Pruning, density
from workloads.pruning.choosing import energies, largest, matrix, share


def keep_kernels(weights: np.ndarray, rng: np.random.Generator, share_kept: float, balance: str) -> np.ndarray:
    """Bool (K, C/G): the kernels with the largest energy, of the whole layer ("free") or as many in each filter."""
    # (K, C/G): "free" lets all kernels of the layer compete, else each row, a filter, keeps the same number.
    # Example: 0.3 of 4 filters of 5 kernels are 6 kernels wherever they lie, or round(1.5) = 2 in each filter, 8 in
    # all.
    scores = energies(matrix(weights), rng, 2)
    if balance == "free":
        return largest(scores.reshape(-1), share(share_kept, scores.size)).reshape(scores.shape)
    return largest(scores, share(share_kept, scores.shape[1]))


def kernel_facts(weights: np.ndarray) -> Facts:
    """Kernels that hold a non-zero, and the fewest and most of them in a filter."""
    # Kernels with a weight, then their number in each filter.
    filters = matrix(weights).any(axis=2).sum(axis=1)
    return {"kernels": int(filters.sum()), "fewest_in_a_filter": int(filters.min()), "most": int(filters.max())}


@dataclass(frozen=True)
class Kernel(Pruning):
    """Keeps kernels (k, c) by energy: round(density x K·C/G) of them, or round(density x C/G) in every filter."""

    name: ClassVar[str] = "kernel"
    title: ClassVar[str] = "keeps whole kernels (connectivity pruning)"
    examples: ClassVar[tuple[str, ...]] = ("density=0.3", "density=0.3,balance=filter")
    literature: ClassVar[str] = "1/3.6 beside patterns (PatDNN, ASPLOS 2020)"

    density: float = density("the kernels")
    balance: str = choice("kernels per filter: free, or the same number", "free", "filter")

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`."""
        del layer
        kept = keep_kernels(weights, rng, self.density, self.balance)
        return (matrix(weights != 0) & kept[:, :, np.newaxis]).reshape(weights.shape)

    def storage_format(self, layer: Layer) -> str:
        """An enable bit for each kernel."""
        del layer
        return "block:filters=1,channels=1"

    def facts(self, layer: Layer, weights: np.ndarray) -> Facts:
        """See `Pruning`."""
        del layer
        return kernel_facts(weights)
