"""How many products a layer has: all of them, those with a non-zero weight, those where both factors are non-zero.

And how many values no machine can do without, from the same counts and from no machine's tiles, lists or buffers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices, thread_count
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import even_slices


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


def count_products(trace: LayerTrace) -> ProductCounts:
    """The products of a trace, exactly, in one pass over the activations and one over the weights."""
    layer = trace.layer
    inside = positions_inside(layer)
    meetings = activation_meetings(trace)
    weights = trace.weight_mask.reshape(layer.out_channels, -1)
    per_channel = inside.size
    # Row g has what a filter of group g meets at each of its weights: (C, R, S) is (groups, C/G, R, S) already.
    group_meetings = meetings.reshape(layer.groups, -1)
    # In the order of a filter's weights (c, [t,] r, s): what lies inside the map is the same for every channel.
    inside_row = np.tile(inside.reshape(per_channel), layer.group_in_channels)

    def count(part: tuple[int, int]) -> tuple[np.int64, np.int64, np.int64]:
        return _count_kept(weights, group_meetings, inside_row, layer.group_out_channels, *part)

    counted = run_slices(count, even_slices(layer.out_channels, thread_count()))
    weight_macs, effectual_macs, needed_weights = (sum(map(int, column)) for column in zip(*counted, strict=True))
    return ProductCounts(
        dense_macs=layer.dense_macs,
        # Positions were counted for one image, meetings over the whole batch.
        weight_macs=weight_macs * layer.batch,
        effectual_macs=effectual_macs,
        needed_weights=needed_weights,
        needed_inputs=_needed_inputs(trace, weights),
        needed_outputs=math.ceil(layer.output_count * trace.output_density),
    )


def expected_products(layer: Layer, weight_density: float, activation_density: float) -> tuple[float, float]:
    """Weight products and effectual products that uniform masks of these densities leave on average."""
    inside = layer.out_channels * layer.group_in_channels * int(positions_inside(layer).sum()) * layer.batch
    return inside * weight_density, inside * weight_density * activation_density


def _needed_inputs(trace: LayerTrace, weights: np.ndarray) -> int:
    """Non-zero activations at places that a kernel position with any kept weight of the channel reads."""
    layer = trace.layer
    kept = np.logical_or.reduce(weights.reshape(layer.groups, layer.group_out_channels, -1), axis=1)
    # A channel's inputs are read where any filter of its group keeps the weight that meets them.
    # Channels that keep every kernel position read the same places, found once; only the others are looked at by
    # themselves.
    complete = kept.reshape(layer.in_channels, -1).all(axis=1)
    partial = ~complete & kept.reshape(layer.in_channels, -1).any(axis=1)
    kept = kept.reshape(layer.in_channels, *layer.kernel_size)
    read = np.zeros((layer.in_channels, *layer.input_size), np.bool_)
    # The channels that keep every position, usually all, read the same places.
    read[complete] = _read_by(layer, np.ones((1, *layer.kernel_size), np.bool_))
    read[partial] = _read_by(layer, kept[partial])
    return int(np.count_nonzero(trace.activation_mask & read))


def _read_by(layer: Layer, kept: np.ndarray) -> np.ndarray:
    """Bool (channels, [D,] H, W): places that channels read with the positions (channels, [T,] R, S) that they keep."""
    read = np.zeros((len(kept), *layer.input_size), np.bool_)
    for position in np.ndindex(*layer.kernel_size):
        channels = kept[(slice(None), *position)]
        if channels.any():
            read[(slice(None), *_places_read(layer, position))] |= channels.reshape(-1, *(1,) * layer.axes)
    return read


def _places_read(layer: Layer, position: tuple[int, ...]) -> tuple[slice, ...]:
    """Places inside the map, axis by axis, that a kernel position reads over all outputs."""
    places = []
    for axis, stride in enumerate(layer.stride):
        start = position[axis] * layer.dilation[axis] - layer.padding[axis][0]
        stop = start + (layer.output_size[axis] - 1) * stride + 1
        # A negative start moves to the first place of the map on the same stride, -3 by 2 to 1; a negative end would
        # count from the other side.
        places.append(slice(start % stride if start < 0 else start, max(stop, 0), stride))
    return tuple(places)


def positions_inside(layer: Layer) -> np.ndarray:
    """Int64 ([T,] R, S): output positions at which each kernel position reads inside the map, for one image."""
    per_axis = []
    for size, kernel_size, stride, (before, _), dilation, outputs in zip(
        layer.input_size,
        layer.kernel_size,
        layer.stride,
        layer.padding,
        layer.dilation,
        layer.output_size,
        strict=True,
    ):
        # By tap and output: 3 taps with padding of 1 over 4 inputs read inside the map at 3, 4 and 3 of the 4 outputs.
        read = np.arange(kernel_size)[:, None] * dilation - before + np.arange(outputs)[None, :] * stride
        per_axis.append(((read >= 0) & (read < size)).sum(axis=1))
    # A position is inside when it is so on every axis: the counts multiply.
    counts = per_axis[0]
    for axis in per_axis[1:]:
        counts = counts[..., None] * axis
    return counts.astype(np.int64)


def activation_meetings(trace: LayerTrace) -> np.ndarray:
    """Int64 (C, [T,] R, S): non-zero activations that a weight at each place would meet, over the whole batch."""
    layer = trace.layer
    # A 2-D layer is a 3-D one of depth 1; the kernel knows 3-D only.
    lift = 3 - layer.axes
    size = (1,) * lift + layer.input_size
    kernel_size = (1,) * lift + layer.kernel_size
    stride = np.array((1,) * lift + layer.stride)
    dilation = np.array((1,) * lift + layer.dilation)
    before = np.array((0,) * lift + tuple(pair[0] for pair in layer.padding))
    outputs = np.array((1,) * lift + layer.output_size)
    mask = trace.activation_mask.reshape(layer.batch, layer.in_channels, *size)
    meetings = np.zeros((layer.in_channels, *kernel_size), np.int64)

    def count(part: tuple[int, int]) -> None:
        _count_meetings(mask, stride, dilation, before, outputs, meetings, *part)

    run_slices(count, even_slices(layer.in_channels, thread_count()))
    return meetings.reshape(layer.in_channels, *layer.kernel_size)


@kernel
def _count_meetings(
    mask: np.ndarray,
    stride: np.ndarray,
    dilation: np.ndarray,
    before: np.ndarray,
    outputs: np.ndarray,
    meetings: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Fill meetings[c] for channels first..last: sums along rows, then over the rows that each kernel row reads."""
    images, _, depth, height, width = mask.shape
    row_sums = np.zeros((depth, height, meetings.shape[3]), np.int64)
    prefix = np.zeros(width + stride[2], np.int64)
    for channel in range(first, last):
        # Images add up in the same sums, since a weight meets the same rows in each: kernel rows are then walked once a
        # channel.
        row_sums[:] = 0
        for image in range(images):
            for d in range(depth):
                for h in range(height):
                    _add_row(mask[image, channel, d, h], stride, dilation, before, outputs, prefix, row_sums[d, h])
        for t in range(meetings.shape[1]):
            for o in range(outputs[0]):
                # Slices are added one by one, columns by a prefix sum: a map has few slices and kernels are
                # small, but rows are long.
                d = o * stride[0] + t * dilation[0] - before[0]
                if 0 <= d < depth:
                    _add_rows(row_sums[d], stride, dilation, before, outputs, meetings[channel, t])


@kernel
def _add_row(
    row: np.ndarray,
    stride: np.ndarray,
    dilation: np.ndarray,
    before: np.ndarray,
    outputs: np.ndarray,
    prefix: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Add to sums[s] the non-zeros that kernel column s meets in a row, for all columns from one prefix sum."""
    width, step = row.size, stride[2]
    # The row 1 0 1 1 1 with a stride of 2 has the sums 0 0 1 0 2 1 3, each place added to the one two before it: the
    # places 2 and 4 together hold 3 - 1 = 2.
    for w in range(width):  # prefix[w + step] = row[w] + row[w - step] + ...; its first `step` entries stay 0
        prefix[w + step] = prefix[w] + row[w]
    for s in range(sums.size):
        start = s * dilation[2] - before[2]
        stop = start + (outputs[2] - 1) * step
        # The window's positions inside the row are start, start + step ... stop: clip both ends by whole steps.
        # In a row of 5 the positions -1, 1, 3, 5, 7 become 1 and 3.
        if start < 0:
            start += -(start // step) * step
        if stop >= width:
            stop -= -(-(stop - width + 1) // step) * step
        if stop >= start:
            # All positions of this phase up to the last, less those before the first.
            sums[s] += prefix[stop + step] - prefix[start]


@kernel
def _add_rows(
    row_sums: np.ndarray,
    stride: np.ndarray,
    dilation: np.ndarray,
    before: np.ndarray,
    outputs: np.ndarray,
    meetings: np.ndarray,
) -> None:
    """Add to meetings[r, s] the row sums of all rows that kernel row r reads."""
    for r in range(meetings.shape[0]):
        for p in range(outputs[1]):
            h = p * stride[1] + r * dilation[1] - before[1]
            if 0 <= h < row_sums.shape[0]:
                for s in range(meetings.shape[1]):
                    meetings[r, s] += row_sums[h, s]


@kernel
def _count_kept(
    weights: np.ndarray,
    group_meetings: np.ndarray,
    inside_row: np.ndarray,
    group_out_channels: int,
    first: int,
    last: int,
) -> tuple[np.int64, np.int64, np.int64]:
    """(weight products of one image, effectual products, weights that meet any) of output channels first..last."""
    # Weights inside the map are the same question with every activation set, so that one walk
    # over a filter answers both.
    inside_total = np.int64(0)
    effectual = np.int64(0)
    meeting = np.int64(0)
    for k in range(first, last):
        meetings = group_meetings[k // group_out_channels]
        row = weights[k]
        for j in range(row.size):
            kept = -np.int64(row[j])  # all ones or zero: a mask keeps the loop free of branches
            inside_total += inside_row[j] & kept
            effectual += meetings[j] & kept
            meeting += np.int64(meetings[j] != 0) & kept
    return inside_total, effectual, meeting
