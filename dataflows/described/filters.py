"""Which weights are stored, and which filters PEs hold round by round."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from dataflows.described.spec import DescriptionSpec
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div

NO_FILTER = -1


def stored_weights(spec: DescriptionSpec, layer: Layer, mask: np.ndarray) -> tuple[np.ndarray, bool]:
    """Bool (K, C/G, taps) of the weights that are stored, and whether `skip.kept` could hold the layer's.

    mask  bool (K, C/G, [T,] R, S) of those that are not zero
    """
    stored, held = mask.reshape(*mask.shape[:2], -1), True
    if not spec.skip.weights:
        return np.ones_like(stored), held
    if spec.skip.kept:
        kept, size = map(int, spec.skip.kept.split(":"))
        filled = _filled(stored, kept, size)
        stored, held = (np.ones_like(stored), False) if filled is None else (filled, True)
    if spec.skip.union:
        group = stored.reshape(layer.groups, layer.group_out_channels, *stored.shape[1:])
        stored = np.broadcast_to(group.any(axis=1, keepdims=True), group.shape).reshape(stored.shape)
    return stored, held


def _filled(mask: np.ndarray, kept: int, size: int) -> np.ndarray | None:
    """Non-zeros and zeros from the lowest channel on, `kept` of every `size` channels; None where there are more."""
    filters, channels, taps = mask.shape
    groups = ceil_div(channels, size)
    padded = np.zeros((filters, groups * size, taps), np.bool_)
    padded[:, :channels] = mask
    there = (np.arange(groups * size) < channels).reshape(groups, size, 1)
    by_group = padded.reshape(filters, groups, size, taps)
    counts = by_group.sum(axis=2, keepdims=True)
    if counts.max() > kept:
        return None
    zeros = ~by_group & there
    filled = by_group | (zeros & (np.cumsum(zeros, axis=2) <= kept - counts))
    return filled.reshape(padded.shape)[:, :channels]


@dataclass(frozen=True, eq=False)
class Rounds:
    """The filters of every group on filter PEs.

    held  int64 (G, rounds, slots, lanes of K, filter PEs): a filter of its group, or `NO_FILTER`

    Example: five filters of 9, 1, 7, 5 and 3 weights in pairs on two PEs, sorted 0, 2, 3, 4, 1: rounds [0 2] with
    nothing behind, since three of eight places are empty, and [3 4] with 1 behind 4.
    """

    held: np.ndarray

    @classmethod
    def of(cls, spec: DescriptionSpec, layer: Layer, stored: np.ndarray) -> Self:
        """Of a layer's stored weights, bool (K, C/G, taps)."""
        filters, (pes, lanes) = layer.group_out_channels, (spec.nest.size_of("K"), spec.nest.lanes["K"])
        counts = np.count_nonzero(stored.reshape(layer.groups, filters, -1), axis=2)
        order = np.broadcast_to(np.arange(filters), counts.shape)
        if spec.balance != "none":
            order = np.argsort(-counts, axis=1, kind="stable")
        # In a broadcast a lane is no filter's own: the PE's filters follow one another.
        lanes = 1 if spec.nest.broadcast else lanes
        each = pes * lanes * spec.slots
        rounds = ceil_div(filters, each)
        places = np.full((layer.groups, rounds * each), NO_FILTER, np.int64)
        places[:, :filters] = order
        if spec.slots == 1:
            return cls(places.reshape(layer.groups, rounds, 1, pes, lanes).swapaxes(3, 4))
        first, second = places[:, : rounds * pes], places[:, : rounds * pes - 1 : -1]
        return cls(np.stack([one.reshape(layer.groups, rounds, 1, pes) for one in (first, second)], axis=2))

    @property
    def count(self) -> int:
        """Rounds of a group."""
        return self.held.shape[1]

    @cached_property
    def filters(self) -> np.ndarray:
        """Int64 (G, rounds, filter PEs): filters that each PE has."""
        return (self.held != NO_FILTER).sum(axis=(2, 3))

    def in_order(self, group: int, number: int) -> np.ndarray:
        """Int64: the filters of a round."""
        held = self.held[group, number].reshape(-1)
        return held[held != NO_FILTER]
