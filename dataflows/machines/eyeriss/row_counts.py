"""A layer's rows and weights counted, once for all waves: what `chain_steps` adds up."""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.machines.eyeriss.mapping import Mapping, Rows
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div

_MOST_OF_A_BYTE = 255


def taken_of_rows(layer: Layer, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Int32 (N, rows + 1, C, S) and (N, rows + 1, C): non-zeros that a tap meets, and all, of rows; none of the last.

    mask  bool (N, C, [D,] H, W)
    """
    rows, width = Rows(layer).input_rows, layer.input_size[-1]
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
    rows = Rows(layer).input_rows
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
