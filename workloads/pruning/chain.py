"""Several prunings one after the other, written METHOD:...+METHOD:..."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import chain, islice

import numpy as np

from workloads.layer import Layer
from workloads.pruning.base import Pruning
from workloads.pruning.kept import suited_format
from workloads.source import LayerSource


@dataclass(frozen=True)
class Chain(Pruning):
    """Each pruning works on what the one before left."""

    prunings: tuple[Pruning, ...]

    def __post_init__(self) -> None:
        """Nothing to check: each pruning has checked itself."""

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`; for one layer by itself."""
        # A pruning of the chain may change values as well; what stays is what is not zero at the end.
        return self.pruned(layer, weights, rng) != 0

    def pruned(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`; for one layer by itself."""
        # One generator for all of them: each goes on drawing where the one before stopped.
        return reduce(lambda left, pruning: pruning.pruned(layer, left, rng), self.prunings, weights)

    def apply(self, sources: tuple[LayerSource, ...]) -> tuple[LayerSource, ...]:
        """See `Pruning`."""
        # Each pruning gets the layers that the ones before it left, and a random stream of its own for them.
        return reduce(lambda left, pruning: pruning.apply(left), self.prunings, sources)

    def parts(self, sources: tuple[LayerSource, ...]) -> tuple[tuple[LayerSource, ...], ...]:
        """See `Pruning`."""
        return reduce(_onward, self.prunings, tuple((source,) for source in sources))

    def resolved(self) -> Chain:
        """See `Pruning`."""
        return Chain(tuple(pruning.resolved() for pruning in self.prunings))

    def notes(self, sources: tuple[LayerSource, ...]) -> tuple[str, ...]:
        """See `Pruning`."""
        # A later pruning speaks of the layers that the earlier ones leave, which may be other layers.
        found: list[str] = []
        for pruning in self.prunings:
            found += pruning.notes(sources)
            sources = pruning.apply(sources)
        return tuple(found)

    def storage_format(self, layer: Layer) -> str:
        """That of the last pruning that decides the structure."""
        return suited_format(self.prunings, layer)

    def __str__(self) -> str:
        """As on a command line."""
        return "+".join(map(str, self.prunings))


def _onward(parts: tuple[tuple[LayerSource, ...], ...], pruning: Pruning) -> tuple[tuple[LayerSource, ...], ...]:
    """What the next pruning makes of what each layer has become."""
    # All layers at once, as a pruning may look at the whole network; then they are handed back to where they came from.
    further = iter(pruning.parts(tuple(chain.from_iterable(parts))))
    return tuple(tuple(chain.from_iterable(islice(further, len(part)))) for part in parts)
