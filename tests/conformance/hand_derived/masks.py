"""Masks and values of the pairs: regular, so that what a machine makes of them can be counted by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Maker = Callable[[tuple[int, ...]], np.ndarray]
"""Gives a mask (or values) of a shape."""


def drawn_by(make: Maker | None, shape: tuple[int, ...]) -> np.ndarray:
    """What `make` gives; without a maker nothing is zero."""
    return np.ones(shape, bool) if make is None else make(shape)


def taps(*kept: tuple[int, int]) -> Maker:
    """Every kernel keeps these positions (r, s)."""

    def make(shape: tuple[int, ...]) -> np.ndarray:
        mask = np.zeros(shape, bool)
        for row, column in kept:
            mask[..., row, column] = True
        return mask

    return make


def every(step: int, first: int = 0) -> Maker:
    """Each filter keeps every `step`-th of its flattened (c, r, s)."""

    def make(shape: tuple[int, ...]) -> np.ndarray:
        mask = np.zeros((shape[0], int(np.prod(shape[1:]))), bool)
        mask[:, first::step] = True
        return mask.reshape(shape)

    return make


def channels(step: int) -> Maker:
    """Only every `step`-th channel (axis 1 of weights and of activations) is not zero."""

    def make(shape: tuple[int, ...]) -> np.ndarray:
        mask = np.zeros(shape, bool)
        mask[:, ::step] = True
        return mask

    return make


def grid(step: int, first: int = 0) -> Maker:
    """Activations at every `step`-th row and column."""

    def make(shape: tuple[int, ...]) -> np.ndarray:
        mask = np.zeros(shape, bool)
        mask[..., first::step, first::step] = True
        return mask

    return make


def turns(shape: tuple[int, ...]) -> np.ndarray:
    """Activations of 4 x 4 tiles, like the fields of a chessboard: half of them in even channels, half in odd ones."""
    _, channel, row, column = np.indices(shape)
    return (channel + row // 4 + column // 4) % 2 == 0


def corner(shape: tuple[int, ...]) -> np.ndarray:
    """Activations of an inner 4 x 4 tile alone."""
    mask = np.zeros(shape, bool)
    mask[..., 8:12, 8:12] = True
    return mask


def last_of_windows(shape: tuple[int, ...]) -> np.ndarray:
    """Of (r, s, c) lists the places 255 and 511."""
    filters, channels, rows, columns = shape
    mask = np.zeros((filters, rows, columns, channels), bool)
    mask.reshape(filters, -1)[:, [255, 511]] = True
    return mask.transpose(0, 3, 1, 2)


def own_values(make: Maker | None) -> Maker:
    """The non-zeros of a mask with 1, 2, 3, ... in each filter; values stay as they are."""

    def made(shape: tuple[int, ...]) -> np.ndarray:
        drawn = drawn_by(make, shape)
        if drawn.dtype != np.bool_:
            return drawn
        return (np.cumsum(drawn.reshape(shape[0], -1), axis=1).reshape(shape) * drawn).astype(np.int64)

    return made


def values(count: int) -> Maker:
    """Weights without zeros, of `count` distinct values in every filter."""
    return lambda shape: (np.arange(np.prod(shape)) % count + 1).reshape(shape)


def filters(*kept: int, of: int) -> Maker:
    """Only filters whose number mod `of` is among these keep weights, and they keep all."""
    return lambda shape: np.broadcast_to(
        np.isin(np.arange(shape[0]) % of, kept).reshape(-1, *[1] * (len(shape) - 1)), shape
    ).copy()


def by_filter(*patterns: tuple[tuple[int, int], ...]) -> Maker:
    """Kernels of filter k keep the positions of pattern k mod their number."""

    def make(shape: tuple[int, ...]) -> np.ndarray:
        mask = np.zeros(shape, bool)
        for number, pattern in enumerate(patterns):
            for row, column in pattern:
                mask[number :: len(patterns), :, row, column] = True
        return mask

    return make


def kernel_groups(rows: int, positions: tuple[tuple[int, int], ...]) -> Maker:
    """Of each block of 8 filters x 8 channels `rows` filters, which turn with the channels, and these positions."""

    def make(shape: tuple[int, ...]) -> np.ndarray:
        filters, channels = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
        kept = (filters + channels // 8) % 8 < rows
        return kept[:, :, None, None] & taps(*positions)(shape)

    return make


ALL_TAPS = tuple((row, column) for row in range(3) for column in range(3))
CENTRE = (1, 1)
NORTH, SOUTH, WEST, EAST = (0, 1), (2, 1), (1, 0), (1, 2)
PCONV = (
    (CENTRE, NORTH, SOUTH, WEST),
    (CENTRE, NORTH, SOUTH, EAST),
    (CENTRE, NORTH, WEST, EAST),
    (CENTRE, SOUTH, WEST, EAST),
)
