"""Random layers small enough to be stepped through cycle by cycle in Python, volumes among them."""

import math

import numpy as np
from hypothesis import strategies as st

from dataflows.schedule import Tensor
from workloads.layer import Layer
from workloads.trace import LayerTrace

DENSITIES = st.sampled_from([0.0, 0.05, 0.3, 0.6, 1.0])


@st.composite
def small_layers(draw, many_groups=False):
    axes = draw(st.sampled_from([2, 2, 3]))
    groups = draw(st.sampled_from([1, 2, 3, 5, 8] if many_groups else [1, 1, 2, 3]))
    channels = st.integers(1, 3 if groups > 3 else 5)
    size, kernel, stride, dilation, pads = [], [], [], [], []
    for _ in range(axes):
        size.append(draw(st.integers(1, 6 if axes == 2 else 3)))
        kernel.append(draw(st.integers(1, 3 if axes == 2 else 2)))
        stride.append(draw(st.integers(1, 3)))
        dilation.append(draw(st.integers(1, 2)))
        before = draw(st.integers(0, 2))
        short = dilation[-1] * (kernel[-1] - 1) + 1 - size[-1] - before
        pads.append((before, max(short, draw(st.integers(0, 2)))))
    return Layer.conv(
        "random",
        in_channels=groups * draw(channels),
        out_channels=groups * draw(channels),
        input_size=tuple(size),
        kernel_size=tuple(kernel),
        stride=tuple(stride),
        padding=tuple(pads),
        dilation=tuple(dilation),
        groups=groups,
        batch=draw(st.sampled_from([1, 1, 2])),
    )


@st.composite
def small_traces(draw, many_groups=False):
    layer = draw(small_layers(many_groups=many_groups))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = random.random(layer.weight_shape) < draw(DENSITIES)
    if draw(st.booleans()):  # shapes: most filters agree on what they drop
        weights &= random.random((1, *layer.weight_shape[1:])) < draw(DENSITIES)
    return LayerTrace(layer, weights, random.random(layer.input_shape) < draw(DENSITIES))


def packs(layer, groups, lanes, outputs, taps=1):
    """Lists of groups that lie together in a block: the next joins while its channels and filters have room.

    A channel takes as many lanes as it has `taps`.
    """
    found = []
    for group in range(layer.groups):
        together = len(found[-1]) + 1 if found else 1
        fits = together * layer.group_in_channels * taps <= lanes and together * layer.group_out_channels <= outputs
        if groups == "packed" and found and fits:
            found[-1].append(group)
        else:
            found.append([group])
    return found


def positions_read(layer, output):
    """Input positions inside the map that the window of an output position reads."""
    reads = []
    for tap in np.ndindex(layer.kernel_size):
        at = tuple(
            o * stride + t * dilation - before
            for o, stride, t, dilation, (before, _) in zip(
                output, layer.stride, tap, layer.dilation, layer.padding, strict=True
            )
        )
        if all(0 <= i < size for i, size in zip(at, layer.input_size, strict=True)):
            reads.append(at)
    return reads


def bytes_loaded(layer, schedule, tile):
    """Bool, one a byte: what of the input tensor lies on the chip during a tile."""
    loads = schedule.loads
    mine = (loads.tensor == Tensor.INPUT) & (loads.tile <= tile) & (loads.last_tile >= tile)
    loaded = np.zeros(4 * layer.input_count + 8, bool)  # 32-bit values at most
    for address, size in zip(loads.address[mine].tolist(), loads.size_bytes[mine].tolist(), strict=True):
        loaded[address : address + size] = True
    return loaded


def position_bytes(layer, value_bits, at, groups=1):
    """The bytes of the first image's and groups' channels at an input position."""
    size = math.ceil(groups * layer.group_in_channels * value_bits / 8)
    first = int(np.ravel_multi_index(at, layer.input_size)) * size
    return slice(first, first + size)


def assert_transfers_are_whole(layer, schedule, value_bits):
    """Outputs cross DRAM exactly once, one after the other, behind all that is loaded."""
    stores = schedule.stores
    assert (stores.address[1:] == (stores.address + stores.size_bytes)[:-1]).all()
    assert 8 * stores.total_bytes >= layer.output_count * value_bits
    assert stores.total_bytes - layer.output_count * value_bits // 8 <= len(stores.tile)
    if len(schedule.loads.tile):
        assert (schedule.loads.address + schedule.loads.size_bytes).max() <= stores.address[0]
    assert schedule.loads.total_bytes + stores.total_bytes >= schedule.compulsory_bytes
