"""SCNN's schedule of a fully connected layer: one tile for each image and round of output channels."""

from __future__ import annotations

import numpy as np

from dataflows.machines.scnn.activation_rams import sliced_traffic
from dataflows.machines.scnn.counted_vectors import sliced_counts
from dataflows.machines.scnn.fully_connected import SlicedWork
from dataflows.machines.scnn.nonzero_lists import as_bytes
from dataflows.machines.scnn.scheduled_work import finished_schedule, formatted_weights
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from dataflows.schedule import LayerSchedule
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div


def sliced_schedule(spec: ScnnSpec, trace: LayerTrace) -> LayerSchedule:
    """The schedule of a layer of 1x1 map and kernel."""
    layer = trace.layer
    active = as_bytes(trace.activation_mask).reshape(layer.batch, -1) | np.uint8(spec.keeps[1])
    # Padding 1 and stride 2 read the positions -1, 1 and so on, and never 0.
    reached = all(pad[0] % stride == 0 for pad, stride in zip(layer.padding, layer.stride, strict=True))
    sliced = SlicedWork.of(
        as_bytes(trace.weight_mask).reshape(layer.weight_shape[:2]),
        active if reached else np.zeros_like(active),  # else the stride steps over the one position
        layer.groups, pes=spec.pes, accumulators=spec.accumulator_entries,
        stored_by=spec.weight_rules, rules=spec.queue_rules,
    )  # fmt: skip
    # One sum an output channel and no halo: the map has one position.
    drains = ceil_div(sliced.size, spec.post_processing_entries_per_cycle)
    inputs = active.sum(axis=1, dtype=np.int64)
    size_bytes, decode_cycles = _formatted_slices(spec, trace, sliced)
    moved, overflows = sliced_traffic(trace, size_bytes, sliced.channels, inputs, spec.rams)
    notes = (f"activations spill to DRAM: {'; '.join(overflows)}",) if overflows else ()
    decode_cycles = np.tile(decode_cycles, (layer.batch, 1))
    counts = sliced_counts(sliced, inputs if reached else np.zeros_like(inputs), spec)
    return finished_schedule(
        spec, trace, sliced.work, decode_cycles, np.tile(drains, layer.batch), moved, notes, counts,
        spills=bool(overflows),
    )  # fmt: skip


def _formatted_slices(spec: ScnnSpec, trace: LayerTrace, sliced: SlicedWork) -> tuple[np.ndarray, np.ndarray]:
    """Bytes of each round and decode cycles (rounds, PEs), for weights that lie PE by PE and round by round."""
    pes, channels = spec.pes, trace.layer.out_channels
    # Slices of 5 channels in rounds of 3 and 2: PE 1 begins its rounds at the channels 5 and 8.
    starts = np.add.outer(np.arange(pes) * sliced.size.sum(), np.cumsum(sliced.size) - sliced.size)
    # PEs behind the last channel have empty slices, whose bounds are equal.
    bounds = np.append(np.minimum(starts, channels).reshape(-1), channels)
    stored_as = formatted_weights(spec, trace, bounds, sliced.stored.T.reshape(-1))
    by_round = (column.reshape(starts.shape).T for column in (stored_as.size_bytes, stored_as.decode_cycles))
    size_bytes, decode_cycles = by_round
    return size_bytes.sum(axis=1), decode_cycles
