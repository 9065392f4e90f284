"""Low-rank factorization: one convolution becomes two thinner ones without a nonlinearity between them.

As in Chen et al., ISCAS 2019 and IEEE TCAS-I 2020, who prune channels of the factorized network afterwards: chain
"lowrank:...+channel:scope=global,...". The spatial form is that of Jaderberg et al., BMVC 2014, the one over channels
that of Zhang et al., IEEE TPAMI 2016.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import ClassVar

import numpy as np

from workloads.errors import InputError
from workloads.layer import Layer
from workloads.options import choice, number
from workloads.pruning.base import Pruning
from workloads.pruning.methods.low_rank.factorization import SCHEMES, Factorization, factor_layers
from workloads.source import SECOND_HALF, DrawnBatch, LayerSource


@dataclass(frozen=True)
class LowRank(Pruning):
    """Replaces a layer by its factors of rank R, the best approximation in the sum of squares (truncated SVD).

    scheme=spatial: kh x 1 kernels C -> R, then 1 x kw kernels R -> N; for 2-D kernels longer than 1 both ways.
    scheme=channel: the layer's own kernels C -> R, then 1x1 kernels R -> N; for any layer.
    ratio: R is the largest rank with MACs of the layer / MACs of its factors >= ratio, at least 1. For the spatial
    scheme at stride 1 and equal map sizes that is k·C·N / (ratio·(C + N)), rounded down.
    energy: R is the smallest rank that keeps this share of the sum of squares; needs weights known by value.

    Factors hold real values where the weights do, and are dense masks otherwise. The map between them is dense. Layers
    stay as they are where they are grouped, where the scheme does not apply, and where factors would not need fewer
    MACs. Nothing is pruned: storage is dense.
    """

    name: ClassVar[str] = "lowrank"
    title: ClassVar[str] = "replaces layers by two thinner dense ones (low-rank factorization)"
    examples: ClassVar[tuple[str, ...]] = ("ratio=2", "ratio=2,scheme=channel")
    replaces_layers: ClassVar[bool] = True

    ratio: float | None = number("MACs of a layer over MACs of its factors, at least", 1, 1e6, None)
    energy: float | None = number("share of the weights' sum of squares that stays", 0, 1, None)
    scheme: str = choice("how kernels are split", *SCHEMES)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.ratio is None) == (self.energy is None):
            raise InputError(f"{self.subject}: give either ratio or energy, one of them")

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`; no weight of a layer goes, `apply` replaces the layer."""
        del layer, rng
        return weights != 0

    def storage_format(self, layer: Layer) -> str:
        """Factors are dense."""
        del layer
        return "dense"

    def apply(self, sources: tuple[LayerSource, ...]) -> tuple[LayerSource, ...]:
        """See `Pruning`; layers `NAME.vertical` and `NAME.horizontal`, or `NAME.reduce` and `NAME.restore`."""
        return tuple(chain.from_iterable(self.parts(sources)))

    def parts(self, sources: tuple[LayerSource, ...]) -> tuple[tuple[LayerSource, ...], ...]:
        """See `Pruning`; a layer, or its two factors."""
        return tuple(self._factors(source) for source in sources)

    def _factors(self, source: LayerSource) -> tuple[LayerSource, ...]:
        layer = source.layer
        if layer.groups > 1 or (self.scheme == "spatial" and (layer.axes > 2 or min(layer.kernel_size) == 1)):
            return (source,)
        factorization = Factorization(source, self.scheme)
        rank = self._rank(factorization)
        first, second = factor_layers(layer, self.scheme, rank)
        # Even rank 1 may cost more than the layer: a single 3x3 filter over 4 channels makes 36 products a position,
        # its factors over channels 36 + 1.
        if first.dense_macs + second.dense_macs >= layer.dense_macs:
            return (source,)
        origin = f"{source.origin}; {self.scheme} factor of rank {rank}"
        chosen = replace(factorization, rank=rank)
        source = replace(source, codebook_values=None)  # factors of quantized weights are not quantized
        return (
            replace(
                source, layer=first, weights=chosen.first, output_density=1.0, image_output_densities=(), origin=origin
            ),
            replace(
                source,
                # A place of its own among the random streams; the first factor keeps the layer's.
                index=source.index + SECOND_HALF,
                layer=second,
                weights=chosen.second,
                activations=DrawnBatch(1.0),
                # The first factor wrote what the second one reads, and no ReLU stands between them.
                input_in_dram=False,
                relu_input=False,
                origin=origin,
            ),
        )

    def _rank(self, factorization: Factorization) -> int:
        if self.energy is not None:
            return factorization.rank_for_energy(self.subject, self.energy)
        layer = factorization.source.layer
        macs_per_rank = sum(part.dense_macs for part in factor_layers(layer, self.scheme, 1))
        # MACs of the factors grow in proportion to the rank. 3x3 kernels of 64 x 64 channels: 36,864 MACs a position,
        # 384 a rank, so that ratio = 2 gives rank 48. Rounded down: one rank more would fall short of the ratio.
        rank = int(layer.dense_macs // (macs_per_rank * (self.ratio or 1.0)))
        return max(1, min(rank, factorization.full_rank))
