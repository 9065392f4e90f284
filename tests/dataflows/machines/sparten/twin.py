"""SparTen, slowly: units step through the matches of their filters' chunks, one cycle after the other.

From the machine's description alone; nothing here is shared with the kernels.
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise, product
from typing import Protocol

import numpy as np

from dataflows.schedule import CAUSES, Cause
from workloads.layer import Layer

Place = tuple[int, ...]
Chunk = list[tuple[Place, int]]  # elements: kernel position, channel of the group
Span = tuple[list[list[Cause]], int]  # what each unit does, cycle by cycle, and the cycles of the network


class Spec(Protocol):
    """The settings that decide cycles."""

    clusters: int
    units: int
    chunk: int
    least_chunk_cycles: int
    permute_sums_per_cycle: Fraction
    skips: str
    balancing: str
    chunks_of: str
    barrier: str


def chunks_of(spec: Spec, layer: Layer) -> list[Chunk]:
    """The elements of a window in order, cut into chunks."""
    taps = product(*map(range, layer.kernel_size))
    vectors = [[(tap, c) for c in range(layer.group_in_channels)] for tap in taps]
    if spec.chunks_of == "window":
        vectors = [[element for vector in vectors for element in vector]]
    return [vector[i : i + spec.chunk] for vector in vectors for i in range(0, len(vector), spec.chunk)]


def place_read(layer: Layer, output: Place, tap: Place) -> Place | None:
    """The place of the map that a kernel position reads; None in the padding."""
    place = []
    for axis, size in enumerate(layer.input_size):
        at = output[axis] * layer.stride[axis] + tap[axis] * layer.dilation[axis] - layer.padding[axis][0]
        if not 0 <= at < size:
            return None
        place.append(at)
    return tuple(place)


class Machine:
    """One layer on the machine."""

    def __init__(self, spec: Spec, layer: Layer, weights: np.ndarray, activations: np.ndarray) -> None:
        self.spec, self.layer, self.chunks = spec, layer, chunks_of(spec, layer)
        self.weights, self.activations = weights, activations
        self.balancing = "none" if spec.skips in ("inputs", "neither") else spec.balancing

    def kept(self, k: int, chunk: Chunk) -> int:
        """Non-zero weights of a filter's chunk."""
        return sum(bool(self.weights[(k, c, *tap)]) for tap, c in chunk)

    def rounds(self, group: int) -> list[list[list[int]]]:
        """For each round the filters of each unit."""
        each, units = self.layer.group_out_channels, self.spec.units
        order = list(range(group * each, (group + 1) * each))
        if self.balancing == "none":
            held = [[k] for k in order] + [[]] * (-each % units)
        else:
            order.sort(key=lambda k: -sum(self.kept(k, chunk) for chunk in self.chunks))  # stable: lower numbers first
            padded = [*order, *[None] * (-each % (2 * units))]
            pairs = [(padded[p], padded[-1 - p]) for p in range(len(padded) // 2)]
            held = [[k for k in pair if k is not None] for pair in pairs]
        return [held[i : i + units] for i in range(0, len(held), units)]

    def held(self, one_round: list[list[int]], chunk: Chunk) -> list[list[int]]:
        """The filters of each unit of a round while a chunk is broadcast."""
        if self.balancing != "gb-h":
            return one_round
        # In the order of the whole filters: the denser of each pair, then the sparser of each, from the last pair on.
        filters = [unit[0] for unit in one_round if unit] + [unit[1] for unit in one_round[::-1] if len(unit) > 1]
        filters.sort(key=lambda k: -self.kept(k, chunk))
        found: list[list[int]] = [[] for _ in one_round]
        for rank, k in enumerate(filters):
            found[min(rank, 2 * self.spec.units - 1 - rank)].append(k)
        return found

    def inside(self, image: int, group: int, output: Place, chunk: Chunk) -> list[tuple[Place, int, bool]]:
        """Kernel position, channel and mask of the chunk's elements that lie inside the map."""
        found = []
        for tap, c in chunk:
            place = place_read(self.layer, output, tap)
            if place is not None:
                at = (image, group * self.layer.group_in_channels + c, *place)
                found.append((tap, c, bool(self.activations[at])))
        return found

    def matches(self, k: int, inside: list[tuple[Place, int, bool]]) -> int:
        """Products of a filter's chunk with a window's."""
        any_input, any_weight = self.spec.skips in ("weights", "neither"), self.spec.skips in ("inputs", "neither")
        return sum((x or any_input) and (any_weight or bool(self.weights[(k, c, *tap)])) for tap, c, x in inside)

    def spans(self, image: int, group: int, output: Place, one_round: list[list[int]]) -> Iterator[Span]:
        """The spans of an output position and a round."""
        work: list[list[Cause]] = [[] for _ in one_round]
        network = 0
        for chunk in self.chunks:
            if not (inside := self.inside(image, group, output, chunk)):
                continue
            for unit, held in enumerate(self.held(one_round, chunk)):
                for k in held:
                    m = self.matches(k, inside)
                    work[unit] += [Cause.BUSY] * m + [Cause.INDEX] * (self.spec.least_chunk_cycles - m)
            if self.balancing == "gb-h":
                network += -(-sum(map(len, one_round)) // self.spec.permute_sums_per_cycle)
            if self.spec.barrier == "chunk":
                yield work, network
                work, network = [[] for _ in one_round], 0
        yield work, network  # without any cycle with barriers at chunks

    def tile(self, group: int, image: int, strip: list[Place]) -> np.ndarray:
        """Cycles by cause of a tile, (clusters, units, causes)."""
        spec, rounds = self.spec, self.rounds(group)
        did = np.zeros((spec.clusters, spec.units, CAUSES), np.int64)
        down = min(len(rounds), spec.clusters // (across := min(len(strip), spec.clusters)))
        for (i, output), (j, one_round) in product(enumerate(strip), enumerate(rounds)):
            cluster = did[(i % across) * down + j % down]
            mapped = [bool(unit) for unit in self.held(one_round, [])]
            for work, network in self.spans(image, group, output, one_round):
                for cycle in range(max(network, *map(len, work))):
                    waiting = Cause.IMBALANCE if any(cycle < len(own) for own in work) else Cause.PORT
                    for unit, own in enumerate(work):
                        cause = own[cycle] if cycle < len(own) else waiting
                        cluster[unit, cause if mapped[unit] else Cause.UNMAPPED] += 1
        return did


def twin(
    spec: Spec, layer: Layer, weight_mask: np.ndarray, activation_mask: np.ndarray, strips: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Cycles int64 (tiles, clusters * units, causes) and products issued int64 (tiles, clusters * units)."""
    machine = Machine(spec, layer, weight_mask, activation_mask)
    positions = list(product(*map(range, layer.output_size)))
    cut = [positions[slice(*ends)] for ends in pairwise([*strips, len(positions)])]
    every = product(range(layer.groups), range(layer.batch), cut)
    cycles = np.array([machine.tile(*one).reshape(-1, CAUSES) for one in every], np.int64)
    return cycles, cycles[:, :, Cause.BUSY].copy()  # a unit issues a product in each busy cycle, and in no other
