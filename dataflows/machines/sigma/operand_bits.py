"""Both operands of a layer's matrix products as bits: by column, with a bit for each row, and by row.

A group of a layer is a product of (M x J) inputs and (F x J) weights over J columns (c, [t,] r, s): M output positions
of all images (n, [o,] p, q) and F = K/G filters. Bit i of a word is the lowest but i. Bits beyond the rows, or beyond
the columns, are zero.

Example: two filters [1 0 1] and [0 0 1] are by row the words 0b101 and 0b100, by column 0b01, 0b00 and 0b11.
"""

from __future__ import annotations

import math

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.words import set_bits
from workloads.layer import Layer
from workloads.limits import require_size
from workloads.whole_numbers import ceil_div

WORD = 64


def weight_rows(layer: Layer, mask: np.ndarray) -> np.ndarray:
    """Uint64 (G, F, words of J) of a mask (K, C/G, [T,] R, S): the filters of each group, by row."""
    rows = packed(mask.reshape(layer.out_channels, -1))
    return rows.reshape(layer.groups, layer.group_out_channels, -1)


def input_columns(layer: Layer, mask: np.ndarray) -> np.ndarray:
    """Uint64 (G, J, words of M) of a mask (N, C, [D,] H, W): what each column's tap reads at every position.

    Raises `InputError` where that would take more memory than is allowed.
    """
    depth = math.prod(layer.weight_shape[1:])
    positions = layer.batch * math.prod(layer.output_size)
    shape = (layer.groups, depth, ceil_div(positions, WORD))
    require_size(f"the inputs of the matrix products of layer '{layer.name}'", shape, 8)
    columns = np.zeros((layer.in_channels, *layer.kernel_size[:-1], layer.kernel_size[-1], shape[-1]), np.uint64)
    # A row of outputs reads one row of inputs at every tap of a kernel row, so that whole rows of bits are copied.
    taps, rows = _rows_read(layer)
    padded = np.pad(mask, ((0, 0), (0, 0), *layer.padding))
    flat = columns.reshape(layer.in_channels, len(taps), layer.kernel_size[-1], -1)
    width = layer.output_size[-1]
    for s in range(layer.kernel_size[-1]):
        first = s * layer.dilation[-1]
        read = padded[..., first : first + (width - 1) * layer.stride[-1] + 1 : layer.stride[-1]]
        _copy_rows(
            packed(read).reshape(layer.batch, layer.in_channels, -1, ceil_div(width, WORD)), taps, rows, width, s, flat
        )
    return columns.reshape(shape)


def _rows_read(layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """Int64 (taps,) and (rows of outputs,): how far a kernel row reads from the first row of an output row's window.

    Both over all axes but the last: rows of the padded map, counted through its other axes.
    """
    size = [edge + sum(pad) for edge, pad in zip(layer.input_size, layer.padding, strict=True)]
    taps = rows = np.zeros(1, np.int64)
    for axis in range(layer.axes - 1):
        step = math.prod(size[axis + 1 : -1])
        taps = (taps[:, None] + np.arange(layer.kernel_size[axis]) * (layer.dilation[axis] * step)).reshape(-1)
        rows = (rows[:, None] + np.arange(layer.output_size[axis]) * (layer.stride[axis] * step)).reshape(-1)
    return taps, rows


def packed(mask: np.ndarray) -> np.ndarray:
    """Uint64 (..., words) of a mask (..., bits)."""
    words = ceil_div(mask.shape[-1], WORD)
    found = np.packbits(mask, axis=-1, bitorder="little")
    if found.shape[-1] != 8 * words:  # bytes of the last word that nothing fills
        short, found = found, np.zeros((*mask.shape[:-1], 8 * words), np.uint8)
        found[..., : short.shape[-1]] = short
    return found.view("<u8").astype(np.uint64, copy=False)


def transposed(bits: np.ndarray, columns: int) -> np.ndarray:
    """Uint64 (G, columns, words of rows) of bits (G, rows, words of columns)."""
    found = np.zeros((len(bits), columns, ceil_div(bits.shape[1], WORD)), np.uint64)
    for group in range(len(bits)):
        _transpose(bits[group], found[group])
    return found


def counts(bits: np.ndarray) -> np.ndarray:
    """Int64 (G, rows): bits that are set in each row of (G, rows, words)."""
    found = np.zeros(bits.shape[:2], np.int64)
    _count(bits.reshape(-1, bits.shape[2]), found.reshape(-1))
    return found


def columns_used(bits: np.ndarray) -> np.ndarray:
    """Uint64 (G, words of columns): columns in which any row of (G, rows, words of columns) has a bit."""
    return np.bitwise_or.reduce(bits, axis=1)


@kernel
def _copy_rows(lines: np.ndarray, taps: np.ndarray, rows: np.ndarray, width: int, s: int, columns: np.ndarray) -> None:
    """Add rows of `width` bits of (N, C, rows of the map, words) to columns (C, taps, S, words), end to end."""
    for channel in range(columns.shape[0]):
        for tap in range(taps.size):
            into = columns[channel, tap, s]
            at = 0
            for image in range(lines.shape[0]):
                for row in rows:
                    line = lines[image, channel, row + taps[tap]]
                    for word in range(line.size):
                        place, shift = (at + 64 * word) >> 6, np.uint64(at & 63)
                        into[place] |= line[word] << shift
                        # Bits beyond the word: where there are none, there may be no next word.
                        over = line[word] >> np.uint64(1) >> np.uint64(63 - (at & 63))
                        if over:
                            into[place + 1] |= over
                    at += width


@kernel
def _transpose(bits: np.ndarray, into: np.ndarray) -> None:
    """Fill into (columns, words of rows) from bits (rows, words of columns), 64 x 64 bits at a time."""
    block = np.empty(64, np.uint64)
    # Eight words are what a line of the cache holds; the lines that they go to are there for eight blocks of rows.
    for start in range(0, bits.shape[1], 8):
        for first in range(0, bits.shape[0], 64):
            rows = min(64, bits.shape[0] - first)
            for word in range(start, min(start + 8, bits.shape[1])):
                block[rows:] = 0
                for i in range(rows):
                    block[i] = bits[first + i, word]
                _transpose_block(block)
                for i in range(min(64, into.shape[0] - 64 * word)):
                    into[64 * word + i, first >> 6] = block[i]


@kernel
def _transpose_block(block: np.ndarray) -> None:
    """Make rows of 64 x 64 bits columns: quarters change places, then quarters of quarters, down to single bits."""
    mask, half = np.uint64(0x00000000FFFFFFFF), 32
    while half:
        i = 0
        while i < 64:
            other = ((block[i] >> np.uint64(half)) ^ block[i + half]) & mask
            block[i + half] ^= other
            block[i] ^= other << np.uint64(half)
            i = (i + half + 1) & ~half
        half >>= 1
        mask ^= mask << np.uint64(half)


@kernel
def _count(bits: np.ndarray, found: np.ndarray) -> None:
    for row in range(bits.shape[0]):
        for word in range(bits.shape[1]):
            found[row] += set_bits(bits[row, word])
