"""A layer's rows and weights counted, once for all waves: what `chain_steps` adds up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.machines.eyeriss.mapping import Mapping, Rows
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div

_MOST_OF_A_BYTE = 255


def input_rows(layer: Layer) -> int:
    """Rows of a channel's map, [D·]H."""
    return int(np.prod(layer.input_size[:-1]))


def rows_read(layer: Layer) -> np.ndarray:
    """Int64 ([O·]P, [T·]R): the input row ([d,] h) of each output row and kernel row; outside the map [D·]H."""
    inside: np.ndarray = np.ones((1, 1), bool)
    row: np.ndarray = np.zeros((1, 1), np.int64)
    for axis in range(layer.axes - 1):
        outputs = np.arange(layer.output_size[axis])[:, None] * layer.stride[axis]
        place = outputs + np.arange(layer.kernel_size[axis]) * layer.dilation[axis] - layer.padding[axis][0]
        size = layer.input_size[axis]
        # Slices of a volume first: output rows (o, p) and kernel rows (t, r) of both axes, row-major.
        inside = _outer(inside, (place >= 0) & (place < size), np.logical_and)
        row = _outer(row * size, place, np.add)
    return np.where(inside, row, input_rows(layer))


def _outer(first: np.ndarray, second: np.ndarray, join: Callable[..., np.ndarray]) -> np.ndarray:
    """(a·c, b·d) of (a, b) and (c, d): every pair, the second running faster."""
    pairs = join(first[:, None, :, None], second[None, :, None, :])
    return pairs.reshape(first.shape[0] * second.shape[0], -1)


def taken_of_rows(layer: Layer, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Int32 (N, rows + 1, C, S) and (N, rows + 1, C): non-zeros that a tap meets, and all, of rows; none of the last.

    mask  bool (N, C, [D,] H, W)
    """
    rows, width = input_rows(layer), layer.input_size[-1]
    taken = np.zeros((layer.batch, rows + 1, layer.in_channels, layer.kernel_size[-1]), np.int32)
    words = np.zeros(taken.shape[:-1], np.int32)
    _count_rows(
        np.ascontiguousarray(mask).view(np.uint8).reshape(layer.batch, layer.in_channels, rows, width),
        layer.stride[-1],
        layer.dilation[-1],
        layer.padding[-1][0],
        layer.output_size[-1],
        taken,
        words,
    )
    return taken, words


@kernel
def _count_rows(
    mask: np.ndarray, stride: int, dilation: int, before: int, positions: int, taken: np.ndarray, words: np.ndarray
) -> None:
    """Fill taken (N, rows + 1, C, S) and words (N, rows + 1, C) from a mask (N, C, rows, W)."""
    images, channels, rows, width = mask.shape
    for image in range(images):
        for channel in range(channels):
            for row in range(rows):
                line = mask[image, channel, row]
                total = np.int32(0)
                for place in range(width):
                    total += np.int32(line[place])
                words[image, row, channel] = total
                for tap in range(taken.shape[3]):
                    first = tap * dilation - before
                    # The first position whose tap lies inside, and the one after the last.
                    start = -(first // stride) if first < 0 else 0
                    stop = min(positions, (width - 1 - first) // stride + 1) if first < width else 0
                    found = np.int32(0)
                    if stride == 1:
                        for place in range(start + first, stop + first):
                            found += np.int32(line[place])
                    else:
                        for position in range(start, stop):
                            found += np.int32(line[position * stride + first])
                    taken[image, row, channel, tap] = found


def dense_rows(layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """The same for a machine that skips nothing: every tap meets all positions, even of rows in the padding."""
    rows = input_rows(layer)
    taken = np.full((layer.batch, rows + 1, layer.in_channels, layer.kernel_size[-1]), layer.output_size[-1], np.int32)
    words = np.full(taken.shape[:-1], layer.input_size[-1], np.int32)
    words[:, rows] = 0  # what is known to be zero is not brought
    return taken, words


def weights_of_blocks(layer: Layer, way: Mapping, mask: np.ndarray) -> np.ndarray:
    """Uint8 or int32 (G, filter blocks, [T·]R, C/G, S): non-zero weights of each column of a PE's block of filters.

    mask  bool (K, C/G, [T,] R, S)
    """
    blocks = ceil_div(layer.group_out_channels, way.filters)
    kind = np.uint8 if way.filters <= _MOST_OF_A_BYTE else np.int32
    found = np.zeros((layer.groups, blocks, layer.weight_count // layer.out_channels), kind)
    flat = np.ascontiguousarray(mask).view(np.uint8).reshape(layer.groups, layer.group_out_channels, -1)
    _add_filters(flat, way.filters, found)
    return _by_rows(layer, found)


def dense_blocks(layer: Layer, way: Mapping) -> np.ndarray:
    """The same where every weight counts."""
    kind = np.uint8 if way.filters <= _MOST_OF_A_BYTE else np.int32
    columns = layer.weight_count // layer.out_channels
    filters = filters_of_blocks(layer, way).astype(kind)
    found = np.broadcast_to(filters[:, None], (layer.groups, filters.size, columns))
    return _by_rows(layer, found)


def _by_rows(layer: Layer, found: np.ndarray) -> np.ndarray:
    shape = (*found.shape[:2], layer.group_in_channels, Rows(layer).kernel_rows, layer.kernel_size[-1])
    return np.ascontiguousarray(found.reshape(shape).transpose(0, 1, 3, 2, 4))


@kernel
def _add_filters(mask: np.ndarray, filters: int, found: np.ndarray) -> None:
    """Add the filters of a mask (G, K/G, columns) up by blocks (G, blocks, columns)."""
    for group in range(mask.shape[0]):
        for k in range(mask.shape[1]):
            line, into = mask[group, k], found[group, k // filters]
            for column in range(line.size):
                into[column] += line[column]


def filters_of_blocks(layer: Layer, way: Mapping) -> np.ndarray:
    """Int64 (filter blocks,): filters of each block of a group."""
    return np.minimum(
        way.filters, layer.group_out_channels - np.arange(0, layer.group_out_channels, way.filters)
    ).astype(np.int64)
