"""Cnvlutin, slowly: sixteen lanes take the non-zero neurons of their bricks, one cycle after the other.

From the machine's description alone; nothing here is shared with the kernels.
"""

from dataclasses import replace
from itertools import product
from typing import Protocol

import numpy as np

from dataflows.schedule import CAUSES, Cause
from workloads.layer import Layer


class Spec(Protocol):
    """The settings that decide cycles."""

    lanes: int
    brick: int
    units: int
    filters_per_unit: int
    slices: str
    empty_brick_cycles: int
    first_layer: str
    groups: str


def place_read(layer: Layer, output: tuple[int, ...], tap: tuple[int, ...]) -> tuple[int, ...] | None:
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

    def __init__(self, spec: Spec, layer: Layer, activations: np.ndarray, *, dense: bool) -> None:
        self.spec, self.layer, self.activations, self.dense = spec, layer, activations, dense
        self.filters = spec.units * spec.filters_per_unit
        self.taps = list(product(*map(range, layer.kernel_size)))

    def packs(self) -> list[list[int]]:
        """The groups of each pack: of those in all filters, half of them and so on what takes the fewest cycles."""
        filters, ways = self.filters, [self.packs_in(self.filters)]
        while filters > 1 and not self.dense:
            filters //= 2
            ways.append(self.packs_in(filters))
        return min(ways, key=self.cycles) if self.layer.groups > 1 else ways[0]

    def cycles(self, packs: list[list[int]]) -> int:
        """Those of all windows, on the first lane as on any."""
        rounds = -(-len(packs[0]) * self.layer.group_out_channels // self.filters)
        images = range(self.layer.batch)
        return sum(int(self.image(pack, image, rounds)[0][0].sum()) for pack in packs for image in images)

    def packs_in(self, filters: int) -> list[list[int]]:
        """The groups of each pack: one more joins as long as its channels and filters have room beside the others."""
        room = self.spec.lanes if self.dense else self.spec.lanes * self.spec.brick
        found: list[list[int]] = []
        for group in range(self.layer.groups):
            more = len(found[-1]) + 1 if found else 1
            fits = more * self.layer.group_in_channels <= room and more * self.layer.group_out_channels <= filters
            if self.spec.groups == "packed" and found and fits:
                found[-1].append(group)
            else:
                found.append([group])
        return found

    def neurons(self, image: int, channels: list[int], output: tuple[int, ...], tap: tuple[int, ...]) -> list[bool]:
        """Whether the pack's neurons at a kernel position are non-zero, channel by channel."""
        place = place_read(self.layer, output, tap)
        return [place is not None and bool(self.activations[(image, c, *place)]) for c in channels]

    def bricks(self, image: int, channels: list[int], output: tuple[int, ...]) -> list[list[list[bool]]]:
        """The bricks of a window that each lane gets, in order."""
        lanes: list[list[list[bool]]] = [[] for _ in range(self.spec.lanes)]
        dealt = 0
        for tap in self.taps:
            neurons = self.neurons(image, channels, output, tap)
            for z in range(0, len(neurons), self.spec.brick):
                turn = dealt if self.spec.slices == "window" else z // self.spec.brick
                lanes[turn % self.spec.lanes].append(neurons[z : z + self.spec.brick])
                dealt += 1
        return lanes

    def skipping_window(self, did: np.ndarray, lanes: list[list[list[bool]]]) -> None:
        """Adds a window's cycles to `did` (lanes, causes)."""
        waiting: list[list[Cause]] = []
        for bricks in lanes:
            cycles: list[Cause] = []
            for brick in bricks:
                cycles += [Cause.BUSY] * sum(brick) or [Cause.INDEX] * self.spec.empty_brick_cycles
            waiting.append(cycles)
        while any(waiting):
            for lane, cycles in enumerate(waiting):
                if not lanes[lane]:
                    did[lane, Cause.UNMAPPED] += 1
                else:
                    did[lane, cycles.pop(0) if cycles else Cause.IMBALANCE] += 1

    def dense_window(self, did: np.ndarray, channels: list[int]) -> None:
        """Adds a window's cycles to `did` (lanes, causes)."""
        lanes = self.spec.lanes
        for _tap in self.taps:
            for first in range(0, len(channels), lanes):
                for lane in range(lanes):
                    if first + lane < len(channels):
                        did[lane, Cause.BUSY] += 1
                    else:
                        did[lane, Cause.IMBALANCE if lane < len(channels) else Cause.UNMAPPED] += 1

    def image(self, pack: list[int], image: int, rounds: int) -> tuple[np.ndarray, np.ndarray]:
        """Cycles (lanes, causes) and products (lanes,) of an image of a pack."""
        layer, each = self.layer, self.layer.group_in_channels
        channels = [c for group in pack for c in range(group * each, (group + 1) * each)]
        did = np.zeros((self.spec.lanes, CAUSES), np.int64)
        issued = np.zeros(self.spec.lanes, np.int64)
        for number in range(rounds):
            # The filters of a neuron's own group that are at work in this round.
            first = number * self.filters
            filters = min(layer.group_out_channels, first + self.filters) - first
            for output in product(*map(range, layer.output_size)):
                before = did[:, Cause.BUSY].copy()
                if self.dense:
                    self.dense_window(did, channels)
                else:
                    self.skipping_window(did, self.bricks(image, channels, output))
                issued += (did[:, Cause.BUSY] - before) * filters
        return did, issued


def twin(spec: Spec, layer: Layer, activation_mask: np.ndarray, input_in_dram: bool) -> tuple[np.ndarray, np.ndarray]:
    """Cycles int64 (packs, N, lanes, causes) and products issued int64 (packs, N, lanes)."""
    if layer.fully_connected and layer.batch > 1:
        channels = range(layer.in_channels)
        activation_mask = np.array([[[[image[c, 0, 0] for image in activation_mask]] for c in channels]])
        layer = replace(layer, batch=1, input_size=(1, layer.batch), fully_connected=False)
    machine = Machine(spec, layer, activation_mask, dense=spec.first_layer == "dense" and input_in_dram)
    packs = machine.packs()
    rounds = -(-len(packs[0]) * layer.group_out_channels // machine.filters)
    cycles, issued = [], []
    for pack in packs:
        done = [machine.image(pack, image, rounds) for image in range(layer.batch)]
        cycles.append([did for did, _ in done])
        issued.append([products for _, products in done])
    return np.array(cycles, np.int64), np.array(issued, np.int64)
