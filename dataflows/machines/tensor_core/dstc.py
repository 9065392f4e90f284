"""The dual-side sparse tensor core: outer products of vectors from which the zeros of both operands are left out.

Source: Wang et al., "Dual-side Sparse Tensor Core", ISCA 2021 (arXiv:2105.09564), as an extension of a V100; the core's
128 multipliers and its step, 8x16x1, from Uni-STC's table VI. What is from memory of the paper or an assumption is
named below and in the settings.

A layer is a product of matrices for each group, lowered on the way (implicit im2col, which keeps up: assumption): its
inputs, a row for each output position of all images, by its weights, a column for each filter. A core multiplies a
column of 32 inputs by a row of 32 weights, of which only the non-zeros are left, a and b of them, in
ceil(a / 8) x ceil(b / 16) steps of a cycle, so that a dense outer product takes eight. It adds up a tile of 32 x 32
outputs over the whole depth, channel by channel and kernel position by kernel position (assumption).

Two levels of bitmaps say where non-zeros are. A bit of the first stands for 16 places of the depth of a tile; where
either operand has none there, the chunk takes no cycle. Otherwise each outer product takes the front end an instruction
(BOHMMA, of the bitmaps), beside its steps: one without any still takes that cycle (index, assumption). Products are
scattered into the accumulation buffer without a conflict, since an operand collector spreads them (from memory). The
values and bitmaps of a tile come from shared memory once, beside its steps; what they take longer is waited for (port).

In memory weights and maps are bitmaps of the second level and non-zero values; the first level is not counted, and the
non-zeros of a map lie in it evenly. Launches and memory: see `launch`. Not modelled: the coding of outputs, thread
blocks, in which cores meet and for which room is found on an SM, and the rate of the L2.
"""

from __future__ import annotations

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices, thread_count
from dataflows.machines.tensor_core import hardware
from dataflows.machines.tensor_core.condensed_vectors import MapSums, count_weights, play_tiles
from dataflows.machines.tensor_core.launch import IDLE_WRITE_BACK, Grid, LaunchTraffic, LaunchWork, launch_schedule
from dataflows.machines.tensor_core.spec import DstcSpec
from dataflows.schedule import Cause, LayerSchedule
from dataflows.sizing import Scaling
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.windows import PaddedMap
from dataflows.truth.products import count_products
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div, even_slices

_SLICES = 8  # a thread, more than one: blocks differ in what they take


class Dstc(Accelerator[DstcSpec]):
    """The machine; a PE is a core. Its dense baseline is itself on the dense layer."""

    name = "dstc"
    display = "DSTC"
    title = "dual-side sparse tensor core: outer products of condensed vectors (ISCA 2021)"
    Spec = DstcSpec
    scaling = Scaling(
        factors=("cores", "step_rows", "step_columns"),
        growing=("cores",),
        buffers={"l2_bytes": ""},
        reason="cores are added (assumption)",
    )

    def idle_settings(self) -> dict[str, str]:
        """A launch has nothing behind it that could run while its results are written."""
        return {"write_back": IDLE_WRITE_BACK}

    def issued_products(self, trace: LayerTrace) -> int:
        """Those of two non-zeros."""
        return count_products(trace).effectual_macs

    def stored_map_bytes(self, values: int, nonzeros: int) -> int:
        """A bit for each value, and the non-zeros."""
        return bits_to_bytes(values + nonzeros * self.spec.value_bits)

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile: the launch."""
        grid = self._grid(trace.layer)
        weights = self._weight_counts(trace, grid)
        return launch_schedule(
            self.spec,
            self._work(trace, grid, weights),
            self._traffic(trace, grid, weights),
            lanes=self.spec.step_rows * self.spec.step_columns,
            expected_issued=self.issued_products(trace),
            notes=(),
        )

    def _sides(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Positions and filters of a tile, and of a step."""
        spec = self.spec
        rows, columns = (spec.tile_rows, spec.step_rows), (spec.tile_columns, spec.step_columns)
        positions, filters = (rows, columns) if spec.left == "inputs" else (columns, rows)
        return (positions[0], filters[0]), (positions[1], filters[1])

    def _grid(self, layer: Layer) -> Grid:
        return Grid(layer, *self._sides()[0])

    def _weight_counts(self, trace: LayerTrace, grid: Grid) -> np.ndarray:
        """Uint8 (G, blocks of filters, depth): non-zero weights."""
        layer = trace.layer
        mask = trace.weight_mask.reshape(layer.groups, layer.group_out_channels, -1).view(np.uint8)
        counts = np.zeros((layer.groups, grid.shape[2], mask.shape[2]), np.uint8)
        parts = even_slices(layer.groups * grid.shape[2], _SLICES * thread_count())
        run_slices(lambda part: count_weights(mask, grid.filters, *part, counts), parts)
        return counts

    def _work(self, trace: LayerTrace, grid: Grid, weights: np.ndarray) -> LaunchWork:
        """Cycles and products of every tile."""
        spec, layer = self.spec, trace.layer
        inputs = MapSums.of(layer, trace.activation_mask)
        pieces = inputs.pieces(layer.output_size[-1], grid.positions)
        sides = (*self._sides()[1], spec.tile_depth)
        work = np.zeros((*grid.shape, 5), np.int64)

        def play(rows: tuple[int, int]) -> None:
            play_tiles(inputs.sums, inputs.columns, pieces, weights, sides, spec.set_cycles, rows, work)

        run_slices(play, even_slices(grid.shape[0] * grid.shape[1], _SLICES * thread_count()))
        busy, front, issued, sets, values = np.moveaxis(work, -1, 0)
        # Values that are not zero, and a bit for every row and column of the tile in each outer product.
        sides_bits = grid.position_sizes[:, None] + grid.filter_sizes
        operand_bits = values * spec.value_bits + sets * sides_bits
        operands = ceil_div(operand_bits, 8 * spec.shared_bytes_per_cycle)
        causes = {
            Cause.BUSY: busy,
            Cause.INDEX: front,
            Cause.PORT: np.maximum(operands - busy - front, 0),
            Cause.FILL: (sets > 0) * np.int64(spec.tile_fill_cycles),
        }
        met = sets * grid.position_sizes[:, None] * grid.filter_sizes
        return LaunchWork(causes, issued, operand_bits, {"sets": int(sets.sum()), "bitmap_products": int(met.sum())})

    def _traffic(self, trace: LayerTrace, grid: Grid, weights: np.ndarray) -> LaunchTraffic:
        layer, bits = trace.layer, self.spec.value_bits
        inputs = int(np.count_nonzero(trace.activation_mask)) / layer.input_count
        nonzeros = weights.sum(axis=2, dtype=np.int64)
        stored = bits_to_bytes(nonzeros * bits + grid.filter_sizes * weights.shape[2])
        # A bit a value beside its own bits, of which zeros have none: 0.3 of 16-bit values take 5.8 / 16.
        return LaunchTraffic.of(grid, self.spec, stored, inputs + 1 / bits, trace.output_density + 1 / bits)

    def components(self) -> tuple[Component, ...]:
        """See `hardware`."""
        return hardware.dstc_components(self.spec)

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """See `hardware`."""
        return hardware.count_dstc(self.parts, trace.layer, schedule, effectual_macs)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs tile by tile, outer product by outer product, of condensed vectors."""
        padded, (tile, _) = PaddedMap.of(layer, activations), self._sides()
        kernels = np.ascontiguousarray(weights).reshape(layer.groups, layer.group_out_channels, -1)
        outputs = np.zeros((layer.batch, layer.groups, layer.group_out_channels, len(padded.windows)), np.int64)
        for group in range(layer.groups):
            _outer_products(padded.of_group(group), kernels[group], *tile, outputs[:, group])
        return outputs.reshape(layer.output_shape)


@kernel
def _outer_products(inputs: PaddedMap, weights: np.ndarray, positions: int, filters: int, outputs: np.ndarray) -> None:
    """Fill outputs (N, K/G, windows) of one group from weights (K/G, depth)."""
    values, columns, windows = inputs
    total = outputs.shape[0] * windows.size
    left, places = np.zeros(positions, np.int64), np.zeros(positions, np.int64)
    for first in range(0, total, positions):
        for first_filter in range(0, weights.shape[0], filters):
            for d in range(columns.size):
                found = 0
                for position in range(first, min(first + positions, total)):
                    value = values[position // windows.size, windows[position % windows.size] + columns[d]]
                    if value != 0:
                        left[found], places[found] = value, position
                        found += 1
                for k in range(first_filter, min(first_filter + filters, weights.shape[0])):
                    if weights[k, d] != 0:
                        for i in range(found):
                            image, place = places[i] // windows.size, places[i] % windows.size
                            outputs[image, k, place] += left[i] * weights[k, d]
