"""The PEs' work on a planar tiling: every tile's cycles by cause, from the layer's own non-zeros.

A tile is one image, one sub-tile and one group of output channels, counted in this order: with 2 sub-tiles and 3 groups
tile 4 is the second group of the first image's second sub-tile. Tiles are independent of one another, so they are
shared out to threads: whole sub-tiles where there are many, groups of output channels where there are few.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Self

import numpy as np

from dataflows.kernels.threads import run_slices, thread_count
from dataflows.machines.scnn.activation_planes import ActivationPlanes, fits_planes
from dataflows.machines.scnn.bank_queues import WORK_COUNTS, QueueRules, run_groups
from dataflows.machines.scnn.bank_queues_in_lanes import run_groups_in_lanes
from dataflows.machines.scnn.nonzero_lists import ListRules, NonzeroLists
from dataflows.machines.scnn.planar_map import PlanarMap
from workloads.whole_numbers import ceil_div, even_slices

_KEPT_LIST_BYTES = 64 << 20  # lists of a layer are built again for the second pass when they could be larger
_TASKS_PER_THREAD = 4
_BLOCK_ELEMENTS = 1 << 17  # about 0.2 ms of list building, several times what a task costs


def _blocks(elements: int, tasks: int) -> int:
    """Blocks into which each of some equal tasks is cut, so that threads have enough to share out."""
    if thread_count() == 1 or elements < _BLOCK_ELEMENTS:
        return 1
    # Two threads want 8 tasks: of 3 windows each is cut into 3 blocks of PEs.
    return ceil_div(_TASKS_PER_THREAD * thread_count(), tasks)


@dataclass(frozen=True, eq=False)
class StoredActivations:
    """A layer's activations as the PEs store them: one list for each image, window of a tile, PE and virtual channel.

    A window is a sub-tile where tiles are cut between positions. Where they are cut between vectors it is the whole
    tile, and its lists are shared out when they are asked for (`lists`).

    mask     uint8 (N, C, H, W)
    entries  int64 (N, sub-tiles, PEs): stored entries, placeholders included
    nonzeros int64 (N, PEs): those that are not placeholders
    kept     the lists, image by image and window by window; empty when they would take too much memory
    """

    mask: np.ndarray
    plan: PlanarMap
    rules: ListRules
    entries: np.ndarray
    nonzeros: np.ndarray
    kept: tuple[NonzeroLists, ...]
    _last: dict[tuple[int, int], NonzeroLists] = field(default_factory=dict)
    _turn: Lock = field(default_factory=Lock)

    @classmethod
    def of(cls, mask: np.ndarray, plan: PlanarMap, rules: ListRules) -> Self:
        """Compress the activations for one tiling; both stored zeros and sizes depend on it."""
        images, windows, pes = len(mask), plan.window_count, math.prod(plan.pe_grid)
        blocks = _blocks(mask[0].size // windows, images * windows)
        entries = np.zeros((images, plan.cut_count, pes), np.int64)
        nonzeros = np.zeros((images, windows, pes), np.int64)
        # Four bytes an entry, of which there are at most as many as activations: a placeholder stands for zeros.
        # 16 million activations at most: VGG-16's largest map has 3.2 million an image.
        keep_lists = mask.size * 4 <= _KEPT_LIST_BYTES

        def compress(task: int) -> NonzeroLists | None:
            # Blocks count fastest, then windows: with 2 blocks and 3 windows task 9 is block 1 of image 1, window 1.
            (image, window), block = divmod(task // blocks, windows), task % blocks
            part = slice(block * pes // blocks, (block + 1) * pes // blocks)
            chosen = plan.pes(window)[part]
            lists, found = NonzeroLists.of_activations(mask[image], plan, plan.windows(window)[part], rules)
            nonzeros[image, window, chosen] = found
            if plan.cut_vectors and plan.cut_count > 1:
                # What lies between the sums of where two shares begin, over all channels, is the first one's entries.
                edges = (lists.share_start(cut, plan.cut_count, plan.cut_vectors) for cut in range(plan.cut_count + 1))
                entries[image][:, chosen] = np.diff([edge.sum(axis=1) for edge in edges], axis=0)
            else:
                entries[image, window, chosen] = lists.entries
            return lists if keep_lists else None

        # Results come in the order of the tasks, so that the blocks of one window stand side by side.
        parts = [lists for lists in run_slices(compress, range(images * windows * blocks)) if lists is not None]
        kept = tuple(NonzeroLists.joined(parts[i : i + blocks]) for i in range(0, len(parts), blocks))
        return cls(mask, plan, rules, entries, nonzeros.sum(axis=1), kept)

    def lists(self, image: int, cut: int) -> NonzeroLists:
        """The lists of one image and sub-tile, one row for each PE that has a part of it."""
        if not self.plan.cut_vectors or self.plan.cut_count == 1:
            return self._of_window(image, cut)
        return self._of_window(image, 0).share(cut, self.plan.cut_count, self.plan.cut_vectors)

    def _of_window(self, image: int, window: int) -> NonzeroLists:
        if self.kept:
            return self.kept[image * self.plan.window_count + window]
        # The last one is remembered, since the shares of a tile are asked for one after the other. One thread makes it,
        # as two would take the room twice.
        with self._turn:
            if (image, window) not in self._last:
                self._last.clear()
                lists = NonzeroLists.of_activations(self.mask[image], self.plan, self.plan.windows(window), self.rules)
                self._last[image, window] = lists[0]
            return self._last[image, window]


@dataclass(frozen=True, eq=False)
class StoredWeights:
    """A layer's weights as they are streamed: slices of output-channel groups, `rows` groups in each."""

    rows: tuple[range, ...]
    lists: tuple[NonzeroLists, ...]

    @classmethod
    def of(cls, mask: np.ndarray, plan: PlanarMap, groups: int, rules: ListRules) -> Self:
        """Compress weights, mask uint8 (K, C/G, R * S), in slices that threads can share out."""
        # Slices end between groups: a group of output channels is one row of the lists and is not divided.
        channel_groups = ceil_div(len(mask), plan.group_channels)
        rows = tuple(itertools.starmap(range, even_slices(channel_groups, _TASKS_PER_THREAD * thread_count())))
        lists = run_slices(lambda part: NonzeroLists.of_weights(mask, plan, part, groups, rules), rows)
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

    @classmethod
    def of(cls, activations: StoredActivations, pair: int, rules: QueueRules) -> Self:
        """The operand of one of the (image, sub-tile) pairs."""
        image, cut = divmod(pair, activations.plan.cut_count)
        lists = activations.lists(image, cut)
        # Once for all groups of output channels, which meet the same activations.
        planes = ActivationPlanes.of(lists, rules) if fits_planes(rules) else None
        return cls(activations.plan.pes(cut), lists, planes)

    def work(self, weights: NonzeroLists, rules: QueueRules, bank_of: np.ndarray) -> np.ndarray:
        """int64 (output-channel groups, pes, WORK_COUNTS): what is `Counted`."""
        work = np.zeros((len(weights.start), len(self.pes), WORK_COUNTS), np.int64)
        if self.planes is not None:
            run_groups_in_lanes(self.planes, weights, rules, work)
        else:
            run_groups(self.lists, weights, rules, bank_of, work)
        return work


def tile_work(activations: StoredActivations, weights: StoredWeights, rules: QueueRules) -> np.ndarray:
    """int64 (tiles, PEs, WORK_COUNTS): what is `Counted` of every tile, in order."""
    images, cuts, pes = activations.entries.shape
    pairs, groups, parts = images * cuts, weights.rows[-1].stop, range(len(weights.rows))
    work = np.zeros((pairs, groups, pes, WORK_COUNTS), np.int64)
    bank_of = rules.bank_of(activations.plan.group_channels, activations.plan.region)

    def run(pair: int, operand: TileOperand, part: int) -> None:
        rows = weights.rows[part]
        # Tasks write to parts of their own: one pair, or one pair's output-channel groups.
        work[pair][rows.start : rows.stop, operand.pes] = operand.work(weights.lists[part], rules, bank_of)

    def run_pair(pair: int) -> None:
        operand = TileOperand.of(activations, pair, rules)
        run_slices(partial(run, pair, operand), parts)

    # Inside a task `run_slices` runs serially: whole pairs are shared out, or the parts of one pair after another.
    if pairs >= _TASKS_PER_THREAD * thread_count():
        run_slices(run_pair, range(pairs))
    else:
        for pair in range(pairs):
            run_pair(pair)
    return work.reshape(pairs * groups, pes, WORK_COUNTS)
