"""RT3D's two schemes for 3-D networks on mobile devices (Niu et al., AAAI 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.layer import Layer
from workloads.options import choice, whole
from workloads.pruning.base import Facts, Pruning, density
from workloads.pruning.choosing import energies, join_kernel_groups, kernel_groups, largest, share
from workloads.pruning.methods.block import block_facts, keep_blocks


@dataclass(frozen=True)
class Rt3d(Pruning):
    """Prunes groups of `filters` x `channels` kernels; groups stay inside a group of a grouped convolution.

    scheme=vanilla keeps round(density x groups) whole groups. scheme=kgs keeps kernel positions, the same in all
    kernels of a group: round(density x groups·X) of the layer, so that groups may keep different numbers, or with
    balance=group round(density x X) of every group, at least one.
    """

    name: ClassVar[str] = "rt3d"
    title: ClassVar[str] = "keeps whole groups of kernels (vanilla) or kernel positions of groups (kgs)"
    examples: ClassVar[tuple[str, ...]] = ("density=0.4", "density=0.4,scheme=vanilla")
    literature: ClassVar[str] = "C3D: 1/2.6 of the operations vanilla, 1/2.6 to 1/3.6 kgs (Niu et al., AAAI 2021)"

    density: float = density("a layer's groups, or of their kernel positions,")
    scheme: str = choice("what is pruned", "kgs", "vanilla")
    filters: int = whole("filters of a group", 1, 1024, 8)
    channels: int = whole("channels of a group", 1, 1024, 8)
    balance: str = choice("positions per group, kgs: free, or the same number", "free", "group")

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`."""
        if self.scheme == "vanilla":
            return keep_blocks(layer, weights, rng, self.density, (self.filters, self.channels))
        groups = kernel_groups(layer, weights, self.filters, self.channels)
        # (G, K', C', X): a position's energy over all kernels of its group, with which it stays or goes in all of them.
        scores = energies(groups, rng, (3, 4))
        if self.balance == "group":
            # 0.4 of a 3x3x3 kernel's 27 positions are 11, other ones in every group.
            kept = largest(scores, share(self.density, scores.shape[-1], at_least=1))
        else:
            # All positions of all groups compete, so that a weak group may lose every position.
            kept = largest(scores.reshape(-1), share(self.density, scores.size)).reshape(scores.shape)
        return join_kernel_groups(layer, (groups != 0) & kept[..., np.newaxis, np.newaxis, :], weights.shape)

    def storage_format(self, layer: Layer) -> str:
        """See `Pruning`."""
        # Blocks of the format would begin in one group of the convolution and end in the next; kept positions of a
        # block have no format of their own.
        if self.scheme == "kgs" or (layer.groups > 1 and layer.group_out_channels % self.filters):
            return "bitmap"
        return f"block:filters={self.filters},channels={self.channels}"

    def facts(self, layer: Layer, weights: np.ndarray) -> Facts:
        """See `Pruning`."""
        if self.scheme == "vanilla":
            return block_facts(layer, weights, (self.filters, self.channels))
        # Positions that any kernel of the group still has a weight at, (G, K', C').
        used = kernel_groups(layer, weights, self.filters, self.channels).any(axis=(3, 4)).sum(axis=-1)
        return {"groups": used.size, "fewest_positions": int(used.min()), "most": int(used.max())}
