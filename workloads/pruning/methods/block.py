"""Block pruning: blocks of kernels over all kernel positions, kept or dropped whole (Sun et al., DAC 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.layer import Layer
from workloads.options import whole
from workloads.pruning.base import Facts, Pruning, density
from workloads.pruning.choosing import energies, join_kernel_groups, kernel_groups, largest, share


def keep_blocks(
    layer: Layer, weights: np.ndarray, rng: np.random.Generator, density: float, size: tuple[int, int]
) -> np.ndarray:
    """Bool, shape of the weights: round(density x blocks) of `size` filters x channels, by energy."""
    blocks = kernel_groups(layer, weights, *size)
    # (G, K', C'), a score a block; `kept` is spread over the block's filters, channels and positions again.
    scores = energies(blocks, rng, (3, 4, 5))
    kept = largest(scores.reshape(-1), share(density, scores.size)).reshape(scores.shape)
    # A zero inside a kept block stays one, as no pruning brings weights back.
    return join_kernel_groups(layer, (blocks != 0) & kept[..., np.newaxis, np.newaxis, np.newaxis], weights.shape)


def block_facts(layer: Layer, weights: np.ndarray, size: tuple[int, int]) -> Facts:
    """Blocks that hold a non-zero."""
    # (G, K', C'): the zeros that fill a block at the edge make no block count as used.
    used = kernel_groups(layer, weights, *size).any(axis=(3, 4, 5))
    return {"blocks": int(used.sum()), "of": used.size}


@dataclass(frozen=True)
class Block(Pruning):
    """Keeps round(density x blocks) of a layer by energy. Blocks at the edges are smaller and count as one.

    Blocks never reach from one group of a grouped convolution into the next.
    """

    name: ClassVar[str] = "block"
    title: ClassVar[str] = "keeps whole blocks of filters x channels"
    examples: ClassVar[tuple[str, ...]] = ("density=0.3,filters=4,channels=2",)
    literature: ClassVar[str] = "1/2.6 of the operations of C3D (vanilla scheme of RT3D, Niu et al., AAAI 2021)"

    density: float = density("a layer's blocks")
    filters: int = whole("filters of a block (Tm)", 1, 4096, 8)
    channels: int = whole("channels of a block (Tn)", 1, 4096, 8)

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`."""
        return keep_blocks(layer, weights, rng, self.density, (self.filters, self.channels))

    def storage_format(self, layer: Layer) -> str:
        """An enable bit for each block."""
        if layer.groups > 1 and layer.group_out_channels % self.filters:
            return "bitmap"  # the format's blocks would reach across the convolution's groups
        return f"block:filters={self.filters},channels={self.channels}"

    def facts(self, layer: Layer, weights: np.ndarray) -> Facts:
        """See `Pruning`."""
        return block_facts(layer, weights, (self.filters, self.channels))
