"""The structured-sparse dataflow: all filters keep the same positions, so one index list feeds a whole array.

Source: Zhu et al., "An Efficient Hardware Accelerator for Structured Sparse Convolutional Neural Networks on FPGAs",
IEEE TVLSI 2020 (ZCU102). Shape-wise pruning removes whole columns of the weight matrix. Where the filters of a group
disagree, a column stays when any of them needs it, and its zero weights take slots like the others.

The array is Pk output channels (a PE each) by Pp output positions (the lanes of a PE). A pixel block is Pp positions
of one image, a filter block Pk filters of one group. For each pair a vector generator walks the index list; with every
kept column it picks the activations of the Pp windows and broadcasts them, with the column's Pk weights, over the
array: ceil(K/Pk)·ceil(P·Q/Pp)·Z cycles for Z kept columns. Zero activations are gated, which saves no cycle.

Which columns are kept is known before the run. Of a product of two activations nothing is known, and the index list
names every column.

Where the vector generator needs longer for an entry than a cycle, the array waits for it (index). The accumulators have
two copies: a block's sums drain while the next block computes, and the copies cannot be exchanged before they have left
(drain).

Counted for energy, as assumptions: a multiplier's sums are registers of 32 bits; a column's Pp activations are one word
of the input buffer, in a bank each, of which the vector generator adds up every address (hardware for sparsity, as a
dense machine's addresses follow from counters); every row of filters reads a weight of its own, and index entries come
with them, uncounted; outputs pass their buffer one by one.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from dataflows.accelerator import Accelerator
from dataflows.hardware.actions import MULTIPLIERS, ActionCounts
from dataflows.hardware.components import Action, Component, Kind
from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices, thread_count
from dataflows.schedule import Cause, LayerSchedule, Tensor, no_cycles
from dataflows.sizing import THREE_BUFFERS, Scaling
from dataflows.specs import AcceleratorSpec, Bytes, Clock, Count, DramSpec, Size
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.strip_plan import StripPlan, require_two_blocks
from dataflows.tiling.strip_schedule import StripWork, strip_schedule
from dataflows.tiling.strip_traffic import StripTraffic
from dataflows.tiling.strips import PixelStrips
from dataflows.tiling.windows import PaddedMap
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.units import KIB
from workloads.whole_numbers import ceil_div, even_slices

_ELEMENT_NANOSECONDS = 0.03  # what one takes on one thread: `python -m benchmarks.threads`
_SUM_BITS, _ADDRESS_BITS = 32, 16  # assumption; 16 bits name every word of the input buffer
_NARROW_BITS, _NARROW_PIXELS = (4, 8), 39


class StructuredSpec(AcceleratorSpec):
    """Parameters of the structured-sparse accelerator; defaults follow Zhu et al., TVLSI 2020, where published."""

    output_channels_parallel: Count = Field(
        64, description="Pk, filters computed together (assumption: the widths of VGG-16 are multiples of 64; with "
        "value_bits 16 the paper uses 1,350 DSP, a DSP a multiplier; with 8 bits 2 DSP a multiplier, at most 1,260)"
    )  # fmt: skip
    pixels_parallel: Count = Field(
        21, description="Pp, output positions computed together (assumption, by value_bits: 64 x 21 of the 1,350 DSP "
        "with 16 bits, 64 x 39 of at most 2,520 products a cycle with 8 or fewer)"
    )  # fmt: skip
    index_entries_per_cycle: float = Field(
        1.0, ge=1e-6, le=1e6, description="entries of the index list that the vector generator takes a "
        "cycle; from 1 on it keeps up with the array (assumption)"
    )  # fmt: skip
    fill_cycles: Size = Field(
        8,
        description="cycles from a layer's first index entry to the first product (assumption: depth of the pipeline)",
    )
    drain_entries_per_cycle: Count = Field(
        64, description="sums that leave the accumulators a cycle (assumption: one position of all Pk filters)"
    )
    input_buffer_bytes: Bytes = Field(1536 * KIB, description="input buffer (assumption: of the ZCU102's 4 MB of BRAM)")
    weight_buffer_bytes: Bytes = Field(
        1024 * KIB, description="buffer of weights and index list (assumption, likewise)"
    )
    output_buffer_bytes: Bytes = Field(512 * KIB, description="output buffer (assumption, likewise)")
    clock_hz: Clock = Field(200_000_000, description="accelerator clock, Hz (200 MHz)")
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=19.2),  # type: ignore[call-arg]
        description="assumption: the ZCU102's 64-bit DDR4-2400",
    )

    @model_validator(mode="before")
    @classmethod
    def _array_of_the_word(cls, values: Any) -> Any:
        """Narrow words have an array of their own, where none is given."""
        if isinstance(values, dict) and values.get("value_bits") in _NARROW_BITS:
            # Standing first, it gives way to a value that the user has set.
            return {"pixels_parallel": _NARROW_PIXELS} | values
        return values

    @model_validator(mode="after")
    def _outputs_of_a_block_fit(self) -> Self:
        require_two_blocks(
            self.output_buffer_bytes,
            self.output_channels_parallel * self.pixels_parallel,
            self.value_bits,
            "the outputs of two pixel blocks",
        )
        return self


class Structured(Accelerator[StructuredSpec]):
    """The structured-sparse machine; its dense baseline is itself on the unpruned layer."""

    name = "structured"
    title = "structured-sparse dataflow: shape-wise pruning, one index list for all filters (TVLSI 2020)"
    Spec = StructuredSpec
    scaling = Scaling(
        factors=("output_channels_parallel", "pixels_parallel"),
        growing=("pixels_parallel",),
        buffers=THREE_BUFFERS,
        reason="Pp grows, as it does with narrow words",
    )

    def idle_settings(self) -> dict[str, str]:
        """A vector generator that is faster than the array gains nothing."""
        if self.spec.index_entries_per_cycle > 1:
            return {"index_entries_per_cycle": "the array takes one kept column a cycle, so 1 is as fast"}
        return {}

    def issued_products(self, trace: LayerTrace) -> int:
        """Each listed column of a group at every output position of all its filters."""
        return _issued(trace.layer, listed_columns(trace.layer, trace.weight_mask).sum(axis=1))

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each group, image and strip of pixel blocks, in this order."""
        spec, layer = self.spec, trace.layer
        kept = listed_columns(layer, trace.weight_mask).sum(axis=1)
        plan = self._plan(layer, kept)
        traffic = StripTraffic(plan, spec.value_bits, spec.weight_buffer_bytes, indexed=True)
        return strip_schedule(
            spec,
            self._work(plan),
            traffic.transfers(spec.input_buffer_bytes, spec.output_buffer_bytes),
            pe_grid=(spec.output_channels_parallel, 1),
            lanes_per_pe=spec.pixels_parallel,
            expected_issued=_issued(layer, kept),
        )

    def components(self) -> tuple[Component, ...]:
        """The array, its two copies of sums, and the vector generator, which walks the index list."""
        spec, bits = self.spec, self.spec.value_bits
        filters, pixels = spec.output_channels_parallel, spec.pixels_parallel
        sizes = (
            (spec.input_buffer_bytes, pixels * bits),
            (spec.weight_buffer_bytes, bits),
            (spec.output_buffer_bytes, bits),
        )
        inputs, weights, outputs = (max(1, 8 * size // word) for size, word in sizes)
        return (
            Component(MULTIPLIERS, Kind.MULTIPLIER, filters * pixels, bits),
            Component("accumulator_adders", Kind.ADDER, filters * pixels, _SUM_BITS),
            Component("accumulators", Kind.REGISTERS, 2 * filters * pixels, _SUM_BITS),
            Component("vector_broadcast", Kind.BUS, 1, pixels * bits, outputs=filters),
            Component("input_buffer", Kind.SRAM, 1, pixels * bits, inputs, pixels, purpose="storage"),
            Component("weight_buffer", Kind.SRAM, 1, bits, weights, filters, purpose="storage"),
            Component("output_buffer", Kind.SRAM, 1, bits, outputs, purpose="storage"),
            Component("vector_generator", Kind.ADDER, pixels, _ADDRESS_BITS, purpose="sparsity"),
        )

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """Zero activations, and zero weights of kept columns, keep their multipliers still."""
        counts, layer, spec = ActionCounts.of(self.parts), trace.layer, self.spec
        busy, issued = schedule.cycles[:, :, Cause.BUSY], schedule.issued_slots
        # The first PE has a filter in every block, so that its cycles are the columns that are broadcast; a position of
        # it is what it multiplies in each.
        vectors, words = int(busy[:, 0].sum()), int(busy.sum())
        counts.multiply(schedule, effectual_macs, gated=True)
        counts.add("accumulator_adders", Action.ADD, issued)
        counts.access("accumulators", reads=issued + layer.output_count, writes=issued)
        counts.add("vector_broadcast", Action.TRAVERSE, words)
        counts.add("vector_generator", Action.ADD, int(schedule.issued[:, 0].sum()))
        moved = [8 * schedule.loads.bytes_of(tensor) for tensor in (Tensor.INPUT, Tensor.WEIGHT)]
        counts.access("input_buffer", reads=vectors, writes=ceil_div(moved[0], spec.pixels_parallel * spec.value_bits))
        counts.access("weight_buffer", reads=words, writes=ceil_div(moved[1], spec.value_bits))
        counts.access("output_buffer", reads=layer.output_count, writes=layer.output_count)
        return counts

    def _plan(self, layer: Layer, kept: np.ndarray) -> StripPlan:
        spec, parallel = self.spec, self.spec.output_channels_parallel
        filters = np.minimum(parallel, layer.group_out_channels - np.arange(0, layer.group_out_channels, parallel))
        strips = PixelStrips.of(
            layer,
            spec.pixels_parallel,
            inputs=spec.input_buffer_bytes // bits_to_bytes(spec.value_bits * layer.group_in_channels),
        )
        return StripPlan(layer, kept, filters, strips)

    def _work(self, plan: StripPlan) -> StripWork:
        """Cycles and products; what drains beside later tiles is a tile's last block of pixels and filters."""
        spec, strips = self.spec, plan.strips
        # The number as written: 0.7 as a float is a little less, and 7 entries would take 11 cycles instead of 10.
        rate = Fraction(str(spec.index_entries_per_cycle))
        # What the list takes longer than its columns: 9 entries at 0.75 a cycle take 12 cycles, 3 of which the array
        # waits.
        lengths, which = np.unique(plan.columns, return_inverse=True)
        decode = np.array([max(0, math.ceil(z / rate) - z) for z in lengths.tolist()], np.int64)[which]
        compute = (plan.columns + decode)[:, None, None, None]

        # A block of 21 positions and 64 filters drains at 64 sums a cycle in 21 cycles, beside a next block of more
        # columns than that unseen.
        def drain(pixels: np.ndarray) -> np.ndarray:
            return ceil_div(pixels[:, None] * plan.filters, spec.drain_entries_per_cycle)

        shape = plan.block_shape
        last_drain = np.broadcast_to(drain(strips.last_pixels), shape)
        # A block of pixels waits for the sums of the one before it: of the same filters or of those before.
        before = np.concatenate(([0], last_drain.reshape(-1)[:-1])).reshape(shape)
        # All blocks of a strip but its last have Pp positions, so that the blocks behind the first wait equally long.
        inside = np.maximum(drain(np.full(strips.count, spec.pixels_parallel)) - compute, 0)
        # Sums leave beside the next block; only what they take longer than it computes is waited for.
        exposed = np.maximum(before - compute, 0) + inside * (strips.blocks - 1)[:, None]
        cycles = no_cycles(*shape, spec.output_channels_parallel)
        # The last block of filters is smaller: of 96 filters on 64 PEs the second block maps 32.
        mapped = np.arange(spec.output_channels_parallel) < plan.filters[:, None]
        blocks = strips.blocks[:, None]
        columns = plan.columns[:, None, None, None]
        for cause, part in (
            (Cause.BUSY, columns * blocks),
            (Cause.INDEX, decode[:, None, None, None] * blocks),
            (Cause.DRAIN, exposed),
        ):
            cycles[..., cause] = part[..., None] * mapped
        cycles[0, 0, 0, 0, :, Cause.FILL] = spec.fill_cycles * mapped[0]
        # Positions that a ragged block has not are empty slots of full cycles.
        issued = (columns * strips.pixels[:, None])[..., None] * mapped
        return StripWork.of_filter_blocks(cycles, issued, last_drain[..., -1])

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs column by column of each group's index list; the products of dropped columns are never made."""
        spec, padded = self.spec, PaddedMap.of(layer, activations)
        kept = listed_columns(layer, weights != 0)
        matrix = weights.reshape(layer.groups, layer.group_out_channels, -1)
        outputs = np.zeros((layer.batch, layer.groups, layer.group_out_channels, len(padded.windows)), np.int64)
        for group in range(layer.groups):
            index_list = np.flatnonzero(kept[group])
            own = padded.of_group(group)._replace(columns=padded.columns[index_list])
            listed = np.ascontiguousarray(matrix[group][:, index_list])
            _broadcast_columns(own, listed, spec.output_channels_parallel, spec.pixels_parallel, outputs[:, group])
        return outputs.reshape(layer.output_shape)


@kernel
def _broadcast_columns(inputs: PaddedMap, weights: np.ndarray, filters: int, pixels: int, outputs: np.ndarray) -> None:
    """Fill outputs (N, K/G, positions) of one group from its map with the kept columns (Z,) and weights (K/G, Z)."""
    values, columns, windows = inputs
    vector = np.zeros(pixels, np.int64)
    for image in range(outputs.shape[0]):
        for first in range(0, windows.size, pixels):
            size = min(pixels, windows.size - first)
            for first_filter in range(0, weights.shape[0], filters):
                for z in range(columns.size):
                    for i in range(size):
                        vector[i] = values[image, windows[first + i] + columns[z]]
                    for k in range(first_filter, min(first_filter + filters, weights.shape[0])):
                        for i in range(size):
                            outputs[image, k, first + i] += weights[k, z] * vector[i]


def _issued(layer: Layer, listed: np.ndarray) -> int:
    """Products of groups that list so many columns each, int64 (groups,)."""
    # Each column of a group meets all its K/G filters at every output position.
    return int(listed.sum()) * layer.output_count // layer.groups


def listed_columns(layer: Layer, weight_mask: np.ndarray) -> np.ndarray:
    """Bool (groups, C/G·[T·]R·S): what the index list of each group names; see the module."""
    if layer.moving_weights:
        return np.ones((layer.groups, layer.weight_count // layer.out_channels), np.bool_)
    return kept_columns(weight_mask, layer.groups)


def kept_columns(weight_mask: np.ndarray, groups: int) -> np.ndarray:
    """Bool (groups, C/G·[T·]R·S): the union over a group's filters of a mask (K, C/G, [T,] R, S)."""
    filters, columns = weight_mask.shape[0], math.prod(weight_mask.shape[1:])
    matrix = weight_mask.reshape(filters, columns).view(np.uint8)

    def gather(part: tuple[int, int]) -> np.ndarray:
        kept = np.zeros((groups, columns), np.uint8)
        _gather(matrix, filters // groups, *part, kept)
        return kept

    # Threads share the filters out, each with a union of its own.
    unions = run_slices(gather, even_slices(filters, thread_count()), matrix.size * _ELEMENT_NANOSECONDS)
    return np.bitwise_or.reduce(unions).view(np.bool_)


@kernel
def _gather(matrix: np.ndarray, group_filters: int, first: int, last: int, kept: np.ndarray) -> None:
    """Add the filters first..last of a mask, uint8 (K, columns), to kept, uint8 (groups, columns)."""
    for k in range(first, last):
        row, union = matrix[k], kept[k // group_filters]
        # Filters [1, 0, 0] and [0, 0, 1] of a group keep its columns 0 and 2, and each has a
        # zero weight in one of them.
        for j in range(row.size):
            union[j] |= row[j]
