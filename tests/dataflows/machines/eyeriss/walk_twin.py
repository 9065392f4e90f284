"""Both Eyeriss machines, slowly: what PEs do tile by tile and wave by wave, one cycle after the other.

From the machines' description alone; nothing here is shared with the kernels.
"""

from itertools import product
from typing import Any, NamedTuple

import numpy as np

from dataflows.schedule import CAUSES, Cause
from tests.dataflows.machines.eyeriss.mapping_twin import Machine, Mapping, stacked, up
from workloads.layer import Layer

Work = list[tuple[Cause, int]]  # of a PE in a wave: for each cycle its cause and how many products it issues


class Slot(NamedTuple):
    """What a chain computes in a round: some filters' sums in one output row of each wave."""

    group: int
    filters: range
    row: int


class Held(NamedTuple):
    """What a PE of a chain holds in a pass."""

    slot: Slot
    block: int  # of channels
    channels: range  # of the group
    kernel_row: tuple[int, int]
    taps: range


class Walk(Machine):
    """A machine that has been given its mapping, and runs; its children say what its ports and PEs do."""

    def __init__(self, spec: Any, layer: Layer, weights: np.ndarray, activations: np.ndarray, m: Mapping) -> None:
        super().__init__(spec, stacked(layer))
        self.weights = weights if layer.axes == 3 else weights[:, :, None]
        self.activations = activations if layer.axes == 3 else activations.swapaxes(0, 1)[None]
        self.m = m

    def slot(self, place: int, pack: int, turn: int) -> Slot | None:
        """What a chain computes; None where it idles."""
        m, each = self.m, self.layer.group_out_channels
        side, row = divmod(place, m.rows)
        u, b = divmod(side, m.blocks)
        group, first = pack * m.groups + u, (turn * m.blocks + b) * m.filters
        if u >= m.groups or group >= self.layer.groups or first >= each:
            return None
        return Slot(group, range(group * each + first, group * each + min(first + m.filters, each)), row)

    def slots(self, pack: int, turn: int) -> dict[tuple[int, int], Slot]:
        """The chains that do not idle, by stack and column."""
        places = product(range(self.rows_of_array // self.m.depth), range(self.columns_of_array))
        found = {(v, x): self.slot(v * self.columns_of_array + x, pack, turn) for v, x in places}
        return {chain: slot for chain, slot in found.items() if slot is not None}

    def held(self, slots: dict[tuple[int, int], Slot], number: int) -> dict[tuple[int, int], Held]:
        """What each PE (row, column) holds in a pass."""
        m = self.m
        found: dict[tuple[int, int], Held] = {}
        for ((v, x), slot), j in product(slots.items(), range(m.depth)):
            entry = number * m.depth + j
            if entry >= self.entries(m.channels):
                continue
            before, tap_block = divmod(entry, self.tap_blocks)
            block, kernel_row = divmod(before, self.t * self.r)
            channels = range(block * m.channels, min((block + 1) * m.channels, self.layer.group_in_channels))
            taps = range(tap_block * m.taps, min((tap_block + 1) * m.taps, self.s))
            found[v * m.depth + j, x] = Held(slot, block, channels, divmod(kernel_row, self.r), taps)
        return found

    def row_read(self, output_row: int, kernel_row: tuple[int, int]) -> tuple[int, int] | None:
        """Slice and row of the input that a kernel row reads; None outside the map."""
        layer = self.layer
        at: list[int] = []
        for axis, (o, k) in enumerate(zip(divmod(output_row, self.p), kernel_row, strict=True)):
            at.append(o * layer.stride[axis] + k * layer.dilation[axis] - layer.padding[axis][0])
        inside = all(0 <= i < size for i, size in zip(at, layer.input_size, strict=False))
        return (at[0], at[1]) if inside else None

    def charge(self, causes: dict[tuple[int, int], Cause], cycles: int = 1) -> None:
        """Adds cycles of one kind to all PEs; those that are not named are unmapped."""
        for y, x in product(range(self.rows_of_array), range(self.columns_of_array)):
            self.did[y * self.columns_of_array + x, causes.get((y, x), Cause.UNMAPPED)] += cycles

    def wave(
        self, slots: dict[tuple[int, int], Slot], held: dict[tuple[int, int], Held], image: int, first: int
    ) -> int:
        """Runs a wave from output row `first` on; how long it took."""
        rows = min(self.m.rows, self.o * self.p - first)
        mapped = {pe: one for pe, one in held.items() if one.slot.row < rows}
        reads = {pe: self.row_read(first + one.slot.row, one.kernel_row) for pe, one in mapped.items()}
        work = {pe: self.work(one, image, reads[pe]) for pe, one in mapped.items()}
        compute = max(map(len, work.values()), default=0)
        chains = {chain: slot for chain, slot in slots.items() if slot.row < rows}
        inputs = {pe: (one, at) for pe, one in mapped.items() if (at := reads[pe]) is not None}
        length = max(compute, self.input_cycles(inputs, image), self.sum_cycles(chains))
        for cycle in range(length):
            waiting = Cause.IMBALANCE if cycle < compute else Cause.PORT
            self.charge({pe: own[cycle][0] if cycle < len(own) else waiting for pe, own in work.items()})
        for (y, x), own in work.items():
            self.issued[y * self.columns_of_array + x] += sum(products for _, products in own)
        return length

    def tile(self, pack: int, image: int, waves: range) -> tuple[np.ndarray, np.ndarray]:
        """Cycles (PEs, causes) and products (PEs,) of a tile."""
        pes, m = self.rows_of_array * self.columns_of_array, self.m
        self.did, self.issued = np.zeros((pes, CAUSES), np.int64), np.zeros(pes, np.int64)
        rounds = up(up(self.layer.group_out_channels, m.filters), m.blocks)
        for turn, number in product(range(rounds), range(up(self.entries(m.channels), m.depth))):
            slots = self.slots(pack, turn)
            held = self.held(slots, number)
            load, ports = self.load_cycles(held), dict.fromkeys(held, Cause.PORT)
            if self.spec.weight_loads == "before":
                self.charge(ports, load)
            ran = sum(self.wave(slots, held, image, wave * m.rows) for wave in waves)
            if self.spec.weight_loads == "beside":
                self.charge(ports, max(0, load - ran))
        return self.did, self.issued

    def run(self, waves: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Cycles int64 (tiles, PEs, causes) and products issued int64 (tiles, PEs); `waves` of each strip."""
        strips = [range(sum(waves[:i]), sum(waves[: i + 1])) for i in range(len(waves))]
        packs = range(up(self.layer.groups, self.m.groups))
        done = [self.tile(*one) for one in product(packs, range(self.layer.batch), strips)]
        return np.array([did for did, _ in done], np.int64), np.array([issued for _, issued in done], np.int64)

    def load_cycles(self, held: dict[tuple[int, int], Held]) -> int:
        """How long the weights of a pass take."""
        raise NotImplementedError

    def work(self, one: Held, image: int, at: tuple[int, int] | None) -> Work:
        """What a PE does in a wave."""
        raise NotImplementedError

    def input_cycles(self, inputs: dict[tuple[int, int], tuple[Held, tuple[int, int]]], image: int) -> int:
        """How long the activations of a wave take, by PE what reads which input row."""
        raise NotImplementedError

    def sum_cycles(self, chains: dict[tuple[int, int], Slot]) -> int:
        """How long the sums of a wave take."""
        raise NotImplementedError
