"""What the PEs do in every tile of a layer: bits of both operands, blocks and rounds handed to the kernels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dataflows.described.blocks import NO_POSITION, Blocks
from dataflows.described.broadcasts import broadcast_outputs
from dataflows.described.filters import NO_FILTER, Rounds
from dataflows.described.lists import ListCut, places_of
from dataflows.described.spec import DescriptionSpec
from dataflows.described.steps import (
    DID,
    DID_CAUSES,
    ISSUED,
    OUTPUT,
    STEP,
    TILE,
    UNMAPPED,
    HeldFilters,
    StepRule,
    TeamBlocks,
    play_outputs,
    walk_outputs,
)
from dataflows.kernels.lanes import LANES
from dataflows.kernels.threads import run_slices
from dataflows.schedule import no_cycles
from dataflows.tiling.strips import PixelStrips
from workloads.layer import Layer
from workloads.limits import require_size
from workloads.whole_numbers import ceil_div

_MEETINGS = {"step": STEP, "output": OUTPUT, "tile": TILE}
_MOST_SUM = (1 << 32) - 1
_ENTRIES_TOGETHER = 1 << 23  # of the lists that are laid out at a time


@dataclass(frozen=True, eq=False)
class Tile:
    """A tile: a group, an image, the first position and how many, and the rounds of filters first to end."""

    group: int
    image: int
    first: int
    count: int
    rounds: tuple[int, int]


@dataclass(frozen=True, eq=False)
class LayerWork:
    """A layer on a described machine.

    layer   as the machine runs it (`product_layer`)
    stored  bool (K, C/G, taps): weights that are stored
    places  bool (N, G, places, C/G): activations that are not zero, channels innermost
    """

    spec: DescriptionSpec
    layer: Layer
    stored: np.ndarray
    places: np.ndarray
    rounds: Rounds
    strips: PixelStrips

    @cached_property
    def cut(self) -> ListCut:
        """The list of an output."""
        return ListCut.of(self.spec, self.layer)

    @cached_property
    def tiles(self) -> list[Tile]:
        """All tiles in order."""
        spec, layer, strips = self.spec, self.layer, self.strips
        ends = (0, 1) if spec.nest.broadcast else (0, self.rounds.count)
        spans = [(r, r + 1) for r in range(*ends)] if spec.nest.filters_first else [ends]
        return [
            Tile(group, image, int(strips.first_pixel[strip]), int(strips.pixels[strip]), span)
            for group in range(layer.groups)
            for span in spans
            for image in range(layer.batch)
            for strip in range(strips.count)
        ]

    @cached_property
    def _rule(self) -> StepRule:
        spec, nest = self.spec, self.spec.nest
        lanes, window = nest.lanes["C"], spec.window
        # ceil(n / lanes) for n up to a window, by a product and a shift that fit 32 bits.
        shift = (2 * window * lanes).bit_length()
        filters, lists = _MEETINGS[spec.filter_meeting], _MEETINGS[spec.list_meeting]
        queue = spec.synchronization.queue
        queue_of_steps = queue if filters == STEP else 0
        recorded = bool(queue) and filters == OUTPUT
        return StepRule(
            (1 << shift) // lanes + 1, shift, lanes, nest.size_of("R S C"), filters, lists, queue_of_steps, recorded
        )

    @property
    def _alike(self) -> bool:
        """Whether one filter stands for all: weights are not skipped, and no output waits for another."""
        return not self.spec.skip.weights and not self._rule.recorded

    @cached_property
    def _pe_numbers(self) -> np.ndarray:
        """Int64 (position PEs, list PEs, filter PEs): number of each PE."""
        nest = self.spec.nest
        dims = ("P", "Q", "P Q", "R S C", "K")
        at = np.indices([nest.size_of(one) for one in dims])
        step = {"rows": nest.grid[1], "columns": 1, None: 0}
        numbers = np.zeros(at.shape[1:], np.int64)
        for axis, one in enumerate(dims):
            numbers += at[axis] * step[nest.place_of(one)]
        return numbers.reshape(-1, nest.size_of("R S C"), nest.size_of("K"))

    def cycles(self) -> tuple[np.ndarray, np.ndarray]:
        """Int64 (tiles, PEs, CAUSES) and (tiles, PEs): cycles by cause, and products."""
        cycles = no_cycles(len(self.tiles), self.spec.nest.pes)
        issued = np.zeros(cycles.shape[:2], np.int64)
        held = [self._held(group) for group in range(self.layer.groups)]
        numbers = self._pe_numbers

        def run(number: int) -> None:
            tile = self.tiles[number]
            did = self._tile(tile, held[tile.group])
            pes = numbers[: len(did)]
            for place, cause in enumerate(DID_CAUSES):
                cycles[number, pes, cause] = did[..., place]
            issued[number, pes] = did[..., ISSUED]

        run_slices(run, range(len(self.tiles)))
        return cycles, issued

    def _tile(self, tile: Tile, held: HeldFilters) -> np.ndarray:
        """Int64 (position PEs with work, list PEs, filter PEs, DID) of a tile."""
        nest = self.spec.nest
        rounds = tile.rounds[1] - tile.rounds[0]
        blocks = Blocks.of(nest, self.layer, tile.first, tile.count, rounds)
        if nest.broadcast:
            return self._broadcast_tile(tile, blocks)
        teams = int(blocks.team.max()) + 1
        own = held if self._alike else HeldFilters(*(part[tile.rounds[0] : tile.rounds[1]] for part in held))
        shares = 1 if self._alike else blocks.shares
        lists, pes = nest.size_of("R S C"), own.there.shape[1]
        did = np.zeros((teams * shares, lists, pes, DID), np.int64)
        rule, kinds = self._rule, self._kinds(tile, blocks)
        width = 1 + lists * pes if rule.recorded else 1
        require_size("the costs of a tile's outputs", (len(blocks.team), len(own.there), width), 8)
        outputs = np.zeros((len(blocks.team) if rule.recorded else 1, len(own.there), width), np.int64)
        most = self.cut.windows * self.spec.slots * max(self.spec.skip.least_cycles, self.spec.window)
        each = max(1, min(_MOST_SUM // (most * nest.lanes["P Q"] * nest.lanes["K"]),
                          _ENTRIES_TOGETHER // (self.cut.entries * nest.lanes["P Q"])))  # fmt: skip
        for first in range(0, len(kinds.team), each):
            part = slice(first, first + each)
            inputs, present, rows = self._inputs(tile, kinds.positions[part])
            some = TeamBlocks(rows, kinds.team[part], kinds.times[part], shares)
            walk_outputs(inputs, present, some, own, rule, did, outputs[part] if rule.recorded else outputs)
        if rule.recorded:
            self._play(outputs, blocks, own.there, did)
        return self._for_all(did, tile, blocks.shares) if self._alike else did

    def _play(self, outputs: np.ndarray, blocks: Blocks, there: np.ndarray, did: np.ndarray) -> None:
        """Queues of outputs: those of each team and share one after the other, block by block and round by round."""
        depth, windows = self.spec.synchronization.queue, self.cut.windows
        windows = 1 if self.spec.nest.broadcast else windows
        for team in range(int(blocks.team.max()) + 1):
            of_team = outputs[blocks.team == team]
            for share in range(blocks.shares):
                own = np.ascontiguousarray(of_team[:, share :: blocks.shares]).reshape(-1, outputs.shape[2])
                any_there = np.any(there[share :: blocks.shares], axis=0, keepdims=False)
                play_outputs(own, any_there, windows, depth, did[team * blocks.shares + share])

    def _for_all(self, did: np.ndarray, tile: Tile, shares: int) -> np.ndarray:
        """What all filter PEs do, from what one with a single filter does in a round.

        int64 (position PEs, list PEs, filter PEs, DID)
        """
        filters = self.rounds.filters[tile.group, tile.rounds[0] : tile.rounds[1]]
        teams, lists = did.shape[:2]
        every = np.zeros((teams, shares, lists, filters.shape[1], DID), np.int64)
        # A PE that has no filter in a round waits for those that have, unless they meet at the tile alone.
        together = 0 if self._rule.filters_meet == TILE else 1
        lasts = did[..., :ISSUED].sum(axis=-1)
        for share in range(shares):
            own = filters[share::shares]
            there = np.count_nonzero(own, axis=0)
            every[:, share] = did * there[:, None]
            every[:, share, ..., ISSUED] = did[..., ISSUED] * own.sum(axis=0)
            every[:, share, ..., UNMAPPED] += together * lasts * (len(own) - there)
        return every.reshape(teams * shares, *every.shape[2:])

    def _kinds(self, tile: Tile, blocks: Blocks) -> _Kinds:
        """Blocks of which none is like another of its team, and how often each is there."""
        if self.spec.skip.activations or self._rule.recorded:
            return _Kinds(blocks.positions, blocks.team, np.ones(len(blocks.team), np.int64))
        # Windows differ in nothing but what of them lies outside the map, where that is no candidate.
        there = blocks.positions != NO_POSITION
        kind = there.astype(np.int64)
        if self.spec.skip.padding == "absent":
            inside = places_of(self.layer, blocks.positions[there]) >= 0
            packed = np.packbits(inside, axis=1)
            _, kinds = np.unique(packed, axis=0, return_inverse=True)
            kind[there] += kinds.reshape(-1)
        keys = np.concatenate([blocks.team[:, None], kind], axis=1)
        _, first, times = np.unique(keys, axis=0, return_index=True, return_counts=True)
        del tile
        return _Kinds(blocks.positions[first], blocks.team[first], times)

    def _inputs(self, tile: Tile, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Windows of some blocks: uint32 (rows, windows, words), bool (rows, windows), and int64 rows of the blocks."""
        there = positions != NO_POSITION
        rows = np.full(positions.shape, NO_POSITION, np.int64)
        rows[there] = np.arange(np.count_nonzero(there))
        reads, skip, cut = places_of(self.layer, positions[there]), self.spec.skip, self.cut
        if skip.activations:
            inputs = cut.pack_windows_of(self.places[tile.image, tile.group], reads)
        else:
            inside = np.logical_or(reads >= 0, skip.padding == "zeros")
            inputs = cut.pack(np.repeat(inside, cut.channels, axis=1))
        if skip.padding == "zeros":
            return inputs, np.ones(inputs.shape[:2], np.bool_), rows
        if cut.parts == cut.taps:
            return inputs, np.repeat(reads >= 0, cut.part_windows, axis=1), rows
        inside = cut.pack(np.repeat(reads >= 0, cut.channels, axis=1))
        return inputs, np.not_equal(inside.max(axis=2), 0), rows

    def _held(self, group: int) -> HeldFilters:
        """The filters of a group as bits, PEs side by side."""
        spec, cut, least = self.spec, self.cut, self.spec.skip.least_cycles
        if spec.nest.broadcast:
            return HeldFilters(np.zeros((1,) * 7, np.uint32), np.zeros((1,) * 4, np.uint32), np.zeros((1, 1), np.bool_))
        if self._alike:
            words = np.zeros((1, cut.windows, 1, 1, 1, cut.words, LANES), np.uint32)
            words[0, :, 0, 0, 0, :, 0] = cut.pack(np.ones((1, cut.entries), np.bool_))[0]
            lowest = np.zeros((1, 1, 1, LANES), np.uint32)
            lowest[..., 0] = least
            return HeldFilters(words, lowest, np.ones((1, 1), np.bool_))
        held = self.rounds.held[group]
        rounds, slots, lanes, pes = held.shape
        vectors = ceil_div(pes, LANES)
        filters = self.layer.group_out_channels
        own = self.stored[group * filters : (group + 1) * filters].transpose(0, 2, 1).reshape(filters, -1)
        packed = np.concatenate([cut.pack(own), np.zeros((1, cut.windows, cut.words), np.uint32)])
        padded = np.full((rounds, slots, lanes, vectors * LANES), NO_FILTER, np.int64)
        padded[..., :pes] = held
        # (rounds, slots, lanes of K, vectors, LANES, windows, words), the absent filter last of all.
        words = packed[padded.reshape(rounds, slots, lanes, vectors, LANES)]
        words = np.ascontiguousarray(words.transpose(0, 5, 1, 2, 3, 6, 4))
        there = (padded != NO_FILTER).any(axis=2).reshape(rounds, slots, vectors, LANES)
        return HeldFilters(words, (there * least).astype(np.uint32), (held != NO_FILTER).any(axis=(1, 2)))

    def _broadcast_tile(self, tile: Tile, blocks: Blocks) -> np.ndarray:
        layer, spec, cut = self.layer, self.spec, self.cut
        weights, there = self._columns(tile.group)
        busy = ceil_div(weights, spec.nest.lanes["K"])
        costs = np.maximum(busy, there * spec.skip.least_cycles)
        rule, kinds = self._rule, self._kinds(tile, blocks)
        teams = int(blocks.team.max()) + 1
        did = np.zeros((teams, 1, len(there), DID), np.int64)
        width = 1 + len(there) if rule.recorded else 1
        require_size("the costs of a tile's outputs", (len(blocks.team), 1, width), 8)
        outputs = np.zeros((len(blocks.team) if rule.recorded else 1, 1, width), np.int64)
        each = max(1, _ENTRIES_TOGETHER // cut.entries)
        places = np.concatenate([self.places[tile.image, tile.group], np.zeros((1, cut.channels), np.bool_)])
        for first in range(0, len(kinds.team), each):
            part = slice(first, first + each)
            reads = places_of(layer, kinds.positions[part, 0])
            if spec.skip.activations:
                sent = places[reads].reshape(len(reads), -1)
            else:
                sent = np.repeat((reads >= 0) | (spec.skip.padding == "zeros"), cut.channels, axis=1)
            into = outputs[part] if rule.recorded else outputs
            broadcast_outputs(
                sent.view(np.uint8), kinds.team[part], kinds.times[part], weights, costs, busy, there, rule, did, into
            )
        if rule.recorded:
            self._play(outputs, blocks, there[None], did)
        return did

    def _columns(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        """Weights that an entry meets, int64 (entries, filter PEs), and whether a PE has any filter, bool (PEs,)."""
        pes, filters = self.spec.nest.size_of("K"), self.layer.group_out_channels
        own = self.stored[group * filters : (group + 1) * filters].transpose(0, 2, 1).reshape(filters, -1)
        weights = np.zeros((own.shape[1], pes), np.int64)
        held = self.rounds.held[group].reshape(-1, pes)
        for pe in range(pes):
            mine = held[:, pe]
            weights[:, pe] = np.count_nonzero(own[mine[mine != NO_FILTER]], axis=0)
        return weights, (held != NO_FILTER).any(axis=0)


@dataclass(frozen=True, eq=False)
class _Kinds:
    """Blocks, int64 (blocks, lanes of P Q), with their teams and how many are just like each."""

    positions: np.ndarray
    team: np.ndarray
    times: np.ndarray
