"""How a layer is laid out on an array of chains: the search for the block of a PE and what lies side by side.

A PE holds weights of some filters, channels and taps, all of one kernel row. The PEs of a chain, one below the other in
a column of the array, hold the entries of a filter's weights in order (channel block, kernel row, tap block), so that a
sum that goes down the chain has passed them all; what is longer than the chain takes several passes. Chains side by
side belong to different output rows, blocks of filters, or groups.

The papers search offline, for the least energy or time of a shape; that the estimate below is what is searched for is
an assumption. It knows no zeros: each way is as good as it is for the dense layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

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
    sums           partial sums of the buffer
    input_bits     bits of the buffer for activations
    value_bits     bits of an activation
    """

    rows: int
    columns: int
    lanes: int
    filters: int
    weights: int
    taps: int
    sums: int
    input_bits: int
    value_bits: int


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

    def read_by(self, rows: int) -> int:
        """Input rows that so many output rows of a map's beginning read, those in the padding included."""
        layer = self.layer
        span, stride, height = layer.kernel_span[-2], layer.stride[-2], layer.output_size[-2]
        slices, rest = divmod(rows, height)
        read = slices * ((height - 1) * stride + span) + ((rest - 1) * stride + span if rest else 0)
        return read * (layer.kernel_size[0] if layer.axes == 3 else 1)

    def entries(self, channels: int, taps: int) -> int:
        """Blocks of a filter's weights: channel blocks x kernel rows x tap blocks."""
        layer = self.layer
        return ceil_div(layer.group_in_channels, channels) * self.kernel_rows * ceil_div(layer.kernel_size[-1], taps)


class Estimate:
    """What a machine's ports take, for the search."""

    def load(self, way: Mapping) -> int:
        """Cycles in which the weights of a pass reach the PEs."""
        raise NotImplementedError

    def sums(self, way: Mapping, positions: int) -> int:
        """Cycles in which the sums of a wave of rows with so many positions pass."""
        raise NotImplementedError


def search(layer: Layer, limits: Limits, ports: Estimate, *, beside: bool) -> Mapping:
    """The way that takes the fewest estimated cycles, the first of equals in the order of `_ways`.

    layer   stacked (`stacked_images`)
    beside  whether weights are loaded while PEs compute
    """
    shape, best, least = Rows(layer), None, 0
    for way in _ways(shape, limits):
        cost = _cycles(shape, way, limits, ports, beside=beside)
        if best is None or cost < least:
            best, least = way, cost
    if best is None:
        # Not even the smallest block fits the buffers: its sums and inputs pass through in pieces.
        taps = min(layer.kernel_size[-1], limits.taps)
        best = Mapping(1, 1, taps, min(_depths(shape.entries(1, taps), _unit(shape, taps), limits.rows)), 1, 1, 1)
    return best


def _even(total: int, most: int) -> list[int]:
    """Sizes of parts of a total that are as even as so many parts can be, from powers of two up to `most`, falling."""
    most = min(total, most)
    tried = [1 << power for power in range(most.bit_length()) if 1 << power <= most] + [most] if most else []
    return sorted({ceil_div(total, ceil_div(total, size)) for size in tried}, reverse=True)


def _unit(shape: Rows, taps: int) -> int:
    return shape.kernel_rows * ceil_div(shape.layer.kernel_size[-1], taps)


def _depths(entries: int, unit: int, rows: int) -> list[int]:
    """Lengths of chains, rising: whole channel blocks where they fit, as even as the passes can be."""
    most = min(rows, entries)
    tried, length = [most], unit
    while length <= most:
        tried.append(length)
        length *= 2
    if unit <= most:
        tried.append(most // unit * unit)
    return sorted({ceil_div(entries, ceil_div(entries, length)) for length in tried})


def _ways(shape: Rows, limits: Limits) -> Iterator[Mapping]:
    layer = shape.layer
    positions, taps = layer.output_size[-1], min(layer.kernel_size[-1], limits.taps)
    unit = _unit(shape, taps)
    for channels in _even(layer.group_in_channels, limits.taps // taps):
        entries = shape.entries(channels, taps)
        depths = _depths(entries, unit, limits.rows)
        for filters in _even(layer.group_out_channels, min(limits.filters, limits.weights // (channels * taps))):
            needed = ceil_div(layer.group_out_channels, filters)
            for depth in depths:
                sets = limits.rows // depth * limits.columns
                held = min(layer.group_in_channels, channels * ceil_div(depth, unit))
                for rows in _even(shape.rows, sets):
                    slots = min(sets // rows, limits.sums // (rows * positions * filters))
                    if not slots:
                        continue
                    # What a group leaves free others take; a group that is larger has all of it.
                    groups = min(layer.groups, slots // needed) if needed <= slots else 1
                    inputs = groups * held * shape.read_by(rows) * layer.input_size[-1]
                    if inputs * limits.value_bits <= limits.input_bits:
                        yield Mapping(filters, channels, taps, depth, rows, min(needed, slots), groups)


def _cycles(shape: Rows, way: Mapping, limits: Limits, ports: Estimate, *, beside: bool) -> int:
    """Cycles of the dense layer, as if all blocks were full."""
    layer, positions = shape.layer, shape.layer.output_size[-1]
    waves = ceil_div(shape.rows, way.rows)
    side_by_side = way.rows * way.groups * way.blocks * way.filters
    strips = ceil_div(waves, max(1, limits.sums // (positions * side_by_side)))
    compute = ceil_div(way.filters, limits.lanes) * way.channels * way.taps * positions
    steps = (
        ceil_div(layer.groups, way.groups)
        * layer.batch
        * ceil_div(ceil_div(layer.group_out_channels, way.filters), way.blocks)
        * ceil_div(shape.entries(way.channels, way.taps), way.depth)
    )
    loads, work = strips * ports.load(way), waves * max(compute, ports.sums(way, positions))
    return steps * (max(loads, work) if beside else loads + work)
