"""Layers, masks and the pairs of `test_hand_derived`: what a number worked out by hand is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np

from dataflows.registry import create, machine
from simulator.network_simulation import MachineRun
from workloads.layer import Layer
from workloads.trace import LayerTrace

Maker = Callable[[tuple[int, ...]], np.ndarray]
"""Gives a mask (or values) of a shape."""

_OWN_CYCLES = {"dram": {"bandwidth_gbs": inf, "latency_ns": 0.0}, "buffers": {"port_bytes": 1 << 30}}
"""Neither memory nor the ports of buffers ever hold a machine up."""


@dataclass(frozen=True)
class Pair:
    """A layer on a machine: masks of its shapes (or values), settings over the defaults, and the derived cycles."""

    machine: str
    layer: Layer
    cycles: int
    settings: dict[str, Any] = field(default_factory=dict)
    weights: Maker | None = None
    activations: Maker | None = None

    def simulated(self) -> int:
        """Cycles that the simulator gives; a setting that only some versions of a machine have is left to them."""
        settings = {**_OWN_CYCLES, **self.settings}
        if "fold_overlap" in machine(self.machine).Spec.model_fields:
            settings.setdefault("fold_overlap", "none")
        run = MachineRun(create(self.machine, settings))
        return run.layer(
            LayerTrace(
                self.layer, _of(self.weights, self.layer.weight_shape), _of(self.activations, self.layer.input_shape)
            )
        ).cycles


def _of(make: Maker | None, shape: tuple[int, ...]) -> np.ndarray:
    return np.ones(shape, bool) if make is None else make(shape)


def conv(name: str, channels: int, filters: int, size: int, kernel: int, **more: Any) -> Layer:
    """A convolution of a square map by a square kernel."""
    return Layer.conv(
        name, in_channels=channels, out_channels=filters, input_size=(size, size), kernel_size=kernel, **more
    )


# --------------------------------------------------------------------------------------------------------- the layers

PLAIN = conv("plain 3x3", 64, 64, 28, 3, padding=1)  # 28 x 28 outputs
IMAGE = conv("image 3x3", 3, 64, 28, 3, padding=1)  # 28 x 28
STRIDED = conv("strided 3x3", 20, 40, 29, 3, stride=2, padding=1)  # (29 + 2 - 3) // 2 + 1 = 15
POINTWISE = conv("pointwise 1x1", 250, 70, 13, 1)  # 13 x 13
DILATED = conv("dilated 3x3", 20, 24, 14, 3, dilation=2, padding=2)  # 14 x 14
WIDE = conv("wide 5x5", 20, 33, 14, 5, padding=2)  # 14 x 14
GROUPS_2 = conv("two groups", 32, 48, 14, 3, padding=1, groups=2)  # 14 x 14, 16 channels and 24 filters a group
DEPTHWISE = conv("depthwise", 20, 20, 12, 3, padding=1, groups=20)  # 12 x 12
VOLUME = Layer.conv("volume", in_channels=20, out_channels=40, input_size=(4, 10, 10), kernel_size=3, padding=1)
FC = Layer.dense("fc", in_features=250, out_features=100)
FC_BATCH = Layer.dense("fc batch", in_features=300, out_features=70, batch=4)
BATCH = PLAIN.with_batch(3)
NARROW = Layer.conv(  # (20 + 2 - 3) // 2 + 1 = 10 by 9 outputs of 16 x 3 inputs
    "narrow 3x1", in_channels=16, out_channels=18, input_size=(20, 9), kernel_size=(3, 1), stride=(2, 1), padding=(1, 0)
)


# ---------------------------------------------------------------------------------------------------------- the masks


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
        drawn = _of(make, shape)
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
