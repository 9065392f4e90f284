"""Unstructured pruning: single weights, wherever they lie, an exact share of each layer or of the whole network.

By size as in Han, Mao and Dally, ICLR 2016 (Deep Compression) where values are known; uniformly at random from the
seed where only a mask or a shape is known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from workloads.layer import Layer
from workloads.masks.synthetic import uniform_mask
from workloads.options import choice
from workloads.pruning.base import Facts, Pruning, density
from workloads.pruning.methods.unstructured.network_counts import global_counts
from workloads.source import LayerSource


@dataclass(frozen=True)
class Unstructured(Pruning):
    """Keeps round(density x weights), or all non-zeros where there are fewer: zeros stay zeros.

    scope=layer keeps that share of each layer. scope=global keeps it of all layers together, one threshold for the
    whole network; where a layer is known as a mask only, every layer keeps the same share of its non-zeros.
    """

    name: ClassVar[str] = "unstructured"
    title: ClassVar[str] = "keeps the largest weights, or random ones where only a mask is known"
    examples: ClassVar[tuple[str, ...]] = ("density=0.3", "density=0.3,scope=global")
    literature: ClassVar[str] = (
        "AlexNet convolutions 0.35 to 0.84, VGG-16 convolutions 0.22 to 0.58 per layer (Han et al., ICLR 2016); "
        "ResNet-50 0.1 to 0.2 (Gale et al., 2019, arXiv:1902.09574; Kusupati et al., ICML 2020)"
    )

    density: float = density("the weights")
    scope: str = choice("what the share is taken of", "layer", "global")

    def plan(self, sources: tuple[LayerSource, ...], seed: int) -> tuple[Pruning, ...]:
        """See `Pruning`."""
        if self.scope == "layer":
            return super().plan(sources, seed)
        # count / n times n is the count again up to a rounding error far below a half, so that `keep` finds exactly
        # this count.
        counts = global_counts(sources, seed, self.density)
        return tuple(
            replace(self, scope="layer", density=count / source.layer.weight_count)
            for source, count in zip(sources, counts, strict=True)
        )

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`; between weights of equal size the earlier ones (row-major) stay."""
        del layer
        count = round(self.density * weights.size)
        nonzeros = int(np.count_nonzero(weights))
        if count >= nonzeros:
            return weights != 0
        if weights.dtype == np.bool_:
            # Either way every choice is equally likely; a full mask is spared the detour over its own elements.
            if nonzeros == weights.size:
                return uniform_mask(rng, weights.size, count).reshape(weights.shape)
            keep = np.zeros(weights.shape, np.bool_)
            keep[weights] = uniform_mask(rng, nonzeros, count)
            return keep
        return _largest(weights.reshape(-1), count).reshape(weights.shape)

    def storage_format(self, layer: Layer) -> str:
        """Deep Compression's: runs of 8 bits, 5 in fully connected layers (Han et al., ICLR 2016, section 2)."""
        return f"relative:index_bits={5 if layer.fully_connected else 8}"

    def facts(self, layer: Layer, weights: np.ndarray) -> Facts:
        """Fewest and most non-zeros in a filter."""
        del layer
        # A row a filter, over channels and kernel positions.
        counts = np.count_nonzero(weights.reshape(len(weights), -1), axis=1)
        return {"fewest_in_a_filter": int(counts.min()), "most": int(counts.max())}


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Bool (n,): the `count` entries of largest magnitude, ties going to the first."""
    # There is no place n - 0 to partition at.
    if count == 0:
        return np.zeros(values.shape, np.bool_)
    wide = np.int64 if values.dtype.kind in "iu" else values.dtype  # the magnitude of int8's -128 needs more than int8
    sizes = np.abs(values.astype(wide))
    # Example: 2 of [3 -5 3 1]: the second largest size is 3. The 5 above it stays, and of two that tie the first: [1 1
    # 0 0].
    threshold = np.partition(sizes, values.size - count)[values.size - count]
    keep = sizes > threshold
    ties = np.flatnonzero(sizes == threshold)
    keep[ties[: count - int(np.count_nonzero(keep))]] = True
    return keep
