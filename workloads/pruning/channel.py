"""Channel pruning: whole input channels, and the filters before them that write those (He et al., ICCV 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.errors import InputError
from workloads.layer import Layer
from workloads.pruning.base import Facts, Pruning, pruning_rng
from workloads.pruning.choosing import energies, largest, share
from workloads.pruning.links import plain_links
from workloads.pruning.options import choice, density
from workloads.pruning.shrinking import shrink
from workloads.source import LayerSource


@dataclass(frozen=True)
class Channel(Pruning):
    """Keeps channels by the energy of the weights that read them, in every group of a convolution as many.

    scope=layer: round(density x C/G) in each layer, at least one while the density is above 0. scope=global: the share
    of all layers' channels together, those with the largest mean square a weight (of masks random ones), and the best
    of every group in any case.
    The network's first layer keeps its channels, which are the image's, as do depthwise layers.

    Where a layer plainly feeds the next (see `links.plain_links`), the filters that write removed channels go too. At
    branches, sums, joins and grouped layers only the reading weights go. links=none: nowhere do filters go.

    remove=zero: lost weights are zeros; layers and activations stay as they are. remove=shrink: where layers are linked
    the channels leave the layers and their activations, so that a dense machine gains too; elsewhere they are zeros.
    It needs scope=layer, whose counts do not depend on the weights.
    """

    name: ClassVar[str] = "channel"
    title: ClassVar[str] = "keeps whole channels and drops the filters that write the others"
    literature: ClassVar[str] = "0.5 to 0.7 (He et al., ICCV 2017)"

    density: float = density("the channels")
    scope: str = choice("what the share is taken of", "layer", "global")
    links: str = choice("whether filters that write removed channels go too", "auto", "none")
    remove: str = choice("what becomes of channels", "zero", "shrink")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.remove == "shrink" and (self.scope, self.links) != ("layer", "auto"):
            raise InputError(f"{self.subject}: remove = shrink: needs scope=layer and links=auto")
        if self.remove == "shrink" and self.density == 0:
            raise InputError(f"{self.subject}: remove = shrink: density = 0 leaves no layer")

    def apply(self, sources: tuple[LayerSource, ...]) -> tuple[LayerSource, ...]:
        """See `Pruning`; with remove=shrink linked layers are smaller."""
        pruned = super().apply(sources)
        if self.remove == "zero":
            return pruned
        counts = [self.count(source) for source in sources]
        return shrink(pruned, plain_links(sources), counts)

    def count(self, source: LayerSource) -> int:
        """Channels that a group of the layer keeps with scope=layer."""
        channels = source.layer.group_in_channels
        return channels if _fixed(source) else share(self.density, channels, at_least=1)

    def plan(self, sources: tuple[LayerSource, ...], seed: int) -> tuple[Pruning, ...]:
        """See `Pruning`."""
        if self.scope == "layer":
            kept = [largest(_scores(source, seed), self.count(source)) for source in sources]
        else:
            kept = self._global(sources, seed)
        linked = plain_links(sources) if self.links == "auto" else [False] * len(sources)
        return tuple(
            KeptChannels(channels, kept[place + 1].reshape(-1) if linked[place] else None)
            for place, channels in enumerate(kept)
        )

    def _global(self, sources: tuple[LayerSource, ...], seed: int) -> list[np.ndarray]:
        """Bool (G, C/G) for each layer; round(density x channels) of all layers that have any to lose."""
        free = [place for place, source in enumerate(sources) if not _fixed(source)]
        kept = [np.ones((source.layer.groups, source.layer.group_in_channels), np.bool_) for source in sources]
        scores = _comparable({place: _mean_scores(sources[place], seed) for place in free})
        best = {place: largest(scores[place], 1 if self.density else 0) for place in free}
        if not free:
            return kept
        first = np.concatenate([best[place].reshape(-1) for place in free])
        every = np.concatenate([scores[place].reshape(-1) for place in free])
        more = share(self.density, every.size) - int(np.count_nonzero(first))
        chosen = first | largest(np.where(first, 0, every), max(more, 0))
        start = 0
        for place in free:
            kept[place] = chosen[start : start + kept[place].size].reshape(kept[place].shape)
            start += kept[place].size
        return kept

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`; this layer by itself, whatever its place in a network."""
        scores = energies(_by_channel(layer, weights), rng, (1, 3))
        kept = largest(scores, share(self.density, layer.group_in_channels, at_least=1))
        return KeptChannels(kept, None).keep(layer, weights, rng)

    def storage_format(self, layer: Layer) -> str:
        """An enable bit for each channel."""
        return f"block:filters={min(layer.group_out_channels, 4096)},channels=1"


@dataclass(frozen=True, eq=False)
class KeptChannels(Pruning):
    """What channel pruning decided for one layer: channels, bool (G, C/G), and filters, bool (K,), that stay."""

    channels: np.ndarray
    filters: np.ndarray | None

    def __post_init__(self) -> None:
        """Nothing that a user gave."""

    def keep(self, layer: Layer, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Pruning`."""
        del rng
        keep = (_by_channel(layer, weights) != 0) & self.channels[:, np.newaxis, :, np.newaxis]
        keep = keep.reshape(weights.shape)
        return keep if self.filters is None else keep & self.filters.reshape(-1, *[1] * (weights.ndim - 1))

    def storage_format(self, layer: Layer) -> str:
        """As `Channel` has it."""
        return f"block:filters={min(layer.group_out_channels, 4096)},channels=1"

    def facts(self, layer: Layer, weights: np.ndarray) -> Facts:
        """Channels and filters that hold a non-zero."""
        channels = _by_channel(layer, weights).any(axis=(1, 3))
        filters = weights.reshape(len(weights), -1).any(axis=1)
        return {
            "channels": int(channels.sum()),
            "of": channels.size,
            "filters": int(filters.sum()),
            "linked": self.filters is not None,
        }


def _fixed(source: LayerSource) -> bool:
    """Whether a layer keeps all channels: those of the image, or the only one of a depthwise filter."""
    return source.index == 0 or source.layer.group_in_channels == 1


def _by_channel(layer: Layer, weights: np.ndarray) -> np.ndarray:
    """(G, K/G, C/G, X)."""
    return weights.reshape(layer.groups, layer.group_out_channels, layer.group_in_channels, -1)


def _scores(source: LayerSource, seed: int) -> np.ndarray:
    weights = _by_channel(source.layer, source.weight_array(seed))
    return energies(weights, pruning_rng(source, seed), (1, 3))


def _mean_scores(source: LayerSource, seed: int) -> np.ndarray:
    """Mean square of a channel's weights; of masks random whole numbers."""
    scores = _scores(source, seed)
    layer = source.layer
    size = layer.weight_count // (layer.groups * layer.group_in_channels)
    return scores if scores.dtype == np.uint32 else scores / size


def _comparable(scores: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """As they are where all are of one kind; beside masks, values count by their rank in their layer."""
    drawn = {place for place, array in scores.items() if array.dtype == np.uint32}
    if not drawn:
        return scores
    return {place: array if place in drawn else _ranks(array) for place, array in scores.items()}


def _ranks(array: np.ndarray) -> np.ndarray:
    """Ranks spread over the range of the random whole numbers; 0 stays 0."""
    ranks = np.argsort(np.argsort(array, axis=None, kind="stable"), kind="stable") + 1
    return (ranks / array.size * (1 << 32)).reshape(array.shape) * (array > 0)
