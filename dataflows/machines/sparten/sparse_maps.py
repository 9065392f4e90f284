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
from dataflows.tiling.packed_maps import bytes_read, fibre_bytes, packed_inputs
from dataflows.tiling.strip_plan import StripPlan
from dataflows.tiling.strip_schedule import StripTransfers
from dataflows.tiling.strip_traffic import StripTraffic
from dataflows.tiling.strips import PixelStrips
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import boundaries, starts


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
    fibres = fibre_bytes(layer, activations, spec.value_bits, sparse=spec.sparse_inputs)
    stores = _stores(spec, plan, trace.output_density, traffic)
    weight_bytes = 0 if plan.weight_bytes is None else int(plan.weight_bytes.sum())
    compulsory = weight_bytes + bytes_read(layer, fibres) + stores.total_bytes
    moved = traffic.transfers(spec.input_buffer_bytes, spec.output_buffer_bytes)
    return replace(
        moved,
        loads=packed_inputs(moved.loads, boundaries(fibres.reshape(-1)), most_place_bytes(spec, layer)),
        stores=stores,
        compulsory_bytes=compulsory,
    )


def _stores(spec: SpartenSpec, plan: StripPlan, density: float, traffic: StripTraffic) -> Runs:
    """Each tile's outputs, in whole bytes; as many are not zero as the trace says."""
    outputs = np.broadcast_to(plan.strips.pixels * int(plan.filters.sum()), plan.shape).reshape(-1)
    nonzeros = np.ceil(outputs * density).astype(np.int64)
    bits = outputs + nonzeros * spec.value_bits if spec.sparse_inputs else outputs * spec.value_bits
    size = bits_to_bytes(bits)
    dense = traffic.stores()
    first = int(dense.address[0])
    return Runs.per_tile(Tensor.OUTPUT, np.arange(len(size)), first + starts(size), size)
