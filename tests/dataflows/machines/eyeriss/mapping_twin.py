"""Both Eyeriss machines, slowly: the search of a mapping, which tries all that fit.

From the machines' description alone; nothing here is shared with the kernels. Every layer is a volume here.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

from workloads.layer import Layer


class Mapping(NamedTuple):
    """M0, C0, S0, D, E1, U, B of the description."""

    filters: int
    channels: int
    taps: int
    depth: int
    rows: int
    groups: int
    blocks: int


def up(a: int, b: int) -> int:
    """The quotient, rounded up."""
    return -(-a // b)


def stacked(layer: Layer) -> Layer:
    """The layer as a volume: the images of a 2-D layer are its slices."""
    if layer.axes == 3:
        return layer
    return Layer.conv(
        layer.name,
        in_channels=layer.in_channels,
        out_channels=layer.out_channels,
        input_size=(layer.batch, *layer.input_size),
        kernel_size=(1, *layer.kernel_size),
        stride=(1, *layer.stride),
        padding=((0, 0), *layer.padding),
        dilation=(1, *layer.dilation),
        groups=layer.groups,
    )


def candidates(size: int, cap: int) -> list[int]:
    """Even cuts of `size` that fit `cap`, the largest first."""
    top = min(size, cap)
    tried = {v for v in range(1, top + 1) if v.bit_count() == 1}
    while top > 0:
        tried.add(top)
        top //= 2
    return sorted({up(size, up(size, v)) for v in tried}, reverse=True)


def depths(unit: int, blocks: int, rows: int, most: int) -> list[int]:
    """Lengths of a chain, the least first; `most` channel blocks at a time."""
    if unit > rows:
        return [up(blocks * unit, up(blocks * unit, rows))]
    return sorted(unit * j for j in candidates(blocks, max(1, min(rows // unit, most))))


class Machine:
    """A layer on one of the two machines, which say what their ports have to carry."""

    columns_of_array: int
    rows_of_array: int
    values: int  # activations that a PE holds
    macs: int
    channels_of_a_pass: int = 1 << 60

    def __init__(self, spec: Any, layer: Layer) -> None:
        self.spec, self.layer = spec, layer
        (self.t, self.r, self.s), (self.o, self.p, self.q) = layer.kernel_size, layer.output_size
        self.s0 = min(self.s, self.values)
        self.tap_blocks = up(self.s, self.s0)
        self.unit = self.t * self.r * self.tap_blocks

    def inputs(self, m: Mapping) -> int:
        """Inputs of a wave of the mapping, in values."""
        span = self.layer.dilation[1] * (self.r - 1) + 1
        whole, rest = divmod(m.rows, self.p)
        rows = whole * ((self.p - 1) * self.layer.stride[1] + span)
        rows += (rest - 1) * self.layer.stride[1] + span if rest else 0
        channels = min(self.layer.group_in_channels, m.channels * up(m.depth, self.unit))
        return m.groups * channels * self.t * rows * self.layer.input_size[2]

    def entries(self, channels: int) -> int:
        """Entries of a filter block (L)."""
        return up(self.layer.group_in_channels, channels) * self.unit

    def room(self, m: Mapping) -> int:
        """Sums that the buffer holds beside the inputs of a wave."""
        raise NotImplementedError

    def sums(self, m: Mapping) -> int:
        """Sums of a wave."""
        return m.groups * m.blocks * m.filters * m.rows * self.q

    def mappings(self) -> Iterator[Mapping]:
        """All that fit, in order."""
        spec, layer, each = self.spec, self.layer, self.layer.group_out_channels
        for c0 in candidates(layer.group_in_channels, min(self.values // self.s0, self.channels_of_a_pass)):
            held = self.macs * (spec.weights_per_pe // (self.macs * c0 * self.s0))
            for m0, d in product(candidates(each, min(spec.sums_per_pe, held)), self.depths(c0)):
                sets = self.rows_of_array // d * self.columns_of_array
                for e1 in candidates(self.o * self.p, sets):
                    one, blocks = Mapping(m0, c0, self.s0, d, e1, 1, 1), up(each, m0)
                    slots = min(sets // e1, self.room(one) // self.sums(one))
                    if slots == 0:
                        continue
                    if blocks > slots:
                        yield one._replace(blocks=slots)
                        continue
                    side = one._replace(blocks=blocks)
                    wider = [side._replace(groups=u) for u in range(1, min(layer.groups, slots // blocks) + 1)]
                    yield [wide for wide in wider if self.sums(wide) <= self.room(wide)][-1]

    def depths(self, c0: int) -> list[int]:
        """Lengths of a chain."""
        blocks = up(self.layer.group_in_channels, c0)
        return depths(self.unit, blocks, self.rows_of_array, self.channels_of_a_pass // c0)

    def cost(self, m: Mapping) -> int:
        """What the search makes least."""
        spec = self.spec
        waves = up(self.o * self.p, m.rows)
        strips = up(waves, max(1, self.room(m) // self.sums(m)))
        compute = up(m.filters, self.macs) * m.channels * m.taps * self.q
        load, sums = up(self.load_words(m), spec.weight_port_values), up(self.sum_words(m), spec.sum_port_values)
        inputs = up(self.input_words(m), spec.input_port_values)
        passes = up(self.entries(m.channels), m.depth)
        rounds = up(up(self.layer.group_out_channels, m.filters), m.blocks)
        steps = up(self.layer.groups, m.groups) * self.layer.batch * rounds * passes
        if spec.weight_loads == "before":
            return steps * (strips * load + waves * max(compute, inputs, sums))
        return steps * max(strips * load, waves * max(compute, inputs, sums))

    def mapping(self) -> Mapping:
        """The first of the cheapest."""
        least = Mapping(1, 1, self.s0, self.depths(1)[0], 1, 1, 1)
        return min(self.mappings(), key=self.cost, default=least)

    def load_words(self, m: Mapping) -> int:
        """Weights of a load on the busiest port, as the search counts them."""
        raise NotImplementedError

    def input_words(self, m: Mapping) -> int:
        """Activations of a wave on the busiest port, as the search counts them."""
        raise NotImplementedError

    def sum_words(self, m: Mapping) -> int:
        """Sums of a wave on the busiest port, as the search counts them."""
        raise NotImplementedError
