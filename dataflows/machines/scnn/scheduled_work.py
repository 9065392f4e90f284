"""What SCNN's two schedules, of planar and of fully connected layers, have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dataflows.machines.scnn.activation_rams import Traffic
from dataflows.machines.scnn.bank_queues import cycles_and_issued
from dataflows.machines.scnn.issued_products import issued_products
from dataflows.machines.scnn.nonzero_lists import as_bytes
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from dataflows.schedule import BufferUse, LayerSchedule, Tensor
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.stored_weights import NATIVE, FormattedWeights, wait_for_decoder
from workloads.trace import LayerTrace


def formatted_weights(spec: ScnnSpec, trace: LayerTrace, bounds: np.ndarray, entries: np.ndarray) -> FormattedWeights:
    """Slices of output channels as DRAM holds them; `entries` of the machine's own zero runs, a slice each."""
    if spec.weight_format == NATIVE:
        # Native zero runs are decoded as fast as vectors are taken: they cost no cycles of their own.
        return FormattedWeights(bits_to_bytes(entries * spec.weight_bits), np.zeros_like(entries))
    return FormattedWeights.of(spec.weight_format, trace.weight_mask, bounds)


def finished_schedule(
    spec: ScnnSpec,
    trace: LayerTrace,
    work: np.ndarray,
    decode_cycles: np.ndarray,
    drain_cycles: np.ndarray,
    moved: Traffic,
    notes: tuple[str, ...],
    counts: Mapping[str, int],
    *,
    spills: bool,
) -> LayerSchedule:
    """The schedule of what the kernels counted.

    work           int64 (tiles, PEs, WORK_COUNTS), what is `Counted`
    decode_cycles  int64 (tiles,) or (tiles, PEs): what a tile's weights take to decode, where DRAM holds another format
    drain_cycles   int64 (tiles,)
    counts         see `counted_vectors`
    spills         whether activations go through DRAM that the machine would keep on the chip
    """
    cycles, issued = cycles_and_issued(work)
    if spec.weight_format != NATIVE:
        # A PE that decodes longer than it multiplies waits for its decoder.
        wait_for_decoder(cycles, decode_cycles)
    masks = (as_bytes(trace.weight_mask), as_bytes(trace.activation_mask))
    return LayerSchedule(
        pe_grid=(spec.pe_rows, spec.pe_columns),
        lanes_per_pe=spec.weights_per_vector * spec.activations_per_vector,
        cycles=cycles,
        issued=issued,
        drain_cycles=drain_cycles,
        accumulator_copies=spec.accumulator_copies,
        loads=moved.loads,
        stores=moved.stores,
        buffers=_buffers(spec, moved),
        prefetch_tiles=spec.prefetch_tiles,
        # From the masks alone: a run is refused whose kernels counted other products.
        expected_issued=issued_products(trace.layer, *masks, spec.keeps),
        compulsory_bytes=moved.compulsory_bytes,
        notes=notes,
        operands_in_step=True,
        spills=spills,
        counts=counts,
    )


def with_traffic(
    spec: ScnnSpec, counted: LayerSchedule, moved: Traffic, notes: tuple[str, ...], *, spills: bool
) -> LayerSchedule:
    """A schedule's work with other bytes moved."""
    return replace(
        counted,
        loads=moved.loads,
        stores=moved.stores,
        buffers=_buffers(spec, moved),
        compulsory_bytes=moved.compulsory_bytes,
        notes=notes,
        spills=spills,
    )


def _buffers(spec: ScnnSpec, moved: Traffic) -> tuple[BufferUse, ...]:
    # 50 vectors of 4 weights of 20 bits are the 500 bytes of Table II.
    fifo_bytes = bits_to_bytes(spec.weight_fifo_vectors * spec.weights_per_vector * spec.weight_bits)
    return (
        BufferUse("weight_fifo", Tensor.WEIGHT, fifo_bytes * spec.pes, streamed=True),
        BufferUse("iaram", Tensor.INPUT, spec.iaram_bytes * spec.pes, streamed=moved.streams_inputs),
        BufferUse("oaram", Tensor.OUTPUT, spec.oaram_bytes * spec.pes),
    )
