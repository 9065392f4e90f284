"""How many products a layer has: all of them, those with a non-zero weight, those where both factors are non-zero.

And how many values no machine can do without, from the same counts and from no machine's tiles, lists or buffers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from dataflows.kernels.compiled import kernel
from workloads.layer import Layer
from workloads.trace import LayerTrace


@dataclass(frozen=True, slots=True)
class ProductCounts:
    """Products of a layer's whole batch.

    dense_macs      N·K·(C/G)·[T·]R·S·[O·]P·Q; padding positions count
    weight_macs     those whose weight is non-zero and whose input position is inside the map
    effectual_macs  those whose weight and activation are both non-zero
    needed_weights  non-zero weights that meet a non-zero activation
    needed_inputs   non-zero activations that meet a non-zero weight
    needed_outputs  outputs that the layer leaves, by its output density

    Example: a row [a, b, 0] with padding of one at either end under the kernel [u, 0, v] has three outputs: v·b, u·a +
    v·0 and u·b, where u meets a padding zero first and v last. So 9 dense products, 4 with a weight inside the map, of
    which 3 are effectual.
    """

    dense_macs: int
    weight_macs: int
    effectual_macs: int
    needed_weights: int
    needed_inputs: int
    needed_outputs: int


_MOST_OF_A_BYTE = 255
_counts: WeakKeyDictionary[LayerTrace, ProductCounts] = WeakKeyDictionary()  # of traces that are in use


def count_products(trace: LayerTrace) -> ProductCounts:
    """The products of a trace, exactly, in one pass over the weights and one over the activations.

    Counted once for a trace: machines and reports that ask again are told what was found.
    """
    counts = _counts.get(trace)
    if counts is None:
        counts = _counts[trace] = _counted(trace)
    return counts


def _counted(trace: LayerTrace) -> ProductCounts:
    layer = trace.layer
    activations, depths, rows, columns = _lifted(trace)
    weights = trace.weight_mask.reshape(layer.groups, layer.group_out_channels, layer.group_in_channels, -1)
    inside = positions_inside(layer).reshape(-1)
    # On one thread: even VGG-16's fc6 takes 8 ms, for as long as its 103 million weights take to be read from memory.
    counted = _count(activations, weights.view(np.uint8), depths, rows, columns, inside)
    weight_macs, effectual_macs, needed_weights, needed_inputs = map(int, counted)
    return ProductCounts(
        dense_macs=layer.dense_macs,
        # Positions were counted for one image, meetings over the whole batch.
        weight_macs=weight_macs * layer.batch,
        effectual_macs=effectual_macs,
        needed_weights=needed_weights,
        needed_inputs=needed_inputs,
        needed_outputs=math.ceil(layer.output_count * trace.output_density),
    )


def activation_meetings(trace: LayerTrace) -> np.ndarray:
    """Int64 (C, [T,] R, S): non-zero activations that a weight at each place would meet, over the whole batch."""
    return _meetings(*_lifted(trace)).reshape(trace.layer.in_channels, *trace.layer.kernel_size)


def count_meetings(trace: LayerTrace) -> int:
    """The sum of `activation_meetings`; each activation is looked at once, and not once a tap."""
    activations, *reads = _lifted(trace)
    # By place of the map: non-zeros of all images and channels, and the taps that read it, which multiply over axes.
    nonzeros = activations.reshape(-1, *activations.shape[2:]).sum(axis=0, dtype=np.int64)
    depths, rows, columns = (axis.sum(axis=0, dtype=np.int64) for axis in reads)
    return int(((nonzeros @ columns) @ rows) @ depths)


def _lifted(trace: LayerTrace) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Activations as uint8 (N, C, D, H, W), and `_places_read` of their three axes."""
    # A 2-D layer is a 3-D one of depth 1; the kernels know 3-D only.
    layer = trace.layer
    depths, rows, columns = [np.ones((1, 1), np.uint8)] * (3 - layer.axes) + _places_read(layer)
    shape = layer.batch, layer.in_channels, depths.shape[1], rows.shape[1], columns.shape[1]
    return trace.activation_mask.reshape(shape).view(np.uint8), depths, rows, columns


def expected_products(layer: Layer, weight_density: float, activation_density: float) -> tuple[float, float]:
    """Weight products and effectual products that uniform masks of these densities leave on average."""
    inside = layer.out_channels * layer.group_in_channels * int(positions_inside(layer).sum()) * layer.batch
    return inside * weight_density, inside * weight_density * activation_density


def positions_inside(layer: Layer) -> np.ndarray:
    """Int64 ([T,] R, S): output positions at which each kernel position reads inside the map, for one image."""
    # A position is inside when it is so on every axis: the counts multiply.
    # By tap: 3 taps with padding of 1 over 4 inputs read inside the map at 3, 4 and 3 of the 4 outputs.
    counts, *others = (axis.sum(axis=1, dtype=np.int64) for axis in _places_read(layer))
    for axis in others:
        counts = counts[..., None] * axis
    return counts


def _places_read(layer: Layer) -> list[np.ndarray]:
    """An axis each, uint8 (taps, places of the map): 1 where a tap reads the place for one of the outputs."""
    reads = []
    for axis, (size, taps) in enumerate(zip(layer.input_size, layer.kernel_size, strict=True)):
        read = np.zeros((taps, size), np.uint8)
        # Outputs lie a stride apart, so that no tap reads a place for two of them.
        places = np.arange(layer.output_size[axis]) * layer.stride[axis] - layer.padding[axis][0]
        for tap in range(taps):
            at = places + tap * layer.dilation[axis]
            read[tap, at[(at >= 0) & (at < size)]] = 1
        reads.append(read)
    return reads


@kernel
def _count(
    activations: np.ndarray,
    weights: np.ndarray,
    depths_read: np.ndarray,
    rows_read: np.ndarray,
    columns_read: np.ndarray,
    inside: np.ndarray,
) -> tuple[np.int64, np.int64, np.int64, np.int64]:
    """What a layer's input channels have to do: see `ProductCounts`; weight products of one image.

    activations  uint8 (N, C, D, H, W), 1 where not zero
    weights      uint8 (G, K/G, C/G, T·R·S), likewise
    ..._read     which places each tap reads, by axis, see `_places_read`
    inside       int64 (T·R·S,), see `positions_inside`
    Returns weight products, effectual products, weights that meet an activation, activations that meet a weight.
    """
    taps = columns_read.shape[0]
    weight_macs, effectual_macs, needed_weights, needed_inputs = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    kept = _filters_keeping(weights)
    lines = depths_read.shape[0] * rows_read.shape[0]  # rows of the kernel, (t, r)
    sums = np.empty((lines, columns_read.shape[1]), np.int64)
    reached = np.empty((lines, columns_read.shape[1]), np.uint8)
    for channel, own in enumerate(kept):
        _reach(own, columns_read, reached)
        needed_inputs += _add_rows(activations, channel, depths_read, rows_read, reached, sums)
        for place in range(own.size):
            meetings = _sum_of(sums[place // taps], columns_read[place % taps])
            weight_macs += inside[place] * own[place]
            effectual_macs += meetings * own[place]
            needed_weights += own[place] if meetings else 0
    return weight_macs, effectual_macs, needed_weights, needed_inputs


@kernel
def _filters_keeping(weights: np.ndarray) -> np.ndarray:
    """Int64 (channels of all groups, T·R·S): filters of its group that keep each weight of a channel."""
    groups, filters, channels, places = weights.shape
    kept = np.zeros((groups, channels * places), np.int64)
    # In bytes as long as these can count: vectors of bytes hold the most, and sums of a whole filter stay in the cache.
    few = np.zeros(channels * places, np.uint8)
    rows = weights.reshape(groups * filters, channels * places)
    for group in range(groups):
        for start in range(0, filters, _MOST_OF_A_BYTE):
            few[:] = 0
            for k in range(start, min(start + _MOST_OF_A_BYTE, filters)):
                _add(few, rows[group * filters + k])
            _add(kept[group], few)
    return kept.reshape(groups * channels, places)


@kernel
def _add(sums: np.ndarray, row: np.ndarray) -> None:
    for i in range(sums.size):
        sums[i] += row[i]


@kernel
def _reach(own: np.ndarray, columns_read: np.ndarray, reached: np.ndarray) -> None:
    """Fill by kernel row (t, r) with 1 where its kept weights read a place of a map's row."""
    taps, width = columns_read.shape
    reached[:] = 0
    for place in range(own.size):
        if own[place]:
            for w in range(width):
                reached[place // taps, w] |= columns_read[place % taps, w]


@kernel
def _add_rows(
    activations: np.ndarray,
    channel: int,
    depths_read: np.ndarray,
    rows_read: np.ndarray,
    reached: np.ndarray,
    sums: np.ndarray,
) -> np.int64:
    """Fill sums[(t, r)] with the non-zeros of each column in the rows that a kernel row reads.

    Returns how many non-zeros lie where any of them reaches.
    """
    images, _, depth, height, width = activations.shape
    lines, kernel_rows = len(reached), len(rows_read)
    needed = np.empty(width, np.uint8)
    hits = np.int64(0)
    sums[:] = 0
    for image in range(images):
        for d in range(depth):
            for h in range(height):
                needed[:] = 0
                for line in range(lines):
                    if depths_read[line // kernel_rows, d] and rows_read[line % kernel_rows, h]:
                        for w in range(width):
                            sums[line, w] += activations[image, channel, d, h, w]
                            needed[w] |= reached[line, w]
                for w in range(width):
                    hits += activations[image, channel, d, h, w] & needed[w]
    return hits


@kernel
def _sum_of(sums: np.ndarray, read: np.ndarray) -> np.int64:
    """Sum over the columns that are read."""
    total = np.int64(0)
    for w in range(sums.size):
        total += sums[w] * read[w]
    return total


@kernel
def _meetings(
    activations: np.ndarray, depths_read: np.ndarray, rows_read: np.ndarray, columns_read: np.ndarray
) -> np.ndarray:
    """Int64 (C, T·R·S): non-zeros that a weight at each place meets; arguments as of `_count`."""
    taps = columns_read.shape[0]
    lines = depths_read.shape[0] * rows_read.shape[0]
    sums = np.empty((lines, columns_read.shape[1]), np.int64)
    reached = np.zeros((lines, columns_read.shape[1]), np.uint8)
    found = np.empty((activations.shape[1], lines * taps), np.int64)
    for channel in range(len(found)):
        _add_rows(activations, channel, depths_read, rows_read, reached, sums)
        for place in range(lines * taps):
            found[channel, place] = _sum_of(sums[place // taps], columns_read[place % taps])
    return found
