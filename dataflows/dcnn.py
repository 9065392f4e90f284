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
from dataflows.dense_execution import dense_outputs
from dataflows.layout import Layout, bits_to_bytes
from dataflows.schedule import CAUSES, BufferUse, Cause, LayerSchedule, Runs, Tensor
from workloads.layer import Layer
from workloads.trace import LayerTrace


class DcnnSpec(AcceleratorSpec):
    """Parameters of DCNN; defaults are the published machine (Parashar et al., ISCA 2017) unless marked assumption."""

    pe_rows: Count = Field(8, description="rows of PEs (64 PEs, as SCNN)")
    pe_columns: Count = Field(8, description="columns of PEs (64 PEs, as SCNN)")
    multipliers_per_pe: Count = Field(16, description="products of one dot-product step (16 in a PE, as SCNN)")
    output_channel_group: Count = Field(8, description="output channels between two barriers (assumption: SCNN's Kc)")
    sram_bytes: Count = Field(
        2 * 1024 * 1024, description="activation SRAM, bytes: half for inputs, half for outputs (DCNN's 2 MB)"
    )
    dram: DramSpec = DramSpec(bandwidth_gbs=50.0)  # type: ignore[call-arg]


@dataclass(frozen=True, eq=False)
class _Work:
    """One image's work list.

    outputs  int64 (parts, groups, PEs): outputs of each PE. A part is a range of rows in every PE's tile; it runs
             through all groups of output channels before the next part begins
    channels int64 (groups + 1,): first output channel of each group, and the end
    """

    outputs: np.ndarray
    channels: np.ndarray

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

    Approximations: padding positions take slots like any other; inputs of neighbouring parts of a spilled map are
    loaded once, halos included; weights stream in without a buffer of their own.
    """

    name = "dcnn"
    title = "DCNN: dense planar tiles with dot products, the baseline of SCNN (ISCA 2017)"
    Spec = DcnnSpec

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """One tile for each image, part of the map and group of output channels."""
        spec, layer = self.spec, trace.layer
        work = self._work(layer)
        terms = math.prod(layer.weight_shape[1:])
        outputs = np.tile(work.outputs.reshape(work.parts * work.groups, -1), (layer.batch, 1))
        cycles = np.zeros((*outputs.shape, CAUSES), np.int64)
        cycles[:, :, Cause.BUSY] = outputs * -(-terms // spec.multipliers_per_pe)
        loads, stores, compulsory = self._transfers(layer, work)
        half = spec.sram_bytes // 2
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
                BufferUse("input_sram", Tensor.INPUT, half),
                BufferUse("output_sram", Tensor.OUTPUT, half),
            ),
            prefetch_tiles=spec.prefetch_tiles,
            expected_issued=layer.dense_macs,
            compulsory_bytes=compulsory,
        )

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Every product, as dot products of `multipliers_per_pe` terms."""
        return dense_outputs(layer, weights, activations, self.spec.multipliers_per_pe)

    def _bytes(self, values: int) -> int:
        return bits_to_bytes(values * self.spec.value_bits)

    def _work(self, layer: Layer) -> _Work:
        spec = self.spec
        pes = spec.pe_rows * spec.pe_columns
        if math.prod(layer.output_size) == 1:
            channels = _edges(layer.out_channels, pes * spec.output_channel_group)
            in_turn = (np.diff(channels)[:, None] - np.arange(pes) + pes - 1) // pes
            return _Work(in_turn[None], channels)
        channels = _edges(layer.out_channels, spec.output_channel_group)
        rows, columns = (
            _shares(size, n) for size, n in zip(layer.output_size[-2:], (spec.pe_rows, spec.pe_columns), strict=True)
        )
        depth = math.prod(layer.output_size[:-2])
        parts = self._parts(layer, int(rows.max()))
        cuts = np.arange(parts + 1) * rows.max() // parts
        part_rows = np.diff(np.minimum(cuts[:, None], rows[None, :]), axis=0)
        positions = depth * (part_rows[:, :, None] * columns).reshape(parts, 1, pes)
        return _Work(positions * np.diff(channels)[:, None], channels)

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
            first = tile[:: work.groups]
            cuts = np.arange(layer.batch * work.parts + 1) * inputs // work.parts
            loads.append(Runs.per_tile(Tensor.INPUT, first, cuts[:-1], np.diff(cuts), first + work.groups - 1))
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


def _shares(size: int, pes: int) -> np.ndarray:
    """Int64 (pes,): outputs of each PE when tiles of ceil(size / pes) are laid along an axis."""
    tile = -(-size // pes)
    return np.clip(size - np.arange(pes) * tile, 0, tile)
