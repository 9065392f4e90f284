"""What the clusters take in every tile: positions in turn over the clusters, rounds of filters where those are few."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dataflows.kernels.lanes import LANES
from dataflows.kernels.threads import run_slices
from dataflows.machines.sparten.balanced_rounds import BalancedRounds
from dataflows.machines.sparten.inner_join import JOIN_CAUSES, JoinedRounds, WindowReads, join_windows
from dataflows.machines.sparten.sparse_chunks import ChunkCut, pack_channels
from dataflows.machines.sparten.spec import SpartenSpec
from dataflows.schedule import Cause
from dataflows.tiling.strip_plan import StripPlan
from workloads.whole_numbers import ceil_div, even_slices

_SLICES = 8  # of a tile's parts, more than threads: windows differ in what they hold
_LEAST_JOINS = 4096  # of all units of a cluster, about 0.1 ms
_TOGETHER, _MOST = 64, (1 << 32) - 1
_FEW_ELEMENTS = 4
_BUSY, _UNMAPPED = JOIN_CAUSES.index(Cause.BUSY), JOIN_CAUSES.index(Cause.UNMAPPED)


@dataclass(frozen=True)
class ClusterWork:
    """The joins of a layer's tiles.

    rounds  which filters units hold
    words   uint32 (G, rounds, chunks, blocks, slots, words, LANES) of filters whose zeros are skipped; else None:
            all filters are like one without zeros
    """

    spec: SpartenSpec
    plan: StripPlan
    cut: ChunkCut
    rounds: BalancedRounds
    words: np.ndarray | None

    @cached_property
    def reads(self) -> WindowReads:
        """Where windows lie."""
        return WindowReads.of(self.plan.layer)

    @property
    def _together(self) -> int:
        """Windows whose counts fit 32 bits together; no more than whose words stay near, where each is laid out."""
        cut = self.cut
        least = cut.count * self.spec.least_chunk_cycles
        most = _MOST // (self.rounds.held.shape[3] * (cut.taps * cut.channels + least))
        return max(1, most if self._few else min(most, _TOGETHER))

    @property
    def _few(self) -> int:
        """What a chunk of a few elements can hold, as of images or of groups of a channel; 0 where it has more."""
        longest = self.cut.longest
        return 1 << longest if longest <= _FEW_ELEMENTS and self.spec.barrier == "chunk" else 0

    def shares(self, strip: int) -> tuple[int, int]:
        """Parts that a strip's positions are dealt out to, and clusters that share the rounds of each."""
        parts = min(int(self.plan.strips.pixels[strip]), self.spec.clusters)
        # Three positions on eight clusters leave two for each, which take every other round.
        return parts, min(self.rounds.held.shape[1], self.spec.clusters // parts)

    def _slices(self, strip: int) -> int:
        """Slices of a strip's parts for threads; one where they are soon done, as of a depthwise group."""
        joins = int(self.plan.strips.pixels[strip]) * self.cut.count * self.rounds.held.shape[1]
        return min(_SLICES, 1 + joins // _LEAST_JOINS)

    def cycles(self, activations: np.ndarray) -> np.ndarray:
        """Int64 (tiles, clusters, units, JOIN_CAUSES), from the mask of the plan's layer."""
        spec, shape = self.spec, (self.plan.tiles, self.spec.clusters, self.spec.units, len(JOIN_CAUSES))
        did = np.zeros(shape, np.int64)
        (self._windows if spec.sparse_inputs else self._kinds)(activations, did)
        return did

    def _joined(self, group: int) -> JoinedRounds:
        """A group's rounds; where filters are all alike, a single one stands for all."""
        spec = self.spec
        if self.words is None:
            # A single filter in the first lane.
            full = np.zeros((1, self.cut.count, 1, 1, self.cut.words, LANES), np.uint32)
            full[0, :, 0, 0, :, 0] = self.cut.full()
            there, network = np.ones((1, 1, 1), np.bool_), np.zeros(1, np.int64)
        else:
            full, there = self.words[group], np.asarray(self.rounds.there[group])
            filters = there.sum(axis=(1, 2)) if spec.balanced == "gb-h" else np.zeros(len(there), np.int64)
            network = ceil_div(np.asarray(filters) * spec.permute_share, spec.units)
        rounds, slots, units = there.shape
        least = np.zeros((rounds, slots, ceil_div(units, LANES) * LANES), np.uint32)
        least[..., :units] = there * spec.least_chunk_cycles
        least = least.reshape(rounds, slots, -1, LANES).swapaxes(1, 2)
        mapped = np.asarray(there).max(axis=1).astype(np.int64)
        return JoinedRounds(full, np.ascontiguousarray(least), mapped, network)

    def _join(
        self, maps: np.ndarray, joined: JoinedRounds, positions: np.ndarray, shape: tuple[int, int],
        own: tuple[int, int], did: np.ndarray,
    ) -> None:  # fmt: skip
        join_windows(
            maps,
            self.reads,
            self.cut.segments,
            positions,
            joined,
            self.spec.barrier == "window",
            self._together,
            self._few,
            self.cut.as_stored,
            np.array(shape),
            np.array(own),
            did,
        )

    def _windows(self, activations: np.ndarray, did: np.ndarray) -> None:
        """Window by window, as inputs differ from place to place."""
        plan, layer = self.plan, self.plan.layer
        maps = pack_channels(activations.reshape(layer.batch * layer.groups, layer.group_in_channels, -1))
        maps = maps.reshape(layer.batch, layer.groups, *maps.shape[1:])
        joined = [self._joined(group) for group in range(layer.groups)]

        def join(task: tuple[tuple[int, int, int], tuple[int, int]]) -> None:
            (group, image, strip), own = task
            parts, shares = self.shares(strip)
            into = did[plan.tile_index[group, image, strip], : parts * shares]
            positions = np.arange(plan.strips.pixels[strip]) + plan.strips.first_pixel[strip]
            if self.words is not None:
                self._join(maps[image, group], joined[group], positions, (parts, shares), own, into)
                return
            one = np.zeros((parts, 1, len(JOIN_CAUSES)), np.int64)
            self._join(maps[image, group], joined[group], positions, (parts, 1), own, one)
            for share in range(shares):
                there = self.rounds.mapped[group, share::shares]
                into.reshape(parts, shares, *into.shape[1:])[slice(*own), share] += _for_all(one[slice(*own)], there)

        slices = [even_slices(self.shares(strip)[0], self._slices(strip)) for strip in range(plan.strips.count)]
        run_slices(join, [(tile, own) for tile in np.ndindex(*plan.shape) for own in slices[tile[2]]])

    def _kinds(self, activations: np.ndarray, did: np.ndarray) -> None:
        """By kind of window, as windows differ in nothing but their padding."""
        plan, layer = self.plan, self.plan.layer
        first, kind = self.reads.alike()
        ones = pack_channels(np.ones((1, layer.group_in_channels, activations[0, 0].size), np.bool_))[0]
        for group in range(layer.groups):
            joined = self._joined(group)
            each = np.zeros((len(first) * len(joined.words), joined.there.shape[1], len(JOIN_CAUSES)), np.int64)
            self._join(ones, joined, first, (len(first), len(joined.words)), (0, len(first)), each)
            each = each.reshape(len(first), len(joined.words), *each.shape[1:])
            for strip in range(plan.strips.count):
                parts, shares = self.shares(strip)
                start = plan.strips.first_pixel[strip]
                counts = np.zeros((parts, len(first)), np.int64)
                pixels = np.arange(plan.strips.pixels[strip])
                np.add.at(counts, (pixels % parts, kind[start + pixels]), 1)
                for share in range(shares):
                    there = self.rounds.mapped[group, share::shares]
                    own = each[:, share::shares].sum(axis=1) if self.words is not None else _for_all(each[:, 0], there)
                    into = did[plan.tile_index[group, :, strip], share : parts * shares : shares]
                    into += np.einsum("pk,kuc->puc", counts, own)
                    did[plan.tile_index[group, :, strip], share : parts * shares : shares] = into


def _for_all(one: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Int64 (parts, units, JOIN_CAUSES): rounds in which every filter takes what one does.

    one    int64 (parts, 1, JOIN_CAUSES): of one filter
    there  bool (rounds, units): whether a unit has a filter in a round
    """
    rounds = there.sum(axis=0)
    cycles = one * rounds[:, None]
    cycles[..., _UNMAPPED] += one.sum(axis=2) * (len(there) - rounds)
    return cycles
