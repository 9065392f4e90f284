"""Weights in groups of m consecutive channels at one kernel position, of which n are stored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices, thread_count
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div, even_slices

_WORD = 4  # bytes of the words that a group of four is looked at as


@dataclass(frozen=True)
class GroupSlots:
    """How long a filter is, dense and with n of every m weights. The last group of a kernel position may lack channels.

    depth         weights of a filter, each group filled up to m
    sparse_depth  n of each group
    slots         weights of a sparse filter that are stored: n of each group, or as many channels as it has
    weights       weights of a filter

    Example: 6 channels at 9 kernel positions, 2:4: groups of 4 and of 2 channels, so that `depth` is 72, `sparse_depth`
    36, `slots` 36 and `weights` 54. With 5 channels the second group has one: `slots` are 27 of 45.
    """

    depth: int
    sparse_depth: int
    slots: int
    weights: int

    @classmethod
    def of(cls, layer: Layer, kept: int, size: int) -> Self:
        """Of a layer, `kept` of every `size` weights."""
        channels, taps = layer.group_in_channels, math.prod(layer.kernel_size)
        groups = ceil_div(channels, size)
        last = channels - (groups - 1) * size
        slots = (groups - 1) * kept + min(kept, last)
        return cls(taps * groups * size, taps * groups * kept, taps * slots, taps * channels)


def all_groups_keep(mask: np.ndarray, kept: int, size: int) -> bool:
    """Whether no group of a mask (K, C/G, ...) has more than `kept` non-zeros among its `size` channels."""
    by_tap = mask.reshape(*mask.shape[:2], -1).view(np.uint8)
    parts = even_slices(len(mask), thread_count())
    if by_tap.shape[1] % _WORD == 0 and by_tap.shape[2] == 1 and size == _WORD:
        words = by_tap.reshape(len(mask), -1).view(np.uint32)
        return all(run_slices(lambda part: _words_keep(words, *part, kept), parts))
    return all(run_slices(lambda part: _keep(by_tap, *part, kept, size), parts))


@kernel
def _words_keep(words: np.ndarray, first: int, end: int, kept: int) -> bool:
    """As `_keep`, of groups of four that lie side by side: uint32 (K, groups), a byte a weight."""
    for k in range(first, end):
        most = np.uint32(0)
        for group in range(words.shape[1]):
            # Multiplied by ones, the highest byte is the sum of all four.
            most = max(most, np.uint32(np.uint32(words[k, group] * np.uint32(0x01010101)) >> np.uint32(24)))
        if most > kept:
            return False
    return True


@kernel
def _keep(mask: np.ndarray, first: int, end: int, kept: int, size: int) -> bool:
    """As `all_groups_keep`, of the filters first to end of a mask, uint8 (K, C/G, [T·]R·S)."""
    channels, taps = mask.shape[1], mask.shape[2]
    for k in range(first, end):
        most = np.uint32(0)
        for start in range(0, channels, size):
            for tap in range(taps):
                found = np.uint32(0)
                for c in range(start, min(start + size, channels)):
                    found = np.uint32(found + np.uint32(mask[k, c, tap]))
                most = max(most, found)
        # Looked at filter by filter: weights that were pruned in another way are found out at the first.
        if most > kept:
            return False
    return True


@kernel
def compress(weights: np.ndarray, kept: int, size: int, places: np.ndarray, values: np.ndarray) -> None:
    """Fill in the slots of every filter, by kernel position and group; the non-zeros of a group first.

    weights         int64 (K, C/G, [T·]R·S)
    places, values  int64 (K, slots): where in a filter (c, [t,] r, s) each stored weight lies, and the weight
    """
    channels, taps = weights.shape[1], weights.shape[2]
    for k in range(weights.shape[0]):
        slot = 0
        for tap in range(taps):
            for start in range(0, channels, size):
                end = min(start + size, channels)
                left = min(kept, end - start)
                for zeros in range(2):
                    for c in range(start, end):
                        if left > 0 and (weights[k, c, tap] == 0) == (zeros == 1):
                            places[k, slot], values[k, slot] = c * taps + tap, weights[k, c, tap]
                            slot += 1
                            left -= 1
