"""The PEs' work on a planar tiling: every tile's cycles by cause, from the layer's own non-zeros.

A tile is one image, one sub-tile and one group of output channels, counted in this order: with 2 sub-tiles and 3 groups
tile 4 is the second group of the first image's second sub-tile. Tiles are independent of one another, so they are
shared out to threads: whole sub-tiles where there are many, groups of output channels where there are few.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, Self

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices, thread_count
from dataflows.machines.scnn.activation_planes import ActivationPlanes, fits_planes
from dataflows.machines.scnn.activation_windows import StoredWindows, position_bits
from dataflows.machines.scnn.bank_queues import WORK_COUNTS, QueueRules, run_groups
from dataflows.machines.scnn.bank_queues_in_lanes import run_groups_in_lanes
from dataflows.machines.scnn.bank_tables import fits_tables
from dataflows.machines.scnn.bit_strings import bit_string
from dataflows.machines.scnn.nonzero_lists import ListRules, NonzeroLists
from dataflows.machines.scnn.planar_map import PlanarMap
from dataflows.machines.scnn.queues_by_table import run_groups_by_table
from workloads.whole_numbers import ceil_div, even_slices

_TASKS_PER_THREAD = 4
_SERIAL_WEIGHTS = 1 << 15  # fewer are listed sooner than threads are given their share


@kernel
def _share_entries(stored: StoredWindows, width: int, entries: np.ndarray) -> None:
    """Fill entries, int64 (shares, PEs): stored entries of each share of every list."""
    parts, pes = entries.shape
    lanes = stored.found.shape[2]
    for p in range(pes):
        for v in range(stored.found.shape[1]):
            length = np.int64(stored.found[p // lanes, v, p % lanes] + stored.fillers[p // lanes, v, p % lanes])
            vectors = (length + width - 1) // width
            begin = 0
            for part in range(parts):
                # The last vector may be short: its end is the list's.
                end = min(((part + 1) * vectors + v % parts) // parts * width, length)
                entries[part, p] += end - begin
                begin = end


@dataclass(frozen=True, eq=False)
class StoredActivations:
    """A layer's activations as the PEs store them: a list for each image, window of a tile, PE and virtual channel.

    A window is a sub-tile where tiles are cut between positions. Where they are cut between vectors it is the whole
    tile, and its lists are shared out when they are asked for.

    mask     uint8 (N, C, H, W)
    windows  what each PE stores, image by image and window by window
    entries  int64 (N, sub-tiles, PEs): stored entries, placeholders included
    nonzeros int64 (N, PEs): those that are not placeholders
    """

    mask: np.ndarray
    plan: PlanarMap
    rules: ListRules
    windows: tuple[StoredWindows, ...]
    entries: np.ndarray
    nonzeros: np.ndarray
    _last: dict[tuple[Any, ...], Any] = field(default_factory=dict[tuple[Any, ...], Any])
    _turn: Lock = field(default_factory=Lock)

    @classmethod
    def of(cls, mask: np.ndarray, plan: PlanarMap, rules: ListRules) -> Self:
        """Compress the activations for one tiling; both stored zeros and sizes depend on it."""
        windows: list[StoredWindows] = []
        for image in mask:
            bits = position_bits(image, plan, rules)
            windows += [StoredWindows.of(bits, image.shape, plan, i, rules) for i in range(plan.window_count)]
        return cls._of_windows(mask, plan, rules, tuple(windows))

    @classmethod
    def _of_windows(
        cls, mask: np.ndarray, plan: PlanarMap, rules: ListRules, windows: tuple[StoredWindows, ...]
    ) -> Self:
        images, pes = len(mask), math.prod(plan.pe_grid)
        entries = np.zeros((images, plan.cut_count, pes), np.int64)
        nonzeros = np.zeros((images, pes), np.int64)
        for i, stored in enumerate(windows):
            image, window = divmod(i, plan.window_count)
            chosen = plan.pes(window)
            found = stored.per_pe(stored.found)
            nonzeros[image, chosen] += found
            if plan.cut_vectors and plan.cut_count > 1:
                shares = np.zeros((plan.cut_count, len(chosen)), np.int64)
                _share_entries(stored, plan.cut_vectors, shares)
                entries[image][:, chosen] = shares
            else:
                entries[image, window, chosen] = found + stored.per_pe(stored.fillers)
        return cls(mask, plan, rules, windows, entries, nonzeros)

    def cut(self, size: tuple[int, int]) -> Self:
        """The same activations with sub-tiles of another size."""
        plan = self.plan.cut(size)
        if plan.cut_vectors:  # whole tiles are listed, however they are cut
            return self._of_windows(self.mask, plan, self.rules, self.windows)
        return self.of(self.mask, plan, self.rules)

    def lists(self, image: int, cut: int) -> NonzeroLists:
        """The lists of one image and sub-tile, one row for each PE that has a part of it."""
        plan, window = self.plan, 0 if self.plan.cut_vectors else cut
        whole = self._once(
            ("lists", image, window),
            lambda: NonzeroLists.of_activations(self.mask[image], plan, plan.windows(window), self.rules),
        )
        return whole.share(cut, plan.cut_count, plan.cut_vectors) if plan.cut_vectors and plan.cut_count > 1 else whole

    def planes(self, image: int, cut: int, rules: QueueRules) -> ActivationPlanes:
        """The same as histograms over the banks."""
        plan = self.plan
        stored = self.windows[image * plan.window_count + (0 if plan.cut_vectors else cut)]
        if not plan.cut_vectors or plan.cut_count == 1:
            return ActivationPlanes.of(stored, rules)
        whole = self._once(("planes", image, rules), lambda: ActivationPlanes.of(stored, rules))
        return whole.share(stored, rules, cut, plan.cut_count)

    def _once(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        # The last one is remembered, since the shares of a tile are asked for one after the other. One thread makes it,
        # as two would take the room twice.
        with self._turn:
            if key not in self._last:
                self._last.clear()
                self._last[key] = make()
            return self._last[key]


@dataclass(frozen=True, eq=False)
class StoredWeights:
    """A layer's weights as they are streamed: slices of output-channel groups, `rows` groups in each."""

    rows: tuple[range, ...]
    lists: tuple[NonzeroLists, ...]

    @classmethod
    def of(
        cls, mask: np.ndarray, plan: PlanarMap, groups: int, rules: ListRules, tasks_per_thread: int = _TASKS_PER_THREAD
    ) -> Self:
        """Compress weights, mask uint8 (K, C/G, R * S), in slices that threads can share out."""
        # Slices end between groups: a group of output channels is one row of the lists and is not divided.
        channel_groups = ceil_div(len(mask), plan.group_channels)
        tasks = 1 if mask.size < _SERIAL_WEIGHTS else tasks_per_thread * thread_count()
        rows = tuple(itertools.starmap(range, even_slices(channel_groups, tasks)))
        bits = bit_string(mask)
        lists = run_slices(lambda part: NonzeroLists.of_weights(mask, plan, part, groups, rules, bits), rows)
        return cls(rows, tuple(lists))

    @property
    def entries(self) -> np.ndarray:
        """int64 (output-channel groups,): stored entries of each group."""
        return np.concatenate([lists.entries for lists in self.lists])


@dataclass(frozen=True, eq=False)
class TileOperand:
    """The activations of one image and sub-tile, ready for the kernels.

    pes     PEs that have a part of the sub-tile
    stored  their activations: histograms over the banks where the rules are inside the fast kernel's range, else lists
    """

    pes: np.ndarray
    stored: ActivationPlanes | NonzeroLists

    @classmethod
    def of(cls, activations: StoredActivations, pair: int, rules: QueueRules) -> Self:
        """The operand of one of the (image, sub-tile) pairs."""
        image, cut = divmod(pair, activations.plan.cut_count)
        # Once for all groups of output channels, which meet the same activations.
        stored = activations.planes(image, cut, rules) if fits_planes(rules) else activations.lists(image, cut)
        return cls(activations.plan.pes(cut), stored)

    def work(self, weights: NonzeroLists, rules: QueueRules, addresses: np.ndarray) -> np.ndarray:
        """int64 (output-channel groups, pes, WORK_COUNTS): what is `Counted`.

        addresses  keys of the accumulators for the kernel with tables, banks for the generic one
        """
        work = np.zeros((len(weights.start), len(self.pes), WORK_COUNTS), np.int64)
        if isinstance(self.stored, ActivationPlanes):
            run_groups_in_lanes(self.stored, weights, rules, work)
        else:
            run = run_groups_by_table if fits_tables(rules) else run_groups
            run(self.stored, weights, rules, addresses, work)
        return work


def tile_work(activations: StoredActivations, weights: StoredWeights, rules: QueueRules) -> np.ndarray:
    """int64 (tiles, PEs, WORK_COUNTS): what is `Counted` of every tile, in order."""
    images, cuts, pes = activations.entries.shape
    pairs, groups, parts = images * cuts, weights.rows[-1].stop, range(len(weights.rows))
    work = np.zeros((pairs, groups, pes, WORK_COUNTS), np.int64)
    region = activations.plan.group_channels, activations.plan.region
    addresses = rules.keys_of(*region) if fits_tables(rules) else rules.bank_of(*region)

    def run(pair: int, operand: TileOperand, part: int) -> None:
        rows = weights.rows[part]
        # Tasks write to parts of their own: one pair, or one pair's output-channel groups.
        work[pair][rows.start : rows.stop, operand.pes] = operand.work(weights.lists[part], rules, addresses)

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
