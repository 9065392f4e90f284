"""Pattern pruning: every 3x3 kernel keeps the weights of one of a few patterns.

PCONV (Ma et al., AAAI 2020): four patterns. PatDNN (Niu et al., ASPLOS 2020): the network's 6, 8 or 12 most frequent of
the 56 patterns of four weights with the centre. Both with connectivity pruning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from workloads.layer import Layer
from workloads.options import choice, number, text, whole
from workloads.pruning.base import Facts, Pruning, pruning_rng
from workloads.pruning.choosing import matrix
from workloads.pruning.methods.kernel import keep_kernels, kernel_facts
from workloads.pruning.methods.patterns.pattern_sets import (
    CENTRED,
    best_patterns,
    most_frequent,
    pattern_counts,
    read_patterns,
    written_patterns,
)
from workloads.source import LayerSource
from workloads.whole_numbers import ceil_div


@dataclass(frozen=True)
class Pattern(Pruning):
    """Each kernel keeps its pattern of largest energy out of the set; of a mask, the one with most non-zeros.

    Equal patterns are told apart by the seed on masks, else the first of the set is taken. `connectivity` then keeps
    that share of the kernels by what is left of their energy, the same number in every filter or freely.
    Density: pattern weights / positions x connectivity. Only kernels of the patterns' size are pruned (3x3, or 1x3x3);
    1x1 kernels gain nothing from patterns and stay whole, as do 5x5 and 3x3x3.
    """

    name: ClassVar[str] = "pattern"
    title: ClassVar[str] = "keeps one of a few patterns in each 3x3 kernel"
    examples: ClassVar[tuple[str, ...]] = ("", "set=patdnn,size=6,connectivity=0.5", "set=111000000-000000111")
    literature: ClassVar[str] = "4/9 x connectivity 1/3.6 (PatDNN, ASPLOS 2020); 4/9 (PCONV, AAAI 2020)"

    set: str = text(
        "pconv, patdnn, masks such as 010111000-010110010 (row by row), or a file with a mask a line", "pconv"
    )
    size: int = whole("patterns of the library, set=patdnn (the paper has 6, 8 and 12)", 1, 56, 8)
    connectivity: float = number("share of the kernels that stay", 0, 1, 1.0)
    balance: str = choice("kept kernels per filter: the same number, or free", "filter", "free")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.set != "patdnn":
            read_patterns(self.subject, self.set)

    def plan(self, sources: tuple[LayerSource, ...], seed: int) -> tuple[Pruning, ...]:
        """See `Pruning`; PatDNN's library is one for the whole network."""
        if self.set != "patdnn":
            return super().plan(sources, seed)
        # Kernels of all layers with 3x3 kernels vote together; layers of other sizes have no say.
        counts = sum(
            (
                pattern_counts(matrix(source.weight_array(seed)), pruning_rng(source, seed))
                for source in sources
                if self._fits(source.layer)
            ),
            start=np.zeros(len(CENTRED), np.int64),
        )
        # Each layer gets the network's library as a set of given patterns.
        return (replace(self, set=written_patterns(most_frequent(counts, self.size))),) * len(sources)

    def resolved(self) -> Pattern:
        """See `Pruning`."""
        if self.set == "patdnn":
            return self
        return replace(self, set=written_patterns(read_patterns(self.subject, self.set)))

    def _fits(self, layer: Layer) -> bool:
        # Patterns are square: 9 positions are 3x3, also as the 1x3x3 slice of a 3-D kernel.
        side = 3 if self.set == "patdnn" else int(read_patterns(self.subject, self.set).shape[1] ** 0.5)
        return layer.kernel_size[-2:] == (side, side) and all(size == 1 for size in layer.kernel_size[:-2])

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`; for set=patdnn outside a network the library is this layer's."""
        if not self._fits(layer):
            return weights != 0
        if self.set == "patdnn":
            library = most_frequent(pattern_counts(matrix(weights), rng), self.size)
        else:
            library = read_patterns(self.subject, self.set)
        kernels = matrix(weights)
        chosen = best_patterns(kernels, library, rng)
        # (K, C, X): in place of each kernel's number of a pattern the pattern's positions.
        keep = library[chosen] & (kernels != 0)
        # Patterns first, then kernels by what their pattern has left them: the other way round a strong weight that its
        # pattern drops could save a kernel.
        if self.connectivity < 1:
            keep &= keep_kernels(kernels * keep, rng, self.connectivity, self.balance)[:, :, np.newaxis]
        return keep.reshape(weights.shape)

    def storage_format(self, layer: Layer) -> str:
        """Pattern codes for layers that have patterns."""
        if not self._fits(layer):
            return "dense"
        library = self.size if self.set == "patdnn" else len(read_patterns(self.subject, self.set))
        # The format gives all patterns one number of values; smaller patterns of a set fill up with zeros.
        weights = 4 if self.set == "patdnn" else int(read_patterns(self.subject, self.set).sum(axis=1).max())
        # The pattern format is made for nine positions; other squares are stored with a bit a weight.
        nine = layer.kernel_size[-2:] == (3, 3)
        return f"pattern:n={weights},patterns={library}" if nine else "bitmap"

    def facts(self, layer: Layer, weights: np.ndarray) -> Facts:
        """Patterns that the kernels use as they are, and kept kernels."""
        if not self._fits(layer):
            return {"patterns": 0}
        # 9 positions are 2 bytes a kernel, so that equal patterns are equal rows of bytes.
        kernels = np.packbits(matrix(weights != 0), axis=-1).reshape(-1, ceil_div(int(np.prod(layer.kernel_size)), 8))
        used = np.unique(kernels[kernels.any(axis=1)], axis=0)
        return {"patterns": len(used), **kernel_facts(weights)}
