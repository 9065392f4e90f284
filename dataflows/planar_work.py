"""The PEs' work on a planar tiling: every tile's cycles by cause, from the layer's own non-zeros.

A tile is one image, one sub-tile and one group of output channels. Tiles are independent of one another, so they are
shared out to threads: whole sub-tiles where there are many, groups of output channels where there are few.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from dataflows.bank_planes import ActivationPlanes, fits_planes, run_groups_in_lanes
from dataflows.bank_queues import linear_banks, mixed_banks, run_groups
from dataflows.kernel import run_slices, thread_count
from dataflows.nonzero_lists import NonzeroLists
from dataflows.planar import PlanarMap
from dataflows.schedule import CAUSES, Cause

_KEPT_LIST_BYTES = 64 << 20  # lists of a layer are built again for the second pass when they could be larger
_TASKS_PER_THREAD = 4


@dataclass(frozen=True)
class QueueRules:
    """What decides a PE's steps: vector lengths, accumulator banks, their hash and queues, the weight FIFO."""

    weights_per_vector: int
    activations_per_vector: int
    banks: int
    mixed_hash: bool
    depth: int
    fifo_vectors: int

    @property
    def fast(self) -> bool:
        """Whether the kernel in lanes covers these rules."""
        vectors = (self.weights_per_vector, self.activations_per_vector)
        return not self.mixed_hash and fits_planes(*vectors, self.banks, self.depth)

    def bank_of(self, channels: int, region: tuple[int, int]) -> np.ndarray:
        """int32 (channels * rows * columns,): bank of each accumulator address."""
        if self.mixed_hash:
            return mixed_banks(channels, region, self.banks)
        return linear_banks(channels * math.prod(region), self.banks)


@dataclass(frozen=True, eq=False)
class StoredActivations:
    """A layer's activations as the PEs store them: one list for each image, sub-tile, PE and virtual channel.

    mask     uint8 (N, C, H, W)
    entries  int64 (N, sub-tiles, PEs): stored entries, placeholders included
    nonzeros int64 (N, sub-tiles, PEs): those that are not placeholders
    kept     the lists, image by image and sub-tile by sub-tile; empty when they would take too much memory
    """

    mask: np.ndarray
    plan: PlanarMap
    run_limit: int
    keep_zeros: bool
    entries: np.ndarray
    nonzeros: np.ndarray
    kept: tuple[NonzeroLists, ...]

    @classmethod
    def of(cls, mask: np.ndarray, plan: PlanarMap, run_limit: int, keep_zeros: bool) -> Self:
        """Compress the activations for one tiling; both stored zeros and sizes depend on it."""
        pairs = list(itertools.product(range(len(mask)), range(plan.cut_count)))
        pes = math.prod(plan.pe_grid)
        blocks = min(pes, -(-_TASKS_PER_THREAD * thread_count() // len(pairs)))
        edges = np.linspace(0, pes, blocks + 1).astype(int)
        keep_lists = math.prod(mask.shape) * 4 <= _KEPT_LIST_BYTES

        def compress(task: int) -> tuple[np.ndarray, np.ndarray, NonzeroLists | None]:
            (image, cut), block = pairs[task // blocks], task % blocks
            windows = plan.windows(cut)[edges[block] : edges[block + 1]]
            lists, nonzeros = NonzeroLists.of_activations(mask[image], plan, windows, run_limit, keep_zeros)
            return lists.entries, nonzeros, lists if keep_lists else None

        done = run_slices(compress, range(len(pairs) * blocks))
        shape = (len(mask), plan.cut_count, pes)
        entries, nonzeros = (np.concatenate([result[i] for result in done]).reshape(shape) for i in (0, 1))
        parts = [lists for _, _, lists in done if lists is not None]
        kept = tuple(NonzeroLists.joined(parts[i : i + blocks]) for i in range(0, len(parts), blocks))
        return cls(mask, plan, run_limit, keep_zeros, entries, nonzeros, kept)

    def lists(self, image: int, cut: int) -> NonzeroLists:
        """The lists of one image and sub-tile, one row for each PE of the array."""
        if self.kept:
            return self.kept[image * self.plan.cut_count + cut]
        windows = self.plan.windows(cut)
        return NonzeroLists.of_activations(self.mask[image], self.plan, windows, self.run_limit, self.keep_zeros)[0]


@dataclass(frozen=True, eq=False)
class StoredWeights:
    """A layer's weights as they are streamed: slices of output-channel groups, `rows` groups in each."""

    rows: tuple[range, ...]
    lists: tuple[NonzeroLists, ...]

    @classmethod
    def of(cls, mask: np.ndarray, plan: PlanarMap, groups: int, run_limit: int, keep_zeros: bool) -> Self:
        """Compress weights, mask uint8 (K, C/G, R * S), in slices that threads can share out."""
        channel_groups = -(-len(mask) // plan.group_channels)
        slices = min(channel_groups, _TASKS_PER_THREAD * thread_count())
        edges = np.linspace(0, channel_groups, slices + 1).astype(int).tolist()
        rows = tuple(range(low, high) for low, high in itertools.pairwise(edges))
        lists = run_slices(
            lambda i: NonzeroLists.of_weights(mask, plan, rows[i], groups, run_limit, keep_zeros), range(slices)
        )
        return cls(rows, tuple(lists))

    @property
    def entries(self) -> np.ndarray:
        """int64 (output-channel groups,): stored entries of each group."""
        return np.concatenate([lists.entries for lists in self.lists])


def tile_cycles(
    activations: StoredActivations, weights: StoredWeights, rules: QueueRules
) -> tuple[np.ndarray, np.ndarray]:
    """Cycles int64 (tiles, PEs, CAUSES) and products issued int64 (tiles, PEs) of all tiles, in order."""
    plan = activations.plan
    images, cuts, pes = activations.entries.shape
    groups = weights.rows[-1].stop
    cycles = np.zeros((images * cuts, groups, pes, CAUSES), np.int64)
    issued = np.zeros((images * cuts, groups, pes), np.int64)
    bank_of = rules.bank_of(plan.group_channels, plan.region)
    weight_counts = [lists.counts(rules.weights_per_vector) for lists in weights.lists]

    def run(pair: int, slices: range) -> None:
        image, cut = divmod(pair, cuts)
        windows = plan.windows(cut)
        mapped = np.flatnonzero((windows[:, 1] > windows[:, 0]) & (windows[:, 3] > windows[:, 2]))
        lists = activations.lists(image, cut).rows(mapped)
        planes = rules.fast and ActivationPlanes.of(lists, rules.activations_per_vector, rules.banks)
        counts = lists.counts(rules.activations_per_vector)
        for i in slices:
            rows, block, block_counts = weights.rows[i], weights.lists[i], weight_counts[i]
            part = cycles[pair, rows.start : rows.stop]
            busy = block_counts.busy @ counts.busy.T
            part[:, mapped, Cause.BUSY] = busy
            part[:, mapped, Cause.INDEX] = block_counts.vectors @ counts.vectors.T - busy
            issued[pair, rows.start : rows.stop, mapped] = (block_counts.real @ counts.real.T).T
            conflict, wait = np.zeros((2, len(rows), len(mapped)), np.int64)
            if planes:
                run_groups_in_lanes(
                    planes.first, planes.planes, planes.single, planes.counts, block.start, block.offset,
                    rules.weights_per_vector, rules.depth, rules.fifo_vectors, conflict, wait,
                )  # fmt: skip
            else:
                run_groups(
                    lists.start, lists.offset, block.start, block.offset,
                    rules.weights_per_vector, rules.activations_per_vector,
                    bank_of, rules.banks, rules.depth, rules.fifo_vectors, conflict, wait,
                )  # fmt: skip
            part[:, mapped, Cause.BANK_CONFLICT] = conflict
            part[:, mapped, Cause.IMBALANCE] = wait

    slices = len(weights.rows)
    if images * cuts >= _TASKS_PER_THREAD * thread_count():
        run_slices(lambda pair: run(pair, range(slices)), range(images * cuts))
    else:
        run_slices(lambda i: run(i // slices, range(i % slices, i % slices + 1)), range(images * cuts * slices))
    tiles = images * cuts * groups
    return cycles.reshape(tiles, pes, CAUSES), issued.reshape(tiles, pes)
