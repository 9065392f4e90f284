"""SCNN's schedule of a layer with a map: one tile for each image, sub-tile and group of output channels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dataflows.machines.scnn.activation_planes import fits_planes
from dataflows.machines.scnn.activation_rams import Placement, group_sizes, place, planar_traffic
from dataflows.machines.scnn.counted_vectors import planar_counts
from dataflows.machines.scnn.nonzero_lists import as_bytes
from dataflows.machines.scnn.planar_map import Geometry, PlanarMap
from dataflows.machines.scnn.planar_outputs import planar_outputs
from dataflows.machines.scnn.scheduled_work import finished_schedule, formatted_weights, with_traffic
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from dataflows.machines.scnn.tile_work import StoredActivations, StoredWeights, tile_work
from dataflows.schedule import LayerSchedule
from dataflows.tiling.stored_weights import NATIVE, filter_by_filter
from workloads.layer import Layer
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div


def plan_of(spec: ScnnSpec, layer: Layer) -> PlanarMap | None:
    """The layer's tiling before its activations are known; None where the accumulators hold no single position."""
    # The plan says both by one number: which rule, and in which vectors.
    cut_vectors = spec.activations_per_vector if spec.tile_cut == "vectors" else 0
    grid, group = (spec.pe_rows, spec.pe_columns), min(spec.output_channel_group, layer.out_channels)
    return _plan(Geometry.of(layer), grid, group, spec.accumulator_entries, cut_vectors)


# Kept because a refusal and a schedule both need it, and because a network repeats few geometries.
_plan = lru_cache(maxsize=256)(PlanarMap.of)


def stored_weights_of(spec: ScnnSpec, layer: Layer, mask: np.ndarray, plan: PlanarMap) -> StoredWeights:
    """The layer's weights as they are streamed; mask bool (K, C/G, R, S)."""
    taps = as_bytes(mask).reshape(*mask.shape[:2], -1)
    # Without the fastest kernel rows of the lists have tables in common, of which few long slices make few.
    tasks = 4 if fits_planes(spec.queue_rules) else 1
    return StoredWeights.of(taps, plan, layer.groups, spec.weight_rules, tasks)


def planar_schedule(spec: ScnnSpec, trace: LayerTrace, counted: LayerSchedule | None = None) -> LayerSchedule:
    """The schedule of a layer that `plan_of` can tile.

    counted  a schedule of the same masks, whose work is taken from there: it does not depend on where inputs come from
    """
    layer = trace.layer
    plan = plan_of(spec, layer)
    assert plan is not None  # noqa: S101 (the machine has refused the layer otherwise)
    stored = StoredActivations.of(as_bytes(trace.activation_mask), plan, spec.activation_rules)
    # The fullest PE's part of the output map: an equal share of each axis, rounded up.
    outputs = ceil_div(layer.output_size[0], spec.pe_rows) * ceil_div(layer.output_size[1], spec.pe_columns)
    output_entries = int(spec.rams.output_entries(layer.out_channels * outputs, trace.output_density))
    # Tiles whose inputs exceed the IARAM are cut further than the accumulators ask for.
    placement = place(stored, spec.rams, spec.accumulator_entries, output_entries)
    plan = placement.activations.plan
    stored_weights = stored_weights_of(spec, layer, trace.weight_mask, plan)
    channels = group_sizes(layer.out_channels, plan.group_channels)
    stored_as = formatted_weights(spec, trace, np.append(0, np.cumsum(channels)), stored_weights.entries)
    moved = planar_traffic(trace, placement, stored_as.size_bytes, spec.rams, _kernel_bits(spec, trace))
    notes, spills = _notes(spec, layer, placement), bool(placement.overflows)
    if counted is not None:
        return with_traffic(spec, counted, moved, notes, spills=spills)
    work = tile_work(placement.activations, stored_weights, spec.queue_rules)
    # Tiles count output-channel groups fastest, so that a group's cycles come round once a pair of image and sub-tile.
    decode_cycles = np.tile(stored_as.decode_cycles, layer.batch * plan.cut_count)
    drain_cycles = np.tile(_drain_cycles(spec, channels, plan), layer.batch)
    counts = planar_counts(placement.activations, stored_weights, layer, spec)
    return finished_schedule(spec, trace, work, decode_cycles, drain_cycles, moved, notes, counts, spills=spills)


def _drain_cycles(spec: ScnnSpec, channels: np.ndarray, plan: PlanarMap) -> np.ndarray:
    """Int64: sub-tile by sub-tile, for each group of `channels` output channels: halos leave, then post-processing."""
    rows, columns = plan.sub_tile_sizes.T[:, :, None]
    # The first PE's window is the largest: the others drain no longer.
    # 4 x 4 positions of a 3x3 kernel reach 6 x 6 sums: with 8 channels and 4 entries a cycle 20 x 8 halo sums take 40
    # cycles and 16 x 8 results 32.
    positions = rows * columns
    # 7 x 7 positions under a 3x3 kernel have 81 sums, 32 of them in the halo. With 8 channels and 4 entries a cycle the
    # halos take 64 cycles and the rest 98.
    halo = (rows + plan.halo[0]) * (columns + plan.halo[1]) - positions
    # Both parts end on whole cycles of their own.
    exchange = ceil_div(channels * halo, spec.halo_entries_per_cycle)
    return (exchange + ceil_div(channels * positions, spec.post_processing_entries_per_cycle)).reshape(-1)


def _notes(spec: ScnnSpec, layer: Layer, placement: Placement) -> tuple[str, ...]:
    plan, notes = placement.activations.plan, []
    # A layer with fewer output channels than a group lacks nothing.
    wanted = min(spec.output_channel_group, layer.out_channels)
    if plan.group_channels < wanted:
        notes.append(f"output channels accumulated together: {plan.group_channels} instead of {wanted}")
    if plan.cut_count > 1:
        rows, columns = plan.cut_size
        ends = (
            f"between vectors, as many as for {rows} x {columns} positions"
            if plan.cut_vectors
            else f"of at most {rows} x {columns}"
        )
        notes.append(f"each PE's tile is cut into {plan.cut_count} sub-tiles {ends}")
    if placement.overflows:
        notes.append(f"activations spill to DRAM: {'; '.join(placement.overflows)}")
    if not placement.resident:
        notes.append("inputs of a single position exceed the IARAM: they are read again for every tile")
    return tuple(notes)


def _kernel_bits(spec: ScnnSpec, trace: LayerTrace) -> np.ndarray | None:
    """int64 (K, C/G): bits of each kernel where DRAM holds filter after filter, else None."""
    if spec.weight_layout == "tiles":
        return None
    # Another format decides by itself how it stores zeros.
    stores_zeros = spec.keeps[0] and spec.weight_format == NATIVE
    return filter_by_filter(spec.weight_format, trace.weight_mask | stores_zeros, spec.weight_bits)


def executed_outputs(spec: ScnnSpec, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
    """Outputs int64 (N, K, P, Q) by the machine's own lists and tiles, of a layer that `plan_of` can tile."""
    plan = plan_of(spec, layer)
    assert plan is not None  # noqa: S101 (the machine has refused the layer otherwise)
    stored = (
        StoredActivations.of(as_bytes(activations != 0), plan, spec.activation_rules),
        stored_weights_of(spec, layer, weights != 0, plan),
    )
    vectors = (spec.weights_per_vector, spec.activations_per_vector)
    return planar_outputs(layer, plan, weights, activations, stored, vectors)
