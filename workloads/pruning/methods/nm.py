"""N:M pruning: N of every M consecutive input channels at one kernel position.

2:4 is that of NVIDIA's sparse tensor cores (Mishra et al., 2021, arXiv:2104.08378).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.errors import InputError
from workloads.layer import Layer
from workloads.options import whole
from workloads.pruning.base import Facts, Pruning
from workloads.pruning.choosing import groups_along, join_groups, largest, matrix, sizes


def keep_in_groups(weights: np.ndarray, rng: np.random.Generator, count: int, length: int, axis: int = 1) -> np.ndarray:
    """Bool, shape of the weights: the `count` largest in every group of `length` along an axis, at one position."""
    # Along axis 1, the channels: (K, groups, X, length), so that a row of `largest` is one group at one kernel
    # position.
    groups = groups_along(sizes(matrix(weights), rng), axis, length)
    kept = largest(groups, count)
    return join_groups(kept, axis, weights.shape[axis]).reshape(weights.shape)


def group_facts(weights: np.ndarray, length: int, axis: int = 1) -> Facts:
    """Fewest and most non-zeros in the full groups of `length` along an axis."""
    # A last group that is not full would make the fewest look smaller than the pruning made it.
    # Of 10 channels in groups of 4 the first 8 count.
    whole = weights.shape[axis] // length * length
    if not whole:
        return {"groups": 0}
    full = matrix(weights != 0)[(slice(None),) * axis + (slice(0, whole),)]
    counts = np.count_nonzero(groups_along(full, axis, length), axis=-1)
    return {"groups": counts.size, "fewest_in_a_group": int(counts.min()), "most": int(counts.max())}


@dataclass(frozen=True)
class NM(Pruning):
    """Keeps the n largest of every m consecutive channels at one kernel position: density n/m.

    A last group of fewer than m channels keeps n too, or all it has. Where a group has fewer non-zeros it keeps them.
    """

    name: ClassVar[str] = "nm"
    title: ClassVar[str] = "keeps n of every m consecutive channels"
    examples: ClassVar[tuple[str, ...]] = ("", "n=1,m=16")
    literature: ClassVar[str] = "2:4, 0.5 (Mishra et al., 2021, arXiv:2104.08378)"

    n: int = whole("weights that stay in a group", 0, 1024, 2)
    m: int = whole("channels of a group", 1, 1024, 4)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n > self.m:
            raise InputError(f"{self.subject}: n = {self.n}: must be at most m = {self.m}")

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`."""
        del layer
        return keep_in_groups(weights, rng, self.n, self.m)

    def storage_format(self, layer: Layer) -> str:
        """See `Pruning`."""
        del layer
        # The format stores at least one value a group, even where n = 0 keeps none.
        return f"nm:n={max(self.n, 1)},m={self.m}"

    def facts(self, layer: Layer, weights: np.ndarray) -> Facts:
        """See `Pruning`."""
        del layer
        return group_facts(weights, self.m)
