"""Filter pruning: whole filters, so that output channels vanish (Li et al., ICLR 2017; ThiNet, ICCV 2017)."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.layer import Layer
from workloads.pruning.base import density, pruning_rng
from workloads.pruning.choosing import energies, largest, matrix, share
from workloads.pruning.methods.channels.units import UnitPruning, links_option, remove_option, sums_option
from workloads.pruning.removal import depthwise
from workloads.source import LayerSource


@dataclass(frozen=True)
class Filter(UnitPruning):
    """Keeps the round(density x K/G) filters of each group with the largest energy (sum of squares).

    Those of a depthwise layer compete over the layer; where it is known what it reads, it keeps the filters of
    the channels that still come. The channels that lost filters wrote go from their readers, H·W features each at a
    flattened map, along the network's graph; without one where a layer plainly feeds the next. See `UnitPruning` for
    what leaves the layers.
    """

    name: ClassVar[str] = "filter"
    title: ClassVar[str] = "keeps whole filters and drops the channels that the others wrote"
    examples: ClassVar[tuple[str, ...]] = ("density=0.5", "density=0.5,remove=zero,links=none")
    literature: ClassVar[str] = (
        "0.5 to 0.7 typical (SSL rows, NIPS 2016; ThiNet, ICCV 2017; network slimming, ICCV 2017)"
    )
    readers_decide: ClassVar[bool] = False
    follows: ClassVar[str] = "layers still read what lost filters wrote, as the list does not say which do, after"

    density: float = density("a layer's filters")
    links: str = links_option()
    remove: str = remove_option()
    sums: str = sums_option()

    def counts(self, sources: Sequence[LayerSource], links: Sequence[int]) -> list[int | None]:
        """See `UnitPruning`; at least one a group, as no layer can do without."""
        return [
            None if _follows(source.layer, links, place) else groups * max(share(self.density, of), 1)
            for place, source in enumerate(sources)
            for groups, of in [_competing(source.layer)]
        ]

    def masks(
        self, sources: Sequence[LayerSource], links: Sequence[int], seed: int, given: Container[int] = ()
    ) -> list[np.ndarray | None]:
        """See `UnitPruning`."""
        del given  # filters of a layer are its own, whatever it reads
        return [
            None
            if _follows(source.layer, links, place)
            else self._kept(source.layer, source.weight_array(seed), pruning_rng(source, seed))
            for place, source in enumerate(sources)
        ]

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`; this layer by itself, whatever its place in a network."""
        # One value a filter, spread over all other axes, however many there are.
        return (weights != 0) & self._kept(layer, weights, rng).reshape(-1, *[1] * (weights.ndim - 1))

    def _kept(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        # A density that rounds to no filter gives a mask without any; the one that `counts` keeps then is a dead one.
        groups, of = _competing(layer)
        # Over channels and positions: a score for each filter, which then compete in their groups.
        scores = energies(matrix(weights), rng, (1, 2)).reshape(groups, of)
        return largest(scores, share(self.density, of)).reshape(-1)

    def storage_format(self, layer: Layer) -> str:
        """An enable bit for each filter, where zeros stay."""
        return f"block:filters=1,channels={min(layer.group_in_channels, 4096)}"


def _competing(layer: Layer) -> tuple[int, int]:
    """Groups of filters that compete, and filters of each."""
    # Each group of a depthwise layer is one filter, which would have nobody to compete with.
    return (1, layer.out_channels) if depthwise(layer) else (layer.groups, layer.group_out_channels)


def _follows(layer: Layer, links: Sequence[int], place: int) -> bool:
    """Whether a depthwise layer keeps what the layer before it decides."""
    return depthwise(layer) and place > 0 and links[place - 1] > 0
