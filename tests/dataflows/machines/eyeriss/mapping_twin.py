"""Both Eyeriss machines, slowly: which mappings fit the array and its buffers.

From the machines' description alone; nothing here is shared with the kernels. Every layer is a volume here.
"""

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


def mapping_of(way: Any) -> Mapping:
    """What a machine found."""
    return Mapping(way.filters, way.channels, way.taps, way.depth, way.rows, way.groups, way.blocks)


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

    def fits(self, m: Mapping) -> bool:
        """Whether the array, its scratchpads and buffers have room for a mapping; the smallest block always runs."""
        layer, spec, blocks = self.layer, self.spec, up(self.layer.group_out_channels, m.filters)
        if (m.filters, m.channels, m.rows, m.groups, m.blocks) == (1, 1, 1, 1, 1):
            return m.depth <= self.rows_of_array
        words = up(m.filters, self.macs) * m.channels * m.taps
        chains = self.rows_of_array // m.depth * self.columns_of_array
        return (
            m.taps == self.s0
            and m.channels * m.taps <= self.values
            and words * self.macs <= spec.weights_per_pe
            and m.filters <= spec.sums_per_pe
            and m.depth <= self.rows_of_array
            and (m.depth < self.unit or m.channels * (m.depth // self.unit) <= self.channels_of_a_pass)
            and m.groups * m.blocks * m.rows <= chains
            and m.groups <= layer.groups
            and m.blocks <= blocks
            and (m.groups == 1 or m.blocks == blocks)
            and self.sums(m) <= self.room(m)
        )
