"""Transposable N:M pruning: N of every M weights along the channels and along the filters alike.

The transposed weights, which a backward pass multiplies by, are N:M then as well (Hubara et al., "Accelerated Sparse
Neural Training: A Provable and Efficient Method to Find N:M Transposable Masks", NeurIPS 2021, from memory).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from workloads.errors import InputError
from workloads.layer import Layer
from workloads.options import whole
from workloads.pruning.base import Facts, Pruning
from workloads.pruning.choosing import join_kernel_groups, kernel_groups, sizes
from workloads.pruning.methods.nm import group_facts

_MOST = 4  # of m: beyond, there are too many masks to try all
_BLOCKS = 1 << 14  # tried at a time, so that their scores take a few MB


@cache
def square_masks(n: int, m: int) -> np.ndarray:
    """Bool (masks, m, m): every mask with n in each row and each column; 90 of them for 2:4."""
    rows = [np.isin(np.arange(m), chosen) for chosen in itertools.combinations(range(m), n)]
    masks = np.array(list(itertools.product(rows, repeat=m)))
    return masks[(masks.sum(axis=1) == n).all(axis=1)]


@dataclass(frozen=True)
class NMTransposable(Pruning):
    """Keeps n of every m consecutive channels, and of every m consecutive filters of a group, at one kernel position.

    Of all masks of a block of m x m with n in each row and column the one that keeps the largest sum of magnitudes, the
    first of equals: density n/m. A block at the edge, which has fewer channels or filters, keeps what such a mask keeps
    of it. Where weights are zero already fewer stay. On masks the scores are drawn by the seed.
    """

    name: ClassVar[str] = "nm-transposable"
    title: ClassVar[str] = "keeps n of every m consecutive channels and of every m consecutive filters"
    examples: ClassVar[tuple[str, ...]] = ("", "n=1,m=3")
    literature: ClassVar[str] = "2:4, 0.5 (Hubara et al., NeurIPS 2021, from memory)"

    n: int = whole("weights that stay in a row or column of a block", 0, _MOST, 2)
    m: int = whole("channels, and filters, of a block", 1, _MOST, 4)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n > self.m:
            raise InputError(f"{self.subject}: n = {self.n}: must be at most m = {self.m}")

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`."""
        blocks = kernel_groups(layer, sizes(weights, rng), self.m, self.m)
        # (G, K', C', m, m, X): the kernel positions before the block, so that a row is one block at one position.
        moved = np.moveaxis(blocks, -1, 3)
        rows = moved.reshape(-1, self.m * self.m)
        masks = square_masks(self.n, self.m).reshape(-1, self.m * self.m)
        kept = np.zeros(rows.shape, np.bool_)
        for first in range(0, len(rows), _BLOCKS):
            part = rows[first : first + _BLOCKS].astype(np.float64)
            kept[first : first + _BLOCKS] = masks[(part @ masks.T).argmax(axis=1)]
        kept &= rows > 0
        joined = join_kernel_groups(layer, np.moveaxis(kept.reshape(moved.shape), 3, -1), weights.shape)
        return np.asarray(joined, np.bool_)

    def storage_format(self, layer: Layer) -> str:
        """See `Pruning`."""
        del layer
        # The format stores at least one value a group, even where n = 0 keeps none.
        return f"nm:n={max(self.n, 1)},m={self.m}"

    def facts(self, layer: Layer, weights: np.ndarray) -> Facts:
        """See `Pruning`; of groups along the channels, and along the filters."""
        by_group = weights.reshape(layer.groups, layer.group_out_channels, *weights.shape[1:])
        # Filters of one convolution group: (K/G, G·C/G, X), of which groups along the first axis are cut.
        filters = np.moveaxis(by_group, 0, 1).reshape(layer.group_out_channels, -1, 1)
        along = group_facts(filters, self.m, axis=0)
        return group_facts(weights, self.m) | {f"filter_{key}": value for key, value in along.items()}
