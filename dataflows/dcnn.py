"""DCNN: the dense machine that SCNN is compared with. Planar tiles, dot products inside the PE, nothing skipped.

Source: Parashar et al., ISCA 2017, section on the evaluated architectures: the PE array of SCNN, dense activations and
weights, a dot-product dataflow, 2 MB of SRAM for activations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from dataflows.accelerator import Accelerator, AcceleratorSpec, Count, DramSpec
from dataflows.kernel import kernel, run_slices
from dataflows.layout import Layout, bits_to_bytes
from dataflows.schedule import CAUSES, BufferUse, Cause, LayerSchedule, Runs, Tensor
from dataflows.windows import PaddedMap
from workloads.layer import Layer
from workloads.trace import LayerTrace


class DcnnSpec(AcceleratorSpec):
    """Parameters of DCNN; defaults are the published machine (Parashar et al., ISCA 2017) unless marked assumption."""

    pe_rows: Count = Field(8, description="rows of PEs (64 PEs, as SCNN)")
    pe_columns: Count = Field(8, description="columns of PEs (64 PEs, as SCNN)")
    multipliers_per_pe: Count = Field(16, description="products of one dot-product step (16 in a PE, as SCNN)")
    output_channel_group: Count = Field(8, description="output channels between two barriers (assumption: SCNN's Kc)")
    sram_bytes: int = Field(
        2 * 1024 * 1024, ge=2, description="activation SRAM, bytes: half for inputs, half for outputs (DCNN's 2 MB)"
    )
    dram: DramSpec = DramSpec(bandwidth_gbs=50.0)  # type: ignore[call-arg]


@dataclass(frozen=True, eq=False)
class _Work:
    """One image's work: planar tiles, cut into parts that run one after the other through all output channels.

    channels  int64 (groups + 1,): first output channel of each group, and the end
    rows      int64 (2, parts, PE rows): first output row, and the one after the last, of a part in each row of PEs
    columns   int64 (2, PE columns): likewise for output columns
    outputs   int64 (parts, groups, PEs): outputs of each PE
    """

    channels: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    outputs: np.ndarray

    @property
    def parts(self) -> int:
        """Parts of the map."""
        return self.outputs.shape[0]

    @property
    def groups(self) -> int:
        """Groups of output channels."""
        return self.outputs.shape[1]


class Dcnn(Accelerator):
    """PE (i, j) computes a planar tile of ceil(P/rows) x ceil(Q/columns) outputs by dot products.

    A dot product runs over the flattened (c, [t,] r, s) of one output, which so costs ceil(C/G·[T·]R·S / multipliers)
    cycles; PEs at a ragged edge hold fewer outputs and wait. A layer with a single output position (fully connected)
    spreads its output channels over the PEs instead.

    Approximations: padding positions take slots like any other; a map that spills is loaded in equal slices, so that
    rows which two parts read are loaded once; a map of which not even one row of tiles fits is read again for every
    group of output channels; weights stream in without a buffer of their own.
    """

    name = "dcnn"
    title = "DCNN: dense planar tiles with dot products, the baseline of SCNN (ISCA 2017)"
    Spec = DcnnSpec
    skips_zeros = False

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each image, part of the map and group of output channels."""
        spec, layer = self.spec, trace.layer
        work = self._work(layer)
        terms = math.prod(layer.weight_shape[1:])
        outputs = np.tile(work.outputs.reshape(work.parts * work.groups, -1), (layer.batch, 1))
        cycles = np.zeros((*outputs.shape, CAUSES), np.int64)
        cycles[:, :, Cause.BUSY] = outputs * -(-terms // spec.multipliers_per_pe)
        loads, stores, compulsory = self._transfers(layer, work)
        half, inputs_stay, outputs_fit = spec.sram_bytes // 2, self._inputs_stay(layer, work), self._outputs_fit(work)
        return LayerSchedule(
            pe_grid=(spec.pe_rows, spec.pe_columns),
            lanes_per_pe=spec.multipliers_per_pe,
            cycles=cycles,
            issued=outputs * terms,
            drain_cycles=np.zeros(len(outputs), np.int64),
            accumulator_copies=2,
            loads=loads,
            stores=stores,
            buffers=(
                BufferUse("weight_stream", Tensor.WEIGHT, 0, streamed=True),
                BufferUse("input_sram", Tensor.INPUT, half, streamed=not inputs_stay),
                BufferUse("output_sram", Tensor.OUTPUT, half, streamed=not outputs_fit),
            ),
            prefetch_tiles=spec.prefetch_tiles,
            expected_issued=layer.dense_macs,
            compulsory_bytes=compulsory,
            spills=max(self._map_bytes(layer)) > half,
        )

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Every product, part by part and PE by PE, as dot products of `multipliers_per_pe` terms."""
        work, padded = self._work(layer), PaddedMap.of(layer, activations)
        rows_of_weights = np.ascontiguousarray(weights.reshape(layer.out_channels, -1))
        size = (math.prod(layer.output_size[:-2]), *layer.output_size[-2:])
        windows = padded.windows.reshape(size)
        outputs = np.zeros((layer.batch, layer.out_channels, *size), np.int64)

        def compute(group: int) -> None:
            for k in range(work.channels[group], work.channels[group + 1]):
                values = padded.values[:, k // layer.group_out_channels]
                _dot_products(
                    values, padded.columns, windows, rows_of_weights[k], work.rows, work.columns,
                    self.spec.multipliers_per_pe, outputs[:, k],
                )  # fmt: skip

        run_slices(compute, range(work.groups))
        return outputs.reshape(layer.output_shape)

    def _bytes(self, values: int) -> int:
        return bits_to_bytes(values * self.spec.value_bits)

    def _work(self, layer: Layer) -> _Work:
        spec = self.spec
        grid, (height, width) = (spec.pe_rows, spec.pe_columns), layer.output_size[-2:]
        tile_rows, tile_columns = -(-height // grid[0]), -(-width // grid[1])
        parts = self._parts(layer, tile_rows)
        cuts = np.arange(parts + 1) * tile_rows // parts
        starts = np.arange(grid[0]) * tile_rows
        rows = np.minimum(starts + np.stack((cuts[:-1], cuts[1:]))[:, :, None], height)
        rows = np.minimum(rows, np.minimum(starts + tile_rows, height))
        columns = np.minimum(np.arange(grid[1]) * tile_columns + np.array([[0], [tile_columns]]), width)
        pes = grid[0] * grid[1]
        if math.prod(layer.output_size) == 1:
            channels = _edges(layer.out_channels, pes * spec.output_channel_group)
            in_turn = (np.diff(channels)[:, None] - np.arange(pes) + pes - 1) // pes
            return _Work(channels, rows, columns, in_turn[None])
        channels = _edges(layer.out_channels, spec.output_channel_group)
        positions = (rows[1] - rows[0])[:, :, None] * (columns[1] - columns[0]) * math.prod(layer.output_size[:-2])
        return _Work(channels, rows, columns, positions.reshape(parts, 1, pes) * np.diff(channels)[:, None])

    def _parts(self, layer: Layer, tile_rows: int) -> int:
        """The fewest parts of which two fit the SRAM's input half, and a tile's outputs twice the other half.

        As many parts as a tile has rows when even that is too few.
        """
        half = self.spec.sram_bytes // 2
        inputs, outputs = self._map_bytes(layer)
        share = min(1, self.spec.output_channel_group / layer.out_channels)
        input_parts = math.ceil(2 * inputs / half) if inputs > half else 1
        output_parts = math.ceil(2 * outputs * share / half) if outputs > half else 1
        return min(tile_rows, max(input_parts, output_parts))

    def _map_bytes(self, layer: Layer) -> tuple[int, int]:
        """Bytes of one image's inputs and outputs."""
        return self._bytes(layer.input_count // layer.batch), self._bytes(layer.output_count // layer.batch)

    def _inputs_stay(self, layer: Layer, work: _Work) -> bool:
        """Whether a part's inputs fit their SRAM, so that all groups of output channels find them there."""
        return -(-self._map_bytes(layer)[0] // work.parts) < self.spec.sram_bytes // 2

    def _outputs_fit(self, work: _Work) -> bool:
        """Whether every tile's outputs fit their SRAM."""
        return self._bytes(int(work.outputs.sum(axis=2).max())) < self.spec.sram_bytes // 2

    def _transfers(self, layer: Layer, work: _Work) -> tuple[Runs, Runs, int]:
        """Loads, stores and compulsory bytes: weights stream by for every part; maps move only when they do not fit."""
        half = self.spec.sram_bytes // 2
        inputs, outputs = self._map_bytes(layer)
        weights = self._bytes(layer.weight_count)
        layout = Layout.of(inputs * layer.batch, weights)
        tile = np.arange(layer.batch * work.parts * work.groups)
        edges = -(-work.channels * math.prod(layer.weight_shape[1:]) * self.spec.value_bits // 8)
        group = tile % work.groups
        loads = [Runs.per_tile(Tensor.WEIGHT, tile, layout.weight_address + edges[group], np.diff(edges)[group])]
        stores, compulsory = Runs.none(), weights
        if inputs > half:
            cuts = np.arange(layer.batch * work.parts + 1) * inputs // work.parts
            if self._inputs_stay(layer, work):
                first = tile[:: work.groups]
                loads.append(Runs.per_tile(Tensor.INPUT, first, cuts[:-1], np.diff(cuts), first + work.groups - 1))
            else:
                part = tile // work.groups
                loads.append(Runs.per_tile(Tensor.INPUT, tile, cuts[part], np.diff(cuts)[part]))
            compulsory += inputs * layer.batch
        if outputs > half:
            made = np.tile(work.outputs.sum(axis=2).ravel(), layer.batch) * self.spec.value_bits
            ends = -(-np.cumsum(made) // 8)
            begins = np.concatenate(([0], ends[:-1]))
            stores = Runs.per_tile(Tensor.OUTPUT, tile, layout.output_address + begins, ends - begins)
            compulsory += outputs * layer.batch
        return Runs.merge(*loads), stores, compulsory


def _edges(size: int, step: int) -> np.ndarray:
    """Int64: 0, step, 2 step ... and `size` at the end."""
    return np.append(np.arange(0, size, step), size)


@kernel
def _dot_products(
    values: np.ndarray,
    taps: np.ndarray,
    windows: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    lanes: int,
    outputs: np.ndarray,
) -> None:
    """Add one output channel to outputs (N, O, P, Q): the adder tree of a PE sums `lanes` products at a time."""
    for n in range(outputs.shape[0]):
        for part in range(rows.shape[1]):
            for i in range(rows.shape[2]):
                for j in range(columns.shape[1]):
                    for o in range(outputs.shape[1]):
                        for p in range(rows[0, part, i], rows[1, part, i]):
                            for q in range(columns[0, j], columns[1, j]):
                                total = np.int64(0)
                                for first in range(0, weights.size, lanes):
                                    tree = np.int64(0)
                                    for term in range(first, min(first + lanes, weights.size)):
                                        tree += weights[term] * values[n, windows[o, p, q] + taps[term]]
                                    total += tree
                                outputs[n, o, p, q] += total
