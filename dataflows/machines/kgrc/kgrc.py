"""KGRC: a 3-D CNN accelerator for group-wise pruned kernels, and the dense design that it is compared with.

Sources: Sun et al., "3D CNN Acceleration on FPGA using Hardware-Aware Pruning", DAC 2020; Sun et al.,
"Hardware-Friendly 3-D CNN Acceleration With Balanced Kernel Group Sparsity", IEEE TCAD 2024 (ZCU102, 150 MHz, modes for
dense, KGR, KGC and KGRC layers). A kernel group is GM filters x GN channels. Only its kept rows and kept kernel
positions, named by two index lists, are loaded and computed; zeros among them are not skipped.

A tile is TM filters x (TD x TR x TC) outputs. It goes through its channels TN at a time and through their kernel
positions TK at a time. Published cycles, with RR and RC the shares of rows and positions that are dropped:

    load inputs    Lin   = TN/Ab · ceil(TinF/Bin)
    load weights   Lwgt  = TM(1-RR)·TN/Ab · ceil(TK(1-RC)/Bwgt)
    compute        Lcmpt = ceil(TF/PF) · ceil(TK(1-RC)/PK) · ceil(GM(1-RR)/(rows of PM for each group))
    store outputs  Lout  = TM/Ab · ceil(TF/Bout)

Loads are double-buffered: a step takes the longest of the first three, and the first step's loads one Lcmpt more.
Stores are double-buffered too: tiles · max(ceil(N/TN)·max(Lin, Lwgt, Lcmpt) + Lcmpt, Lout) + Lout, but that no store
goes before the first tile.

What the equations leave open is read as follows (benchmarks/experiments/kgrc_readings.py compares the readings):

- Kernels of more than TK positions load the inputs of TN channels once; weights and products follow TK positions by TK,
  a chunk; the Lcmpt that is added is the longest chunk's. Chunks that no group of the tile keeps are left out.
- TinF are the positions that are there and needed: no padding, and of strided kernels only the rows that they read.
- Each of the Ab ports is 128 bits wide, as the device's ports to memory are.
- A chunk fills the pipeline before it computes (`start_cycles`), and where the layer's rows are listed it waits for
  their list (`row_list_cycles`); loads go on meanwhile. With both 0 the equations stand alone.
- Convolution groups whose channels fit TN and whose filters fit TM lie together on the diagonal of a tile
  (`group_packs`); their rows share the lists of a kernel group.
- A layer runs in the mode with the fewest cycles, of those that list what it drops: rows, positions, both or none. What
  a mode does not list is stored, loaded and computed whole. What has no list costs nothing to list.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.machines.kgrc import hardware
from dataflows.machines.kgrc.group_products import BoxMembers, KeptParts, group_products
from dataflows.machines.kgrc.group_steps import GroupSteps
from dataflows.machines.kgrc.group_traffic import GroupTraffic
from dataflows.machines.kgrc.kernel_groups import KernelGroups, by_tile
from dataflows.machines.kgrc.output_boxes import OutputBoxes
from dataflows.machines.kgrc.spec import DESIGN_SIZES, KgrcSpec
from dataflows.schedule import CAUSES, BufferUse, LayerSchedule, Tensor
from dataflows.sizing import Scaling
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.group_packs import GroupPacks
from dataflows.tiling.windows import PaddedMap
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div


class Kgrc(Accelerator[KgrcSpec]):
    """The group-sparse 3-D CNN machine; a PE is a row group of the tile. Its baseline is its dense design.

    Loads slower than the computation because of the ports are charged to port. 2-D layers run
    as volumes of depth 1.

    Approximations: all groups of a step begin each chunk of kernel positions together; the buffers hold two tiles of
    any layer's windows (sizes are not published); the inputs of a step that no filter needs take no port cycles but
    come over DRAM with the tile's others; DRAM has no part in the choice of a layer's mode.
    """

    name = "kgrc"
    display = "KGRC"
    title = "group-wise pruned 3-D CNNs: kernel-group rows and columns, double-buffered loads (TCAD 2024)"
    Spec = KgrcSpec
    baseline_name = "kgrc"
    needs_constant_weights = (
        "the kept rows and positions of its kernel groups are listed before the run, and nothing on the chip "
        "lists those of another layer's results"
    )
    scaling = Scaling(
        factors=("filters_parallel", "channels_per_tile", "pixels_parallel", "positions_parallel"),
        growing=("filters_parallel", "pixels_parallel"),
        reason="PM and PF grow, PM by row groups of a tile (assumption)",
        unsized="its buffers hold two tiles of any layer, their sizes are not published",
    )

    def baseline_settings(self) -> dict[str, Any]:
        """The dense design with everything but its own sizes as here; a dense machine is its own baseline."""
        same = self.spec.model_dump()
        if self.spec.design == "dense":
            return same
        own = {*DESIGN_SIZES, "group_filters", "group_channels", "start_cycles", "row_list_cycles"}
        return {key: value for key, value in same.items() if key not in own} | {"design": "dense"}

    def refusal(self, layer: Layer) -> str | None:
        """The dense design has no lists to prepare."""
        return None if self.spec.design == "dense" else super().refusal(layer)

    def idle_settings(self) -> dict[str, str]:
        """The dense design takes channels by the step."""
        if self.spec.design == "dense":
            return {
                "group_channels": "the dense design skips nothing, so its channels are not grouped",
                "row_list_cycles": "the dense design has no lists",
            }
        return {}

    def issued_products(self, trace: LayerTrace) -> int:
        """Those of all weights at kept rows and positions of the fastest mode's groups."""
        layer = trace.layer
        groups, _ = self._fastest(self._packs(layer), trace.weight_mask, self._boxes(layer))
        return _issued(layer, groups)

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each pack of convolution groups, image, TM filters, and box of outputs, in this order."""
        spec, layer = self.spec, trace.layer
        boxes, packs = self._boxes(layer), self._packs(layer)
        groups, cycles = self._fastest(packs, trace.weight_mask, boxes)
        moved = GroupTraffic(
            packs, groups, boxes, spec.row_groups, spec.value_bits, spec.group_filters, spec.positions_per_tile
        )
        filters = by_tile(groups.filters, spec.row_groups).sum(axis=2)
        kept = by_tile(groups.kept_weights.sum(axis=2), spec.row_groups)
        # 32 filters through 4 ports take 8 turns; the 784 outputs of 4 x 14 x 14 positions at 8 a
        # cycle take 98 cycles each.
        stored = ceil_div(filters, spec.channel_ports)[..., None] * ceil_div(boxes.outputs, spec.output_port_values)
        shape = moved.shape

        def spread(values: np.ndarray, *per_tile: int) -> np.ndarray:
            """Values (G, filter tiles, boxes, ...) for every tile, images included."""
            # Weights alone decide what a tile takes, so that every image takes the same.
            return np.broadcast_to(values[:, None], (*shape, *per_tile)).reshape(-1, *per_tile).copy()

        return LayerSchedule(
            pe_grid=(1, spec.row_groups),
            lanes_per_pe=spec.rows_parallel * spec.channels_per_tile * spec.pixels_parallel * spec.positions_parallel,
            cycles=spread(cycles, spec.row_groups, CAUSES),
            issued=spread(kept[:, :, None] * boxes.outputs[:, None], spec.row_groups),
            drain_cycles=spread(stored),
            accumulator_copies=2,
            loads=moved.loads(),
            stores=moved.stores(filters),
            buffers=self._buffers(boxes),
            prefetch_tiles=spec.prefetch_tiles,
            expected_issued=_issued(layer, groups),
            compulsory_bytes=moved.compulsory_bytes(),
            notes=self._notes(trace, groups),
            operands_in_step=True,
        )

    def _notes(self, trace: LayerTrace, groups: KernelGroups) -> tuple[str, ...]:
        kept = int(groups.kept_weights.sum())
        zeros = kept - trace.weight_nonzeros
        if self.spec.design == "dense" or not zeros:
            return ()
        return (f"{zeros} of {kept} weights are zero but share a kept row and a kept position of their group",)

    def _buffers(self, boxes: OutputBoxes) -> tuple[BufferUse, ...]:
        spec = self.spec
        inputs = int(boxes.loaded.max()) * spec.channels_per_tile
        weights = spec.filters_per_tile * spec.channels_per_tile * spec.positions_per_tile
        outputs = spec.filters_per_tile * spec.depth_per_tile * spec.rows_per_tile * spec.columns_per_tile
        # Two halves each: one is computed with while the other is loaded or written out. 32 filters x 8 channels x 9
        # positions of 16 bits are 4,608 bytes, and the weight buffer has twice that.
        sizes = (2 * bits_to_bytes(values * spec.value_bits) for values in (inputs, weights, outputs))
        return tuple(
            BufferUse(f"{tensor.key}_buffer", tensor, size, streamed=tensor != Tensor.OUTPUT)
            for tensor, size in zip(Tensor, sizes, strict=True)
        )

    def _packs(self, layer: Layer) -> GroupPacks:
        spec = self.spec
        return GroupPacks.of(layer, spec.groups, inputs=spec.channels_per_tile, filters=spec.filters_per_tile)

    def _fastest(
        self, packs: GroupPacks, weight_mask: np.ndarray, boxes: OutputBoxes
    ) -> tuple[KernelGroups, np.ndarray]:
        """The groups of the mode with the fewest cycles (of equal ones: the fewest weights), and their cycles."""
        sizes = self.spec.group_filters, self.spec.step_group_channels
        if self.spec.design == "dense":
            full = KernelGroups.full(packs, *sizes)
            return full, self._cycles(full, boxes)
        modes = KernelGroups.of(packs, weight_mask, *sizes).modes()
        return min(
            ((groups, self._cycles(groups, boxes)) for groups in modes),
            # PEs meet at a tile's end: the slowest of each tile counts. The images of a batch would
            # make all modes longer alike.
            key=lambda mode: (mode[1].sum(axis=4).max(axis=3).sum(), mode[0].kept_total),
        )

    def _boxes(self, layer: Layer) -> OutputBoxes:
        size = (self.spec.depth_per_tile, self.spec.rows_per_tile, self.spec.columns_per_tile)
        # A layer of two axes has no slices: of 4 x 14 x 14 positions a tile keeps 14 x 14.
        return OutputBoxes.of(layer, size[3 - layer.axes :])

    def _cycles(self, groups: KernelGroups, boxes: OutputBoxes) -> np.ndarray:
        """int64 (G, filter tiles, boxes, PEs, CAUSES)."""
        list_cycles = self.spec.row_list_cycles if groups.drops_rows else 0
        parts = groups.parts(self.spec.row_groups)
        return np.concatenate([self._cycles_of(part, boxes, list_cycles) for part in parts], axis=1)

    def _cycles_of(self, groups: KernelGroups, boxes: OutputBoxes, list_cycles: int) -> np.ndarray:
        """As `_cycles`, of some of the filter tiles."""
        spec = self.spec
        steps = GroupSteps.of(groups, spec)
        # Eight channels through four ports take two turns, in each of which a port brings one
        # channel's inputs of the box.
        turns = ceil_div(steps.channels, spec.channel_ports)
        # Boxes differ at the map's edges only: each pair of outputs and loaded inputs is worked out once.
        sizes, box_size = np.unique(np.stack([boxes.outputs, boxes.loaded]), axis=1, return_inverse=True)
        found = [
            steps.cycles(
                ceil_div(outputs, spec.pixels_parallel),
                turns * ceil_div(loaded, spec.input_port_values),
                spec.start_cycles,
                list_cycles,
            )
            for outputs, loaded in sizes.T.tolist()
        ]
        return np.stack(found, axis=2)[:, :, box_size.reshape(-1)]

    def components(self) -> tuple[Component, ...]:
        """See `hardware`."""
        return hardware.components(self.spec)

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """See `hardware`."""
        del trace
        return hardware.count(self.spec, self.parts, schedule, effectual_macs)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs tile by tile, step by step, chunk by chunk; products outside kept rows and positions are not made."""
        spec, boxes, packs = self.spec, self._boxes(layer), self._packs(layer)
        block = packs.block_layer()
        # The last pack's places without a group get channels of zeros.
        phantom = [(0, block.in_channels - layer.in_channels)] + [(0, 0)] * layer.axes
        padded = PaddedMap.of(block, np.pad(activations, ((0, 0), *phantom)))
        groups, _ = self._fastest(packs, weights != 0, boxes)
        sizes = block.groups, block.group_out_channels, block.group_in_channels
        matrix = np.ascontiguousarray(packs.block_weights(weights)).reshape(*sizes, -1)
        members = BoxMembers(boxes.members, np.cumsum(boxes.outputs))
        outputs = np.zeros((layer.batch, block.groups, block.group_out_channels, len(padded.windows)), np.int64)
        for group in range(block.groups):
            group_products(
                padded.of_group(group), members, matrix[group], KeptParts(groups.rows[group], groups.positions[group]),
                spec.filters_per_tile, spec.step_group_channels, outputs[:, group],
            )  # fmt: skip
        return outputs.reshape(block.output_shape)[:, : layer.out_channels].copy()


def _issued(layer: Layer, groups: KernelGroups) -> int:
    return groups.kept_total * layer.output_count // layer.out_channels
