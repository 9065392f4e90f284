"""DCNN: the dense machine that SCNN is compared with. Planar tiles, dot products inside the PE, nothing skipped.

Source: Parashar et al., ISCA 2017, section on the evaluated architectures: the PE array of SCNN, dense activations and
weights, a dot-product dataflow, 2 MB of SRAM for activations.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.expected import ExpectedWork
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices
from dataflows.machines.dcnn.dcnn_spec import DcnnSpec
from dataflows.machines.dcnn.hardware import PlanarWork, count_dot_products, dcnn_components
from dataflows.schedule import BufferUse, Cause, LayerSchedule, Runs, Tensor, no_cycles
from dataflows.sizing import Scaling
from dataflows.tiling.dram_layout import Layout, bits_to_bytes
from dataflows.tiling.strip_schedule import StripTransfers, StripWork, strip_schedule
from dataflows.tiling.windows import PaddedMap
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import boundaries, ceil_div


class Dcnn(Accelerator[DcnnSpec]):
    """PE (i, j) computes a planar tile of ceil(P/rows) x ceil(Q/columns) outputs by dot products.

    A step of a dot product multiplies `multipliers` input channels of one kernel position, so that an output costs
    [T·]R·S·ceil(C/G / multipliers) cycles: the published bar of the oracle on VGG-16 conv1_1, 9.43, is 16/3 over the
    weights' density of 0.565, so its 3 channels leave 13 of 16 lanes empty. PEs at a ragged edge hold fewer outputs and
    wait. A layer with a single output position (fully connected) spreads its output channels over the PEs instead.
    Maps that fit their halves of the SRAM stay there from layer to layer; the network's input is loaded once.

    Approximations: lanes hold channels of one group, so that a depthwise layer fills one lane; padding positions take
    slots like any other; a map that spills is loaded in equal slices, so that rows which two parts read are loaded
    once; a map of which not even one row of tiles fits is read again for every group of output channels; weights stream
    in without a buffer of their own.
    """

    name = "dcnn"
    display = "DCNN"
    title = "DCNN: dense planar tiles with dot products, the baseline of SCNN (ISCA 2017)"
    Spec = DcnnSpec
    skips_zeros = False
    scaling = Scaling(
        factors=("pe_rows", "pe_columns", "multipliers_per_pe"),
        growing=("pe_rows", "pe_columns"),
        buffers={"sram_bytes": ""},
        reason="PEs are added, as with SCNN",
    )

    gates_zeros: ClassVar[bool] = False

    _planned: tuple[Layer | None, PlanarWork | None] = None, None
    """The layer whose schedule was made last and its work, at hand for whoever counts its actions next."""

    analytical_keys = ("pe_rows", "pe_columns", "multipliers_per_pe")

    def issued_products(self, trace: LayerTrace) -> int:
        """All of them."""
        return trace.layer.dense_macs

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each image and part of the map, through all groups of output channels."""
        spec, layer = self.spec, trace.layer
        work = self._work(layer)
        self._planned = layer, work
        cycles = no_cycles(layer.batch, *work.outputs.shape)
        cycles[..., Cause.BUSY] = work.outputs * self._steps(layer)
        return strip_schedule(
            spec,
            StripWork.of_filter_blocks(cycles, work.outputs * math.prod(layer.weight_shape[1:])),
            self._transfers(trace, work),
            pe_grid=(spec.pe_rows, spec.pe_columns),
            lanes_per_pe=spec.multipliers_per_pe,
            expected_issued=self.issued_products(trace),
        )

    def components(self) -> tuple[Component, ...]:
        """See `hardware`."""
        return dcnn_components(self.spec)

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """Every product is made, those with zeros as well."""
        counts = ActionCounts.of(self.parts)
        counts.multiply(schedule, effectual_macs, gated=self.gates_zeros)
        moved = self.moved_values(trace, schedule)
        count_dot_products(counts, trace.layer, self.planned(trace.layer), schedule, moved)
        return counts

    def planned(self, layer: Layer) -> PlanarWork:
        """The work of a layer whose actions are counted, most often that of the last schedule."""
        planned, work = self._planned
        return work if planned is layer and work is not None else self._work(layer)

    def moved_values(self, trace: LayerTrace, schedule: LayerSchedule) -> tuple[int, int]:
        """Activations that come from DRAM, and that go there."""
        del trace
        moved = schedule.loads.bytes_of(Tensor.INPUT), schedule.stores.bytes_of(Tensor.OUTPUT)
        return 8 * moved[0] // self.spec.value_bits, 8 * moved[1] // self.spec.value_bits

    def expected_work(self, layer: Layer, weight_density: float, activation_density: float) -> ExpectedWork:
        """The schedule's busy cycles and products, which no zero changes."""
        del weight_density, activation_density
        spec = self.spec
        outputs = layer.batch * self._work(layer).outputs.sum(axis=(0, 1)).astype(np.float64)
        products = outputs * math.prod(layer.weight_shape[1:])
        return ExpectedWork(
            (spec.pe_rows, spec.pe_columns), spec.multipliers_per_pe, outputs * self._steps(layer), products
        )

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Every product, part by part and PE by PE, a kernel position's channels `multipliers_per_pe` at a time."""
        work, padded = self._work(layer), PaddedMap.of(layer, activations)
        # By filter, kernel position and channel: a step takes channels of one kernel position,
        # which lie side by side then.
        by_position = np.ascontiguousarray(weights.reshape(*layer.weight_shape[:2], -1).transpose(0, 2, 1))
        size = (math.prod(layer.output_size[:-2]), *layer.output_size[-2:])
        outputs = np.zeros((layer.batch, layer.out_channels, *size), np.int64)

        def compute(group: int) -> None:
            for k in range(work.channels[group], work.channels[group + 1]):
                own, lanes = padded.of_group(k // layer.group_out_channels), self.spec.multipliers_per_pe
                _dot_products(own, by_position[k], work.rows, work.columns, lanes, outputs[:, k])

        run_slices(compute, range(work.groups))
        return outputs.reshape(layer.output_shape)

    def _steps(self, layer: Layer) -> int:
        """Cycles of an output."""
        # A 3x3 kernel over 20 channels on 16 multipliers takes 9 x 2, in every second of which 12 lanes are empty.
        return math.prod(layer.kernel_size) * ceil_div(layer.group_in_channels, self.spec.multipliers_per_pe)

    def _bytes(self, values: int) -> int:
        return bits_to_bytes(values * self.spec.value_bits)

    def _work(self, layer: Layer) -> PlanarWork:
        spec = self.spec
        grid, (height, width) = (spec.pe_rows, spec.pe_columns), layer.output_size[-2:]
        tile_rows, tile_columns = ceil_div(height, grid[0]), ceil_div(width, grid[1])
        parts = self._parts(layer, tile_rows)
        # Edges are rounded down: 7 rows in 3 parts end at 2, 4 and 7.
        cuts = np.arange(parts + 1) * tile_rows // parts
        starts = np.arange(grid[0]) * tile_rows
        # First and end row, (2, parts, rows of PEs). Tiles of 3 rows end at 3, 6 and, on a map of 7, at 7.
        rows = np.minimum(starts + np.stack((cuts[:-1], cuts[1:]))[:, :, None], height)
        rows = np.minimum(rows, np.minimum(starts + tile_rows, height))
        columns = np.minimum(np.arange(grid[1]) * tile_columns + np.array([[0], [tile_columns]]), width)
        pes = grid[0] * grid[1]
        # A single output position would leave all PEs but one without work.
        if math.prod(layer.output_size) == 1:
            channels = _edges(layer.out_channels, pes * spec.output_channel_group)
            # Channels are dealt in turn: 10 of them on 4 PEs are 3, 3, 2 and 2.
            in_turn = (np.diff(channels)[:, None] - np.arange(pes) + pes - 1) // pes
            return PlanarWork(channels, rows, columns, in_turn[None])
        channels = _edges(layer.out_channels, spec.output_channel_group)
        # Rows of PEs by columns of PEs: tiles of 3, 3 and 1 rows and of 4 and 2 columns have 12,
        # 6, 12, 6, 4 and 2 outputs.
        positions = (rows[1] - rows[0])[:, :, None] * (columns[1] - columns[0]) * math.prod(layer.output_size[:-2])
        return PlanarWork(channels, rows, columns, positions.reshape(parts, 1, pes) * np.diff(channels)[:, None])

    def _parts(self, layer: Layer, tile_rows: int) -> int:
        """The fewest parts of which two fit the SRAM's input half; as many as a tile has rows when that is too few."""
        inputs, half = self._map_bytes(layer)[0], self.spec.sram_bytes // 2
        # Two parts, since one is read while the next arrives.
        return min(tile_rows, ceil_div(2 * inputs, half)) if inputs > half else 1

    def _map_bytes(self, layer: Layer) -> tuple[int, int]:
        """Bytes of one image's inputs and outputs."""
        return self._bytes(layer.input_count // layer.batch), self._bytes(layer.output_count // layer.batch)

    def _stored_input_bytes(self, trace: LayerTrace) -> int:
        """Bytes of the whole batch's inputs in DRAM."""
        return self._map_bytes(trace.layer)[0] * trace.layer.batch

    def _stored_output_bits(self, outputs: np.ndarray, density: float) -> np.ndarray:
        """Bits in DRAM of some outputs, of which a share `density` is not zero."""
        del density
        return outputs * self.spec.value_bits

    def _inputs_stay(self, layer: Layer, work: PlanarWork) -> bool:
        """Whether a part's inputs fit their SRAM, so that all groups of output channels find them there."""
        return ceil_div(self._map_bytes(layer)[0], work.parts) <= self.spec.sram_bytes // 2

    def _times_read(self, layer: Layer, work: PlanarWork) -> int:
        """How often inputs that lie in DRAM come."""
        # Inputs that do not stay are read again for each group of output channels, all of which meet a part before the
        # next.
        return 1 if self._inputs_stay(layer, work) else work.groups

    def _transfers(self, trace: LayerTrace, work: PlanarWork) -> StripTransfers:
        """Weights stream by for every part; maps move only when they do not fit, and inputs that are the network's."""
        layer = trace.layer
        half = self.spec.sram_bytes // 2
        inputs, outputs = self._map_bytes(layer)
        stored, weights = self._stored_input_bytes(trace), self._bytes(layer.weight_count)
        layout = Layout.of(stored, weights)
        tile = np.arange(layer.batch * work.parts)
        loads = [Runs.per_tile(Tensor.WEIGHT, tile, np.full(len(tile), layout.weight_address), np.array(weights))]
        stores, compulsory = Runs.none(), weights
        # What the layer before has left in the SRAM is there; only a network's first input has to
        # come though it would fit.
        if inputs > half or trace.input_in_dram:
            # Equal slices with edges of whole bytes, running on from image to image.
            cuts = np.arange(len(tile) + 1) * stored // len(tile)
            times = self._times_read(layer, work)
            columns = (np.repeat(column, times) for column in (tile, cuts[:-1], np.diff(cuts)))
            loads.append(Runs.per_tile(Tensor.INPUT, *columns))
            compulsory += stored
        if outputs > half:
            # Bits add up over tiles before they are rounded: tiles of three 4-bit outputs end at the bytes 2, 3 and 5.
            made = np.tile(work.outputs.sum(axis=(1, 2)), layer.batch)
            cuts = bits_to_bytes(boundaries(self._stored_output_bits(made, trace.output_density)))
            stores = Runs.per_tile(Tensor.OUTPUT, tile, layout.output_address + cuts[:-1], np.diff(cuts))
            compulsory += int(cuts[-1])
        buffers = (
            BufferUse("weight_stream", Tensor.WEIGHT, 0, streamed=True),
            BufferUse("input_sram", Tensor.INPUT, half, streamed=not self._inputs_stay(layer, work)),
            BufferUse("output_sram", Tensor.OUTPUT, half),
        )
        return StripTransfers(Runs.merge(*loads), stores, buffers, compulsory, spills=max(inputs, outputs) > half)


def _edges(size: int, step: int) -> np.ndarray:
    """Int64: 0, step, 2 step ... and `size` at the end."""
    # Ten channels in groups of four have the edges 0, 4, 8 and 10.
    return np.append(np.arange(0, size, step), size)


@kernel
def _dot_product(values: np.ndarray, first_value: int, taps: np.ndarray, weights: np.ndarray, lanes: int) -> Any:
    """One output, step by step: the adder tree of a PE sums `lanes` channels of a kernel position.

    taps, weights  int64 (C/G, [T·]R·S) and ([T·]R·S, C/G): how far from `first_value` each weight reads, and its value
    """
    total = np.int64(0)
    for position in range(weights.shape[0]):
        for first in range(0, weights.shape[1], lanes):
            tree = np.int64(0)
            for c in range(first, min(first + lanes, weights.shape[1])):
                tree += weights[position, c] * values[first_value + taps[c, position]]
            total += tree
    return total


@kernel
def _dot_products(
    inputs: PaddedMap, weights: np.ndarray, rows: np.ndarray, columns: np.ndarray, lanes: int, outputs: np.ndarray
) -> None:
    """Add one output channel, of weights ([T·]R·S, C/G), to outputs (N, O, P, Q), part by part and PE by PE."""
    taps = inputs.columns.reshape(weights.shape[1], weights.shape[0])
    windows = inputs.windows.reshape(outputs.shape[1:])
    for n in range(outputs.shape[0]):
        for part in range(rows.shape[1]):
            for i in range(rows.shape[2]):
                for j in range(columns.shape[1]):
                    for o in range(outputs.shape[1]):
                        for p in range(rows[0, part, i], rows[1, part, i]):
                            for q in range(columns[0, j], columns[1, j]):
                                first_value = windows[o, p, q]
                                outputs[n, o, p, q] += _dot_product(inputs.values[n], first_value, taps, weights, lanes)
