"""Which inputs the windows of a layer read: offsets into a padded map, ranges of rows, positions ever read."""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import numpy as np

from workloads.layer import Layer


class PaddedMap(NamedTuple):
    """The inputs of a layer with their zero padding, one group's map after the other, flat; kernels take it whole.

    values    int64 (N, G, size)
    columns   int64 (C/G·[T·]R·S,): how far a weight column reads from its window's first value, in the order of the
              weights (c, [t,] r, s)
    windows   int64 ([O·]P·Q,): the first value of each output position's window
    """

    values: np.ndarray
    columns: np.ndarray
    windows: np.ndarray

    @classmethod
    def of(cls, layer: Layer, activations: np.ndarray) -> Self:
        """From activations (N, C, [D,] H, W)."""
        padded = np.pad(activations, ((0, 0), (0, 0), *layer.padding))
        size = padded.shape[2:]
        # Row-major steps of one padded channel: in a map of 4 x 5 a row is 5 values further, a column 1.
        steps = [math.prod(size[axis + 1 :]) for axis in range(layer.axes)]
        columns = np.arange(layer.group_in_channels) * math.prod(size)
        windows = np.zeros(1, np.int64)
        for axis, step in enumerate(steps):
            # A 2x2 kernel on two such channels reads 0, 1, 5, 6 and 20, 21, 25, 26; with a stride of 2 its windows
            # begin at 0, 2, 10 and 12.
            kernel = np.arange(layer.kernel_size[axis]) * (layer.dilation[axis] * step)
            outputs = np.arange(layer.output_size[axis]) * (layer.stride[axis] * step)
            columns = (columns[..., None] + kernel).reshape(-1)
            windows = (windows[:, None] + outputs).reshape(-1)
        return cls(padded.reshape(layer.batch, layer.groups, -1).astype(np.int64), columns, windows)

    def of_group(self, group: int) -> Self:
        """One group's map: values (N, size)."""
        return self._replace(values=self.values[:, group])


def read_range(layer: Layer, axis: int, first: int, last: int) -> tuple[int, int]:
    """First input position on an axis that the outputs first..last (inclusive) may read, and the one after the last."""
    start = first * layer.stride[axis] - layer.padding[axis][0]
    stop = last * layer.stride[axis] - layer.padding[axis][0] + layer.kernel_span[axis]
    # Both ends are clipped to the map: 3 taps with padding of 1 read -1 to 2 for the outputs 0 and 1, of which 0 to 2
    # remain. Windows that lie in the padding alone leave an empty range.
    start = min(max(start, 0), layer.input_size[axis])
    return start, max(start, min(stop, layer.input_size[axis]))


def places_read(layer: Layer, axis: int, outputs: range) -> np.ndarray:
    """Input positions on an axis, inside the map and ascending, that the windows of some outputs read."""
    taps = np.arange(layer.kernel_size[axis]) * layer.dilation[axis] - layer.padding[axis][0]
    # With two taps and a stride of 3 the outputs 0 and 1 read 0, 1, 3 and 4; no window reads place 2.
    places = np.add.outer(np.arange(outputs.start, outputs.stop) * layer.stride[axis], taps)
    return np.unique(places[(places >= 0) & (places < layer.input_size[axis])])


def inputs_read(layer: Layer) -> int:
    """Values of one image and channel that at least one window reads."""
    # A value is read when its place on every axis is, so that the counts multiply.
    return math.prod(len(places_read(layer, axis, range(size))) for axis, size in enumerate(layer.output_size))
