"""The 2:4 sparse tensor cores of a GPU: weights of which two of every four are stored halve the depth of a product.

Sources: NVIDIA, "Accelerating Inference with Sparsity Using the NVIDIA Ampere Architecture" (rates and format); Mishra
et al., 2021, arXiv:2104.08378; PTX ISA (shapes of the instructions mma and mma.sp, whose sparse operand is the left
one: here the weights). What is marked assumption below or in the settings is nobody's word.

A layer is a product of matrices for each group: its filters by the output positions of all images. The depth has the
channels of a kernel position side by side, in groups of four, the last filled up with zeros (assumption: libraries pad
channels, those of 16 bits to 8). Where all groups of all filters have two non-zeros at most, and the weights are
constant and take fewer bits so (assumption), the layer runs sparse: two weights a group are stored, with an index each
that gathers their activations. Otherwise it runs dense, as a whole. Activations are dense in both modes.

A core multiplies 16 filters by 8 positions over a depth of 16 in a step, an instruction of 8 cycles; of sparse weights
16 stored ones, which stand for 32. It takes tiles of 64 x 64 outputs over their whole depth; steps that lie wholly
beyond the edge of a layer are not issued (assumption: a library picks a tile that fits). Cycles of a tile beyond the
number of its products multiply padding alone (index; that every other one holds a product is an assumption). Operands
of a tile come from shared memory once, beside its steps; what they take longer is waited for (port): tiles of few
positions, as those of fully connected layers, wait for weights. Launches and memory: see `launch`.

Not modelled: tiles that share their depth among cores (split-K), thread blocks, in which cores meet and for which room
is found on an SM, so that the end of a launch looks shorter here; the rate of the L2; other tiles that a library has.
"""

from __future__ import annotations

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.kernels.compiled import kernel
from dataflows.machines.tensor_core import hardware
from dataflows.machines.tensor_core.group_slots import GroupSlots, all_groups_keep, compress
from dataflows.machines.tensor_core.launch import IDLE_WRITE_BACK, Grid, LaunchTraffic, LaunchWork, launch_schedule
from dataflows.machines.tensor_core.spec import TensorCoreSpec
from dataflows.schedule import Cause, LayerSchedule
from dataflows.sizing import Scaling
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.windows import PaddedMap
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div


class TensorCore(Accelerator[TensorCoreSpec]):
    """The machine; a PE is a tensor core. Its dense baseline is itself on unpruned weights, which are not 2:4."""

    name = "tensor-core"
    display = "Tensor Core"
    title = "2:4 sparse tensor cores: structured weights halve the depth of a product (A100, 2020)"
    Spec = TensorCoreSpec
    scaling = Scaling(
        factors=("cores", "macs_per_core"),
        growing=("cores",),
        buffers={"l2_bytes": ""},
        reason="cores are added (assumption)",
    )

    def idle_settings(self) -> dict[str, str]:
        """A launch has nothing behind it that could run while its results are written."""
        return {"write_back": IDLE_WRITE_BACK}

    def issued_products(self, trace: LayerTrace) -> int:
        """Every stored weight at every output position of its filter."""
        layer = trace.layer
        slots = self._slots(layer)
        stored = slots.slots if self._runs_sparse(trace) else slots.weights
        return stored * layer.output_count

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile: the launch."""
        spec, layer = self.spec, trace.layer
        grid = Grid(layer, spec.tile_positions, spec.tile_filters)
        sparse, slots = self._runs_sparse(trace), self._slots(layer)
        stored = bits_to_bytes(grid.filter_sizes * self._filter_bits(slots, sparse=sparse))
        return launch_schedule(
            spec,
            self._work(grid, slots, sparse=sparse),
            LaunchTraffic.of(grid, spec, np.broadcast_to(stored, (layer.groups, len(stored)))),
            lanes=spec.macs_per_core,
            expected_issued=(slots.slots if sparse else slots.weights) * layer.output_count,
            notes=() if sparse or spec.sparse == "never" else (self._why_dense(layer, slots),),
        )

    def _slots(self, layer: Layer) -> GroupSlots:
        return GroupSlots.of(layer, self.spec.kept_of_group, self.spec.group_size)

    def _filter_bits(self, slots: GroupSlots, *, sparse: bool) -> int:
        """Bits of a stored filter."""
        # 2 bits name one of four: a dense weight of 16 bits takes (16 + 2) / 2 = 9.
        index_bits = (self.spec.group_size - 1).bit_length()
        return slots.slots * (self.spec.value_bits + index_bits) if sparse else slots.weights * self.spec.value_bits

    def _may_run_sparse(self, layer: Layer, slots: GroupSlots) -> bool:
        """Whether it would with weights that are n:m."""
        smaller = self._filter_bits(slots, sparse=True) < self._filter_bits(slots, sparse=False)
        return self.spec.sparse == "where_possible" and not layer.moving_weights and smaller

    def _runs_sparse(self, trace: LayerTrace) -> bool:
        if not self._may_run_sparse(trace.layer, self._slots(trace.layer)):
            return False
        return all_groups_keep(trace.weight_mask, self.spec.kept_of_group, self.spec.group_size)

    def _why_dense(self, layer: Layer, slots: GroupSlots) -> str:
        if layer.moving_weights:
            return "it runs dense: its weights are made during the run"
        pattern = f"{self.spec.kept_of_group}:{self.spec.group_size}"
        if not self._may_run_sparse(layer, slots):
            return f"it runs dense: stored as {pattern}, its {layer.group_in_channels} channels would take more bits"
        return f"it runs dense: its weights are not {pattern}"

    def _work(self, grid: Grid, slots: GroupSlots, *, sparse: bool) -> LaunchWork:
        """Cycles and products of every tile; all groups are alike."""
        spec, bits = self.spec, self.spec.value_bits
        positions, filters = grid.position_sizes[:, None], grid.filter_sizes
        depth, stored = (slots.sparse_depth, slots.slots) if sparse else (slots.depth, slots.weights)
        # A step takes as many cycles as it has products for every multiplier: 16 x 8 x 16 / 256 = 8.
        step_cycles = ceil_div(spec.step_filters * spec.step_positions * spec.step_depth, spec.macs_per_core)
        steps = ceil_div(positions, spec.step_positions) * ceil_div(filters, spec.step_filters)
        steps = steps * ceil_div(depth, spec.step_depth)
        stepped = steps * step_cycles
        # A step takes its cycles whatever it holds: a tile of one filter, one position and four channels has four
        # products in its 8 cycles, and the other four are padding's.
        issued = positions * filters * stored
        busy = np.minimum(stepped, issued)
        # Activations of all weights are read: which of them a filter wants is its own affair.
        operands = filters * self._filter_bits(slots, sparse=sparse) + positions * (slots.weights * bits)
        waiting = np.maximum(ceil_div(operands, 8 * spec.shared_bytes_per_cycle) - stepped, 0)
        total = grid.layer.groups * int(steps.sum())
        causes = {
            Cause.BUSY: busy,
            Cause.INDEX: stepped - busy,
            Cause.PORT: waiting,
            Cause.FILL: np.full_like(busy, spec.tile_fill_cycles),
        }
        return LaunchWork(
            {cause: np.broadcast_to(part, grid.shape) for cause, part in causes.items()},
            np.broadcast_to(issued, grid.shape),
            np.broadcast_to(operands, grid.shape),
            {"steps": total, "sparse_steps": total if sparse else 0},
        )

    def components(self) -> tuple[Component, ...]:
        """See `hardware`."""
        return hardware.tensor_core_components(self.spec)

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """See `hardware`."""
        return hardware.count_tensor_core(self.spec, self.parts, trace.layer, schedule, effectual_macs)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs tile by tile and step by step; of sparse weights the stored ones alone."""
        spec, slots = self.spec, self._slots(layer)
        trace = LayerTrace(layer, weights, activations)
        kernels = np.ascontiguousarray(weights).reshape(layer.out_channels, layer.group_in_channels, -1)
        sparse = self._runs_sparse(trace)
        # Dense filters are those of which all weights are stored, in the same order.
        kept, size = (spec.kept_of_group, spec.group_size) if sparse else (1, 1)
        stored = slots.slots if sparse else slots.weights
        places, values = (np.zeros((layer.out_channels, stored), np.int64) for _ in range(2))
        compress(kernels, kept, size, places, values)
        padded = PaddedMap.of(layer, activations)
        outputs = np.zeros((layer.batch, layer.groups, layer.group_out_channels, len(padded.windows)), np.int64)
        by_group = (layer.groups, layer.group_out_channels, stored)
        for group in range(layer.groups):
            own = places.reshape(by_group)[group], values.reshape(by_group)[group]
            tile = spec.tile_positions, spec.tile_filters, spec.step_depth
            _multiply_tiles(padded.of_group(group), *own, *tile, outputs[:, group])
        return outputs.reshape(layer.output_shape)


@kernel
def _multiply_tiles(
    inputs: PaddedMap,
    places: np.ndarray,
    stored: np.ndarray,
    positions: int,
    filters: int,
    depth: int,
    outputs: np.ndarray,
) -> None:
    """Fill outputs (N, K/G, windows) of one group from stored weights and their places, int64 (K/G, slots)."""
    values, columns, windows = inputs
    total = outputs.shape[0] * windows.size
    for first in range(0, total, positions):
        for first_filter in range(0, stored.shape[0], filters):
            for start in range(0, stored.shape[1], depth):
                for k in range(first_filter, min(first_filter + filters, stored.shape[0])):
                    for slot in range(start, min(start + depth, stored.shape[1])):
                        weight, column = stored[k, slot], columns[places[k, slot]]
                        for position in range(first, min(first + positions, total)):
                            image, place = position // windows.size, position % windows.size
                            outputs[image, k, place] += weight * values[image, windows[place] + column]
