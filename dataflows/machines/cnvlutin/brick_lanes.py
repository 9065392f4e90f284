"""What Cnvlutin's neuron lanes do: bricks of neighbouring channels, dealt to lanes that meet at the end of a window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.tiling.group_packs import GroupPacks
from dataflows.tiling.windows import PaddedMap
from workloads.layer import Layer


class BrickWindows(NamedTuple):
    """The windows of a layer over a padded map of one channel, and how their bricks are dealt; kernels take it whole.

    taps      int64 ([T·]R·S,): how far each kernel position reads from a window's first place
    windows   int64 ([O·]P·Q,): the first place of each output position's window
    brick     channels of a brick
    lanes     lanes that take bricks in turn
    by_depth  whether turns begin anew at each kernel position
    """

    taps: np.ndarray
    windows: np.ndarray
    brick: int
    lanes: int
    by_depth: bool

    @classmethod
    def of(cls, layer: Layer, brick: int, lanes: int, *, by_depth: bool) -> Self:
        """Of a layer's geometry."""
        one = replace(layer, in_channels=1, out_channels=1, groups=1, batch=1, moving_images=0)
        padded = PaddedMap.of(one, np.zeros(one.input_shape, np.bool_))
        return cls(padded.columns, padded.windows, brick, lanes, by_depth)

    def mapped(self, channels: int) -> int:
        """Lanes that have a brick in every window of so many channels; the others have none in any."""
        bricks = -(-channels // self.brick)
        return min(self.lanes, bricks if self.by_depth else bricks * len(self.taps))


@dataclass(frozen=True, eq=False)
class LaneWork:
    """What lanes do in one round of filters, by strip of windows.

    neurons  int64 (packs, N, strips, lanes): non-zero neurons that each lane takes
    empty    int64 (packs, N, strips, lanes): bricks of zeros that it meets
    length   int64 (packs, N, strips): cycles, with the waits for the slowest lane of every window
    """

    neurons: np.ndarray
    empty: np.ndarray
    length: np.ndarray

    @classmethod
    def of(
        cls, packs: GroupPacks, dealt: BrickWindows, mask: np.ndarray, first_pixel: np.ndarray, empty_cycles: int
    ) -> Self:
        """From the mask (N, C, [D,] H, W) of non-zero activations, for strips that begin at these windows."""
        layer = packs.layer
        padded = np.pad(mask.view(np.uint8), ((0, 0), (0, 0), *layer.padding)).reshape(*mask.shape[:2], -1)
        shape = packs.count, layer.batch, len(first_pixel)
        neurons, empty = np.zeros((2, *shape, dealt.lanes), np.int64)
        length = np.zeros(shape, np.int64)
        bounds = np.append(first_pixel, len(dealt.windows))
        edges = np.append(0, np.cumsum(packs.channels)).tolist()
        for pack, image in np.ndindex(*shape[:2]):
            own = padded[image, edges[pack] : edges[pack + 1]]
            one = pack, image
            _walk_windows(own, dealt, bounds, empty_cycles, neurons[one], empty[one], length[one])
        return cls(neurons, empty, length)


@kernel
def _count_bricks(mask: np.ndarray, brick: int) -> np.ndarray:
    """Int32 (places, bricks): non-zeros of each brick, from uint8 (channels, places)."""
    channels, places = mask.shape
    bricks = (channels + brick - 1) // brick
    row = np.empty(places, np.int32)
    counts = np.empty((places, bricks), np.int32)
    for z in range(bricks):
        row[:] = 0
        for c in range(z * brick, min((z + 1) * brick, channels)):
            for place in range(places):
                row[place] += mask[c, place]
        for place in range(places):
            counts[place, z] = row[place]
    return counts


@kernel
def _walk_windows(
    mask: np.ndarray,
    dealt: BrickWindows,
    bounds: np.ndarray,
    empty_cycles: int,
    neurons: np.ndarray,
    empty: np.ndarray,
    length: np.ndarray,
) -> None:
    """Add up neurons, empty bricks (strips, lanes) and length (strips,) over the windows of one pack and image."""
    taps, windows, brick, lanes, by_depth = dealt
    counts = _count_bricks(mask, brick)
    bricks = counts.shape[1]
    busy = np.zeros(lanes, np.int64)
    idle = np.zeros(lanes, np.int64)
    for strip in range(length.size):
        for window in range(bounds[strip], bounds[strip + 1]):
            busy[:] = 0
            idle[:] = 0
            lane = 0
            for tap in taps:
                row = counts[windows[window] + tap]
                if by_depth:
                    lane = 0
                for z in range(bricks):
                    busy[lane] += row[z]
                    idle[lane] += row[z] == 0
                    lane = lane + 1 if lane + 1 < lanes else 0
            slowest = np.int64(0)
            for i in range(lanes):
                slowest = max(slowest, busy[i] + idle[i] * empty_cycles)
                neurons[strip, i] += busy[i]
                empty[strip, i] += idle[i]
            length[strip] += slowest


@kernel
def multiply_neurons(
    values: np.ndarray, dealt: BrickWindows, weights: np.ndarray, filters: int, together: int, outputs: np.ndarray
) -> None:
    """Fill outputs (N, windows, K) without zero neurons: by rounds of filters, windows and lanes, in this order.

    values    int64 (N, C, places), the padded map
    weights   int64 (G, C/G, taps, K/G)
    filters   of a round
    together  groups of a pack, whose neurons meet the filters of their own group
    """
    groups, channels, taps, own_filters = weights.shape
    for image in range(values.shape[0]):
        for first_group in range(0, groups, together):
            last_group = min(first_group + together, groups)
            own = values[image, first_group * channels : last_group * channels]
            bricks = (len(own) + dealt.brick - 1) // dealt.brick
            for first in range(0, own_filters, filters):
                last = min(first + filters, own_filters)
                synapses = weights[first_group:last_group, :, :, first:last]
                for window in range(dealt.windows.size):
                    sums = outputs[image, window, first_group * own_filters + first :]
                    for lane in range(dealt.lanes):
                        for number in range(bricks * taps):
                            tap, z = number // bricks, number % bricks
                            if (z if dealt.by_depth else number) % dealt.lanes == lane:
                                place = dealt.windows[window] + dealt.taps[tap]
                                first_channel = z * dealt.brick
                                _take_brick(own, place, first_channel, dealt.brick, synapses, tap, own_filters, sums)


@kernel
def _take_brick(
    values: np.ndarray,
    place: int,
    first: int,
    brick: int,
    synapses: np.ndarray,
    tap: int,
    stride: int,
    sums: np.ndarray,
) -> None:
    """Add the products of a brick's non-zero neurons to the sums of their groups, which lie `stride` apart.

    values (channels of the pack, places), synapses (groups of the pack, C/G, taps, filters of the round)
    """
    channels, filters = synapses.shape[1], synapses.shape[3]
    for c in range(first, min(first + brick, len(values))):
        value = values[c, place]
        if value != 0:
            group = c // channels
            for k in range(filters):
                sums[group * stride + k] += value * synapses[group, c - group * channels, tap, k]
