"""EIE: compressed sparse matrices times sparse vectors, from on-chip memory.

Source: Han et al., "EIE: Efficient Inference Engine on Compressed Deep Neural Network", ISCA 2016. Row i of the matrix
lies on PE i mod PEs as compressed sparse columns (`csc_columns`); non-zero activations are broadcast into a queue
before each PE (`activation_queues`), and a PE works off one entry a cycle. Fillers take a cycle like real entries
(index); a cycle in which a PE has only a column's pointers to read waits for their SRAM's port (port).

What the machine is taken to do where the paper is silent:

- The leading non-zero detection finds an activation every cycle, and a vector's activations are in the registers when
  they are wanted, although vectors of more than 4,096 come from the SRAM in batches.
- A PE has as many accumulators as its register file holds activations; a matrix of more rows is worked off in blocks
  of rows, each of which is sent the whole vector and has column pointers of its own.
- Vectors (images of a batch, positions of a 1x1 convolution) follow one another when all PEs are done. Results stay in
  the register file, which is the next layer's source, when it holds them all; otherwise PEs write them to their SRAM.
- A layer's entries lie in the matrix SRAMs when it starts where those have room for them, and its pointers in the
  pointer SRAMs likewise, as in the published benchmark, whose layers run one by one; what exceeds its SRAM streams in.
- Activations stay on chip when an image's inputs and outputs fit the activation SRAMs; otherwise they stream. The
  network's input is loaded also when it fits.
"""

from __future__ import annotations

import itertools
from typing import ClassVar

import numpy as np

from dataflows.accelerator import Accelerator
from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.components import Component
from dataflows.hardware.kept_of import KeptOf
from dataflows.kernels.threads import run_slices
from dataflows.machines.eie import hardware
from dataflows.machines.eie.activation_queues import (
    DOINGS,
    ENTRY,
    FILLER,
    FRONT_CYCLES,
    POINTERS,
    START,
    STARVED,
    play_vectors,
)
from dataflows.machines.eie.csc_columns import ColumnEntries, encode, multiply
from dataflows.machines.eie.spec import EieSpec
from dataflows.machines.eie.vector_tiles import VectorTiles
from dataflows.schedule import CAUSES, BufferUse, Cause, LayerSchedule, Runs, Tensor, no_cycles
from dataflows.sizing import Scaling
from dataflows.tiling.dram_layout import Layout, bits_to_bytes
from dataflows.tiling.residency import residency_notes, resident
from dataflows.truth.products import count_products
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div, even_slices

_SLICES = 8  # of an image's tiles, more than threads: vectors differ in length
_CAUSES = {
    ENTRY: Cause.BUSY,
    FILLER: Cause.INDEX,
    POINTERS: Cause.PORT,
    STARVED: Cause.IMBALANCE,
    START: Cause.FILL,
}


class Eie(Accelerator[EieSpec]):
    """The EIE machine; its dense baseline is itself on the dense layer."""

    name = "eie"
    display = "EIE"
    title = "EIE: compressed sparse columns times sparse vectors, fully connected layers (ISCA 2016)"
    Spec = EieSpec
    scaling = Scaling(
        factors=("pes",),
        growing=("pes",),
        buffers=dict.fromkeys(("weight_sram_bytes", "pointer_sram_bytes", "activation_sram_bytes"), "pes"),
        reason="PEs are added, as in its study of scalability",
    )
    pointwise_only: ClassVar[bool] = True
    needs_constant_weights = (
        "its matrix is coded by a codebook and compressed into columns before the run, and nothing on the "
        "chip does so with another layer's results"
    )

    _kept: KeptOf[list[ColumnEntries]] = KeptOf()

    def least_weight_bits(self) -> int:
        """An index into the codebook."""
        return self.spec.code_bits

    def refusal(self, layer: Layer) -> str | None:
        """Only matrices times vectors: fully connected layers and 1x1 kernels."""
        if max(layer.kernel_size) > 1:
            kernel_size = "x".join(map(str, layer.kernel_size))
            return f"it multiplies a matrix by vectors and cannot slide a {kernel_size} kernel over a map"
        return super().refusal(layer)

    def issued_products(self, trace: LayerTrace) -> int:
        """Those of two non-zeros."""
        return count_products(trace).effectual_macs

    def schedule(self, trace: LayerTrace) -> LayerSchedule:
        """Tiles: group, block of rows, image, joined positions, in this order."""
        self.require(trace.layer)
        spec, tiles = self.spec, self._tiles(trace.layer)
        vectors = tiles.vectors(trace.activation_mask).view(np.uint8)
        cycles = no_cycles(*tiles.shape, spec.pes)
        stored = np.zeros((tiles.shape[0], spec.pes), np.int64)  # entries of each block of rows
        found: list[ColumnEntries] = []
        for unit in range(tiles.shape[0]):
            columns = ColumnEntries.of(tiles.matrix(trace.weight_mask, unit), spec.pes, spec.run_bits)
            stored[unit, : columns.pes] = columns.per_pe
            found.append(columns)
            # The blocks of rows of a group meet the same vectors: with three blocks a group, unit 5 is one of group 1.
            did = self._play(tiles, vectors[:, unit // tiles.blocks], columns)
            own = cycles[unit, :, :, : columns.pes]
            for doing, cause in _CAUSES.items():
                own[..., cause] = did[..., doing]
            # A vector of zeros is never broadcast: it fills no pipeline, but its results are written.
            own[..., Cause.FILL] += did[..., START] // FRONT_CYCLES * spec.arithmetic_cycles
            own[..., Cause.DRAIN] = tiles.tile_positions[:, None] * self._write_cycles(tiles, unit)
        self._kept = KeptOf(trace.weights, found)
        cycles = cycles.reshape(-1, spec.pes, CAUSES)
        matrices = _Matrices(tiles, stored, spec)
        loads, stores, compulsory_bytes = matrices.transfers(input_in_dram=trace.input_in_dram)
        return LayerSchedule(
            pe_grid=(spec.pes, 1),
            lanes_per_pe=1,
            cycles=cycles,
            issued=cycles[..., Cause.BUSY].copy(),
            drain_cycles=np.zeros(len(cycles), np.int64),
            accumulator_copies=1,
            loads=loads,
            stores=stores,
            buffers=(
                BufferUse("activation_sram", Tensor.INPUT, spec.pes * spec.activation_sram_bytes, streamed=True),
                BufferUse("weight_sram", Tensor.WEIGHT, matrices.room_bytes, streamed=not matrices.fits.all()),
                BufferUse("activation_sram", Tensor.OUTPUT, spec.pes * spec.activation_sram_bytes, streamed=True),
            ),
            prefetch_tiles=spec.prefetch_tiles,
            expected_issued=self.issued_products(trace),
            compulsory_bytes=compulsory_bytes,
            notes=matrices.notes(),
            operands_in_step=True,
            outputs_as_made=True,
            spills=matrices.spills,
        )

    def _tiles(self, layer: Layer) -> VectorTiles:
        return VectorTiles(layer, self.spec.pes * self.spec.accumulators_per_pe, self.spec.value_bits)

    def _play(self, tiles: VectorTiles, vectors: np.ndarray, columns: ColumnEntries) -> np.ndarray:
        """Int64 (images, tiles of an image, PEs, DOINGS) of a block of rows; vectors uint8 (images, positions, C/G)."""
        _, images, parts = tiles.shape
        did = np.zeros((images, parts, columns.pes, DOINGS), np.int64)

        # A vector begins when all PEs are done with the one before, with empty queues: tiles know nothing of one
        # another, and threads may take them in any order.
        def play(task: tuple[int, tuple[int, int]]) -> None:
            image, (first, end) = task
            own = vectors[image, first * tiles.joined : end * tiles.joined]
            into = did[image, first:end]
            play_vectors(own, columns.entries, columns.fillers, self.spec.queue_depth, tiles.joined, into)

        run_slices(play, list(itertools.product(range(images), even_slices(parts, _SLICES))))
        return did

    def _write_cycles(self, tiles: VectorTiles, unit: int) -> int:
        """Cycles in which a PE writes a vector's results of a block of rows to its SRAM.

        None when the register file holds all results of the layer.
        """
        results = ceil_div(tiles.block_rows, self.spec.pes)  # of a PE, by block
        if int(results.sum()) * tiles.layer.batch * tiles.positions <= self.spec.accumulators_per_pe:
            return 0
        # Five results of 16 bits leave through a port of 64 bits in two cycles.
        return ceil_div(int(results[unit]) * self.spec.value_bits, self.spec.sram_port_bits)

    def components(self) -> tuple[Component, ...]:
        """See `hardware`."""
        return hardware.components(self.spec)

    def actions(self, trace: LayerTrace, schedule: LayerSchedule, effectual_macs: int) -> ActionCounts:
        """See `hardware`."""
        del effectual_macs  # all that it issues
        tiles, spec = self._tiles(trace.layer), self.spec
        columns = self._kept.of(trace.weights) or [
            ColumnEntries.of(tiles.matrix(trace.weight_mask, unit), spec.pes, spec.run_bits)
            for unit in range(tiles.shape[0])
        ]
        return hardware.count(spec, self.parts, tiles, trace, columns, schedule)

    def execute(self, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
        """Outputs block of rows by block of rows, PE by PE, column by column, from encoded entries."""
        self.require(layer)
        spec, tiles = self.spec, self._tiles(layer)
        vectors = tiles.vectors(activations)
        products = np.zeros((layer.batch, layer.groups, tiles.positions, layer.group_out_channels), np.int64)
        tasks = [(unit, pe) for unit, rows in enumerate(tiles.block_rows) for pe in range(min(spec.pes, rows))]

        def run(task: int) -> None:
            unit, pe = tasks[task]
            group, block = divmod(unit, tiles.blocks)
            # PE 2 of 4 has the rows 2, 6, 10 ... of a block, whose results go back to every fourth place from 2 on.
            columns = encode(tiles.matrix(weights, unit)[pe :: spec.pes], spec.run_bits)
            into = products[:, group, :, block * tiles.rows : (block + 1) * tiles.rows]
            for image in range(layer.batch):
                multiply(*columns, vectors[image, group], into[image, :, pe :: spec.pes])

        run_slices(run, range(len(tasks)))
        return tiles.outputs(products)


class _Matrices:
    """Where the encoded matrices of a layer and its activations lie, and what of it crosses DRAM.

    stored  int64 (blocks of rows, PEs): entries
    """

    def __init__(self, tiles: VectorTiles, stored: np.ndarray, spec: EieSpec) -> None:
        self._tiles, self._spec = tiles, spec
        pointer_bits = (tiles.layer.group_in_channels + 1) * spec.pointer_bits
        # PE by PE and block by block in whole bytes, since each lies in an SRAM of its PE.
        self._entry_bytes = bits_to_bytes(stored * (spec.code_bits + spec.run_bits))
        self._pointer_bytes = bits_to_bytes(pointer_bits)
        # The fullest PE decides: rows are dealt in turn, but entries fall where the weights are.
        self._needed = int(self._entry_bytes.sum(axis=0).max()), len(stored) * self._pointer_bytes  # bytes of a PE
        self._held = tuple(
            resident(spec.weights_resident, fits=needed <= room)
            for needed, room in zip(self._needed, self._rooms, strict=True)
        )
        # Entries and pointers of each block of rows that come over DRAM.
        self._unit_bytes = np.zeros(len(stored), np.int64)
        for held, part in zip(
            self._held,
            (self._entry_bytes.sum(axis=1), self._pointer_bytes * np.minimum(spec.pes, tiles.block_rows)),
            strict=True,
        ):
            # The two lie in SRAMs of their own: entries may stay while pointers stream in, or the other way round.
            self._unit_bytes += 0 if held else part
        self.fits = (self._entry_bytes.max(axis=1) <= self._rooms[0]) & (self._pointer_bytes <= self._rooms[1])
        self.spills = tiles.activation_bytes > spec.pes * spec.activation_sram_bytes
        self.room_bytes = spec.pes * (spec.weight_sram_bytes + spec.pointer_sram_bytes)

    @property
    def _rooms(self) -> tuple[int, int]:
        return self._spec.weight_sram_bytes, self._spec.pointer_sram_bytes

    def transfers(self, *, input_in_dram: bool) -> tuple[Runs, Runs, int]:
        """Loads, stores, and the bytes that must move."""
        tiles, spec = self._tiles, self._spec
        input_bytes = bits_to_bytes(tiles.layer.input_count * spec.value_bits)
        layout = Layout.of(input_bytes, int(self._unit_bytes.sum()))
        loads, stores, compulsory_bytes = [], Runs.none(), 0
        if input_in_dram or self.spills:
            # Inputs that spill come in behind one another and are gone when the next block of rows wants them.
            room_bytes = 0 if self.spills else spec.pes * spec.activation_sram_bytes
            loads.append(tiles.input_loads(layout.input_address, room_bytes))
            compulsory_bytes += bits_to_bytes(tiles.inputs_read * spec.value_bits)
        if self.spills:
            stores = tiles.output_stores(layout.output_address)
            compulsory_bytes += stores.total_bytes
        loads.append(tiles.weight_loads(layout.weight_address, self._unit_bytes, self.fits))
        compulsory_bytes += int(self._unit_bytes.sum())
        return Runs.merge(Runs.none(), *loads), stores, compulsory_bytes

    def notes(self) -> tuple[str, ...]:
        """What does not fit the SRAMs."""
        notes = [
            note
            for what, needed, room, held in zip(
                ("entries of a PE", "column pointers of a PE"), self._needed, self._rooms, self._held, strict=True
            )
            for note in residency_notes(what, needed, room, held=held)
        ]
        if self._unit_bytes.any() and not self.fits.all():
            notes.append("a block of rows exceeds the SRAMs: what does not stay streams in for every vector")
        return tuple(notes)
