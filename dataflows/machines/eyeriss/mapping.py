"""How a layer is laid out on an array of chains: the search for the block of a PE and what lies side by side.

A PE holds weights of some filters, channels and taps, all of one kernel row. The PEs of a chain, one below the other in
a column of the array, hold the entries of a filter's weights in order (channel block, kernel row, tap block), so that a
sum that goes down the chain has passed them all; what is longer than the chain takes several passes. Chains side by
side belong to different output rows, blocks of filters, or groups.

The papers search offline, for the least energy or time; what is searched for here is the least time, computing and
waiting for memory (`expected_time`), and then the fewest bytes: an assumption. All that fits a smaller array, half as
high or wide and so on, is tried on a larger one too, so that no room is ever a loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from workloads.layer import Layer
from workloads.whole_numbers import ceil_div


def stacked_images(layer: Layer) -> Layer:
    """A layer of the same products in which the images of a two-dimensional batch are slices of one volume.

    Images share weights then, as rows of one map do. Example: 4 images of 13 x 13 are a volume of 4 x 13 x 13 under a
    kernel that is one slice deep. A volume's images stay apart, as they are.
    """
    if layer.axes == 3 or layer.batch == 1:
        return layer
    return replace(
        layer,
        batch=1,
        input_size=(layer.batch, *layer.input_size),
        kernel_size=(1, *layer.kernel_size),
        stride=(1, *layer.stride),
        dilation=(1, *layer.dilation),
        padding=((0, 0), *layer.padding),
        fully_connected=False,
    )


@dataclass(frozen=True)
class Limits:
    """What an array has room for.

    rows, columns  PEs
    lanes          multipliers of a PE
    filters        filters of a PE, as many as it has sums
    weights        weights of a PE
    taps           channels x taps of a PE
    channels       channels of a chain
    value_bits     bits of an activation
    sum_bits       bits of a partial sum
    input_room     bits of the buffer for activations
    sum_room       bits of the buffer for partial sums; None: they share that of the activations
    """

    rows: int
    columns: int
    lanes: int
    filters: int
    weights: int
    taps: int
    channels: int
    value_bits: int
    sum_bits: int
    input_room: int
    sum_room: int | None

    def sums(self, inputs: np.ndarray) -> np.ndarray:
        """Partial sums that have room beside so many activations; none where those have not."""
        input_bits = inputs * self.value_bits
        room = self.input_room - input_bits if self.sum_room is None else np.full(inputs.shape, self.sum_room)
        return np.where(input_bits > self.input_room, 0, room // self.sum_bits)


@dataclass(frozen=True)
class Mapping:
    """A way to lay a layer out.

    filters, channels, taps  of the block of weights of a PE
    depth                    PEs of a chain
    rows, blocks, groups     output rows, filter blocks of a group and groups side by side
    """

    filters: int
    channels: int
    taps: int
    depth: int
    rows: int
    blocks: int
    groups: int


@dataclass(frozen=True, eq=False)
class Ways:
    """Many mappings at a time: int64 (ways,) of what `Mapping` has one of."""

    filters: np.ndarray
    channels: np.ndarray
    taps: np.ndarray
    depth: np.ndarray
    rows: np.ndarray
    blocks: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(cls, *ways: Mapping) -> Ways:
        """Of one or more, in this order."""
        table = np.array([[getattr(way, key) for key in cls.__annotations__] for way in ways], np.int64)
        return cls(*table.reshape(len(ways), -1).T)

    def __getitem__(self, number: int) -> Mapping:
        return Mapping(*(int(getattr(self, key)[number]) for key in self.__annotations__))


@dataclass(frozen=True)
class Rows:
    """A layer as rows: what the search and the kernels count.

    kernel_rows  kernel rows, [T·]R        rows       output rows, [O·]P         row_map  output rows of a slice, P
    """

    layer: Layer

    @property
    def kernel_rows(self) -> int:
        """[T·]R."""
        return math.prod(self.layer.kernel_size[:-1])

    @property
    def rows(self) -> int:
        """[O·]P."""
        return math.prod(self.layer.output_size[:-1])

    @property
    def input_rows(self) -> int:
        """[D·]H."""
        return math.prod(self.layer.input_size[:-1])

    def read_by(self, rows: np.ndarray) -> np.ndarray:
        """Input rows that so many output rows of a map's beginning read, those in the padding included."""
        layer = self.layer
        span, stride, height = layer.kernel_span[-2], layer.stride[-2], layer.output_size[-2]
        slices, rest = np.divmod(rows, height)
        read = slices * ((height - 1) * stride + span) + np.where(rest > 0, (rest - 1) * stride + span, 0)
        return read * (layer.kernel_size[0] if layer.axes == 3 else 1)

    def brought(self, rows: np.ndarray, *, last: bool) -> np.ndarray:
        """Input rows that full waves of so many output rows read in the mean, or the layer's last rows.

        Each counts once, and those in the padding not at all.
        """
        sizes, which = np.unique(rows, return_inverse=True)
        return np.array([self._brought(int(size), last=last) for size in sizes])[which]

    def _brought(self, rows: int, *, last: bool) -> float:
        read, waves = self._rows_read, 1 if last else max(1, self.rows // rows)
        by_wave = np.sort((read[-rows:] if last else read[: waves * rows]).reshape(waves, -1), axis=1)
        first = np.diff(by_wave, axis=1, prepend=-1) != 0
        return float(np.count_nonzero(first & (by_wave < self.input_rows)) / waves)

    @cached_property
    def _rows_read(self) -> np.ndarray:
        return rows_read(self.layer)

    @cached_property
    def columns_inside(self) -> float:
        """Share of the places that taps read along a row which lie inside the map."""
        layer = self.layer
        places = np.add.outer(
            np.arange(layer.output_size[-1]) * layer.stride[-1] - layer.padding[-1][0],
            np.arange(layer.kernel_size[-1]) * layer.dilation[-1],
        )
        return float(np.mean((places >= 0) & (places < layer.input_size[-1])))

    def rows_of(self, read: np.ndarray) -> np.ndarray:
        """Output rows of a map's beginning that read no more than so many input rows."""
        layer = self.layer
        span, stride, height = layer.kernel_span[-2], layer.stride[-2], layer.output_size[-2]
        slices, rest = np.divmod(read // (layer.kernel_size[0] if layer.axes == 3 else 1), (height - 1) * stride + span)
        return slices * height + np.maximum(0, (rest - span) // stride + 1)

    def held_channels(self, ways: Ways) -> np.ndarray:
        """Channels of a group that a pass meets."""
        return np.minimum(self.layer.group_in_channels, ways.channels * ceil_div(ways.depth, self.units(ways.taps)))

    def inputs(self, ways: Ways) -> np.ndarray:
        """Activations that a wave reads in a pass."""
        return ways.groups * self.held_channels(ways) * self.read_by(ways.rows) * self.layer.input_size[-1]

    def sums(self, ways: Ways) -> np.ndarray:
        """Partial sums of a wave."""
        return ways.groups * ways.blocks * ways.filters * ways.rows * self.layer.output_size[-1]

    def units(self, taps: np.ndarray) -> np.ndarray:
        """Entries of a channel block."""
        return self.kernel_rows * ceil_div(self.layer.kernel_size[-1], taps)

    def unit(self, taps: int) -> int:
        """Entries of a channel block."""
        return self.kernel_rows * ceil_div(self.layer.kernel_size[-1], taps)

    def entries(self, channels: int, taps: int) -> int:
        """Blocks of a filter's weights: channel blocks x kernel rows x tap blocks."""
        return ceil_div(self.layer.group_in_channels, channels) * self.unit(taps)


def ways_of(shape: Rows, limits: Limits) -> Ways:
    """All that are tried; where nothing fits the buffers the smallest block, whose sums and inputs pass in pieces."""
    found = list(dict.fromkeys(_chains(shape, limits)))
    if not found:
        return _smallest(shape, limits)
    filters, channels, taps, depth, rows, sets = np.array(found, np.int64).T
    one = np.ones(len(found), np.int64)
    alone = Ways(filters, channels, taps, depth, rows, one, one)
    needed = ceil_div(shape.layer.group_out_channels, filters)
    slots = np.minimum(sets // rows, limits.sums(shape.inputs(alone)) // shape.sums(alone))
    tried = []
    # Halves of what has room, with which no array that is twice as large lacks anything.
    for by in range(int(slots.max()).bit_length()):
        room = np.flatnonzero(slots >> by)
        lone, blocks = Ways(*(part[room] for part in vars(alone).values())), _evened(needed[room], slots[room] >> by)
        groups = _groups(shape, limits, replace(lone, blocks=blocks), (slots[room] >> by) // needed[room])
        tried.append(np.array([*list(vars(lone).values())[:5], blocks, groups]))
    if not tried:
        return _smallest(shape, limits)
    return Ways(*np.unique(np.concatenate(tried, axis=1), axis=1)[:, ::-1])


def _smallest(shape: Rows, limits: Limits) -> Ways:
    taps = min(shape.layer.kernel_size[-1], limits.taps)
    return Ways.of(Mapping(1, 1, taps, _depths(shape, limits, 1, taps)[0], 1, 1, 1))


def _evened(total: int | np.ndarray, most: np.ndarray) -> np.ndarray:
    """The size of as few even parts of a total as parts of at most so many make."""
    return ceil_div(total, ceil_div(total, np.minimum(total, most)))


def _groups(shape: Rows, limits: Limits, ways: Ways, slots: np.ndarray) -> np.ndarray:
    """As many groups side by side as have chains and room, in even packs; one where a group takes several rounds."""
    inputs, sums = shape.inputs(ways) * limits.value_bits, shape.sums(ways) * limits.sum_bits
    if limits.sum_room is None:
        room = limits.input_room // np.maximum(1, inputs + sums)
    else:
        room = np.minimum(limits.input_room // np.maximum(1, inputs), limits.sum_room // sums)
    return _evened(shape.layer.groups, np.maximum(1, np.minimum(slots, room)))


def _even(total: int, most: int) -> list[int]:
    """Sizes of parts of a total, falling, as even as so many can be: from powers of two, and from `most` by halves.

    Where `most` is twice as large, all sizes are there that were before.
    """
    return _even_of(total, (most >> by for by in range(most.bit_length())))


def _even_of(total: int, mosts: Iterable[int]) -> list[int]:
    """Likewise, from powers of two up to the largest of these, and from each of them."""
    most = [min(total, size) for size in mosts if size]
    tried = {1 << bit for bit in range(max(most).bit_length())} | set(most)
    return sorted({ceil_div(total, ceil_div(total, size)) for size in tried}, reverse=True)


def _depths(shape: Rows, limits: Limits, channels: int, taps: int) -> list[int]:
    """Lengths of chains, rising: all kernel rows of some channel blocks, or a part of one, as on smaller arrays too."""
    unit, entries = shape.unit(taps), shape.entries(channels, taps)
    # A chain that a column of half the length has to cut is as good where the column is longer.
    parts = {limits.rows >> by for by in range(limits.rows.bit_length())}
    cut = {ceil_div(entries, ceil_div(entries, rows)) for rows in parts if rows < unit}
    if unit > limits.rows:
        return sorted(cut)
    most = max(1, min(limits.rows // unit, limits.channels // channels))
    blocks = _even(ceil_div(shape.layer.group_in_channels, channels), most)
    return sorted(cut | {unit * side_by_side for side_by_side in blocks})


def _chains(shape: Rows, limits: Limits) -> Iterator[tuple[int, ...]]:
    """Filters, channels, taps, depth and rows side by side, with how many chains the array has room for."""
    layer = shape.layer
    taps = min(layer.kernel_size[-1], limits.taps)
    heights = [limits.rows >> by for by in range(limits.rows.bit_length())]
    widths = [limits.columns >> by for by in range(limits.columns.bit_length())]
    for channels in _even(layer.group_in_channels, min(limits.taps // taps, limits.channels)):
        # Words of the scratchpad hold a weight for each multiplier, all of one column.
        held = limits.lanes * (limits.weights // (limits.lanes * channels * taps))
        if not held:
            continue
        filters = _even(layer.group_out_channels, min(limits.filters, held))
        for depth in _depths(shape, limits, channels, taps):
            # Chains that arrays half as high or wide have room for; of this one all that are left are used.
            smaller = [height // depth * width for height in heights for width in widths]
            for rows in _even_of(shape.rows, smaller):
                for each in filters:
                    yield each, channels, taps, depth, rows, limits.rows // depth * limits.columns


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
    return np.where(inside, row, Rows(layer).input_rows)


def _outer(first: np.ndarray, second: np.ndarray, join: Callable[..., np.ndarray]) -> np.ndarray:
    """(a·c, b·d) of (a, b) and (c, d): every pair, the second running faster."""
    pairs = join(first[:, None, :, None], second[None, :, None, :])
    return pairs.reshape(first.shape[0] * second.shape[0], -1)
