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
4x4 array 10 for 4x4x4. Folds follow one another back to back (`fold_overlap`): the next one's values enter behind the
last, so that a fold takes n cycles and the skew shows once a layer. Operands that stay are shifted in a row a cycle,
during the fold before where shadow registers hold them; a fold waits for what has not arrived by then. Sums that stayed
leave beside the next fold. Nothing is skipped.

With weights stationary and groups packed (`group_packs`), those whose depths fit the rows and whose filters fit the
columns lie together in a fold. With inputs or outputs stationary groups pass one after the other in any case, since
each value that passes belongs to one of them.

Maps that fit both buffers stay there from layer to layer, as in the TPU's unified buffer (`kept_maps`).
"""

from __future__ import annotations

import math

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.kernels.compiled import kernel
from dataflows.machines.systolic import hardware
from dataflows.machines.systolic.array_folds import Folds, FoldSequence
from dataflows.machines.systolic.spec import SystolicSpec
from dataflows.schedule import Cause, LayerSchedule, no_cycles
from dataflows.sizing import THREE_BUFFERS, Scaling
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.group_packs import GroupPacks
from dataflows.tiling.kept_maps import KeptMaps
from dataflows.tiling.matrix_product import product_layer
from dataflows.tiling.strip_plan import StripPlan
from dataflows.tiling.strip_schedule import StripWork, strip_schedule
from dataflows.tiling.strip_traffic import StripTraffic
from dataflows.tiling.strips import PixelStrips
from dataflows.tiling.windows import PaddedMap
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div


class Systolic(Accelerator[SystolicSpec]):
    """The systolic machine; a PE is a column with its rows as lanes. Its dense baseline is itself.

    Column j waits j cycles of each wave (fill), is busy from the first to the last cycle in which any of its rows
    multiplies, and waits for the columns behind it (drain); rows that start late and end early are fragmented lanes.
    Back to back these ends show in the last tile; a fold that waits finds rows of the fold before still busy, which
    count as busy inside a tile and as fill between two.
    """

    name = "systolic"
    title = "systolic array, weight, output or input stationary (TPU)"
    Spec = SystolicSpec
    skips_zeros = False
    scaling = Scaling(
        factors=("rows", "columns"),
        growing=("rows", "columns"),
        buffers=THREE_BUFFERS,
        reason="its sides grow together",
    )

    def idle_settings(self) -> dict[str, str]:
        """What means nothing for operands that pass, and overlap without shadow registers."""
        spec, idle = self.spec, {}
        if spec.dataflow == "output":
            reason = "with dataflow 'output' sums stay in the array and both operands pass through"
            idle = {"shadow_registers": reason, "accumulators_per_column": reason}
        elif not spec.shadow_registers:
            idle["fold_overlap"] = "without shadow registers operands that stay arrive between folds"
        if spec.dataflow != "weight":
            idle["groups"] = f"with dataflow '{spec.dataflow}' each value that passes belongs to one group"
        return idle

    def issued_products(self, trace: LayerTrace) -> int:
        """All of them."""
        return trace.layer.dense_macs

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each pack of groups, image and strip of blocks of positions, in this order."""
        spec, layer = self.spec, product_layer(trace.layer)
        # A map that stays is made in one buffer and read from the other: it has to fit both.
        room = min(spec.input_buffer_bytes, spec.output_buffer_bytes)
        maps = KeptMaps(layer, trace.input_in_dram, room, spec.value_bits)
        plan = self._plan(layer, maps)
        traffic = StripTraffic(plan, spec.value_bits, spec.weight_buffer_bytes, indexed=False)
        buffers = traffic.buffers(spec.input_buffer_bytes, spec.output_buffer_bytes)
        return strip_schedule(
            spec,
            self._work(plan),
            maps.transfers(traffic, buffers, layer.weight_count * spec.value_bits // 8),
            pe_grid=(1, spec.columns),
            lanes_per_pe=spec.rows,
            expected_issued=self.issued_products(trace),
        )

    def _plan(self, layer: Layer, maps: KeptMaps) -> StripPlan:
        spec = self.spec
        groups = spec.groups if spec.dataflow == "weight" else "alone"
        sizes = {"inputs": spec.rows, "filters": spec.block_filters, "taps": math.prod(layer.kernel_size)}
        packs = GroupPacks.of(layer, groups, **sizes)
        held = spec.input_buffer_bytes // bits_to_bytes(spec.value_bits * int(packs.channels.max()))
        strips = PixelStrips.of(layer, spec.block_positions, inputs=maps.input_positions(held))
        columns = np.full(packs.count, layer.weight_count // layer.out_channels)
        return StripPlan(layer, columns, packs.filters(spec.block_filters), strips, packs)

    def _folds(self, plan: StripPlan, positions: np.ndarray) -> Folds:
        """The folds of a block of so many `positions`, by pack, image, strip and block of filters."""
        rows, depth = self.spec.rows, int(plan.columns[0])
        filters = plan.filters[:, None, None]
        positions, filters = np.broadcast_arrays(positions[..., None], filters)
        if self.spec.dataflow == "output":
            # Where sums stay the whole depth passes in one fold, and positions are its rows.
            return Folds(1, np.full_like(filters, depth), filters, positions, positions, positions)
        passing, columns = (positions, filters) if self.spec.dataflow == "weight" else (filters, positions)
        used = np.broadcast_to(self._packed_rows(plan)[:, None, None, None], filters.shape)
        # Packs of several groups fit one fold and lone groups are equally deep: all have as many folds.
        # A depth of 300 on 128 rows takes three folds, the last of 300 - 2·128 = 44 rows.
        count = ceil_div(int(used.max()), rows)
        return Folds(count, passing, columns, used, used - (count - 1) * rows, np.full_like(filters, depth))

    def _packed_rows(self, plan: StripPlan) -> np.ndarray:
        """Int64 (packs,): depths of the groups that lie together."""
        # Four depthwise groups of a 3x3 kernel take 4 x 9 rows.
        return plan.columns * (plan.channels // plan.layer.group_in_channels)

    def _sequence(self, plan: StripPlan) -> FoldSequence:
        spec, strips = self.spec, plan.strips
        return FoldSequence(
            rows=spec.rows,
            stationary=spec.dataflow != "output",
            hidden=spec.shadow_registers,
            overlap=spec.fold_overlap,
            times=np.broadcast_to((strips.blocks - 1)[:, None], plan.block_shape),
            whole=self._folds(plan, np.full(strips.count, spec.block_positions)),
            last=self._folds(plan, strips.last_pixels),
            shape=plan.block_shape,
        )

    def _work(self, plan: StripPlan) -> StripWork:
        """Cycles and products of the columns."""
        spec, sequence, column = self.spec, self._sequence(plan), np.arange(self.spec.columns)
        cycles = no_cycles(*plan.block_shape, spec.columns)
        issued = np.zeros((*plan.block_shape, spec.columns), np.int64)
        for folds, times in ((sequence.whole, sequence.times), (sequence.last, np.ones_like(sequence.times))):
            used = column < folds.columns[..., None]
            # A column multiplies in rows of its own group; those of groups beside it hold zeros, which are empty slots.
            issued += (folds.passing * folds.own_rows * times)[..., None] * used
            cycles[..., Cause.BUSY] += (folds.count * folds.passing * times)[..., None] * used
            if not sequence.back_to_back:
                ends = self._wave_ends(plan, folds, all_folds=True)
                cycles += ends * (times[..., None] * used)[..., None]
        self._add_waits(sequence, cycles)
        if sequence.back_to_back:
            self._add_tail(plan, sequence, cycles)
        return StripWork.of_filter_blocks(cycles, issued)

    def _wave_ends(self, plan: StripPlan, folds: Folds, *, all_folds: bool) -> np.ndarray:
        """int64 (*blocks, columns, CAUSES): what folds take beyond their values, by column; of the last one or of all.

        A column of a group that lies beside others waits for its rows, and then for those behind them.
        """
        layer, column = plan.layer, np.arange(self.spec.columns)
        packed = plan.packs is not None and plan.packs.together > 1
        first_row = column // layer.group_out_channels * int(plan.columns[0]) if packed else np.zeros_like(column)
        count = folds.count if all_folds else 1
        rows, own_rows = (folds.rows, folds.own_rows) if all_folds else (folds.last_rows, folds.last_own_rows())
        ends = no_cycles(*rows.shape, len(column))
        # Column j starts j cycles late in every fold, and a group's first row as late as the rows above it are many.
        ends[..., Cause.FILL] = count * column + first_row
        # In a fold of r rows a column is busy for n + r - 1 cycles, of which n are counted with the values.
        ends[..., Cause.BUSY] = (own_rows - count)[..., None]
        # Together the three are r + c - 2 cycles of every fold, in each column alike.
        behind = (count * (folds.columns - 1) + rows - own_rows)[..., None]
        ends[..., Cause.DRAIN] = behind - count * column - first_row
        return ends

    def _add_waits(self, sequence: FoldSequence, cycles: np.ndarray) -> None:
        """Waits are fill, but for rows of the fold before that are still busy."""
        column = np.arange(self.spec.columns)
        for wait in sequence.waits():
            waiting = (wait.times * wait.cycles)[..., None] * (column < wait.folds.columns[..., None])
            busy = np.zeros_like(waiting)
            if sequence.back_to_back:
                # Rows behind the first one end a cycle later each: r - 1 cycles of the wait still have products.
                left = (wait.times * np.minimum(wait.cycles, np.maximum(wait.rows - 1, 0)))[..., None]
                busy = np.minimum(left * (column < wait.columns[..., None]), waiting)
            cycles[..., Cause.BUSY] += busy
            cycles[..., Cause.FILL] += waiting - busy

    def _add_tail(self, plan: StripPlan, sequence: FoldSequence, cycles: np.ndarray) -> None:
        """The last wave of the layer, in its last block."""
        final, folds = (-1, -1, -1, -1), sequence.last
        used = np.arange(self.spec.columns) < folds.columns[final]
        ends = self._wave_ends(plan, folds, all_folds=False)[final]
        # The longest wave may be that of an earlier fold with more rows: what it lasts longer is waited for here.
        ends[:, Cause.DRAIN] += sequence.tail() - folds.skew(folds.last_rows)[final]
        cycles[final] += ends * used[:, None]

    def components(self) -> tuple[Component, ...]:
        """See `hardware`."""
        return hardware.components(self.spec)

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """See `hardware`."""
        layer = product_layer(trace.layer)
        room = min(self.spec.input_buffer_bytes, self.spec.output_buffer_bytes)
        maps = KeptMaps(layer, trace.input_in_dram, room, self.spec.value_bits)
        sequence = self._sequence(self._plan(layer, maps))
        return hardware.count(self.spec, self.parts, trace.layer, sequence, schedule, effectual_macs)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs fold by fold; every product is made."""
        spec, product = self.spec, product_layer(layer)
        if product is not layer:  # images become positions
            activations = activations.reshape(layer.batch, -1).T.reshape(product.input_shape)
        padded = PaddedMap.of(product, activations)
        matrix = np.ascontiguousarray(weights).reshape(product.groups, product.group_out_channels, -1)
        # Sums that stay take the whole depth in one fold.
        depth = matrix.shape[2] if spec.dataflow == "output" else spec.rows
        outputs = np.zeros((product.batch, product.groups, product.group_out_channels, len(padded.windows)), np.int64)
        for group in range(product.groups):
            _folded_products(
                padded.of_group(group),
                matrix[group],
                spec.block_positions,
                spec.block_filters,
                depth,
                outputs[:, group],
            )
        if product is not layer:
            outputs = outputs[0, 0].T
        return outputs.reshape(layer.output_shape)


@kernel
def _folded_products(
    inputs: PaddedMap, weights: np.ndarray, positions: int, filters: int, depth: int, outputs: np.ndarray
) -> None:
    """Fill outputs (N, K/G, positions) of one group from weights (K/G, depth), block by block and fold by fold."""
    values, columns, windows = inputs
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
