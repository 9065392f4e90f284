"""SIGMA: sparse matrix products on flexible dot-product engines, one operand stationary, folds of non-zeros.

Source: Qin et al., "SIGMA: A Sparse and Irregular GEMM Accelerator with Flexible Interconnects for DNN Training",
HPCA 2020. A layer is a matrix product (a convolution's windows are its rows, im2col); a group, or a head, is a product
of its own. One operand stays in the multipliers, the other is streamed, a vector of one value a column at a time.

Both are bitmaps with packed non-zeros. A non-zero stays only where the streamed operand has any non-zero in its column
(section IV-E); those that stay fill the multipliers of 128 Flex-DPEs of 128 without gaps, dot product behind dot
product, and a fold is what has room at once. A fold takes (section V)

    a cycle for each Flex-DPE that is filled (128 words a cycle from the SRAM)       port
    a cycle of distribution and one of multiplication                                fill
    a cycle for each vector of the streamed operand, whatever zeros it has           busy, imbalance, index
    a cycle for each of the log2(128) levels of adders                               drain

and the next one begins behind it. A zero of the streamed operand leaves the multipliers idle that would meet it: those
slots are empty lanes of a busy cycle. A Flex-DPE that has no product in a cycle waits for those that have one
(imbalance), or for the controller, which sends a vector that none has a use for (index). All move in step, so that
there is no other wait; Flex-DPEs beyond a fold's values are unmapped.

Read into the paper, or assumed: the evaluation streams a vector in a cycle however long it is ("we allow greater input
bandwidth", section VI-A), see `stream_words_per_cycle`; sums across Flex-DPEs and folds are added on their way to the
output SRAM and cost no time; the controller's own work (OR and AND of the bitmaps, routing) lies beside the folds;
loading is not hidden behind the fold before (figures 6b and 11 count it). Where groups lie side by side, each has
Flex-DPEs of its own, and all their vectors are streamed at once. Memory outside the chip: see `traffic`.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.machines.sigma import hardware
from dataflows.machines.sigma.folds import loads_of, play, stream_waits, total_cycles
from dataflows.machines.sigma.operand_bits import columns_used, counts, input_columns, packed, transposed, weight_rows
from dataflows.machines.sigma.outputs import inputs_stationary, weights_stationary
from dataflows.machines.sigma.spec import SigmaSpec
from dataflows.machines.sigma.stationary_loads import Operands
from dataflows.machines.sigma.traffic import FoldTraffic, OperandBits
from dataflows.schedule import LayerSchedule
from dataflows.sizing import THREE_BUFFERS, Scaling
from dataflows.tiling.windows import PaddedMap
from dataflows.truth.products import count_products
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div

Stays = Literal["weights", "inputs"]


class Sigma(Accelerator[SigmaSpec]):
    """The machine; a PE is a Flex-DPE with its multipliers as lanes. Its dense baseline is the paper's TPU."""

    name = "sigma"
    display = "SIGMA"
    title = "SIGMA: bitmaps, flexible dot products, folds of non-zeros, matrix products (HPCA 2020)"
    Spec = SigmaSpec
    baseline_name = "systolic"
    scaling = Scaling(
        factors=("pes", "multipliers_per_pe"),
        growing=("pes",),
        buffers=THREE_BUFFERS,
        reason="Flex-DPEs are added, as its study of 16,384 multipliers does",
    )

    def baseline_settings(self) -> dict[str, Any]:
        """A systolic array of the same multipliers and buffers."""
        spec = self.spec
        buffers = {key: getattr(spec, key) for key in THREE_BUFFERS}
        shape = {"rows": spec.multipliers_per_pe, "columns": spec.pes}
        return shape | buffers | {"dataflow": "input" if spec.stationary == "inputs" else "weight"}

    def idle_settings(self) -> dict[str, str]:
        """Streaming that is faster than all multipliers together."""
        if self.spec.stream_words_per_cycle > self.spec.multipliers:
            return {"stream_words_per_cycle": f"a fold wants no more than {self.spec.multipliers} words a vector"}
        return {}

    def stored_map_bytes(self, values: int, nonzeros: int) -> int:
        """A bitmap and the non-zeros."""
        return ceil_div(values + nonzeros * self.spec.value_bits, 8)

    def issued_products(self, trace: LayerTrace) -> int:
        """Those of two non-zeros."""
        return count_products(trace).effectual_macs

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """Tiles are folds in order, several joined where there are many."""
        spec, product = self.spec, _Product(trace)
        traffic = self._chosen(trace, product)
        cycles, issued, passes = play(spec, product.operands(traffic.stays), traffic.loads)
        joined = np.arange(0, max(1, traffic.folds), traffic.joined)
        if traffic.folds:
            cycles, issued = np.add.reduceat(cycles, joined), np.add.reduceat(issued, joined)
        else:
            cycles, issued = (np.zeros((1, *part.shape[1:]), np.int64) for part in (cycles, issued))
        loads, stores = traffic.transfers()
        return LayerSchedule(
            pe_grid=(spec.pes, 1),
            lanes_per_pe=spec.multipliers_per_pe,
            cycles=cycles,
            issued=issued,
            drain_cycles=np.zeros(len(cycles), np.int64),
            accumulator_copies=1,
            loads=loads,
            stores=stores,
            buffers=traffic.buffers(),
            prefetch_tiles=spec.prefetch_tiles,
            expected_issued=self.issued_products(trace),
            compulsory_bytes=traffic.compulsory_bytes,
            notes=traffic.notes(),
            outputs_as_made=True,
            spills=not (traffic.inputs_stay and traffic.outputs_stay),
            counts=passes._asdict() | {"weights_stay": int(traffic.stays == "weights")},
        )

    def _chosen(self, trace: LayerTrace, product: _Product) -> FoldTraffic:
        """The stationary operand, with the folds and the transfers that follow."""
        spec, bits = self.spec, OperandBits.of(trace, self.spec.value_bits, product.weight_nonzeros)
        cycle_bytes = spec.dram.planned_gbs * 1e9 / spec.clock_hz

        # The choice is made as for a layer amid a network: what a layer does is the same wherever its input lies.
        def traffic(stays: Stays, *, input_in_dram: bool = False) -> FoldTraffic:
            return FoldTraffic(spec, bits, stays, loads_of(spec, product.mapped(stays)), input_in_dram)

        def expected(found: FoldTraffic) -> tuple[float, float]:
            cycles = total_cycles(spec, found.loads, product.vectors(found.stays))
            if spec.stream_words_per_cycle < spec.multipliers:
                cycles += int(stream_waits(spec, product.operands(found.stays), found.loads).sum())
            memory = found.total_bytes / cycle_bytes
            # Where memory is what both wait for, the one that computes less waits better.
            return max(cycles, memory), min(cycles, memory)

        stays = spec.stationary
        if stays == "auto":  # the first of two that take equally long
            stays = min(traffic("weights"), traffic("inputs"), key=expected).stays
        return traffic(stays, input_in_dram=trace.input_in_dram)

    def components(self) -> tuple[Component, ...]:
        """See `hardware`."""
        return hardware.components(self.spec)

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """See `hardware`."""
        del effectual_macs  # all that it issues
        return hardware.count(self.spec, self.parts, trace.layer, schedule)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs group by group and fold by fold, from non-zeros."""
        padded = PaddedMap.of(layer, activations)
        matrix = np.ascontiguousarray(weights).reshape(layer.groups, layer.group_out_channels, -1)
        outputs = np.zeros((layer.batch, layer.groups, layer.group_out_channels, len(padded.windows)), np.int64)
        stays = self.spec.stationary
        if stays == "auto":
            trace = LayerTrace(layer, weights, activations)
            stays = self._chosen(trace, _Product(trace)).stays
        run = weights_stationary if stays == "weights" else inputs_stationary
        for group in range(layer.groups):
            run(padded.of_group(group), matrix[group], self.spec.multipliers, outputs[:, group])
        return outputs.reshape(layer.output_shape)


class _Product:
    """Both operands of a layer's matrix products, by row and by column, as far as they are asked for."""

    def __init__(self, trace: LayerTrace) -> None:
        layer = trace.layer
        self._filters, self._depth = layer.group_out_channels, layer.weight_count // layer.out_channels
        self._weight_rows = weight_rows(layer, trace.weight_mask)
        self._input_columns = input_columns(layer, trace.activation_mask)
        self._positions = layer.output_count // layer.out_channels

    @cached_property
    def _weight_columns(self) -> np.ndarray:
        return transposed(self._weight_rows, self._depth)

    @cached_property
    def weight_nonzeros(self) -> np.ndarray:
        """Int64 (G,): weights that are not zero."""
        return counts(self._weight_rows).sum(axis=1)

    def mapped(self, stays: Stays) -> np.ndarray:
        """Int64 (G,): values that stay."""
        inputs = counts(self._input_columns)
        if stays == "weights":
            return counts(self._weight_rows & packed(inputs > 0)[:, None]).sum(axis=1)
        met = np.unpackbits(columns_used(self._weight_rows).view(np.uint8), axis=1, bitorder="little")
        return np.where(met[:, : self._depth], inputs, 0).sum(axis=1)

    def vectors(self, stays: Stays) -> int:
        """Vectors of the other operand."""
        return self._positions if stays == "weights" else self._filters

    def operands(self, stays: Stays) -> Operands:
        """Who stays and who streams."""
        if stays == "weights":
            return Operands(self._weight_rows, self._input_columns, self.vectors(stays))
        return Operands(transposed(self._input_columns, self._positions), self._weight_columns, self.vectors(stays))
