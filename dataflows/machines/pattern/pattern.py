"""Pattern-pruned kernels on an FPGA: kernels stay in the array, grouped by pattern, while positions pass by.

Source: Li et al. on an accelerator for pattern-pruned networks, FCCM 2020: kernel-stationary, compressed weights on
chip, reconfigurable arrays against imbalance, reordered buffer rows against access conflicts, 316.4 to 343.5 GOP/s on
VGG-16 and ResNet-50. Patterns as in PCONV (Ma et al., AAAI 2020) and PatDNN (Niu et al., ASPLOS 2020): 4 of the 9
weights of a 3x3 kernel. The array's size and its inner workings are not in our sources; what follows is our reading.

An array has `kernels_parallel` rows, each with a kernel and `pixels_parallel` multipliers, and a port to the input
buffer. All rows of an array hold kernels of one input channel, so that one vector of activations a cycle, of one kernel
position at a block of `pixels_parallel` output positions, serves all of them. A batch is the kernels that an array
holds together, at most one a row, in the rows from the first on. The array reads the vectors of all positions at which
one of them has a weight, for every block of the strip. A row works (busy) on a vector that it has a weight for and
waits (bank_conflict) while another is read, since the port cannot read two positions at a time.

Which kernels share a batch is found beforehand (a compiler's work), for every block of filters and input channel alone:
- Its kernels without weights are left out. The others are put in an order, and the order is cut into batches of at most
  `kernels_parallel` successive kernels. A batch of n of the X positions takes, on a strip whose blocks take so many
  reads a position, min(n * reads + switch_cycles, X * reads) cycles: an array reads whole kernels unless it is set to
  other positions, which takes `switch_cycles` before its first vector. Where setting it costs as much or more, it reads
  all X. The cut is the one with fewest cycles; of equals the first batch is the largest, then the second, and so on.
- The first order is that of the filters. Others sort by the first 1, 2, ... patterns of the set: by the place in
  it of the smallest pattern that holds all of a kernel's weights (of equals the first), those that none holds last, of
  equals by filter. The order with fewest cycles is taken, of equals the first. Kernels of several patterns thus share
  a batch where that takes fewer cycles. Only kernels of 2 to 9 positions are sorted; kernels of more than 64 positions
  are cut into full batches in the order of the filters, the last with the rest.
- The pattern set has at most `patterns` of the layer's patterns, taken one after the other: each time the one that
  saves most positions over all kernels, where a kernel reads the smallest pattern of the set that holds it, or else all
  positions that any kernel of the layer has; of equals the one with the lowest code (bits, the first position lowest).
  A pattern that saves nothing is not taken: dense kernels have no set. Patterns that an unstructured mask has by
  chance are taken where they save, and are used in a channel only where they save cycles there.

What follows from the rule. The kernels of a mask, cut in the order of the filters, may be cut alike when weights go:
each batch has the same kernels or fewer and reads the same positions or fewer, so the best cut takes no more cycles. So
a layer takes at most what it takes dense, and without a set no zero ever adds a cycle. Nor does one where a channel
has no more kernels than rows: together they read no more than apart, so all orders end in one batch. The order of the
filters and every shorter set stay open to it, so a set, or a larger one, never adds a cycle. As long as
the set stays and each kernel that stays has the same place in it, the same argument holds for its order. What no
rule of this kind can promise is that a weight whose loss moves a kernel to another place, or changes the set, adds
nothing: for this the best of all groupings had to be found, which is a set packing. All this holds for equal blocks of
filters and strips; where weights do not fit their buffer, these depend on the bytes of the compressed weights.

The batches of a tile follow each other by channel and as they were cut. Together they are one stretch of cycles: of
each batch the cycles of setting its array, if any, then position by position, block by block, its reads.
- Reconfigurable arrays take equal parts of the stretch, ceil(its cycles / arrays) each, the last ones what is left. Two
  arrays may so hold one batch, one going on where the other ends; the second was set to its positions beforehand. So a
  tile takes the fewest cycles that so many arrays can, and fewer cycles of batches never take more.
- Otherwise the batches of channel c (counted over all groups) stay with array c mod arrays.
- A row is in use (mapped) in a tile if it holds a kernel of a batch of which its array runs a cycle. Setting is index
  for the rows that hold a kernel of the batch; a mapped row without a kernel in a batch waits (imbalance) for all of
  it. Arrays wait for the fullest at a tile's end.
- The first tile begins with `fill_cycles` on every mapped row.
- With `reordered_rows` a vector takes one read. Without, address a of a padded map (row by row, one channel) lies in
  bank a mod `pixels_parallel`, and the vector of a block takes as many reads as its fullest bank at the addresses of
  the windows' first positions, the same for all kernel positions. A row is busy with the first of them and waits
  (bank_conflict) for the others.
- A tile is a strip of blocks by a block of filters (`filter_blocks`); one group at a time has kernels in a channel.
- Kernels arrive in the order of the batches, so that a strip may start before all are there; they stay in the weight
  buffer for the layer where they fit.
- Partial sums of all filters wait in the output buffer, and any row adds to those of any filter.
- Weights are stored in the cheapest of three forms (`KernelPatterns.filter_bits`).
- A grouped convolution is to this machine a sparse one over all channels.

The sources say: kernel-stationary, compressed weights on chip, reconfigurable arrays, reordered rows, patterns of four
weights, 1x1 kernels gain nothing. They do not say how kernels are grouped, how the arrays share work, or what setting
an array takes: these are readings of ours.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.kernels.threads import run_slices
from dataflows.machines.pattern import hardware
from dataflows.machines.pattern.kernel_batches import Batches
from dataflows.machines.pattern.kernel_patterns import KernelPatterns
from dataflows.machines.pattern.kernel_products import multiply_kernels
from dataflows.machines.pattern.pattern_arrays import Pass, deal
from dataflows.machines.pattern.spec import PatternSpec
from dataflows.schedule import CAUSES, Cause, LayerSchedule, no_cycles
from dataflows.sizing import THREE_BUFFERS, Scaling
from dataflows.tiling.filter_blocks import cut_layer
from dataflows.tiling.strip_plan import StripPlan
from dataflows.tiling.strip_schedule import StripWork, strip_schedule
from dataflows.tiling.strip_traffic import StripTraffic
from dataflows.tiling.windows import PaddedMap
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import boundaries, starts


class PatternMachine(Accelerator[PatternSpec]):
    """The pattern machine; its dense baseline is itself on the unpruned layer."""

    name = "pattern"
    title = "pattern-pruned kernels, stationary and grouped by pattern, on reconfigurable arrays (FCCM 2020)"
    Spec = PatternSpec
    needs_constant_weights = (
        "its kernels are sorted by pattern and cut to their kept weights before the run, and nothing on the "
        "chip sorts another layer's results"
    )
    scaling = Scaling(
        factors=("arrays", "kernels_parallel", "pixels_parallel"),
        growing=("arrays",),
        buffers=THREE_BUFFERS,
        reason="arrays are added (assumption)",
    )

    def refusal(self, layer: Layer) -> str | None:
        """Volumes are refused."""
        if layer.axes != 2:
            return "its patterns and its buffer rows are those of two-dimensional kernels, the layer has three axes"
        return super().refusal(layer)

    def idle_settings(self) -> dict[str, str]:
        """One array has nobody to share with."""
        return {"reconfigurable": "a single array takes all batches"} if self.spec.arrays == 1 else {}

    def issued_products(self, trace: LayerTrace) -> int:
        """Every non-zero weight at every output position, padding included."""
        return trace.weight_nonzeros * trace.layer.batch * math.prod(trace.layer.output_size)

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each image and strip of positions, in this order."""
        self.require(trace.layer)
        spec, layer = self.spec, trace.layer
        kernels = KernelPatterns.of(trace.weight_mask, layer.group_out_channels, spec.patterns)
        plan = self._plan(layer, kernels)
        traffic = StripTraffic(plan, spec.value_bits, spec.weight_buffer_bytes, indexed=False)
        return strip_schedule(
            spec,
            self._work(plan, kernels),
            traffic.transfers(spec.input_buffer_bytes, spec.output_buffer_bytes),
            pe_grid=(spec.arrays, spec.kernels_parallel),
            lanes_per_pe=spec.pixels_parallel,
            expected_issued=self.issued_products(trace),
        )

    def _plan(self, layer: Layer, kernels: KernelPatterns) -> StripPlan:
        """The tiles."""
        spec = self.spec
        return cut_layer(
            layer,
            kernels.filter_bits(spec.value_bits),
            turn=spec.kernels_parallel,
            pixels=spec.pixels_parallel,
            value_bits=spec.value_bits,
            input_bytes=spec.input_buffer_bytes,
            weight_bytes=spec.weight_buffer_bytes,
            # Half of the buffer holds sums that wait, since the other half's outputs leave meanwhile.
            sums=8 * (spec.output_buffer_bytes // 2) // spec.value_bits,
        )

    def _work(self, plan: StripPlan, kernels: KernelPatterns) -> StripWork:
        """Cycles and products, array by array and row by row."""
        spec, ranges, passes = self.spec, _filter_ranges(plan), self._passes(plan)
        shape = (*plan.block_shape, spec.arrays, spec.kernels_parallel)
        cycles, issued = no_cycles(*shape), np.zeros(shape, np.int64)

        def run(block: int) -> None:
            # Weights alone decide, so that every image of the batch takes the same.
            for strip, batches in self._batches(kernels, ranges[block], passes):
                cycles[0, :, strip, block], issued[0, :, strip, block] = deal(
                    batches,
                    passes[strip],
                    rows=spec.kernels_parallel,
                    arrays=spec.arrays,
                    switch_cycles=spec.switch_cycles,
                    evenly=spec.reconfigurable,
                )

        run_slices(run, range(len(ranges)))
        # Rows with work in the first tile's first block of filters wait for the pipeline to fill.
        mapped = cycles[0, 0, 0, 0].any(axis=-1)
        cycles[0, 0, 0, 0, :, :, Cause.FILL] = spec.fill_cycles * mapped
        pes = spec.arrays * spec.kernels_parallel
        blocks = plan.block_shape
        return StripWork.of_filter_blocks(cycles.reshape(*blocks, pes, CAUSES), issued.reshape(*blocks, pes))

    def _batches(
        self, kernels: KernelPatterns, filters: tuple[int, int], passes: list[Pass]
    ) -> Iterator[tuple[int, Batches]]:
        """Each strip with the batches of some filters; strips whose passes take as long have the same."""
        found: dict[int, Batches] = {}
        for strip, one in enumerate(passes):
            # Only where a pass takes as many reads does a switch weigh as much, so that the same cut is
            # best; most strips are alike.
            if one.reads not in found:
                found[one.reads] = Batches.of(
                    kernels,
                    filters,
                    self.spec.kernels_parallel,
                    reads=one.reads,
                    switch_cycles=self.spec.switch_cycles,
                )
            yield strip, found[one.reads]

    def _passes(self, plan: StripPlan) -> list[Pass]:
        """One for each strip."""
        strips, pixels = plan.strips, self.spec.pixels_parallel
        reads = np.ones(int(strips.blocks.sum()), np.int64)
        if not self.spec.reordered_rows:
            width = plan.layer.input_size[1] + sum(plan.layer.padding[1])
            rows, columns = (np.arange(n) * s for n, s in zip(plan.layer.output_size, plan.layer.stride, strict=True))
            address = (rows[:, None] * width + columns).reshape(-1)
            block = np.arange(len(address)) // pixels
            # Counts by block and bank; the fullest bank of a block sets its reads.
            # Windows that begin at 0, 2, 4 and 6, four banks: banks 0, 2, 0 and 2, so that the vector takes two reads.
            # A kernel position moves all windows by the same distance and leaves this number as it is.
            in_bank = np.bincount(block * pixels + address % pixels, minlength=len(reads) * pixels)
            reads = in_bank.reshape(-1, pixels).max(axis=1)
        parts = np.split(reads, np.cumsum(strips.blocks)[:-1])
        return [
            Pass(starts(part), int(part.sum()), pixels, positions)
            for part, positions in zip(parts, strips.pixels.tolist(), strict=True)
        ]

    def components(self) -> tuple[Component, ...]:
        """See `hardware`."""
        return hardware.components(self.spec)

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """See `hardware`."""
        return hardware.count(self.spec, self.parts, trace, schedule, effectual_macs)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs strip by strip, block of filters by block, batch by batch, kernel by kernel."""
        self.require(layer)
        spec, padded = self.spec, PaddedMap.of(layer, activations)
        kernels = KernelPatterns.of(weights != 0, layer.group_out_channels, spec.patterns)
        plan = self._plan(layer, kernels)
        passes, first = self._passes(plan), plan.strips.first_pixel.tolist()
        outputs = np.zeros((layer.batch, layer.out_channels, len(padded.windows)), np.int64)
        by_position = weights.reshape(*weights.shape[:2], -1)
        for filters in _filter_ranges(plan):
            for strip, batches in self._batches(kernels, filters, passes):
                # A batch counts channels over all groups, weights have those of their own group: channel 5 of
                # groups of 4 is channel 1.
                channel = np.repeat(batches.channel, np.diff(batches.first)) % layer.group_in_channels
                order = batches.kernel_filters(kernels, filters), channel
                pixels = first[strip], first[strip] + passes[strip].pixels, spec.pixels_parallel
                multiply_kernels(padded, by_position, order, layer.group_out_channels, pixels, outputs)
        return outputs.reshape(layer.output_shape)


def _filter_ranges(plan: StripPlan) -> list[tuple[int, int]]:
    """The filters (first, end) of every block."""
    return list(itertools.pairwise(boundaries(plan.filters).tolist()))
