"""Channel pruning: whole input channels, and the filters before them that write those (He et al., ICCV 2017)."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.layer import Layer
from workloads.options import choice
from workloads.pruning.base import density, pruning_rng
from workloads.pruning.choosing import energies, largest, share
from workloads.pruning.methods.channels.units import UnitPruning, links_option, remove_option, sums_option
from workloads.pruning.removal import KeptUnits, Removal, by_channel
from workloads.source import LayerSource


@dataclass(frozen=True)
class Channel(UnitPruning):
    """Keeps channels by the energy of the weights that read them, in every group of a convolution as many.

    scope=layer: round(density x C/G) in each layer, at least one while the density is above 0. scope=global: the share
    of all layers' channels together, those with the largest mean square a weight (of masks random ones), and the best
    of every group in any case; zeros then stay in place, since how many go depends on the weights.
    The network's first layer keeps its channels, which are the image's; a depthwise layer keeps those that the next
    one reads. At a flattened map a channel is its H·W features, which go together.
    Filters that write channels which nobody reads go too, along the network's graph; without one where a layer plainly
    feeds the next. See `UnitPruning` for what leaves the layers.
    """

    name: ClassVar[str] = "channel"
    title: ClassVar[str] = "keeps whole channels and drops the filters that write the others"
    examples: ClassVar[tuple[str, ...]] = ("density=0.5", "density=0.5,scope=global", "density=0.5,remove=zero")
    literature: ClassVar[str] = "0.5 to 0.7 (He et al., ICCV 2017)"
    readers_decide: ClassVar[bool] = True
    follows: ClassVar[str] = "filters that write removed channels stay, as the list does not say which do, before"

    density: float = density("the channels")
    scope: str = choice("what the share is taken of", "layer", "global")
    links: str = links_option()
    remove: str = remove_option()
    sums: str = sums_option()

    def counts(self, sources: Sequence[LayerSource], links: Sequence[int]) -> list[int | None]:
        """See `UnitPruning`; at least one a group, as no layer can do without."""
        return [
            # 512 channels of a 7x7 map, flattened, are 25,088 features. At density 0.5, 256 channels stay: 256 x 49 =
            # 12,544 features.
            None if _fixed(source) else source.layer.groups * features * max(self._share(source.layer, features), 1)
            for source, features in zip(sources, _features(links), strict=True)
        ]

    @property
    def counted(self) -> bool:
        """See `UnitPruning`; with scope=global it depends on the weights, of whatever seed."""
        return self.scope == "layer"

    def removals(self, sources: Sequence[LayerSource], links: Sequence[int]) -> list[Removal]:
        """See `UnitPruning`; nothing leaves with scope=global."""
        if self.counted:
            return super().removals(sources, links)
        # Nothing leaves. Where a linked layer's filters go with lost channels, the activations that it writes hold
        # zeros there.
        return [Removal(dead_inputs=link > 0) for link in (0, *links[:-1])]

    def notes_along(self, links: Sequence[int], sources: Sequence[LayerSource]) -> tuple[str, ...]:
        """See `UnitPruning`."""
        if self.counted or self.remove == "zero":
            return super().notes_along(links, sources)
        return (f"{self}: zeros stay in place, since how many channels a layer loses depends on its weights",)

    def masks(
        self, sources: Sequence[LayerSource], links: Sequence[int], seed: int, given: Container[int] = ()
    ) -> list[np.ndarray | None]:
        """See `UnitPruning`."""
        features = _features(links)
        free = [place for place, source in enumerate(sources) if not _fixed(source) and place not in given]
        kept: dict[int, np.ndarray] = {}
        if self.scope == "global":
            kept = self._global(sources, free, features, seed)
        else:
            for place in free:
                scores = _scores(sources[place], features[place], seed)
                kept[place] = largest(scores, self._share(sources[place].layer, features[place]))
        return [np.repeat(kept[place].reshape(-1), of) if place in kept else None for place, of in enumerate(features)]

    def _share(self, layer: Layer, features: int) -> int:
        """Channels that a group keeps with scope=layer."""
        return share(self.density, layer.group_in_channels // features, at_least=1)

    def _global(
        self, sources: Sequence[LayerSource], free: Sequence[int], features: Sequence[int], seed: int
    ) -> dict[int, np.ndarray]:
        """Bool (G, units) for each of the places `free`; round(density x channels) of all of them together."""
        scores = _comparable({place: _mean_scores(sources[place], features[place], seed) for place in free})
        best = {place: largest(scores[place], 1 if self.density else 0) for place in free}
        if not free:
            return {}
        # Two rounds over all layers together: the best channel of every group first, in any case, then the best of the
        # rest. Those of the first round score 0 in the second, which is never chosen, and they count towards the share.
        first = np.concatenate([best[place].reshape(-1) for place in free])
        every = np.concatenate([scores[place].reshape(-1) for place in free])
        more = share(self.density, every.size) - int(np.count_nonzero(first))
        chosen = first | largest(np.where(first, 0, every), max(more, 0))
        # The flat choice is cut where one layer's channels end, and gets the layer's shape (G, units) back.
        ends = np.cumsum([scores[place].size for place in free])[:-1]
        split = zip(free, np.split(chosen, ends), strict=True)
        return {place: own.reshape(scores[place].shape) for place, own in split}

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`; this layer by itself, whatever its place in a network."""
        # Energy over the filters of the group and the kernel positions: (G, C/G).
        kept = largest(energies(by_channel(layer, weights), rng, (1, 3)), self._share(layer, 1))
        return KeptUnits(kept.reshape(-1), None).keep(layer, weights, rng)

    def storage_format(self, layer: Layer) -> str:
        """An enable bit for each channel, where zeros stay."""
        return f"block:filters={min(layer.group_out_channels, 4096)},channels=1"


def _fixed(source: LayerSource) -> bool:
    """Whether a layer decides nothing: it reads the image, or each filter one channel."""
    return source.index == 0 or source.layer.group_in_channels == 1


def _features(links: Sequence[int]) -> list[int]:
    """Features that stand for one channel of each layer's input."""
    return [max(link, 1) for link in (0, *links[:-1])]


def _scores(source: LayerSource, features: int, seed: int) -> np.ndarray:
    """(G, channels of a group)."""
    layer = source.layer
    weights = source.weight_array(seed)
    # (G, K/G, channels, features·X): all features of a channel are judged together.
    units = weights.reshape(layer.groups, layer.group_out_channels, layer.group_in_channels // features, -1)
    return energies(units, pruning_rng(source, seed), (1, 3))


def _mean_scores(source: LayerSource, features: int, seed: int) -> np.ndarray:
    """Mean square of a channel's weights; of masks random whole numbers."""
    scores = _scores(source, features, seed)
    # A sum of squares grows with the number of weights; only means let channels of different layers compete.
    return scores if scores.dtype == np.uint32 else scores / (source.layer.weight_count // scores.size)


def _comparable(scores: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """As they are where all are of one kind; beside masks, values count by their rank in their layer."""
    # Random numbers up to 2^32 and mean squares have no common scale: beside 10^9 no weight would ever stay.
    drawn = {place for place, array in scores.items() if array.dtype == np.uint32}
    if not drawn:
        return scores
    return {place: array if place in drawn else _ranks(array) for place, array in scores.items()}


def _ranks(array: np.ndarray) -> np.ndarray:
    """Ranks spread over the range of the random whole numbers; 0 stays 0."""
    # Sorting twice gives ranks: [0.3 0.1 0.2] sorts as places 1 2 0, those as 2 0 1, and with 1 added the ranks are 3 1
    # 2.
    ranks = np.argsort(np.argsort(array, axis=None, kind="stable"), kind="stable") + 1
    return (ranks / array.size * (1 << 32)).reshape(array.shape) * (array > 0)
