"""Steps of a tile of kernel groups: what each row group computes and what the ports must bring meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from dataflows.machines.kgrc.kernel_groups import KernelGroups
from dataflows.machines.kgrc.spec import KgrcSpec
from dataflows.schedule import Cause, no_cycles
from workloads.whole_numbers import ceil_div


@dataclass(frozen=True, eq=False)
class GroupSteps:
    """Tiles of filters by steps of channels by chunks of kernel positions. PEs are the row groups of a tile.

    passes         int64 (G, filter tiles, PEs, steps, chunks): cycles that a PE needs for each vector of pixels
    weight_cycles  int64 (G, filter tiles, steps, chunks): cycles that the weight port needs
    channels       int64 (G, steps): channels of each step

    Example: the group of `KernelGroups`' example on one row and one position at a time takes 2 passes, for its two
    positions, and a weight port of one value 4 cycles for its four weights. With 4 vectors of pixels it computes for 8
    cycles; inputs that take 10 are waited for 2 cycles more (port), and the first loads for as long as the computation
    lasts, 8 (fill).
    """

    passes: np.ndarray
    weight_cycles: np.ndarray
    channels: np.ndarray

    @classmethod
    def of(cls, groups: KernelGroups, spec: KgrcSpec) -> Self:
        """Steps of the tiles, channels and chunks of positions that the machine takes together."""
        row_groups, column_groups = spec.row_groups, spec.channels_per_tile // spec.step_group_channels
        starts = np.arange(0, groups.positions.shape[3], spec.positions_per_tile)
        # Most kernels are a single chunk, whose positions have been counted.
        positions = (
            groups.position_counts[..., None]
            if len(starts) == 1
            else np.add.reduceat(groups.positions, starts, axis=3, dtype=np.int64)
        )
        rows = groups.row_counts[..., None]
        # Five kept positions, three at a time, and three kept rows, two at a time, are 2 x 2 passes; a position or a
        # row that is missing in the last of them leaves its multipliers idle.
        passes = ceil_div(positions, spec.positions_parallel) * ceil_div(rows, spec.rows_parallel)
        # Each kept kernel begins a word of its own: 3 positions through a port of 8 values take a cycle a kernel.
        words = ceil_div(positions, spec.weight_port_values) * groups.kept_kernels[..., None]

        def by_step(values: np.ndarray) -> np.ndarray:
            """(G, filter tiles, PEs, steps, column groups of a step, chunks), filled up with zeros."""
            # Five row groups in tiles of two and three column groups in steps of two are filled up to 6 and 4; what is
            # filled in has nothing to compute and nothing to load.
            tiles, steps = ceil_div(values.shape[1], row_groups), ceil_div(values.shape[2], column_groups)
            fill = (tiles * row_groups - values.shape[1], steps * column_groups - values.shape[2])
            padded = np.pad(values, ((0, 0), (0, fill[0]), (0, fill[1]), (0, 0))) if any(fill) else values
            return padded.reshape(len(values), tiles, row_groups, steps, column_groups, -1)

        # Ports are shared by all row groups of a tile and column groups of a step. The PEs compute the column groups of
        # a step side by side, so that the slowest of them counts.
        loaded = by_step(words).sum(axis=(2, 4))
        channels = np.add.reduceat(groups.channels, np.arange(0, groups.channels.shape[1], column_groups), axis=1)
        return cls(by_step(passes).max(axis=4), ceil_div(loaded, spec.channel_ports), channels)

    def cycles(self, pixel_vectors: int, input_cycles: np.ndarray, start_cycles: int, list_cycles: int) -> np.ndarray:
        """Int64 (G, filter tiles, PEs, CAUSES) of a tile with so many vectors of pixels.

        input_cycles  (G, steps): what the input port needs for a step
        start_cycles  of each chunk that any PE computes, before it computes; likewise list_cycles, for its lists

        Chunks begin together on all PEs; a chunk lasts as long as its start and computation or its weights, a step as
        long as its chunks or its inputs; what nobody needs is not loaded. Loads run one step ahead, so the first step's
        are waited for: the longest computation of a chunk is added.
        """
        longest = self.passes.max(axis=2)  # (G, filter tiles, steps, chunks)
        computing = longest * pixel_vectors
        started = np.count_nonzero(computing, axis=(2, 3))
        own = computing + (start_cycles + list_cycles) * (computing > 0)
        chunks = np.maximum(own, self.weight_cycles).sum(axis=3)
        # A step of channels that no group of the tile keeps has no chunk, and its inputs are passed over with it.
        needed = computing.any(axis=3)
        # A step of two chunks that compute 8 and 6 cycles while their weights take 4 and 9 lasts 8 + 9 = 17 cycles.
        # With inputs that take 20 it lasts 20, of which 20 - 14 are waited for.
        waiting = (np.maximum(chunks, input_cycles[:, None] * needed) - own.sum(axis=3)).sum(axis=2)
        # A PE's own passes; what the slowest of a chunk takes longer is its imbalance.
        busy = self.passes.sum(axis=(3, 4)) * pixel_vectors
        cycles = no_cycles(*busy.shape)
        mapped = busy > 0
        cycles[..., Cause.BUSY] = busy
        cycles[..., Cause.FILL] = (computing.max(axis=(2, 3)) + start_cycles * started)[..., None] * mapped
        cycles[..., Cause.INDEX] = (list_cycles * started)[..., None] * mapped
        cycles[..., Cause.PORT] = waiting[..., None] * mapped
        cycles[..., Cause.IMBALANCE] = (computing.sum(axis=(2, 3))[..., None] - busy) * mapped
        return cycles
