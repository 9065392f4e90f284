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
from dataflows.nonzero_lists import NonzeroLists, VectorCounts
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


@dataclass(frozen=True, eq=False)
class TileOperand:
    """The activations of one image and sub-tile, ready for the kernels.

    pes     PEs that have a part of the sub-tile; rows of the lists
    planes  the lists as histograms over the banks, None where the rules are outside the fast kernel's range
    """

    pes: np.ndarray
    lists: NonzeroLists
    planes: ActivationPlanes | None
    counts: VectorCounts

    @classmethod
    def of(cls, activations: StoredActivations, pair: int, rules: QueueRules) -> Self:
        """The operand of one of the (image, sub-tile) pairs."""
        image, cut = divmod(pair, activations.plan.cut_count)
        top, bottom, left, right = activations.plan.windows(cut).T
        pes = np.flatnonzero((bottom > top) & (right > left))
        lists = activations.lists(image, cut).rows(pes)
        planes = ActivationPlanes.of(lists, rules.activations_per_vector, rules.banks) if rules.fast else None
        return cls(pes, lists, planes, lists.counts(rules.activations_per_vector))

    def lost_cycles(self, weights: NonzeroLists, rules: QueueRules, bank_of: np.ndarray) -> np.ndarray:
        """int64 (2, output-channel groups, pes): cycles lost to bank conflicts and to the weight FIFO."""
        lost = np.zeros((2, len(weights.start), len(self.pes)), np.int64)
        if self.planes is not None:
            run_groups_in_lanes(
                self.planes.first, self.planes.planes, self.planes.single, self.planes.counts,
                weights.start, weights.offset, rules.weights_per_vector, rules.depth, rules.fifo_vectors, *lost,
            )  # fmt: skip
        else:
            run_groups(
                self.lists.start, self.lists.offset, weights.start, weights.offset,
                rules.weights_per_vector, rules.activations_per_vector,
                bank_of, rules.banks, rules.depth, rules.fifo_vectors, *lost,
            )  # fmt: skip
        return lost


def tile_cycles(
    activations: StoredActivations, weights: StoredWeights, rules: QueueRules
) -> tuple[np.ndarray, np.ndarray]:
    """Cycles int64 (tiles, PEs, CAUSES) and products issued int64 (tiles, PEs) of all tiles, in order."""
    images, cuts, pes = activations.entries.shape
    pairs, groups = images * cuts, weights.rows[-1].stop
    cycles = np.zeros((pairs, groups, pes, CAUSES), np.int64)
    issued = np.zeros((pairs, groups, pes), np.int64)
    bank_of = rules.bank_of(activations.plan.group_channels, activations.plan.region)
    weight_counts = [lists.counts(rules.weights_per_vector) for lists in weights.lists]

    def run(pair: int, part: int, operand: TileOperand) -> None:
        lists, counts, rows = weights.lists[part], weight_counts[part], weights.rows[part]
        conflict, wait = operand.lost_cycles(lists, rules, bank_of)
        busy = counts.busy @ operand.counts.busy.T
        steps = counts.vectors @ operand.counts.vectors.T
        tile = cycles[pair, rows.start : rows.stop]
        for cause, value in (
            (Cause.BUSY, busy),
            (Cause.INDEX, steps - busy),
            (Cause.BANK_CONFLICT, conflict),
            (Cause.IMBALANCE, wait),
        ):
            tile[:, operand.pes, cause] = value
        issued[pair, rows.start : rows.stop][:, operand.pes] = counts.real @ operand.counts.real.T

    def run_pair(pair: int) -> None:
        operand = TileOperand.of(activations, pair, rules)
        for part in range(len(weights.rows)):
            run(pair, part, operand)

    if pairs >= _TASKS_PER_THREAD * thread_count():
        run_slices(run_pair, range(pairs))
    else:
        for pair in range(pairs):
            operand = TileOperand.of(activations, pair, rules)
            run_slices(lambda part, pair=pair, operand=operand: run(pair, part, operand), range(len(weights.rows)))
    tiles = pairs * groups
    return cycles.reshape(tiles, pes, CAUSES), issued.reshape(tiles, pes)
