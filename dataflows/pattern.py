"""Pattern-pruned kernels on an FPGA: kernels stay in the array, grouped by pattern, while positions pass by.

Source: Li et al. on an accelerator for pattern-pruned networks, FCCM 2020: kernel-stationary, compressed weights on
chip, reconfigurable arrays against imbalance, reordered buffer rows against access conflicts, 316.4 to 343.5 GOP/s on
VGG-16 and ResNet-50. Patterns as in PCONV (Ma et al., AAAI 2020) and PatDNN (Niu et al., ASPLOS 2020): 4 of the 9
weights of a 3x3 kernel. The array's size and its inner workings are not in our sources; what follows is our reading.

An array has `kernels_parallel` rows, each with a kernel and `pixels_parallel` multipliers, and a port to the input
buffer. All rows of an array hold kernels of one input channel, so that one vector of activations a cycle, of one kernel
position at a block of output positions, serves all of them (`kernel_patterns`). Rows of one pattern use every vector.
Kernels of mixed patterns need each other's vectors read in turn, since the port cannot read two positions at a time:
a row waits (bank_conflict) while a vector is read that it has no weight for. Hence the grouping by pattern, and hence
unstructured masks gain little. A batch of kernels stays for all blocks of a strip, then the next one follows.

- Rows without a kernel in a batch wait for the others (imbalance), arrays for the fullest at a strip's end.
- Without reordered rows, address a of a padded map lies in bank a mod `pixels_parallel`, and a vector takes as many
  reads as its fullest bank. With them it takes one.
- Kernels arrive in the order of the batches, so that a strip may start before all are there; they stay in the weight
  buffer for the layer where they fit.
- Partial sums of all filters wait in the output buffer, and any row adds to those of any filter.
- The layer's commonest patterns form the library. Kernels larger than 3x3 are whole or take the general path. 1x1
  kernels are whole or missing: patterns take nothing from them.
- A grouped convolution is to this machine a sparse one over all channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from dataflows.accelerator import Accelerator, AcceleratorSpec, Count, DramSpec, Size
from dataflows.column_plan import ColumnPlan, ColumnTraffic, require_two_blocks
from dataflows.filter_blocks import compulsory_bytes, cut_layer
from dataflows.kernel import run_slices
from dataflows.kernel_patterns import Batches, KernelPatterns, multiply_kernels
from dataflows.pattern_arrays import Pass, deal
from dataflows.schedule import CAUSES, Cause, LayerSchedule
from dataflows.windows import PaddedMap
from workloads.layer import Layer
from workloads.trace import LayerTrace

_KIB = 1024


class PatternSpec(AcceleratorSpec):
    """Parameters of the pattern accelerator; none are in our sources, so all are assumptions (see each)."""

    arrays: Count = Field(4, description="arrays, each with a port to the input buffer (assumption)")
    kernels_parallel: Count = Field(
        16,
        description="rows of an array, a kernel each (assumption: PCONV's four patterns fill them from 64 filters on)",
    )
    pixels_parallel: Count = Field(
        16, description="output positions computed together, a multiplier of each row (assumption: 4 x 16 x 16 = 1,024 "
        "of the thousands of DSP of an Alveo card)"
    )  # fmt: skip
    patterns: Size = Field(
        8, description="patterns of the library; 0: kernels are not grouped (assumption: PatDNN has 6, 8 or 12)"
    )
    reconfigurable: bool = Field(
        True, description="true: arrays take equal parts of the batches (FCCM 2020: reconfigurable for balance); "
        "false: channel c stays with array c mod arrays"
    )  # fmt: skip
    reordered_rows: bool = Field(
        True, description="true: no two activations of a vector lie in one bank (FCCM 2020: re-ordered buffer rows); "
        "false: they lie as in the map"
    )  # fmt: skip
    switch_cycles: Size = Field(
        1, description="cycles until an array reads by another pattern; every batch on the general path is one "
        "(assumption)"
    )  # fmt: skip
    fill_cycles: Size = Field(8, description="cycles from a layer's start to the first product (assumption)")
    input_buffer_bytes: Count = Field(
        2048 * _KIB, description="input buffer, bytes (assumption: of the 30 MB and more of UltraRAM of an Alveo card)"
    )
    weight_buffer_bytes: Count = Field(
        8192 * _KIB,
        description="compressed weights, bytes (FCCM 2020: on chip; assumption: room for a layer of VGG-16)",
    )
    output_buffer_bytes: Count = Field(
        2048 * _KIB, description="partial sums and outputs, both halves together, bytes (assumption)"
    )
    clock_hz: Count = Field(200_000_000, description="accelerator clock, Hz (assumption)")
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=19.2),  # type: ignore[call-arg]
        description="assumption: one 64-bit channel of DDR4-2400",
    )

    @model_validator(mode="after")
    def _outputs_of_a_block_fit(self) -> Self:
        require_two_blocks(
            self.output_buffer_bytes,
            self.kernels_parallel * self.pixels_parallel,
            self.value_bits,
            "two blocks of outputs of every row of an array",
        )
        return self


class PatternMachine(Accelerator):
    """The pattern machine; its dense baseline is itself on the unpruned layer."""

    name = "pattern"
    title = "pattern-pruned kernels, stationary and grouped by pattern, on reconfigurable arrays (FCCM 2020)"
    Spec = PatternSpec

    def refusal(self, layer: Layer) -> str | None:
        """Volumes are refused."""
        if layer.axes != 2:
            return "its patterns and its buffer rows are those of two-dimensional kernels, the layer has three axes"
        return None

    def idle_settings(self) -> dict[str, str]:
        """One array has nobody to share with."""
        return {"reconfigurable": "a single array takes all batches"} if self.spec.arrays == 1 else {}

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each image, strip of positions and block of filters, in this order."""
        self.require(trace.layer)
        spec, layer = self.spec, trace.layer
        kernels = KernelPatterns.of(trace.weight_mask, layer.group_out_channels, spec.patterns)
        plan, weight_bytes = self._plan(layer, kernels)
        moved = ColumnTraffic(plan, spec.value_bits, spec.weight_buffer_bytes, indexed=False, weight_bytes=weight_bytes)
        cycles, issued = self._cycles(plan, kernels)
        tiles, pes = math.prod(plan.shape), spec.arrays * spec.kernels_parallel
        return LayerSchedule(
            pe_grid=(spec.arrays, spec.kernels_parallel),
            lanes_per_pe=spec.pixels_parallel,
            cycles=cycles.reshape(tiles, pes, CAUSES),
            issued=issued.reshape(tiles, pes),
            drain_cycles=np.zeros(tiles, np.int64),
            accumulator_copies=2,
            loads=moved.loads(),
            stores=moved.stores(),
            buffers=moved.buffers(spec.input_buffer_bytes, spec.output_buffer_bytes, streams_weights=True),
            prefetch_tiles=spec.prefetch_tiles,
            expected_issued=trace.weight_nonzeros * layer.batch * math.prod(layer.output_size),
            compulsory_bytes=compulsory_bytes(
                layer, int(weight_bytes.sum()), spec.value_bits, reads_inputs=trace.weight_nonzeros > 0
            ),
            notes=moved.notes(),
        )

    def _plan(self, layer: Layer, kernels: KernelPatterns) -> tuple[ColumnPlan, np.ndarray]:
        """The tiles, and the bytes of their compressed weights, int64 (1, blocks of filters)."""
        spec = self.spec
        return cut_layer(
            layer,
            kernels.filter_bits(spec.value_bits),
            turn=spec.kernels_parallel,
            pixels=spec.pixels_parallel,
            value_bits=spec.value_bits,
            input_bytes=spec.input_buffer_bytes,
            weight_bytes=spec.weight_buffer_bytes,
            output_bytes=spec.output_buffer_bytes,
        )

    def _cycles(self, plan: ColumnPlan, kernels: KernelPatterns) -> tuple[np.ndarray, np.ndarray]:
        """int64 (*tiles, arrays, rows, CAUSES) before any wait for memory, and (*tiles, arrays, rows) products."""
        spec, ranges, passes = self.spec, _filter_ranges(plan), self._passes(plan)
        shape = (*plan.shape, spec.arrays, spec.kernels_parallel)
        cycles, issued = np.zeros((*shape, CAUSES), np.int64), np.zeros(shape, np.int64)

        def run(block: int) -> None:
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
        mapped = cycles[0, 0, 0, 0].any(axis=-1)
        cycles[0, 0, 0, 0, :, :, Cause.FILL] = spec.fill_cycles * mapped
        return cycles, issued

    def _batches(
        self, kernels: KernelPatterns, filters: tuple[int, int], passes: list[Pass]
    ) -> Iterator[tuple[int, Batches]]:
        """Each strip with the batches of some filters; strips whose passes take as long have the same."""
        found: dict[int, Batches] = {}
        for strip, one in enumerate(passes):
            if one.reads not in found:
                found[one.reads] = kernels.batches(
                    filters, self.spec.kernels_parallel, reads=one.reads, switch_cycles=self.spec.switch_cycles
                )
            yield strip, found[one.reads]

    def _passes(self, plan: ColumnPlan) -> list[Pass]:
        """One for each strip."""
        strips, pixels = plan.strips, self.spec.pixels_parallel
        reads = np.ones(int(strips.blocks.sum()), np.int64)
        if not self.spec.reordered_rows:
            width = plan.layer.input_size[1] + sum(plan.layer.padding[1])
            rows, columns = (np.arange(n) * s for n, s in zip(plan.layer.output_size, plan.layer.stride, strict=True))
            address = (rows[:, None] * width + columns).reshape(-1)
            block = np.arange(len(address)) // pixels
            in_bank = np.bincount(block * pixels + address % pixels, minlength=len(reads) * pixels)
            reads = in_bank.reshape(-1, pixels).max(axis=1)
        parts = np.split(reads, np.cumsum(strips.blocks)[:-1])
        return [
            Pass(np.cumsum(part) - part, int(part.sum()), pixels, positions)
            for part, positions in zip(parts, strips.pixels.tolist(), strict=True)
        ]

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs strip by strip, block of filters by block, batch by batch, kernel by kernel."""
        self.require(layer)
        spec, padded = self.spec, PaddedMap.of(layer, activations)
        kernels = KernelPatterns.of(weights != 0, layer.group_out_channels, spec.patterns)
        plan, _ = self._plan(layer, kernels)
        passes, first = self._passes(plan), plan.strips.first_pixel.tolist()
        outputs = np.zeros((layer.batch, layer.out_channels, len(padded.windows)), np.int64)
        by_position = weights.reshape(*weights.shape[:2], -1)
        for filters in _filter_ranges(plan):
            for strip, batches in self._batches(kernels, filters, passes):
                channel = np.repeat(batches.channel, np.diff(batches.first)) % layer.group_in_channels
                multiply_kernels(
                    padded.values, padded.columns, padded.windows, by_position, (batches.filters, channel),
                    layer.group_out_channels,
                    (first[strip], first[strip] + passes[strip].pixels, spec.pixels_parallel), outputs,
                )  # fmt: skip
        return outputs.reshape(layer.output_shape)


def _filter_ranges(plan: ColumnPlan) -> list[tuple[int, int]]:
    """The filters (first, end) of every block."""
    ends = np.cumsum(plan.filters)
    return list(zip((ends - plan.filters).tolist(), ends.tolist(), strict=True))
