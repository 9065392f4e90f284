"""What crosses DRAM: strips whose inputs, weights and outputs are SparseMaps, or dense where no zero is skipped.

A SparseMap of a place, or of a filter, is a bit for each element and the non-zero values behind. Addresses of inputs
are those of a packed map; its SparseMaps lie where a dense map would begin.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dataflows.machines.sparten.spec import SpartenSpec
from dataflows.schedule import Runs, Tensor
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.strip_plan import StripPlan
from dataflows.tiling.strip_schedule import StripTransfers
from dataflows.tiling.strip_traffic import StripTraffic
from dataflows.tiling.strips import PixelStrips
from dataflows.tiling.windows import places_read
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import boundaries, starts


def stored_bits(elements: int, nonzeros: np.ndarray, value_bits: int, *, sparse: bool) -> np.ndarray:
    """Bits of so many elements of which so many are not zero, int64 as `nonzeros`."""
    return elements + nonzeros * value_bits if sparse else np.full_like(nonzeros, elements * value_bits)


def strip_plan(spec: SpartenSpec, layer: Layer, filters: np.ndarray, weight_bytes: np.ndarray) -> StripPlan:
    """Tiles of whole turns of the clusters, whose inputs fit their buffer however few of them are zero.

    filters       int64 (rounds,): filters of each round
    weight_bytes  int64 (G, rounds): their bytes
    """
    columns = np.full(layer.groups, layer.weight_count // layer.out_channels)
    return StripPlan(layer, columns, filters, strips_of(spec, layer), weight_bytes=weight_bytes)


def strips_of(spec: SpartenSpec, layer: Layer) -> PixelStrips:
    """Strips of output positions, whole turns of the clusters but for an image's last."""
    return PixelStrips.of(layer, spec.clusters, inputs=spec.input_buffer_bytes // most_place_bytes(spec, layer))


def most_place_bytes(spec: SpartenSpec, layer: Layer) -> int:
    """Bytes of a group's channels at a place of the map of which none is zero."""
    channels = layer.group_in_channels
    return bits_to_bytes(channels * (spec.value_bits + spec.sparse_inputs))


def transfers(spec: SpartenSpec, plan: StripPlan, trace: LayerTrace, activations: np.ndarray) -> StripTransfers:
    """What the tiles move; activations are the mask of the plan's layer."""
    layer = plan.layer
    traffic = StripTraffic(plan, spec.value_bits + spec.sparse_inputs, spec.weight_buffer_bytes, indexed=False)
    fibres = _fibre_bytes(spec, layer, activations)
    stores = _stores(spec, plan, trace.output_density, traffic)
    weight_bytes = 0 if plan.weight_bytes is None else int(plan.weight_bytes.sum())
    compulsory = weight_bytes + _bytes_read(layer, fibres) + stores.total_bytes
    moved = traffic.transfers(spec.input_buffer_bytes, spec.output_buffer_bytes)
    return replace(
        moved,
        loads=_packed_inputs(moved.loads, boundaries(fibres.reshape(-1)), most_place_bytes(spec, layer)),
        stores=stores,
        compulsory_bytes=compulsory,
    )


def _fibre_bytes(spec: SpartenSpec, layer: Layer, activations: np.ndarray) -> np.ndarray:
    """Int64 (N, G, [D,] H, W): whole bytes of the channels of each place of a group."""
    channels = layer.group_in_channels
    nonzeros = activations.reshape(layer.batch, layer.groups, channels, *layer.input_size).sum(axis=2, dtype=np.int64)
    return bits_to_bytes(stored_bits(channels, nonzeros, spec.value_bits, sparse=spec.sparse_inputs))


def _packed_inputs(loads: Runs, edges: np.ndarray, position_bytes: int) -> Runs:
    """The same loads where input places take their own bytes; edges int64 (N * G * places + 1,)."""
    inputs = loads.tensor == Tensor.INPUT
    first, places = loads.address // position_bytes, loads.size_bytes // position_bytes
    start = edges[np.where(inputs, first, 0)]
    end = edges[np.where(inputs, first + places, 0)]
    return replace(
        loads,
        address=np.where(inputs, start, loads.address),
        size_bytes=np.where(inputs, end - start, loads.size_bytes),
    )


def _bytes_read(layer: Layer, fibres: np.ndarray) -> int:
    """Bytes of the places that some window reads."""
    for axis, size in enumerate(layer.output_size):
        fibres = fibres.take(places_read(layer, axis, range(size)), axis=2 + axis)
    return int(fibres.sum())


def _stores(spec: SpartenSpec, plan: StripPlan, density: float, traffic: StripTraffic) -> Runs:
    """Each tile's outputs, in whole bytes; as many are not zero as the trace says."""
    outputs = np.broadcast_to(plan.strips.pixels * int(plan.filters.sum()), plan.shape).reshape(-1)
    nonzeros = np.ceil(outputs * density).astype(np.int64)
    bits = outputs + nonzeros * spec.value_bits if spec.sparse_inputs else outputs * spec.value_bits
    size = bits_to_bytes(bits)
    dense = traffic.stores()
    first = int(dense.address[0])
    return Runs.per_tile(Tensor.OUTPUT, np.arange(len(size)), first + starts(size), size)
