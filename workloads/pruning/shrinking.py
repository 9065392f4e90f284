"""Layers that lose channels for good: smaller weights and smaller activations instead of zeros."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from workloads.pruning.base import PrunedWeights
from workloads.source import LayerSource, Stream


def shrink(sources: Sequence[LayerSource], linked: Sequence[bool], counts: Sequence[int]) -> tuple[LayerSource, ...]:
    """The layers without the channels that pruning zeroed, wherever a layer and the next are linked.

    sources  layers with pruned weights
    linked   for each layer, whether the next one alone reads it
    counts   channels that each layer keeps
    """
    before = (False, *linked[:-1])
    return tuple(
        _shrunk(
            source,
            sources[place + 1] if linked[place] else None,
            counts[place] if before[place] else None,
            counts[place + 1] if linked[place] else None,
        )
        for place, source in enumerate(sources)
    )


def _shrunk(source: LayerSource, reader: LayerSource | None, channels: int | None, filters: int | None) -> LayerSource:
    layer = source.layer
    smaller = replace(
        layer,
        in_channels=layer.in_channels if channels is None else channels,
        out_channels=layer.out_channels if filters is None else filters,
    )
    own = None if channels is None else KeptList(source, channels)
    written = None if reader is None or filters is None else KeptList(reader, filters)
    weights = ShrunkWeights(source, own, written)
    activations = source.activations if own is None else ShrunkActivations(source, own)
    return replace(source, layer=smaller, weights=weights, activations=activations)


@dataclass(frozen=True)
class KeptList:
    """The channels that a layer's pruned weights read; dead ones fill up to the count, the first first."""

    source: LayerSource
    count: int

    def indices(self, seed: int) -> np.ndarray:
        """Int64 (count,), rising."""
        weights = self.source.weight_array(seed)
        read = weights.any(axis=(0, *range(2, weights.ndim)))
        return np.sort(np.argsort(~read, kind="stable")[: self.count])


@dataclass(frozen=True)
class ShrunkWeights:
    """Weights of a layer without the channels and filters that are gone."""

    source: LayerSource
    channels: KeptList | None
    filters: KeptList | None

    @property
    def weights(self) -> PrunedWeights:
        """The whole layer's."""
        weights = self.source.weights
        assert isinstance(weights, PrunedWeights)  # noqa: S101 (shrinking follows channel pruning)
        return weights

    @property
    def step(self) -> int:
        """See `PrunedWeights`."""
        return self.weights.step

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`; the whole layer's weights come from their own stream."""
        weights = self.source.weight_array(stream.seed)
        if self.channels is not None:
            weights = weights[:, self.channels.indices(stream.seed)]
        if self.filters is not None:
            weights = weights[self.filters.indices(stream.seed)]
        return weights.reshape(shape)


@dataclass(frozen=True)
class ShrunkActivations:
    """Activations of the channels that stay."""

    source: LayerSource
    channels: KeptList

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`."""
        activations = self.source.activations.array((shape[0], self.source.layer.in_channels, *shape[2:]), stream)
        return activations[:, self.channels.indices(stream.seed)]
