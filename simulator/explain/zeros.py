"""Where a layer's zeros lie, and the same layer with them elsewhere: filters sorted, or all equally full."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from dataflows.accelerator import Accelerator
from workloads.trace import LayerTrace

_UNEVEN = 1.15  # fullest over mean filter from which on it is worth a word
_SOME = 0.02  # share of channels, likewise
_SEED = 0


@dataclass(frozen=True)
class Zeros:
    """How a layer's zeros are spread.

    fullest_filter   non-zero weights of the fullest filter over the mean of all; 1.0 where there are none
    empty_filters    share of filters without any weight
    empty_channels   share of input channels of which no activation is non-zero in the whole batch
    fullest_channel  non-zero activations of the fullest input channel over the mean; 1.0 where there are none
    """

    fullest_filter: float
    empty_filters: float
    empty_channels: float
    fullest_channel: float

    def sentences(self) -> Iterator[str]:
        """What is out of the ordinary."""
        if self.fullest_filter > _UNEVEN:
            yield f"filters are uneven: the fullest has {self.fullest_filter:.2f} times the mean's non-zero weights"
        if self.empty_filters > _SOME:
            yield f"{self.empty_filters:.0%} of the filters have no weight at all"
        if self.empty_channels > _SOME:
            yield f"{self.empty_channels:.0%} of the input channels hold zeros alone"
        if self.fullest_channel > 2 * _UNEVEN:
            yield f"input channels are uneven: the fullest has {self.fullest_channel:.1f} times the mean's non-zeros"


def zeros_of(trace: LayerTrace) -> Zeros:
    """How the zeros of a trace are spread."""
    filters = _per_filter(trace)
    channels = np.count_nonzero(trace.activation_mask, axis=(0, *range(2, trace.activations.ndim)))
    return Zeros(_fullest(filters), float(np.mean(filters == 0)), float(np.mean(channels == 0)), _fullest(channels))


def _per_filter(trace: LayerTrace) -> np.ndarray:
    return np.count_nonzero(trace.weight_mask.reshape(len(trace.weights), -1), axis=1)


def _fullest(counts: np.ndarray) -> float:
    return float(counts.max() / counts.mean()) if counts.any() else 1.0


def sorted_filters(trace: LayerTrace) -> LayerTrace:
    """The same layer with the filters of each group in order of their non-zero weights, fullest first.

    The next layer's channels move with them, which costs nothing.
    """
    layer, counts = trace.layer, _per_filter(trace)
    groups = counts.reshape(layer.groups, -1)
    # Stable, so that equal filters keep their order.
    order = np.argsort(-groups, axis=1, kind="stable") + np.arange(layer.groups)[:, None] * groups.shape[1]
    return replace(trace, weights=trace.weights[order.reshape(-1)])


def even_filters(trace: LayerTrace) -> LayerTrace:
    """As many non-zero weights in all, equally many in every filter (one more in some), at places that are drawn."""
    count, filters = trace.weight_nonzeros, len(trace.weights)
    size = trace.weights[0].size
    draw = np.random.default_rng(_SEED).random((filters, size), dtype=np.float32)
    ranks = draw.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    each = np.full(filters, count // filters)
    each[: count % filters] += 1
    return replace(trace, weights=(ranks < each[:, None]).reshape(trace.weights.shape))


def even_activations(trace: LayerTrace) -> LayerTrace:
    """As many non-zero activations in all, at places drawn over the whole map."""
    flat = trace.activation_mask.reshape(-1).copy()
    np.random.default_rng(_SEED).shuffle(flat)
    return replace(trace, activations=flat.reshape(trace.activations.shape))


def can_be_rearranged(machine: Accelerator, trace: LayerTrace) -> bool:
    """Whether other zeros of the same number could matter, and can be made."""
    return machine.skips_zeros and not trace.moving_weights and trace.weight_nonzeros > 0
