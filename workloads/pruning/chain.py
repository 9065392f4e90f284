"""Several prunings one after the other, written METHOD:...+METHOD:..."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from workloads.graph import Graph
from workloads.layer import Layer
from workloads.pruning.base import Outcome, Pruning
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

    def outcome(self, sources: tuple[LayerSource, ...], graph: Graph | None, seed: int) -> Outcome:
        """See `Pruning`."""
        left = Outcome(sources, graph, ())
        # A later pruning speaks of the layers that the earlier ones leave, which may be other layers.
        for pruning in self.prunings:
            more = pruning.outcome(left.sources, left.graph, seed)
            left = replace(more, notes=(*left.notes, *more.notes))
        return left

    def resolved(self) -> Chain:
        """See `Pruning`."""
        return Chain(tuple(pruning.resolved() for pruning in self.prunings))

    def notes(self, sources: tuple[LayerSource, ...]) -> tuple[str, ...]:
        """See `Pruning`; for layers whose graph is not known."""
        return self.outcome(sources, None, 0).notes

    def storage_format(self, layer: Layer) -> str:
        """That of the last pruning that decides the structure."""
        return suited_format(self.prunings, layer)

    def __str__(self) -> str:
        """As on a command line."""
        return "+".join(map(str, self.prunings))
