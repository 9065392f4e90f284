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
from functools import lru_cache

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

    def sums(self, inputs: int) -> int:
        """Partial sums that have room beside so many activations; none where those have not."""
        input_bits = inputs * self.value_bits
        if input_bits > self.input_room:
            return 0
        return (self.input_room - input_bits if self.sum_room is None else self.sum_room) // self.sum_bits


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

    def inputs(self, way: Mapping) -> int:
        """Activations that a wave reads in a pass."""
        held = min(self.layer.group_in_channels, way.channels * ceil_div(way.depth, self.unit(way.taps)))
        return way.groups * held * self.read_by(way.rows) * self.layer.input_size[-1]

    def sums(self, way: Mapping) -> int:
        """Partial sums of a wave."""
        return way.groups * way.blocks * way.filters * way.rows * self.layer.output_size[-1]

    def unit(self, taps: int) -> int:
        """Entries of a channel block."""
        return self.kernel_rows * ceil_div(self.layer.kernel_size[-1], taps)

    def entries(self, channels: int, taps: int) -> int:
        """Blocks of a filter's weights: channel blocks x kernel rows x tap blocks."""
        return ceil_div(self.layer.group_in_channels, channels) * self.unit(taps)


class Estimate:
    """What a machine's ports take, for the search."""

    def load(self, way: Mapping) -> int:
        """Cycles in which the weights of a pass reach the PEs."""
        raise NotImplementedError

    def inputs(self, way: Mapping, shape: Rows) -> int:
        """Cycles in which the activations of a wave reach the PEs."""
        raise NotImplementedError

    def sums(self, way: Mapping, shape: Rows) -> int:
        """Cycles in which the sums of a wave pass."""
        raise NotImplementedError


@lru_cache(maxsize=512)
def search(layer: Layer, limits: Limits, ports: Estimate, *, beside: bool) -> Mapping:
    """The way that takes the fewest estimated cycles, the first of equals in the order of `_ways`.

    layer   stacked (`stacked_images`), under a name that all share, so that equal layers are searched once
    beside  whether weights are loaded while PEs compute
    """
    shape, best, least = Rows(layer), None, math.inf
    for block in _blocks(shape, limits):
        # Where even chains that are never idle would take longer than the best, no rows need be tried.
        if _least_cycles(shape, block, limits) >= least:
            continue
        for way in _ways(shape, block, limits):
            cost = _cycles(shape, way, limits, ports, beside=beside)
            if cost < least:
                best, least = way, cost
    if best is None:
        # Not even the smallest block fits the buffers: its sums and inputs pass through in pieces.
        taps = min(layer.kernel_size[-1], limits.taps)
        best = Mapping(1, 1, taps, _depths(shape, limits, 1, taps)[0], 1, 1, 1)
    return best


def _even(total: int, most: int) -> list[int]:
    """Sizes of parts of a total, falling, as even as so many can be: from powers of two, and from `most` by halves.

    Where `most` is twice as large, all sizes are there that were before.
    """
    most = min(total, most)
    bits = range(most.bit_length())
    tried = {1 << bit for bit in bits} | {most >> bit for bit in bits}
    return sorted({ceil_div(total, ceil_div(total, size)) for size in tried}, reverse=True)


def _depths(shape: Rows, limits: Limits, channels: int, taps: int) -> list[int]:
    """Lengths of chains, rising: all kernel rows of some channel blocks, or a part of one where they have no room."""
    unit, entries = shape.unit(taps), shape.entries(channels, taps)
    if unit > limits.rows:
        return [ceil_div(entries, ceil_div(entries, limits.rows))]
    most = max(1, min(limits.rows // unit, limits.channels // channels))
    blocks = _even(ceil_div(shape.layer.group_in_channels, channels), most)
    return sorted(unit * side_by_side for side_by_side in blocks)


def _blocks(shape: Rows, limits: Limits) -> Iterator[Mapping]:
    """Blocks of weights of a PE and lengths of chains, with nothing side by side."""
    layer = shape.layer
    taps = min(layer.kernel_size[-1], limits.taps)
    for channels in _even(layer.group_in_channels, min(limits.taps // taps, limits.channels)):
        depths = _depths(shape, limits, channels, taps)
        # Words of the scratchpad hold a weight for each multiplier, all of one column.
        held = limits.lanes * (limits.weights // (limits.lanes * channels * taps))
        for filters in _even(layer.group_out_channels, min(limits.filters, held)):
            for depth in depths:
                yield Mapping(filters, channels, taps, depth, 1, 1, 1)


def _ways(shape: Rows, block: Mapping, limits: Limits) -> Iterator[Mapping]:
    """What can lie side by side, with so many PEs to a chain."""
    needed = ceil_div(shape.layer.group_out_channels, block.filters)
    sets = limits.rows // block.depth * limits.columns
    for rows in _even(shape.rows, sets):
        way = replace(block, rows=rows)
        slots = min(sets // rows, limits.sums(shape.inputs(way)) // shape.sums(way))
        if slots >= needed:
            yield _with_groups(shape, limits, replace(way, blocks=needed), slots // needed)
        elif slots:
            yield replace(way, blocks=slots)


def _least_cycles(shape: Rows, block: Mapping, limits: Limits) -> int:
    """Cycles of the products alone if every chain was in use all the time."""
    layer = shape.layer
    compute = ceil_div(block.filters, limits.lanes) * block.channels * block.taps * layer.output_size[-1]
    chains = layer.groups * ceil_div(layer.group_out_channels, block.filters) * shape.rows * layer.batch
    passes = ceil_div(shape.entries(block.channels, block.taps), block.depth)
    return ceil_div(chains * passes * compute, limits.rows // block.depth * limits.columns)


def _with_groups(shape: Rows, limits: Limits, way: Mapping, slots: int) -> Mapping:
    """As many groups side by side as have chains and room: what a group leaves free others take."""
    for groups in range(min(shape.layer.groups, slots), 1, -1):
        wide = replace(way, groups=groups)
        if shape.sums(wide) <= limits.sums(shape.inputs(wide)):
            return wide
    return way


def _cycles(shape: Rows, way: Mapping, limits: Limits, ports: Estimate, *, beside: bool) -> int:
    """Cycles of the dense layer, in strips as long as their sums have room."""
    strips = ceil_div(ceil_div(shape.rows, way.rows), waves_together(shape, way, limits))
    return estimated_cycles(shape, way, limits, ports, strips=strips, beside=beside)


def waves_together(shape: Rows, way: Mapping, limits: Limits) -> int:
    """Waves whose sums the buffer holds beside the inputs of one; one at least."""
    return max(1, limits.sums(shape.inputs(way)) // shape.sums(way))


def estimated_cycles(shape: Rows, way: Mapping, limits: Limits, ports: Estimate, *, strips: int, beside: bool) -> int:
    """Cycles of the dense layer in so many strips an image, as if all blocks were full."""
    layer, positions = shape.layer, shape.layer.output_size[-1]
    waves = ceil_div(shape.rows, way.rows)
    compute = ceil_div(way.filters, limits.lanes) * way.channels * way.taps * positions
    steps = (
        ceil_div(layer.groups, way.groups)
        * layer.batch
        * ceil_div(ceil_div(layer.group_out_channels, way.filters), way.blocks)
        * ceil_div(shape.entries(way.channels, way.taps), way.depth)
    )
    loads, work = strips * ports.load(way), waves * max(compute, ports.inputs(way, shape), ports.sums(way, shape))
    return steps * (max(loads, work) if beside else loads + work)
