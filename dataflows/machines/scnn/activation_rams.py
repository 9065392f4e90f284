"""Where a planar layer's data lie: on the chip, or too large for it and moved through DRAM; and the traffic of each.

Source: Parashar et al., ISCA 2017: inputs and outputs stay in the PEs' activation RAMs (IARAM, OARAM) from layer to
layer; a layer that does not fit is tiled in time and its activations move through DRAM (nine layers of VGG-16). Inputs
and outputs move apart: only what exceeds its own RAM does, and the network's input, which no layer left in the IARAM.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dataflows.machines.scnn.planar_map import PlanarMap
from dataflows.machines.scnn.tile_work import StoredActivations
from dataflows.schedule import Runs, Tensor
from dataflows.tiling.dram_layout import Layout, bits_to_bytes
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div


@dataclass(frozen=True)
class ActivationRams:
    """The RAMs of one PE and what activations take there.

    entry_bits    bits of a stored activation
    stores_zeros  whether zeros are stored as well, so that inputs and outputs are as large as their maps
    """

    input_bytes: int
    output_bytes: int
    entry_bits: int
    stores_zeros: bool = False

    def input_overflow(self, entries: int) -> str | None:
        """Why a PE's stored inputs do not fit, None when they do."""
        return self._overflow("inputs", "IARAM", entries, self.input_bytes)

    def output_overflow(self, entries: int) -> str | None:
        """Why a PE's stored outputs do not fit, None when they do."""
        return self._overflow("outputs", "OARAM", entries, self.output_bytes)

    def output_entries(self, outputs: Any, density: float) -> Any:
        """Stored entries of some outputs, a number or an array, of which a share `density` is not zero."""
        # Rounded up: 392 outputs of which 0.4 are not zero take 157 entries.
        return outputs if self.stores_zeros else np.ceil(outputs * density).astype(np.int64)

    def _overflow(self, what: str, ram: str, entries: int, capacity_bytes: int) -> str | None:
        size_bytes = self.bytes_of(entries)
        if size_bytes <= capacity_bytes:
            return None
        return f"{what} take {size_bytes} bytes on a PE, {ram} has {capacity_bytes}"

    def bytes_of(self, entries: Any) -> Any:
        """Whole bytes that hold some entries; a number or an array of them."""
        return bits_to_bytes(entries * self.entry_bits)


@dataclass(frozen=True, eq=False)
class Placement:
    """The tiling that fits the RAMs.

    activations      the stored activations under that tiling
    input_overflow   why the inputs do not fit the IARAM, None when they do
    output_overflow  likewise for the outputs and the OARAM
    resident         False when not even one position of the input fits, so that inputs pass through for every tile
    """

    activations: StoredActivations
    input_overflow: str | None
    output_overflow: str | None
    resident: bool = True

    @property
    def overflows(self) -> tuple[str, ...]:
        """What did not fit; empty when everything stays on the chip."""
        return tuple(overflow for overflow in (self.input_overflow, self.output_overflow) if overflow)


def place(activations: StoredActivations, rams: ActivationRams, accumulators: int, output_entries: int) -> Placement:
    """Keep the layer on the chip, or cut its tiles until a sub-tile's inputs fit the IARAM.

    output_entries  what a PE would have to keep of the outputs
    """
    # All sub-tiles of a PE lie in its RAM together if the inputs stay, one image at a time.
    fullest = int(activations.entries.sum(axis=1).max())
    whole = Placement(activations, rams.input_overflow(fullest), rams.output_overflow(output_entries))
    # Here a sub-tile at a time is enough, since the others come through DRAM: this tiling can be kept.
    if not rams.input_overflow(int(activations.entries.max())):
        return whole
    # Of n sub-tiles one holds at least 1/n of a PE's non-zeros, so that fewer than this many cannot do.
    # 9000 non-zeros of 20 bits are 22,500 bytes: at least 3 sub-tiles for an IARAM of 10,240.
    fewest = ceil_div(int(activations.nonzeros.max()) * rams.entry_bits, 8 * rams.input_bytes)
    # Each is compressed to be weighed: non-zeros are not spread evenly, and windows have placeholders of their own.
    for size in activations.plan.cut_sizes(accumulators, fewest) or [(1, 1)]:
        activations = activations.cut(size)
        if not rams.input_overflow(int(activations.entries.max())):
            return replace(whole, activations=activations)
    return replace(whole, activations=activations, resident=False)


@dataclass(frozen=True, eq=False)
class Traffic:
    """A layer's DRAM transfers.

    compulsory_bytes  bytes of them that no order of tiles could avoid
    streams_inputs    inputs pass through instead of lying in the IARAM
    """

    loads: Runs
    stores: Runs
    compulsory_bytes: int
    streams_inputs: bool


def group_sizes(channels: int, group: int) -> np.ndarray:
    """int64 (groups,): output channels of each group; the last may be smaller."""
    # 20 channels in groups of 8 are 8, 8 and 4.
    return np.minimum(group, channels - np.arange(0, channels, group))


def planar_traffic(
    trace: LayerTrace,
    placement: Placement,
    weight_bytes: np.ndarray,
    rams: ActivationRams,
    kernel_bits: np.ndarray | None = None,
) -> Traffic:
    """Weights stream for every tile; inputs and outputs move when they do not fit, inputs also when they are in DRAM.

    weight_bytes  int64 (output-channel groups,): stored bytes of each group. In DRAM the weights lie group by group
                  and the activations sub-tile by sub-tile, so that each tile reads and writes single runs.
    kernel_bits   int64 (K, C/G): where DRAM holds the weights filter by filter instead, the bits of each kernel
    """
    layer, plan, groups = trace.layer, placement.activations.plan, len(weight_bytes)
    images, cuts, _ = placement.activations.entries.shape
    pairs, tiles = images * cuts, np.arange(images * cuts * groups)
    # Each PE's list ends on a whole byte, and the lists of a sub-tile lie together: (images * sub-tiles,).
    input_bytes = rams.bytes_of(placement.activations.entries).sum(axis=2).reshape(-1)
    layout = Layout.of(int(input_bytes.sum()), int(weight_bytes.sum()))
    channels = group_sizes(layer.out_channels, plan.group_channels)
    if kernel_bits is None:
        starts = layout.weight_address + _starts(weight_bytes)
        loads = Runs.per_tile(Tensor.WEIGHT, tiles, np.tile(starts, pairs), np.tile(weight_bytes, pairs))
        compulsory = int(weight_bytes.sum())
    else:
        loads = kernel_by_kernel(kernel_bits, np.append(0, np.cumsum(channels)), layout.weight_address, pairs)
        compulsory = bits_to_bytes(int(kernel_bits.sum()))
    if placement.input_overflow or trace.input_in_dram:
        # With 3 groups the second pair of image and sub-tile needs its inputs from tile 3 on, and keeps them until tile
        # 5.
        starts, first = layout.input_address + _starts(input_bytes), np.arange(pairs) * groups
        if placement.resident:
            input_loads = Runs.per_tile(Tensor.INPUT, first, starts, input_bytes, last_tile=first + groups - 1)
        else:
            # Nothing of them stays: every group of output channels reads them again.
            columns = (np.repeat(column, groups) for column in (starts, input_bytes))
            input_loads = Runs.per_tile(Tensor.INPUT, tiles, *columns)
        loads = Runs.merge(input_loads, loads)
        compulsory += int(input_bytes.sum())
    stores = Runs.none()
    if placement.output_overflow:
        # In the order of the tiles: image, sub-tile, group of output channels.
        outputs = np.tile(np.outer(output_positions(layer, plan), channels).reshape(-1), images)
        output_bytes = rams.bytes_of(rams.output_entries(outputs, trace.output_density))
        stores = Runs.per_tile(Tensor.OUTPUT, tiles, layout.output_address + _starts(output_bytes), output_bytes)
        compulsory += int(output_bytes.sum())
    return Traffic(loads, stores, compulsory, streams_inputs=not placement.resident)


def kernel_by_kernel(kernel_bits: np.ndarray, groups: np.ndarray, address: int, pairs: int) -> Runs:
    """Weight loads when DRAM holds filter after filter, and tiles take a channel's kernels of all their filters.

    kernel_bits  int64 (K, C/G): stored bits of each kernel, in the order of the filters
    groups       int64 (groups + 1,): output channels of the tiles of one image and sub-tile; `pairs` of these follow
    Kernels start at any bit, so each is a short run of its own, and its bursts hold neighbours that come later. Two
    filters of two kernels of 12 bits lie in the bytes 0-1, 1-2 and 3-4, 4-5. A tile of both reads the first channel's
    kernels, at 0 and 3, and then the second's, at 1 and 4.
    """
    ends = np.cumsum(kernel_bits.reshape(-1)).reshape(kernel_bits.shape)
    # Rounded outwards: a kernel that begins inside a byte reads it whole, with its neighbour's bits.
    first, last = (ends - kernel_bits) // 8, bits_to_bytes(ends)
    # Kernels of a tile by channel, then by filter: filters 0 and 1 of two channels are read as 0, 2, 1, 3.
    order = np.concatenate([
        np.arange(low, high)[None, :] * kernel_bits.shape[1] + np.arange(kernel_bits.shape[1])[:, None]
        for low, high in itertools.pairwise(groups.tolist())
    ], axis=None)  # fmt: skip
    tile = np.repeat(np.arange(len(groups) - 1), np.diff(groups) * kernel_bits.shape[1])
    sizes = np.where(kernel_bits > 0, last - first, 0).reshape(-1)[order]
    starts = address + first.reshape(-1)[order]
    tiles = tile + np.arange(pairs)[:, None] * (len(groups) - 1)
    return Runs.per_tile(Tensor.WEIGHT, tiles.reshape(-1), np.tile(starts, pairs), np.tile(sizes, pairs))


def sliced_traffic(
    trace: LayerTrace, weight_bytes: np.ndarray, channels: np.ndarray, inputs: np.ndarray, rams: ActivationRams
) -> tuple[Traffic, tuple[str, ...]]:
    """Traffic of a fully connected layer, whose activations are spread over all PEs, and what does not fit there.

    weight_bytes  int64 (rounds,): stored weights of all PEs; every round of every image streams its own
    channels      int64 (rounds, PEs): output channels, whose results leave round by round where they do not fit
    inputs        int64 (images,): stored activations
    """
    # An image is one tile a round: of 2 images and 3 rounds tile 4 is round 1 of image 1.
    (rounds, pes), images = channels.shape, len(inputs)
    tiles, first = np.arange(images * rounds), np.arange(images) * rounds
    input_bytes = rams.bytes_of(inputs)
    output_entries = int(rams.output_entries(trace.layer.output_count // images, trace.output_density))
    layout = Layout.of(int(input_bytes.sum()), int(weight_bytes.sum()))
    starts = layout.weight_address + _starts(weight_bytes)
    loads = Runs.per_tile(Tensor.WEIGHT, tiles, np.tile(starts, images), np.tile(weight_bytes, images))
    stores, compulsory = Runs.none(), int(weight_bytes.sum())
    # Activations are spread evenly, so that the fullest PE has its share rounded up.
    input_overflow = rams.input_overflow(ceil_div(int(inputs.max()), pes))
    output_overflow = rams.output_overflow(ceil_div(output_entries, pes))
    columns = (layout.input_address + _starts(input_bytes), input_bytes)
    if input_overflow:  # they pass through, once a round
        loads = Runs.merge(
            Runs.per_tile(Tensor.INPUT, tiles, *(np.repeat(column, rounds) for column in columns)), loads
        )
    elif trace.input_in_dram:
        loads = Runs.merge(Runs.per_tile(Tensor.INPUT, first, *columns, last_tile=first + rounds - 1), loads)
    if input_overflow or trace.input_in_dram:
        compulsory += int(input_bytes.sum())
    if output_overflow:
        outputs = np.tile(channels.sum(axis=1) * math.prod(trace.layer.output_size), images)
        output_bytes = rams.bytes_of(rams.output_entries(outputs, trace.output_density))
        stores = Runs.per_tile(Tensor.OUTPUT, tiles, layout.output_address + _starts(output_bytes), output_bytes)
        compulsory += int(output_bytes.sum())
    overflows = tuple(overflow for overflow in (input_overflow, output_overflow) if overflow)
    return Traffic(loads, stores, compulsory, streams_inputs=bool(input_overflow)), overflows


def _starts(sizes: np.ndarray) -> np.ndarray:
    # Sizes 5, 3 and 2 begin at 0, 5 and 8.
    return np.cumsum(sizes) - sizes


def output_positions(layer: Layer, plan: PlanarMap) -> np.ndarray:
    """int64 (sub-tiles,): outputs of one channel that belong to each sub-tile; the sum is the output map.

    An output belongs to the sub-tile whose input stands at the kernel's middle; beyond the edge, to the edge. 7 rows in
    tiles of 3 and sub-tiles of 2 are 5 rows of first sub-tiles (0, 1, 3, 4, 6) and 2 of second ones (2, 5).
    """
    counts = []
    for axis, delta in enumerate((plan.taps.dy, plan.taps.dx)):
        middle = (int(delta.min()) + int(delta.max())) // 2
        # A 3x3 kernel with padding 1 has its middle at 0, and output 4 is owned by input 4; without padding dy is 0 to
        # -2, its middle -1, and output 4 belongs to input 5.
        owner = np.clip(np.arange(layer.output_size[axis]) - middle, 0, plan.map_size[axis] - 1)
        part = owner % plan.tile_size[axis] // plan.cut_size[axis]
        counts.append(np.bincount(part, minlength=plan.cut_grid[axis]))
    return np.outer(*counts).reshape(-1).astype(np.int64)
