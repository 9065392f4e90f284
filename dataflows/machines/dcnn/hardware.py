"""What DCNN is built of, and what its parts do in a layer.

Source: Parashar et al., ISCA 2017: 16 multipliers a PE whose products one adder tree sums, 2 MB of activation SRAM
(table of the compared machines), accumulators of 24 bits (Table II, of SCNN). The dataflow is input-stationary (its
PT-IS-DP-dense): a vector of 16 channels at one input position is read once and stays in a register while the weights of
a group of output channels pass. Not published, assumptions: the SRAM lies in the PEs, a bank for inputs and one for
outputs each, in words of a vector; a weight buffer of 72 vectors a PE, which is a 3x3 kernel's block of 8 output
channels (what is larger passes in several rounds, each of which reads the inputs again); accumulators of 1,024 entries
in two copies, as SCNN's, in one bank. A register that holds still costs nothing until it is written.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import numpy as np

from dataflows.hardware.actions import MULTIPLIERS, ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.machines.dcnn.dcnn_spec import DcnnSpec
from dataflows.schedule import LayerSchedule
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div

ACCUMULATOR_BITS = 24
ACCUMULATOR_ENTRIES, ACCUMULATOR_COPIES = 1024, 2
WEIGHT_VECTORS = 72


class PlanarWork(NamedTuple):
    """One image's work: planar tiles, cut into parts that run one after the other through all output channels.

    channels  int64 (groups + 1,): first output channel of each group, and the end
    rows      int64 (2, parts, PE rows): first output row, and the one after the last, of a part in each row of PEs
    columns   int64 (2, PE columns): likewise for output columns
    outputs   int64 (parts, groups, PEs): outputs of each PE
    """

    channels: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    outputs: np.ndarray

    @property
    def parts(self) -> int:
        """Parts of the map."""
        return self.outputs.shape[0]

    @property
    def groups(self) -> int:
        """Groups of output channels."""
        return self.outputs.shape[1]


def dcnn_components(spec: DcnnSpec) -> tuple[Component, ...]:
    """The parts of the whole machine."""
    pes, lanes, bits = spec.pe_rows * spec.pe_columns, spec.multipliers_per_pe, spec.value_bits
    vector = lanes * bits
    half_words = max(1, spec.sram_bytes // 2 * 8 // (vector * pes))
    sums = ACCUMULATOR_BITS
    parts = [
        Component(MULTIPLIERS, Kind.MULTIPLIER, pes * lanes, bits),
        Component("accumulator_adders", Kind.ADDER, pes, sums),
        Component("accumulators", Kind.REGISTERS, pes * ACCUMULATOR_COPIES, sums, ACCUMULATOR_ENTRIES),
        Component("input_registers", Kind.REGISTERS, pes, vector),
        Component("input_sram", Kind.SRAM, pes, vector, half_words, purpose="storage"),
        Component("output_sram", Kind.SRAM, pes, vector, half_words, purpose="storage"),
        Component("input_broadcast", Kind.BUS, 1, vector, outputs=pes, purpose="storage"),
        Component("weight_buffer", Kind.REGISTERS, pes, vector, WEIGHT_VECTORS, purpose="storage"),
        Component("weight_broadcast", Kind.BUS, 1, vector, outputs=pes, purpose="storage"),
        Component("post_processing", Kind.COMPARATOR, pes, bits),
    ]
    if lanes > 1:
        parts.insert(1, Component("adder_trees", Kind.ADDER, pes * (lanes - 1), sums))
    return tuple(parts)


def count_dot_products(
    counts: ActionCounts, layer: Layer, work: PlanarWork, schedule: LayerSchedule, moved: tuple[int, int]
) -> None:
    """All actions but those of the multipliers; moved: activations that come from DRAM, and that go there.

    A step is one dot product of up to as many channels as a PE has lanes: n products take n - 1 additions in the tree
    and one to the partial sum, which is read and written.
    """
    lanes, outputs = schedule.lanes_per_pe, layer.output_count
    steps = schedule.busy_pe_cycles
    if lanes > 1:
        counts.add("adder_trees", Action.ADD, schedule.issued_slots - steps)
    counts.add("accumulator_adders", Action.ADD, steps)
    # Finished sums are read once more, when they leave.
    counts.access("accumulators", reads=steps + outputs, writes=steps)
    counts.add("post_processing", Action.COMPARE, outputs)
    # Where an output map is a single position, output channels and not positions are spread over the PEs.
    spread = outputs == layer.batch * layer.out_channels
    reads, deliveries = _input_vectors(layer, work, lanes, spread=spread)
    counts.access("input_sram", reads=reads, writes=ceil_div(moved[0], lanes))
    counts.access("output_sram", reads=ceil_div(moved[1], lanes), writes=ceil_div(outputs, lanes))
    counts.access("input_registers", writes=deliveries)
    counts.add("input_broadcast", Action.TRAVERSE, deliveries if spread else 0)
    # A PE whose filters are its own uses each weight once.
    pushed = steps if spread else _weight_vectors(layer, work, lanes)
    counts.access("weight_buffer", reads=steps, writes=pushed)
    counts.add("weight_broadcast", Action.TRAVERSE, pushed)


def _weight_vectors(layer: Layer, work: PlanarWork, lanes: int) -> int:
    """Vectors that enter the weight buffers: each passes a PE once for every part of the map that it works on."""
    vectors = layer.out_channels * math.prod(layer.kernel_size) * ceil_div(layer.group_in_channels, lanes)
    return layer.batch * vectors * int((work.outputs[:, 0] > 0).sum())


def _input_vectors(layer: Layer, work: PlanarWork, lanes: int, *, spread: bool) -> tuple[int, int]:
    """Vectors read from the SRAM, and written to the PEs' registers."""
    # Where the channels of one convolution group and one group of output channels overlap: groups of 8 over convolution
    # groups of 12 make portions of 8, 4, 4, 8.
    edges = sorted({*work.channels.tolist(), *range(0, layer.out_channels + 1, layer.group_out_channels)})
    # Most portions are alike: their sizes, and how many there are of each.
    portions, taps = Counter(map(int.__sub__, edges[1:], edges)), math.prod(layer.kernel_size)
    vectors = layer.batch * ceil_div(layer.group_in_channels, lanes)
    *depths, rows, columns = range(layer.axes)
    if spread:
        positions = math.prod(_places_read(layer, axis, 0, 1) for axis in range(layer.axes))
        pes = work.outputs.shape[2]
        delivered = sum(times * min(portion, pes) for portion, times in portions.items())
        return vectors * positions * portions.total(), vectors * positions * delivered
    deep = math.prod(_places_read(layer, axis, 0, layer.output_size[axis]) for axis in depths)
    high = sum(_places_read(layer, rows, *ends) for ends in work.rows.reshape(2, -1).T.tolist())
    wide = sum(_places_read(layer, columns, *ends) for ends in work.columns.T.tolist())
    rounds = sum(times * ceil_div(portion * taps, WEIGHT_VECTORS) for portion, times in portions.items())
    reads = vectors * deep * high * wide * rounds
    return reads, reads


def _places_read(layer: Layer, axis: int, first: int, end: int) -> int:
    """Places of the map's axis that the outputs first..end read, each once; padding is not read."""
    size, taps, stride = layer.input_size[axis], layer.kernel_size[axis], layer.stride[axis]
    dilation, begin = layer.dilation[axis], first * stride - layer.padding[axis][0]
    if first == end:
        return 0
    if dilation == 1 and taps >= stride:  # windows that touch leave nothing out
        return max(0, min(begin + (end - first - 1) * stride + taps, size) - max(begin, 0))
    outputs = begin + np.arange(end - first)[:, None] * stride
    places = np.unique(outputs + np.arange(taps) * dilation)
    return int(((places >= 0) & (places < size)).sum())
