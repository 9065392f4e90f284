"""Nested pruning, or network stacking: the kept set of a small network lies inside that of the next larger one.

Moon et al., IEEE JETCAS 2019. One training gives networks of several sizes; they are stored once, level by level, and
a mode reads only the first levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.errors import InputError
from workloads.formats import Format
from workloads.layer import Layer
from workloads.options import text, whole
from workloads.pruning.base import Facts, PrunedWeights, Pruning
from workloads.pruning.choosing import largest, share, sizes
from workloads.source import LayerSource


def separate_bits(levels: Sequence[float], value_bits: float, index_bits: float) -> float:
    """Bits per weight position when every level is stored on its own: sum of d·(b + i) over the levels' densities d."""
    # Densities 0.1 and 0.3 with 4 + 4 bits: 3.2 bits a position on their own, 0.3 * (8 + 1) = 2.7 together.
    return sum(levels) * (value_bits + index_bits)


def stacked_bits(levels: Sequence[float], value_bits: float, index_bits: float) -> float:
    """Bits per weight position when all levels are stored once: d_L·(b + i + ceil(log2 L)), L levels, d_L the largest.

    The last term is the code that tells to which level a stored weight belongs.
    """
    # Three levels take a code of 2 bits, two take 1, a single one none.
    return max(levels) * (value_bits + index_bits + (len(levels) - 1).bit_length())


@dataclass(frozen=True)
class StackedStorage:
    """Bits of a layer at all its levels, counted from encodings.

    separate   each level encoded on its own
    coded      the largest level encoded once, a level code beside every stored value, fillers included
    sectioned  what each level adds encoded on its own, one after the other; a mode reads the first sections only, and
               no code is needed
    """

    separate: int
    coded: int
    sectioned: int

    @classmethod
    def count(cls, codes: np.ndarray, chosen: Format) -> StackedStorage:
        """From level codes (see `Nested.level_codes`) of one layer, in a storage format."""
        levels = int(codes.max(initial=0))
        # A level holds every weight whose smallest level is no higher: codes 1 and 2 at level 2.
        masks = [(codes > 0) & (codes <= level) for level in range(1, levels + 1)]
        if not masks:
            return cls(0, 0, 0)
        # Codes 1 2 2 0: level 1 holds the first weight, level 2 the first three. As bitmaps with 16 bits a value they
        # take 20 + 52 bits each on its own, 52 + 3 with a bit of code, and 20 + 36 as sections of 1 and 2 weights.
        whole = chosen.encode(masks[-1])
        return cls(
            separate=sum(chosen.encode(mask).bits for mask in masks),
            coded=whole.bits + whole.entries * (levels - 1).bit_length(),
            sectioned=sum(chosen.encode(codes == level).bits for level in range(1, levels + 1)),
        )


def stored_codes(source: LayerSource, seed: int) -> np.ndarray:
    """Level codes of a layer whose last pruning is nested, whichever level it runs at; see `Nested.level_codes`.

    Raises `InputError` when it is another pruning or none.
    """
    weights = source.weights
    if not isinstance(weights, PrunedWeights) or not isinstance(weights.plan.pruning, Nested):
        raise InputError(f"layer '{source.layer.name}': its last pruning is not 'nested', it has no levels")
    stream = source.weight_stream(seed)
    whole = weights.weights.array(source.layer.weight_shape, stream)
    return weights.plan.pruning.level_codes(whole, weights.rng(stream))


@dataclass(frozen=True)
class Nested(Pruning):
    """Keeps the round(d x weights) largest weights, d being the density of the chosen level.

    Levels nest: by size, or on masks by one random order of the weights, which is the same for every level.
    """

    name: ClassVar[str] = "nested"
    title: ClassVar[str] = "keeps one of several nested sets of weights (network stacking)"
    examples: ClassVar[tuple[str, ...]] = ("levels=0.1/0.3/0.5,level=2",)
    literature: ClassVar[str] = "none with accuracy at hand; memory up to 33 % smaller (Moon et al., IEEE JETCAS 2019)"

    levels: str = text("densities in rising order joined by /, such as 0.1/0.25/0.5")
    level: int = whole("which of the levels stays, 1 being the smallest; 0: the largest", 0, 16, 0)

    def __post_init__(self) -> None:
        super().__post_init__()
        densities = self.densities
        if self.level > len(densities):
            raise InputError(f"{self.subject}: level = {self.level}: must be at most {len(densities)}")

    @property
    def densities(self) -> tuple[float, ...]:
        """Of the levels. Raises `InputError` when they are not rising shares."""
        try:
            found = tuple(float(part) for part in self.levels.split("/"))
        except ValueError:
            found = ()
        # 0.1/0.3/0.3 is compared as 0 < 0.1, 0.1 < 0.3 and 0.3 < 0.3, the last of which fails.
        rising = all(low < high <= 1 for low, high in zip((0.0, *found), found, strict=False))
        if not 1 <= len(found) <= 16 or not rising:
            raise InputError(
                f"{self.subject}: levels = {self.levels}: must be 1 to 16 rising densities above 0 and up to 1, "
                "joined by /, such as 0.1/0.25/0.5"
            )
        return found

    def level_codes(self, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Uint8, shape of the weights: the smallest level that keeps a weight, 1 up; 0 where none does."""
        scores = sizes(weights, rng).reshape(-1)
        codes = np.zeros(weights.size, np.uint8)
        # From the largest level down, so that smaller ones overwrite it: levels 0.25/0.5 of [4 3 2 1] are first 2 2 0 0
        # and then 1 2 0 0. By `largest` a smaller share always lies inside a larger one.
        for level, density in reversed(list(enumerate(self.densities, start=1))):
            codes[largest(scores, share(density, weights.size))] = level
        return codes.reshape(weights.shape)

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`."""
        del layer
        # Level 0 reads place -1, the largest.
        density = self.densities[self.level - 1]
        # Scores are drawn as in `level_codes`, from the same stream: what stays are the weights whose code is at most
        # the level.
        return largest(sizes(weights, rng).reshape(-1), share(density, weights.size)).reshape(weights.shape)

    def storage_format(self, layer: Layer) -> str:
        """As unstructured pruning (Han et al., ICLR 2016, section 2); level codes come on top."""
        return f"relative:index_bits={5 if layer.fully_connected else 8}"

    def facts(self, layer: Layer, weights: np.ndarray) -> Facts:
        """See `Pruning`."""
        del layer, weights
        return {"level": self.level or len(self.densities), "of": len(self.densities)}
