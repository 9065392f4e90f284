"""Rounds of filters over blocks of input neurons: which PE does what in which tile, and what moves.

The loop nest, outermost first: round of filters, image, strip of output positions, chunk of the input list, block of
positions. Filter k runs on PE k mod PEs. A schedule's tile is a chunk of one or more bands of strips: a position costs
a PE the same cycles wherever it lies, so joining blocks changes neither a PE's cycles nor the slowest PE's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dataflows.machines.cambricon_x.neuron_blocks import NeuronBlocks
from dataflows.schedule import Runs, Tensor
from dataflows.tiling.dram_layout import Layout, bits_to_bytes
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div, starts

TILES_AT_MOST = 1024  # of a layer, where rounds, images and chunks allow: bands join a tile until there are as few


@dataclass(frozen=True, eq=False)
class Rounds:
    """Rounds of consecutive filters, int64 (rounds,) each: the set of groups in flight, first filter, end."""

    group_set: np.ndarray
    first: np.ndarray
    end: np.ndarray

    @property
    def count(self) -> int:
        """Number of rounds."""
        return len(self.first)

    @property
    def filters(self) -> np.ndarray:
        """Int64 (rounds,): filters of each."""
        return self.end - self.first


@dataclass(frozen=True)
class FilterRounds:
    """One way to run a layer.

    stored_bits    int64 (K, windows): what the weights of each window take in DRAM and in an SB
    chunk_windows  windows of a chunk
    filters        filters of a full round, consecutive; rounds do not reach across the groups in flight
    pes            PEs;  sb_bytes  room for the weights of one PE
    value_bits     bits of a neuron

    Example: four filters in rounds of two on two PEs, whose only chunk of three windows costs an output position [[0,
    1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]] cycles. In the first round PE 0 takes 3 cycles a position and PE 1 takes
    12, in the second 21 and 30: `chunk_cycles` [[12], [30]]. A tile of one row of six positions in the first round
    takes `per_tile` [18, 72] cycles.
    """

    blocks: NeuronBlocks
    stored_bits: np.ndarray
    chunk_windows: int
    filters: int
    pes: int
    sb_bytes: int
    value_bits: int

    @property
    def layer(self) -> Layer:
        """The layer that is run."""
        return self.blocks.layer

    @cached_property
    def rounds(self) -> Rounds:
        """The rounds of the layer in order."""
        each, total = self.blocks.groups * self.layer.group_out_channels, self.layer.out_channels
        # Two groups of five filters, one group in flight, in rounds of two: 0-1, 2-3, 4, then 5-6, 7-8, 9. The rounds
        # of a group end with it, since NBin holds the inputs of the groups in flight alone.
        sets = ((first // each, first, min(first + each, total)) for first in range(0, total, each))
        rounds = [
            (number, start, min(start + self.filters, end))
            for number, first, end in sets
            for start in range(first, end, self.filters)
        ]
        return Rounds(*np.array(rounds, np.int64).T)

    @cached_property
    def joined_bands(self) -> int:
        """Bands of strips of one tile."""
        # Four rounds, one image and two chunks leave 128 of 1,024 tiles for the steps down the map: 300 bands are
        # joined three by three to 100 steps.
        fixed = self.rounds.count * self.layer.batch * len(self.blocks.chunks)
        return ceil_div(self.blocks.bands, max(1, TILES_AT_MOST // fixed))

    @cached_property
    def shape(self) -> tuple[int, int, int, int]:
        """Tiles as rounds, images, steps down the map, chunks."""
        steps = ceil_div(self.blocks.bands, self.joined_bands)
        return self.rounds.count, self.layer.batch, steps, len(self.blocks.chunks)

    def _per_step(self, per_band: np.ndarray) -> np.ndarray:
        # Bands of 4, 4, 4 and 2 rows, joined two by two, are steps of 8 and 6.
        return np.add.reduceat(per_band, np.arange(0, len(per_band), self.joined_bands))

    def _per_pe(self, per_window: np.ndarray) -> np.ndarray:
        """Int64 (rounds, chunks, PEs) of (K, windows): sums over a chunk and over a PE's filters of a round."""
        starts = np.arange(0, per_window.shape[1], self.chunk_windows)
        per_chunk = np.add.reduceat(per_window, starts, axis=1)
        first, filters = self.rounds.first, self.rounds.filters
        # Filter k runs on PE k mod PEs whatever its round begins with, so that a round may begin inside a turn.
        # Six filters from 3 on with 4 PEs touch three turns, {3}, {4 to 7} and {8}, where two would hold as many.
        turns = int(ceil_div(filters.max(), self.pes)) + 1
        sums = np.zeros((len(first), turns * self.pes, len(starts)), np.int64)
        # Places count from the turn in which the round begins: with 4 PEs a round from filter 6 on begins at place 2.
        place = np.arange(len(per_window)) - np.repeat(first // self.pes * self.pes, filters)
        sums[np.repeat(np.arange(len(first)), filters), place] = per_chunk
        return sums.reshape(len(first), turns, self.pes, -1).sum(axis=1).transpose(0, 2, 1)

    def _all_positions(self, per_position: np.ndarray) -> np.ndarray:
        """Int64 (tiles, PEs) of what one output position costs (rounds, chunks, PEs)."""
        # Weights decide what a position costs, so that every position of a tile costs a PE the same.
        positions = self._per_step(self.blocks.band_rows()) * self.layer.output_size[1]
        per_tile = per_position[:, None, None] * positions[:, None, None]
        return np.broadcast_to(per_tile, (*self.shape, self.pes)).reshape(-1, self.pes)

    def per_tile(self, per_window: np.ndarray) -> np.ndarray:
        """Int64 (tiles, PEs) of what one output position costs by filter and window (K, windows)."""
        return self._all_positions(self._per_pe(per_window))

    def waits_per_tile(self, window_cycles: np.ndarray) -> np.ndarray:
        """Int64 (tiles, PEs): what PEs wait for others where they take each window together.

        window_cycles  int64 (K, windows): what a window takes a filter's PE, at least 1
        """
        own = self._per_pe(window_cycles)
        # A PE without a filter in the round takes no windows with the others, and waits for none.
        return self._all_positions(np.where(own > 0, self._together(window_cycles)[:, :, None] - own, 0))

    def chunk_cycles(self, window_cycles: np.ndarray, *, shared: bool) -> np.ndarray:
        """Int64 (rounds, chunks): cycles of an output position until the slowest PE is done with a chunk.

        window_cycles  int64 (K, windows);  shared  PEs take each window together
        """
        return self._together(window_cycles) if shared else self._per_pe(window_cycles).max(axis=2)

    @property
    def all_positions(self) -> int:
        """Output positions of all images."""
        return math.prod(self.layer.output_size) * self.layer.batch

    @property
    def first_positions(self) -> int:
        """Output positions of the first tile."""
        return int(self._per_step(self.blocks.band_rows())[0]) * self.layer.output_size[1]

    @property
    def first_weight_bytes(self) -> int:
        """Bytes of the weights without which the first block cannot end."""
        return int(self._weight_bytes[0, 0])

    def _together(self, window_cycles: np.ndarray) -> np.ndarray:
        """Int64 (rounds, chunks): cycles of an output position where PEs take each window together."""
        first = self.rounds.first
        # A turn ends with the PEs or with its round, whichever is first.
        # Three filters on two PEs whose windows take [1, 2], [3, 1] and [2, 2] cycles: the first turn takes 3 + 2 where
        # apart its PEs take 3 and 4, the second 2 + 2, so that a position costs 9 cycles in all.
        turns = np.union1d(first, np.arange(0, len(window_cycles), self.pes))
        slowest = np.maximum.reduceat(window_cycles, turns, axis=0)
        slowest = np.add.reduceat(slowest, np.arange(0, slowest.shape[1], self.chunk_windows), axis=1)
        return np.add.reduceat(slowest, np.searchsorted(turns, first), axis=0)

    @cached_property
    def _weight_bits(self) -> np.ndarray:
        """Int64 (rounds, chunks, PEs)."""
        return self._per_pe(self.stored_bits)

    @property
    def _weight_bytes(self) -> np.ndarray:
        """Int64 (rounds, chunks)."""
        # In DRAM the shares of all PEs follow one another: a chunk is a single run, of which only the end is rounded.
        return bits_to_bytes(self._weight_bits.sum(axis=2))

    def _weight_times(self) -> np.ndarray:
        """Int64 (rounds, steps of all images, chunks): how often a tile loads the weights of its round's chunk.

        Weights that fit the SBs are loaded once a round; those of which a chunk fits once for every strip, whose
        partial sums wait through all chunks; others for every block.
        """
        # With two strips of three blocks each in every one of four bands: a round that stays loads its weights once,
        # one of which a chunk fits loads each chunk 8 times, any other 24 times.
        room, blocks = self.sb_bytes * 8, self.blocks
        per_image = np.full(blocks.bands, blocks.strips)
        chunk_fits = (self._weight_bits.max(axis=(1, 2)) <= room) & (self.shape[3] > 1)
        per_step = np.where(chunk_fits[:, None], self._per_step(per_image), self._per_step(blocks.band_blocks()))
        times = np.tile(per_step, (1, self.layer.batch))
        resident = self._weight_bits.sum(axis=1).max(axis=1) <= room
        # Weights that stay are loaded in the round's first step.
        times[resident] = 0
        times[resident, 0] = 1
        return np.repeat(times[:, :, None], self.shape[3], axis=2)

    @cached_property
    def _groups(self) -> np.ndarray:
        """Int64 (rounds,): convolution groups in flight."""
        groups = self.blocks.groups
        # Six groups, four of them in flight: the second set has two.
        return np.minimum(groups, self.layer.groups - self.rounds.group_set * groups)

    @cached_property
    def loaded_bytes(self) -> tuple[int, int]:
        """Bytes of inputs and of weights over DRAM, all reloads counted."""
        # From counts, without the runs themselves: the search for the best way asks this of every candidate.
        weights = int((self._weight_bytes[:, None] * self._weight_times()).sum())
        neurons = sum(int(self.blocks.loads(chunk).neurons.sum()) for chunk in range(self.shape[3]))
        return neurons * self.value_bits // 8 * int(self._groups.sum()) * self.layer.batch, weights

    @property
    def stored_output_bytes(self) -> int:
        """Bytes of all outputs."""
        return bits_to_bytes(self.layer.output_count * self.value_bits)

    def transfers(self) -> tuple[Runs, Runs, int]:
        """Loads, stores, and the bytes that must move: weights and outputs once, each neuron that is read once."""
        layer, weight_bytes = self.layer, int(self._weight_bytes.sum())
        layout = Layout.of(bits_to_bytes(layer.input_count * self.value_bits), weight_bytes)
        loads = Runs.merge(self._input_runs(layout.input_address), self._weight_runs(layout.weight_address))
        stores = self._output_runs(layout.output_address)
        neurons = self.blocks.neurons_read * layer.in_channels * layer.batch * self.value_bits // 8
        return loads, stores, neurons + weight_bytes + stores.total_bytes

    def _input_runs(self, address: int) -> Runs:
        """One run for the blocks of a row: neurons lie channels innermost, the groups in flight together."""
        layer, channels = self.layer, self.layer.group_in_channels
        height, width = layer.input_size
        first_channel = self.rounds.group_set * self.blocks.groups * channels
        parts = []
        for chunk in range(self.shape[3]):
            band, row, neurons = self.blocks.loads(chunk)
            rounds, images, load = (i.ravel() for i in np.indices((*self.shape[:2], len(row))))
            # Maps lie set after set within an image, and a row of a set is W positions of all its channels. Two images
            # of 4 channels in one set, 3 x 5 positions: image 1 begins at value 60, its row 1 at ((1·4 + 0)·3 + 1·4)·5
            # = 80. A run that stands for several blocks is longer than its row where they share columns.
            first_row = (images * layer.in_channels + first_channel[rounds]) * height
            place = (first_row + row[load] * self._groups[rounds] * channels) * width
            # Chunks are innermost: with two of them step 3 has the tiles 6 and 7.
            tile = np.ravel_multi_index((rounds, images, band[load] // self.joined_bands), self.shape[:3])
            size = bits_to_bytes(neurons[load] * self._groups[rounds] * self.value_bits)
            start = address + place * self.value_bits // 8
            parts.append(Runs.per_tile(Tensor.INPUT, tile * self.shape[3] + chunk, start, size))
        return Runs.merge(*parts)

    def _weight_runs(self, address: int) -> Runs:
        size, times = self._weight_bytes, self._weight_times().ravel()
        start = address + starts(size)
        tiles = np.repeat(np.arange(len(times)), times)
        rounds, _, _, chunk = np.unravel_index(tiles, self.shape)
        return Runs.per_tile(Tensor.WEIGHT, tiles, start[rounds, chunk], size[rounds, chunk])

    def _output_runs(self, address: int) -> Runs:
        """The finished outputs of a round's strips, with their last chunk."""
        rounds, _, steps = (i.ravel() for i in np.indices(self.shape[:3]))
        rows, filters = self._per_step(self.blocks.band_rows()), self.rounds.filters
        size = bits_to_bytes(filters[rounds] * rows[steps] * self.layer.output_size[1] * self.value_bits)
        # Chunks are innermost, so that the last of each step is every so many tiles.
        tiles = np.arange(1, len(size) + 1) * self.shape[3] - 1
        return Runs.per_tile(Tensor.OUTPUT, tiles, address + starts(size), size)

    @property
    def tiles(self) -> int:
        """Tiles of the schedule."""
        return math.prod(self.shape)

    def notes(self) -> tuple[str, ...]:
        """What had to be cut, for the report."""
        chunks, notes = self.shape[3], []
        if chunks > 1:
            length = f"{self.chunk_windows} window{'s' if self.chunk_windows > 1 else ''}"
            notes.append(f"inputs are loaded in {chunks} chunks of {length}; partial sums wait in NBout")
        per_set = int(np.bincount(self.rounds.group_set).max())
        if per_set > 1:
            notes.append(f"inputs are loaded anew for each of {per_set} rounds of filters")
        return tuple(notes)
