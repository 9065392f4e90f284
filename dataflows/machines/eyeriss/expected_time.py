"""What the search of a mapping makes least: the time that a layer is expected to take, and the bytes that it moves.

For each way to lay a layer out the cycles of all its passes are added up as the machine plays them, full ones and the
rest that is left of groups, rounds, passes and waves; of the layer's zeros no more is known than their share. PEs
compute with full blocks of weights, ports carry those of the mean size, and the rows that a wave reads in the mean.
Strips are of every length that the buffers have room for; of computing and memory the longer one is waited for.

A PE with weights of several filters takes an activation in as many cycles as are expected of so many weights, each zero
by itself. PEs meet when a wave ends, and wait for the busiest port: of n the slowest takes sqrt(2 ln n) deviations
longer than the mean.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from dataflows.machines.eyeriss.mapping import Limits, Mapping, Rows, Ways, ways_of
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div

_TIE = 1e-6


class Estimate:
    """What a machine's ports carry, and its DRAM: what differs between the machines, for the search."""

    def load(self, ways: Ways) -> np.ndarray:
        """Weights that the busiest port brings for a pass."""
        raise NotImplementedError

    def inputs(self, ways: Ways, shape: Rows, rows: np.ndarray) -> np.ndarray:
        """Activations that it brings for a wave, which reads so many rows of a channel."""
        raise NotImplementedError

    def sums(self, ways: Ways, shape: Rows) -> np.ndarray:
        """Sums that pass it in a wave."""
        raise NotImplementedError

    def in_use(self, ways: Ways) -> tuple[np.ndarray, np.ndarray]:
        """Ports of weights and of activations that wait for one another."""
        raise NotImplementedError

    def weight_bits(self, ways: Ways, shape: Rows, nonzero: float) -> np.ndarray:
        """Bits of all weights as they are stored, of which such a share is not zero."""
        raise NotImplementedError


@dataclass(frozen=True)
class Aim:
    """What ways are judged by.

    ports            what they carry
    rates            words that a port of weights, activations and sums brings in a cycle
    beside           whether weights are loaded while PEs compute
    empty            cycles of an activation that meets no weight
    skips            whether zeros and the padding take no cycle
    weights, activations   shares that are not zero
    bytes_per_cycle  of DRAM
    held_bytes       of weights that the PEs hold together: a layer that has no more is loaded once
    """

    limits: Limits
    ports: Estimate
    rates: tuple[int, int, int]
    beside: bool
    empty: int
    skips: bool
    weights: float
    activations: float
    bytes_per_cycle: float
    held_bytes: int

    def cycles(self, shape: Rows, ways: Ways, strips: np.ndarray) -> np.ndarray:
        """(ways,): cycles of the layer on an array that never waits for memory, in so many strips an image."""
        total = np.zeros(strips.shape)
        for times, load, work in self._passes(shape, ways):
            total += times * (np.maximum(strips * load, work) if self.beside else strips * load + work)
        return total

    def _passes(self, shape: Rows, ways: Ways) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """How often there are such passes, with the cycles of a load and of all waves."""
        layer = shape.layer
        rounds = ceil_div(layer.group_out_channels, ways.filters)
        entries = ceil_div(layer.group_in_channels, ways.channels) * shape.units(ways.taps)
        parts = (
            _full_and_rest(np.full(rounds.shape, layer.groups), ways.groups),
            _full_and_rest(rounds, ways.blocks),
            _full_and_rest(entries, ways.depth),
        )
        for (packs, groups), (around, blocks), (through, depth) in itertools.product(*parts):
            times = packs * around * through * layer.batch
            if not times.any():
                continue
            part = replace(ways, groups=groups, blocks=blocks, depth=depth)
            ports, _ = self.ports.in_use(part)
            load = _port_cycles(_most(self.ports.load(_mean(shape, part)), self.weights, ports), self.rates[0])
            work = np.zeros(times.shape)
            for last, (waves, rows) in enumerate(_full_and_rest(np.full(rounds.shape, shape.rows), ways.rows)):
                if waves.any():
                    work += waves * self._wave(shape, replace(part, rows=rows), last=bool(last))
            yield times, load, work

    def _wave(self, shape: Rows, ways: Ways, *, last: bool) -> np.ndarray:
        mean, (_, ports) = _mean(shape, ways), self.ports.in_use(ways)
        words = self.ports.inputs(mean, shape, shape.brought(ways.rows, last=last))
        inputs = _port_cycles(_most(words, self.activations, ports), self.rates[1])
        sums = _port_cycles(self.ports.sums(mean, shape), self.rates[2])
        return np.maximum(np.maximum(inputs, sums), self._slowest(shape, ways))

    def _slowest(self, shape: Rows, ways: Ways) -> np.ndarray:
        """Cycles of the slowest PE of a wave."""
        positions, columns = shape.layer.output_size[-1], ways.channels * ways.taps
        sizes, which = np.unique(ways.filters, return_inverse=True)
        mean, square, most = (part[which] for part in np.array([self._column_cycles(int(k)) for k in sizes]).T)
        inside = shape.columns_inside if self.skips else 1.0
        met = positions * inside * self.activations
        variance = (met * (1 - self.activations) + met**2) * square - (met * mean) ** 2
        pes = ways.groups * ways.blocks * ways.rows * ways.depth
        beyond = np.sqrt(2 * np.log(pes) * columns * np.maximum(variance, 0))
        return np.minimum(columns * met * mean + beyond, columns * positions * inside * most)

    def _column_cycles(self, filters: int) -> tuple[float, float, float]:
        """Cycles of an activation with the weights of so many filters: mean, mean of squares, and most."""
        met = np.arange(filters + 1)
        cycles = np.where(met > 0, ceil_div(met, self.limits.lanes), self.empty)
        if self.weights in (0.0, 1.0):
            sure = float(cycles[filters if self.weights else 0])
            return sure, sure**2, float(cycles.max())
        # Binomial, by logarithms: the numbers of ways to choose among many filters are large.
        factorials = np.append(0, np.cumsum(np.log(met[1:])))
        chosen = factorials[-1] - factorials - factorials[::-1]
        share = np.exp(chosen + met * math.log(self.weights) + met[::-1] * math.log(1 - self.weights))
        return float(share @ cycles), float(share @ cycles**2), float(cycles.max())

    def time(
        self, shape: Rows, ways: Ways, strips: np.ndarray, input_positions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(ways,) twice: time in cycles, and bytes, with so many positions of an image's map in so many strips."""
        layer = shape.layer
        packs = ceil_div(layer.groups, ways.groups)
        weights = self.ports.weight_bits(ways, shape, self.weights) / 8
        again = np.where(weights / packs * np.minimum(2, packs) <= self.held_bytes, 1, strips * layer.batch)
        values = input_positions * layer.in_channels * layer.batch + layer.output_count
        moved = values * self.limits.value_bits / 8 + weights * again
        computing, memory = self.cycles(shape, ways, strips), moved / self.bytes_per_cycle
        # Of ways that wait equally long for memory the one that computes less is better.
        return np.maximum(computing, memory) + _TIE * np.minimum(computing, memory), moved

    def waves_together(self, shape: Rows, ways: Ways) -> np.ndarray:
        """Waves whose sums the buffer holds beside the inputs of one; one at least."""
        return np.maximum(1, self.limits.sums(shape.inputs(ways)) // shape.sums(ways))

    def best_of(self, shape: Rows, ways: Ways) -> int:
        """Which of them takes the least time, then the fewest bytes, in the best of its strips."""
        least = np.full((2, len(ways.rows)), np.inf)
        for strips, positions in self._strips(shape, ways):
            found = np.array(self.time(shape, ways, strips, positions))
            found[:, positions < 0] = np.inf
            better = (found[0] < least[0]) | ((found[0] == least[0]) & (found[1] < least[1]))
            least = np.where(better, found, least)
        return int(np.lexsort(least[::-1])[0])

    def _strips(self, shape: Rows, ways: Ways) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Strips of an image and positions of the map that come; below zero where it cannot be done."""
        layer = shape.layer
        waves, width = ceil_div(shape.rows, ways.rows), layer.input_size[-1]
        held = self._held_waves(shape, ways)
        whole = np.minimum(shape.read_by(np.full(waves.shape, shape.rows)), shape.input_rows)
        yield ceil_div(waves, np.maximum(1, held)), np.where(held > 0, whole * width, -1)
        most = self.waves_together(shape, ways)
        rounds = ceil_div(ceil_div(layer.group_out_channels, ways.filters), ways.blocks)
        longest = np.minimum(most, waves)
        for by in range(int(longest.max()).bit_length()):
            length = np.maximum(1, longest >> by)
            strips = ceil_div(waves, length)
            last = shape.rows - (strips - 1) * length * ways.rows
            read = (strips - 1) * np.minimum(shape.read_by(length * ways.rows), shape.input_rows)
            read += np.minimum(shape.read_by(last), shape.input_rows)
            joined = np.where(ways.groups == 1, most // length, 1)
            yield strips, read * width * ceil_div(rounds, joined)

    def _held_waves(self, shape: Rows, ways: Ways) -> np.ndarray:
        """Waves of a strip whose inputs and sums stay in their buffers; none where not even one wave's do."""
        layer, limits = shape.layer, self.limits
        inputs = limits.input_room // (1 if limits.sum_room is not None else 2)
        sums = (limits.input_room - inputs if limits.sum_room is None else limits.sum_room) // limits.sum_bits
        row_bits = ways.groups * layer.group_in_channels * layer.input_size[-1] * limits.value_bits
        waves, fits = ceil_div(shape.rows, ways.rows), sums // shape.sums(ways)
        # The next strip's rows arrive in the other half, where there is one.
        alone = (layer.batch * ceil_div(layer.groups, ways.groups) == 1) & (fits >= waves)
        read = np.minimum(shape.read_by(np.full(waves.shape, shape.rows)), shape.input_rows)
        rows = shape.rows_of(inputs // row_bits // 2)
        return np.where(
            alone & (read * row_bits <= inputs), waves, np.minimum(np.minimum(rows // ways.rows, fits), waves)
        )


def _full_and_rest(total: np.ndarray, part: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """How many full parts a total has and their size, and whether there is a rest and its size, or one."""
    full, rest = np.divmod(total, part)
    return (full, part), (np.minimum(rest, 1), np.maximum(rest, 1))


def _mean(shape: Rows, ways: Ways) -> Ways:
    """With the mean size of blocks, of which the last may be smaller."""
    layer = shape.layer
    return replace(
        ways,
        filters=layer.group_out_channels / ceil_div(layer.group_out_channels, ways.filters),
        channels=layer.group_in_channels / ceil_div(layer.group_in_channels, ways.channels),
        taps=layer.kernel_size[-1] / ceil_div(layer.kernel_size[-1], ways.taps),
    )


def _most(words: np.ndarray, share: float, ports: np.ndarray) -> np.ndarray:
    """What the busiest of so many ports carries of words that are there with such a share."""
    return np.minimum(words, words * share + np.sqrt(2 * np.log(ports) * words * share * (1 - share)))


def _port_cycles(words: np.ndarray, width: int) -> np.ndarray:
    return np.ceil(words / width)


@lru_cache(maxsize=512)
def search(layer: Layer, aim: Aim) -> Mapping:
    """The way that is expected to take the least time, then the fewest bytes.

    layer   stacked (`stacked_images`), under a name that all share, so that equal layers are searched once
    """
    shape = Rows(layer)
    ways = ways_of(shape, aim.limits)
    return ways[aim.best_of(shape, ways)]
