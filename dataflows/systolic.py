"""A systolic array of rows x columns multipliers, as in the TPU: weight, output or input stationary.

Sources: Kung, "Why Systolic Architectures?", IEEE Computer 1982; Jouppi et al., "In-Datacenter Performance Analysis of
a Tensor Processing Unit", ISCA 2017 (weight stationary, accumulators below the array).

A group of a layer is a product of (positions x depth) inputs and (depth x filters) weights, where depth is the
flattened (c, [t,] r, s). The images of a fully connected layer are its positions. The array takes the product in folds:

    dataflow  rows hold   columns hold  passes through
    output    positions   filters       depth
    weight    depth       filters       positions
    input     depth       positions     filters

A fold that uses r rows and c columns and through which n values pass takes n + r + c - 2 cycles: row i starts i cycles
after the first and column j another j later. So a 2x2 array takes 4 cycles for an output-stationary 2x2x2 product and a
4x4 array 10 for 4x4x4. Folds do not overlap. Operands that stay are shifted in a row a cycle, during the fold before
where shadow registers hold them; sums that stayed leave beside the next fold. Nothing is skipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from dataflows.accelerator import Accelerator, AcceleratorSpec, Count, DramSpec
from dataflows.column_plan import ColumnPlan, ColumnTraffic, join_filter_blocks, require_two_blocks
from dataflows.kernel import kernel
from dataflows.layout import bits_to_bytes
from dataflows.pixel_strips import PixelStrips
from dataflows.product_layer import product_layer
from dataflows.schedule import CAUSES, Cause, LayerSchedule
from dataflows.sizing import Scaling
from dataflows.windows import PaddedMap, inputs_read
from workloads.layer import Layer
from workloads.trace import LayerTrace

_MIB = 1024 * 1024


class SystolicSpec(AcceleratorSpec):
    """Parameters of the array; the defaults resemble a core of the TPU v2 (Jouppi et al., CACM 2020)."""

    dataflow: Literal["weight", "output", "input"] = Field(
        "weight", description="the operand that stays in the array: weight (as in the TPU), output or input"
    )
    rows: Count = Field(128, description="rows of the array (TPU v2: 128)")
    columns: Count = Field(128, description="columns of the array (TPU v2: 128)")
    shadow_registers: bool = Field(
        True, description="weights or inputs that stay arrive during the fold before (as in the TPU's double buffering)"
    )
    accumulators_per_column: Count = Field(
        4096, description="sums below a column, in two halves, weight and input stationary (TPU v1: 4,096)"
    )
    input_buffer_bytes: Count = Field(8 * _MIB, description="input buffer (assumption: half of TPU v2's 16 MiB)")
    weight_buffer_bytes: Count = Field(4 * _MIB, description="weight buffer (assumption: a quarter)")
    output_buffer_bytes: Count = Field(4 * _MIB, description="output buffer (assumption: a quarter)")
    clock_hz: Count = Field(700_000_000, description="accelerator clock, Hz (700 MHz)")
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=350.0),  # type: ignore[call-arg]
        description="a core's half of TPU v2's 700 GB/s",
    )

    @property
    def block_positions(self) -> int:
        """Output positions that the array, or half of the accumulators, takes at a time."""
        return {"output": self.rows, "input": self.columns, "weight": self._half}[self.dataflow]

    @property
    def block_filters(self) -> int:
        """Filters that the array, or half of the accumulators, takes at a time."""
        return self._half if self.dataflow == "input" else self.columns

    @property
    def _half(self) -> int:
        return max(1, self.accumulators_per_column // 2)

    @model_validator(mode="after")
    def _outputs_of_a_block_fit(self) -> Self:
        what = f"two blocks of {self.block_positions} positions x {self.block_filters} filters"
        require_two_blocks(self.output_buffer_bytes, self.block_positions * self.block_filters, self.value_bits, what)
        return self


@dataclass(frozen=True, eq=False)
class _Folds:
    """The folds of one block of positions and filters; whole numbers or int64 arrays that broadcast over the tiles.

    count      folds
    passing    values that pass through a fold (n)
    columns    columns used (c)
    rows       rows used, summed over the folds
    last_rows  rows of the last fold
    """

    count: int
    passing: np.ndarray
    columns: np.ndarray
    rows: np.ndarray
    last_rows: np.ndarray

    @property
    def last_cycles(self) -> np.ndarray:
        """Cycles of the last fold."""
        return self.passing + self.last_rows + self.columns - 2


class Systolic(Accelerator):
    """The systolic machine; a PE is a column with its rows as lanes. Its dense baseline is itself.

    Column j waits j cycles of each fold (fill), is busy from the first to the last cycle in which any of its rows
    multiplies, and waits for the columns behind it (drain); rows that start late and end early are fragmented lanes.
    """

    name = "systolic"
    title = "systolic array, weight, output or input stationary (TPU)"
    Spec = SystolicSpec
    skips_zeros = False
    scaling = Scaling(
        factors=("rows", "columns"),
        growing=("rows", "columns"),
        buffers=dict.fromkeys(("input_buffer_bytes", "weight_buffer_bytes", "output_buffer_bytes"), ""),
        reason="its sides grow together",
    )

    def idle_settings(self) -> dict[str, str]:
        """Output stationary keeps its sums in the array."""
        if self.spec.dataflow != "output":
            return {}
        reason = "with dataflow 'output' sums stay in the array and both operands pass through"
        return {"shadow_registers": reason, "accumulators_per_column": reason}

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each group, image and strip of blocks of positions, in this order."""
        spec, layer = self.spec, product_layer(trace.layer)
        plan = self._plan(layer)
        cycles, issued = self._cycles(plan)
        moved = ColumnTraffic(plan, spec.value_bits, spec.weight_buffer_bytes, indexed=False)
        values = layer.weight_count + layer.batch * layer.in_channels * inputs_read(layer) + layer.output_count
        return LayerSchedule(
            pe_grid=(1, spec.columns),
            lanes_per_pe=spec.rows,
            cycles=join_filter_blocks(cycles),
            issued=issued.sum(axis=3).reshape(plan.tiles, spec.columns),
            drain_cycles=np.zeros(plan.tiles, np.int64),
            accumulator_copies=2,
            loads=moved.loads(),
            stores=moved.stores(),
            buffers=moved.buffers(spec.input_buffer_bytes, spec.output_buffer_bytes),
            prefetch_tiles=spec.prefetch_tiles,
            expected_issued=layer.dense_macs,
            compulsory_bytes=values * spec.value_bits // 8,
            notes=moved.notes(),
            outputs_as_made=True,
        )

    def _plan(self, layer: Layer) -> ColumnPlan:
        spec = self.spec
        starts = np.arange(0, layer.group_out_channels, spec.block_filters)
        filters = np.minimum(spec.block_filters, layer.group_out_channels - starts)
        strips = PixelStrips.of(
            layer,
            spec.block_positions,
            inputs=spec.input_buffer_bytes // bits_to_bytes(spec.value_bits * layer.group_in_channels),
        )
        depth = np.full(layer.groups, layer.weight_count // layer.out_channels)
        return ColumnPlan(layer, depth, filters, strips)

    def _folds(self, plan: ColumnPlan, positions: np.ndarray) -> _Folds:
        """The folds of a block of so many `positions`, for each block of filters: arrays (..., filter blocks)."""
        rows, depth = self.spec.rows, int(plan.columns[0])
        positions, filters = np.broadcast_arrays(positions[..., None], plan.filters)
        if self.spec.dataflow == "output":
            return _Folds(1, np.full_like(filters, depth), filters, positions, positions)
        passing, columns = (positions, filters) if self.spec.dataflow == "weight" else (filters, positions)
        count = -(-depth // rows)
        last = np.full_like(filters, depth - (count - 1) * rows)
        return _Folds(count, passing, columns, np.full_like(filters, depth), last)

    def _cycles(self, plan: ColumnPlan) -> tuple[np.ndarray, np.ndarray]:
        """int64 (*blocks, columns, CAUSES) and the products (*blocks, columns), by block of filters of a tile."""
        spec, strips = self.spec, plan.strips
        whole = self._folds(plan, np.full(strips.count, spec.block_positions))
        last = self._folds(plan, strips.last_pixels)
        times = (strips.blocks - 1)[:, None]
        loading = self._loading(plan, times, whole, last)
        cycles = np.zeros((*plan.block_shape, spec.columns, CAUSES), np.int64)
        issued = np.zeros((*plan.block_shape, spec.columns), np.int64)
        column = np.arange(spec.columns)
        for folds, blocks, loads in zip((whole, last), (times, np.ones_like(times)), loading, strict=True):
            used = column < folds.columns[..., None]
            all_folds = (folds.count * blocks)[..., None] * used
            passing = (folds.count * (folds.passing - 1) + folds.rows) * blocks
            cycles[..., Cause.FILL] += all_folds * column + loads[..., None] * used
            cycles[..., Cause.BUSY] += passing[..., None] * used
            cycles[..., Cause.DRAIN] += all_folds * (folds.columns[..., None] - 1 - column)
            issued += (folds.passing * folds.rows * blocks)[..., None] * used
        return cycles, issued

    def _loading(
        self, plan: ColumnPlan, times: np.ndarray, whole: _Folds, last: _Folds
    ) -> tuple[np.ndarray, np.ndarray]:
        """int64 (*blocks,) twice: cycles in which operands that stay are shifted in and nothing else happens.

        Of a tile's whole blocks of positions (`times` of them), and of its last one, by block of filters. With shadow
        registers only a block's first fold can wait, since every other follows a fold of all rows, which is longer.
        """
        spec, shape = self.spec, plan.block_shape
        depth = int(plan.columns[0])
        if spec.dataflow == "output":
            return np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        if not spec.shadow_registers:
            return np.broadcast_to(depth * times, shape), np.full(shape, depth)
        needed = min(spec.rows, depth)
        ends = np.broadcast_to(last.last_cycles, shape).reshape(-1)
        before = np.concatenate(([0], ends[:-1])).reshape(shape)
        first = np.maximum(needed - before, 0)
        later = np.maximum(needed - whole.last_cycles, 0)
        return np.where(times > 0, first + (times - 1) * later, 0), np.where(times > 0, later, first)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs fold by fold; every product is made."""
        spec, product = self.spec, product_layer(layer)
        if product is not layer:  # images become positions
            activations = activations.reshape(layer.batch, -1).T.reshape(product.input_shape)
        padded = PaddedMap.of(product, activations)
        matrix = np.ascontiguousarray(weights).reshape(product.groups, product.group_out_channels, -1)
        depth = matrix.shape[2] if spec.dataflow == "output" else spec.rows
        outputs = np.zeros((product.batch, product.groups, product.group_out_channels, len(padded.windows)), np.int64)
        for group in range(product.groups):
            _folded_products(
                padded.values[:, group], padded.columns, padded.windows, matrix[group],
                spec.block_positions, spec.block_filters, depth, outputs[:, group],
            )  # fmt: skip
        if product is not layer:
            outputs = outputs[0, 0].T
        return outputs.reshape(layer.output_shape)


@kernel
def _folded_products(
    values: np.ndarray,
    columns: np.ndarray,
    windows: np.ndarray,
    weights: np.ndarray,
    positions: int,
    filters: int,
    depth: int,
    outputs: np.ndarray,
) -> None:
    """Fill outputs (N, K/G, positions) of one group from weights (K/G, depth), block by block and fold by fold."""
    for image in range(outputs.shape[0]):
        for start in range(0, windows.size, positions):
            stop = min(start + positions, windows.size)
            for first in range(0, weights.shape[0], filters):
                for row in range(0, columns.size, depth):
                    for k in range(first, min(first + filters, weights.shape[0])):
                        for d in range(row, min(row + depth, columns.size)):
                            weight = weights[k, d]
                            for position in range(start, stop):
                                outputs[image, k, position] += weight * values[image, windows[position] + columns[d]]
