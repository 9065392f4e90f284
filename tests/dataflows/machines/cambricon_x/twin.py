"""Cambricon-X, slowly: buffers as sets, every PE a machine of its own that selects neurons cycle by cycle.

From the machine's description, in plain Python; nothing here is shared with the kernels. Only the cut of the layer is
taken over from the machine (round, chunk, block, strip): the twin carries it out with explicit buffers, checks that
what a step needs is there and fits, and lets the PEs meet after every block.
"""

from dataclasses import dataclass, field

import numpy as np

from dataflows.schedule import CAUSES, Cause

FILLER = None


def scanned(channels, rows, columns, spec):
    """The windows of an output neuron's inputs, in the order in which they are scanned: (r, s, c) of each input."""
    windows = []
    for r in range(rows):
        for s in range(columns):
            for c in range(channels):
                leaves = spec.window_spans == "position" and c == 0
                if not windows or len(windows[-1]) == spec.window or leaves:
                    windows.append([])
                windows[-1].append((r, s, c))
    return windows


def synapses(weights, scan, index_bits):
    """A filter (C, R, S) as windows of stored synapses: (r, s, c) of each, FILLER where a step would be too long."""
    windows = []
    for window in scan:
        stored, step = [], 0
        for r, s, c in window:
            if not weights[c, r, s]:
                step += 1
                continue
            while step > 2**index_bits - 1:  # the filler is itself one of the zeros
                stored.append(FILLER)
                step -= 2**index_bits
            stored.append((r, s, c))
            step = 0
        windows.append(stored)
    return windows


@dataclass
class Pe:
    """One PE: the windows that it has to scan in this block, one output neuron after the other."""

    todo: list
    selected: int
    did: list = field(default_factory=lambda: [0] * CAUSES)
    issued: int = 0
    window: list | None = None

    def step(self, nbin):
        """One cycle; False when there was nothing left to do."""
        if self.window is None:
            if not self.todo:
                return False
            self.window = self.todo.pop(0)
        picked, self.window = self.window[: self.selected], self.window[self.selected :]
        neurons = [entry for entry in picked if entry is not FILLER]
        for neuron in neurons:
            assert neuron in nbin
        self.did[Cause.BUSY if neurons else Cause.INDEX] += 1
        self.issued += len(neurons)
        if not self.window:
            self.window = None
        return True


class Twin:
    def __init__(self, spec, layer, weights, work):
        self.spec, self.layer, self.work = spec, layer, work
        self.scan = scanned(layer.group_in_channels, *layer.kernel_size, spec)
        self.windows = [synapses(filter_, self.scan, spec.index_bits) for filter_ in weights]
        tiles = work.tiles
        self.cycles = np.zeros((tiles, spec.pes, CAUSES), np.int64)
        self.issued = np.zeros((tiles, spec.pes), np.int64)
        self.duration = np.zeros(tiles, np.int64)
        self.loaded_neurons = np.zeros(tiles, np.int64)
        self.loaded_synapses = np.zeros(tiles, np.int64)
        self.finished = np.zeros(tiles, np.int64)
        self.held_synapses = None

    def rounds(self):
        layer, groups, filters = self.layer, self.work.blocks.groups, self.work.filters
        for first_group in range(0, layer.groups, groups):
            chosen = [
                k
                for k in range(layer.out_channels)
                if first_group <= k // layer.group_out_channels < first_group + groups
            ]
            for i in range(0, len(chosen), filters):
                yield chosen[i : i + filters]

    def run(self):
        layer, blocks = self.layer, self.work.blocks
        rows, columns = layer.output_size
        steps = self.work.shape[2]
        windows = range(len(self.windows[0]))
        chunks = [windows[i : i + self.work.chunk_windows] for i in range(0, len(windows), self.work.chunk_windows)]
        passes = 0  # rounds x images
        for filters in self.rounds():
            for _ in range(layer.batch):
                for band, top in enumerate(range(0, rows, blocks.strip[0])):
                    for left in range(0, columns, blocks.strip[1]):
                        strip = [
                            (p, q)
                            for p in range(top, min(top + blocks.strip[0], rows))
                            for q in range(left, min(left + blocks.strip[1], columns))
                        ]
                        for number, chunk in enumerate(chunks):
                            tile = (passes * steps + band // self.work.joined_bands) * len(chunks) + number
                            self.strip(tile, filters, strip, chunk, last=number == len(chunks) - 1)
                passes += 1
        return self

    def strip(self, tile, filters, strip, chunk, *, last):
        """All blocks of a strip against a chunk; partial sums wait in NBout when there are several chunks."""
        (height, width), (top, left) = self.work.blocks.block, strip[0]
        if len(chunk) < len(self.windows[0]):
            assert len(strip) * len(filters) * self.spec.value_bits <= self.spec.nbout_bytes * 8 // 2
        blocks = {}
        for p, q in strip:
            blocks.setdefault(((p - top) // height, (q - left) // width), []).append((p, q))
        for positions in blocks.values():
            self.load_synapses(tile, filters, chunk)
            self.block(tile, filters, positions, chunk)
        if last:
            self.finished[tile] += len(strip) * len(filters)

    def load_synapses(self, tile, filters, chunk):
        def bits(windows):
            return max(
                sum(len(self.windows[k][i]) for k in filters if k % self.spec.pes == pe for i in windows)
                for pe in range(self.spec.pes)
            ) * (self.spec.value_bits + self.spec.index_bits)

        room, every = self.spec.sb_bytes * 8, range(len(self.windows[0]))
        if bits(every) <= room:
            held = self.held_synapses if self.held_synapses and self.held_synapses[0] == filters else (filters, set())
            if set(chunk) <= held[1]:
                return
            self.held_synapses = (filters, held[1] | set(chunk))
        elif self.largest_chunk_bits(bits) <= room:
            if self.held_synapses == (filters, set(chunk)):
                return
            self.held_synapses = (filters, set(chunk))
        else:
            self.held_synapses = None
        total = sum(len(self.windows[k][i]) for k in filters for i in chunk) * (
            self.spec.value_bits + self.spec.index_bits
        )
        self.loaded_synapses[tile] += -(-total // 8)

    def largest_chunk_bits(self, bits):
        every, chunk = range(len(self.windows[0])), self.work.chunk_windows
        return max(bits(every[i : i + chunk]) for i in range(0, len(every), chunk))

    def corner(self, p, q):
        return (
            p * self.layer.stride[0] - self.layer.padding[0][0],
            q * self.layer.stride[1] - self.layer.padding[1][0],
        )

    def block(self, tile, filters, positions, chunk):
        layer, spec = self.layer, self.spec
        patch = set()
        for p, q in positions:
            h, w = self.corner(p, q)
            for i in chunk:
                patch |= {(h + r * layer.dilation[0], w + s * layer.dilation[1], c) for r, s, c in self.scan[i]}
        groups = {k // layer.group_out_channels for k in filters}
        assert len(patch) * len(groups) * spec.value_bits <= spec.nbin_bytes * 8 // 2
        inside = [n for n in patch if 0 <= n[0] < layer.input_size[0] and 0 <= n[1] < layer.input_size[1]]
        in_flight = {k // layer.group_out_channels // self.work.blocks.groups for k in filters}
        first = in_flight.pop() * self.work.blocks.groups
        self.loaded_neurons[tile] += len(inside) * min(self.work.blocks.groups, layer.groups - first)

        pes = [Pe([], spec.multipliers_per_pe) for _ in range(spec.pes)]
        run = self.apart if spec.fetch == "asynchronous" else self.together
        self.duration[tile] += run(pes, filters, positions, chunk, patch)
        for number, pe in enumerate(pes):
            self.cycles[tile, number] += pe.did
            self.issued[tile, number] += pe.issued

    def apart(self, pes, filters, positions, chunk, patch):
        """Every PE has the whole block before it; cycles until the last is done."""
        for k in filters:
            pes[k % len(pes)].todo += [self.needed(k, i, *self.corner(p, q)) for p, q in positions for i in chunk]
        cycles = 0
        while sum(pe.step(patch) for pe in pes):
            cycles += 1
        return cycles

    def together(self, pes, filters, positions, chunk, patch):
        """One window at a time for all PEs; whoever has selected its neurons waits for the next fetch."""
        present = {k % len(pes) for k in filters}
        cycles = 0
        for turn in sorted({k // len(pes) for k in filters}):
            for p, q in positions:
                for i in chunk:
                    for k in filters:
                        if k // len(pes) == turn:
                            pes[k % len(pes)].todo.append(self.needed(k, i, *self.corner(p, q)))
                    while working := {number for number in present if pes[number].step(patch)}:
                        for number in present - working:
                            pes[number].did[Cause.IMBALANCE] += 1
                        cycles += 1
        return cycles

    def needed(self, k, i, h, w):
        """The neurons that the synapses of filter k's window i meet where the patch begins at (h, w)."""
        down, across = self.layer.dilation
        return [entry and (h + entry[0] * down, w + entry[1] * across, entry[2]) for entry in self.windows[k][i]]
