"""SCNN, slowly: every PE, queue and FIFO stepped cycle by cycle in plain Python, from the machine's description.

Nothing here is shared with the kernels: tiles are found by trying, lists are Python lists (None is a placeholder),
queues hold numbers of waiting products, and time moves one cycle at a time.
"""

from itertools import product
from math import ceil

import numpy as np

from dataflows.schedule import CAUSES, Cause


def compressed(values, present, run_limit):
    """Entries of a list: the values that are present, and None for each stored zero that a long run needs."""
    entries, zeros = [], 0
    for value, there in zip(values, present, strict=True):
        if not there:
            zeros += 1
            continue
        entries += [None] * (zeros // run_limit) + [value]
        zeros = 0
    return entries


def vectors(entries, width):
    return [entries[i : i + width] for i in range(0, len(entries), width)]


class Pe:
    """One PE in one tile: its steps channel by channel, its queues and what it did in each cycle."""

    def __init__(self, steps_by_channel, banks, depth):
        self.steps = steps_by_channel  # per channel a list of steps, each a list of banks
        self.channel, self.step = 0, 0
        self.queues = [0] * banks
        self.depth = depth
        self.stalled = False
        self.did = [0] * CAUSES
        self.issued = 0

    def skip_empty(self, entered):
        """Go on to the next channel when this one is done; True when it moved."""
        if self.stalled or self.channel >= len(self.steps) or self.channel >= entered:
            return False
        if self.step < len(self.steps[self.channel]):
            return False
        self.channel, self.step = self.channel + 1, 0
        return True

    def done(self):
        return self.channel >= len(self.steps) and not any(self.queues)

    def cycle(self, entered):
        if self.done():
            return
        if self.stalled or self.channel >= len(self.steps):
            self.did[Cause.BANK_CONFLICT] += 1
        elif self.channel >= entered:
            self.did[Cause.IMBALANCE] += 1
        else:
            products = self.steps[self.channel][self.step]
            self.step += 1
            for bank in products:
                self.queues[bank] += 1
            self.issued += len(products)
            self.did[Cause.BUSY if products else Cause.INDEX] += 1
        self.queues = [max(0, waiting - 1) for waiting in self.queues]
        self.stalled = any(waiting > self.depth for waiting in self.queues)


def run_tile(pes, sizes, capacity):
    """All PEs of a tile share the weight stream; `sizes` are the blocks' vectors in the order of the channels."""
    resident, entered = [], 0
    while not all(pe.done() for pe in pes):
        moved = True
        while moved:
            moved = False
            while resident and all(pe.channel > resident[0] for pe in pes):
                resident.pop(0)
                moved = True
            if entered < len(sizes):
                held = sum(sizes[block] for block in resident)
                if not resident or held + sizes[entered] <= capacity:
                    resident.append(entered)
                    entered += 1
                    moved = True
            for pe in pes:
                moved |= pe.skip_empty(entered)
        for pe in pes:
            pe.cycle(entered)


def bank_of(spec, k, y, x, rows, columns):
    if spec.bank_hash == "linear":
        return (k * rows * columns + y * columns + x) % spec.accumulator_banks
    mixed = 37 * k + 11 * y + x
    return (mixed ^ (mixed >> 3)) % spec.accumulator_banks


class Twin:
    """A layer on a machine: `run()` returns cycles, issued and drain cycles as the schedule must hold them."""

    def __init__(self, spec, trace):
        self.spec, self.layer = spec, trace.layer
        self.W = trace.weight_mask | (spec.skip == "activations")
        self.A = trace.activation_mask | (spec.skip == "weights")
        self.run_limit = 2**spec.zero_run_bits
        self.shares = spec.tile_cut == "vectors"
        self.lists = {}  # those made so far, as a search for a cut asks for them again and again
        layer = self.layer
        (self.H, self.Wd), (sy, sx) = layer.input_size, layer.stride
        self.map = (ceil(self.H / sy), ceil(self.Wd / sx))
        self.tile = (ceil(self.map[0] / spec.pe_rows), ceil(self.map[1] / spec.pe_columns))
        self.taps = {}  # virtual phase -> [(r, s, dy, dx)]
        for r, s in product(*map(range, layer.kernel_size)):
            need_y = r * layer.dilation[0] - layer.padding[0][0]
            need_x = s * layer.dilation[1] - layer.padding[1][0]
            phase = (need_y % sy, need_x % sx)
            # output y reads input row y * stride + need, which is row (y + need // stride) of the phase's own map
            self.taps.setdefault(phase, []).append((r, s, -(need_y // sy), -(need_x // sx)))
        every = [tap for taps in self.taps.values() for tap in taps]
        self.low = (min(t[2] for t in every), min(t[3] for t in every))
        self.halo = (max(t[2] for t in every) - self.low[0], max(t[3] for t in every) - self.low[1])
        self.phases = sorted(self.taps)

    # --- tiling ---
    def choose(self):
        spec = self.spec
        smallest = (1 + self.halo[0]) * (1 + self.halo[1])
        self.Kc = min(spec.output_channel_group, self.layer.out_channels)
        while self.Kc > 1 and self.Kc * smallest > spec.accumulator_entries:
            self.Kc -= 1
        sizes = sorted(
            {
                (ceil(self.tile[0] / h) * ceil(self.tile[1] / w), (h + self.halo[0]) * (w + self.halo[1]), h, w)
                for a, b in product(range(1, self.tile[0] + 1), range(1, self.tile[1] + 1))
                for h, w in [(ceil(self.tile[0] / a), ceil(self.tile[1] / b))]
            }
        )
        sizes = [size[2:] for size in sizes if self.Kc * size[1] <= spec.accumulator_entries]
        self.cut = sizes[0]
        bits = spec.value_bits + (0 if spec.skip == "weights" else spec.zero_run_bits)  # dense lists hold no runs
        per_pe = np.sum([[self.stored(n, c) for c in self.cuts()] for n in range(self.layer.batch)], axis=1).max()
        if per_pe * bits > 8 * spec.iaram_bytes:
            for self.cut in sizes:
                fullest = max(max(self.stored(n, c)) for n in range(self.layer.batch) for c in self.cuts())
                if fullest * bits <= 8 * spec.iaram_bytes:
                    break

    def cuts(self):
        return list(product(range(ceil(self.tile[0] / self.cut[0])), range(ceil(self.tile[1] / self.cut[1]))))

    def window(self, pe, cut, size):
        """Rows and columns of one part of a PE's tile, where parts have this size."""
        ranges = []
        for axis in (0, 1):
            first = pe[axis] * self.tile[axis] + cut[axis] * size[axis]
            end = min(first + size[axis], (pe[axis] + 1) * self.tile[axis], self.map[axis])
            ranges.append(range(first, end))
        return ranges

    def listed(self, pe, cut):
        """The positions that a list tells, and that sums are numbered by: of the sub-tile, or of the whole tile."""
        return self.window(pe, (0, 0), self.tile) if self.shares else self.window(pe, cut, self.cut)

    def pes(self):
        return list(product(range(self.spec.pe_rows), range(self.spec.pe_columns)))

    def activations(self, image, pe, cut, channel, phase):
        """What a PE reads of a virtual channel in a sub-tile: a list of its own, or a share of the whole tile's list."""
        entries = self.entries(image, self.listed(pe, cut), channel, phase)
        if not self.shares:
            return entries
        read = vectors(entries, self.spec.activations_per_vector)
        cuts = self.cuts()
        number, turn = cuts.index(cut), (channel * len(self.phases) + self.phases.index(phase)) % len(cuts)
        first, end = ((b * len(read) + turn) // len(cuts) for b in (number, number + 1))
        return [entry for vector in read[first:end] for entry in vector]

    def entries(self, image, window, channel, phase):
        key = (image, *window, channel, phase)
        if key not in self.lists:
            self.lists[key] = self.list_of(image, window, channel, phase)
        return self.lists[key]

    def list_of(self, image, window, channel, phase):
        rows, columns = window
        sy, sx = self.layer.stride
        positions, present = [], []
        for y, x in product(rows, columns):
            h, w = y * sy + phase[0], x * sx + phase[1]
            if h < self.H and w < self.Wd:
                positions.append((y - rows.start, x - columns.start))
                present.append(self.A[image, channel, h, w])
        return compressed(positions, present, self.run_limit)

    def stored(self, image, cut):
        channels = list(product(range(self.layer.in_channels), self.phases))
        return [sum(len(self.activations(image, pe, cut, *v)) for v in channels) for pe in self.pes()]

    def weights(self, group, channel, phase):
        layer = self.layer
        names, present = [], []
        for k in range(group * self.Kc, min((group + 1) * self.Kc, layer.out_channels)):
            if k // layer.group_out_channels != channel // layer.group_in_channels:
                continue
            for r, s, dy, dx in self.taps[phase]:
                names.append((k - group * self.Kc, dy - self.low[0], dx - self.low[1]))
                present.append(self.W[k, channel % layer.group_in_channels, r, s])
        return compressed(names, present, self.run_limit)

    # --- running ---
    def steps(self, activation_entries, weight_entries):
        spec = self.spec
        size = self.tile if self.shares else self.cut
        rows, columns = size[0] + self.halo[0], size[1] + self.halo[1]
        made = []
        for a in vectors(activation_entries, spec.activations_per_vector):
            for w in vectors(weight_entries, spec.weights_per_vector):
                real = [(i, j) for i in a if i is not None for j in w if j is not None]
                made.append([bank_of(spec, j[0], i[0] + j[1], i[1] + j[2], rows, columns) for i, j in real])
        return made

    def run(self):
        self.choose()
        layer, spec, pes = self.layer, self.spec, self.pes()
        groups = ceil(layer.out_channels / self.Kc)
        tiles = list(product(range(layer.batch), self.cuts(), range(groups)))
        cycles = np.zeros((len(tiles), len(pes), CAUSES), np.int64)
        issued = np.zeros((len(tiles), len(pes)), np.int64)
        drain = np.zeros(len(tiles), np.int64)
        for t, (image, cut, group) in enumerate(tiles):
            here = [p for p, pe in enumerate(pes) if all(len(r) for r in self.listed(pe, cut))]
            channels = list(product(range(layer.in_channels), self.phases))
            blocks = [(v, entries) for v in channels if (entries := self.weights(group, *v))]
            states = [
                Pe(
                    [self.steps(self.activations(image, pes[p], cut, *v), entries) for v, entries in blocks],
                    spec.accumulator_banks,
                    spec.queue_depth,
                )
                for p in here
            ]
            sizes = [ceil(len(entries) / spec.weights_per_vector) for _, entries in blocks]
            run_tile(states, sizes, spec.weight_fifo_vectors)
            for p, state in zip(here, states, strict=True):
                cycles[t, p], issued[t, p] = state.did, state.issued
            rows, columns = map(len, self.window((0, 0), cut, self.cut))
            channels_here = min(self.Kc, layer.out_channels - group * self.Kc)
            region = (rows + self.halo[0]) * (columns + self.halo[1])
            drain[t] = ceil(channels_here * (region - rows * columns) / spec.halo_entries_per_cycle)
            drain[t] += ceil(channels_here * rows * columns / spec.post_processing_entries_per_cycle)
        return cycles, issued, drain


class SlicedTwin:
    """A fully connected layer: every PE has its own outputs and its own weight stream."""

    def __init__(self, spec, trace):
        self.spec, self.layer = spec, trace.layer
        self.W = trace.weight_mask[:, :, 0, 0] | (spec.skip == "activations")
        self.A = trace.activation_mask[:, :, 0, 0] | (spec.skip == "weights")

    def run(self):
        spec, layer = self.spec, self.layer
        pes = spec.pe_rows * spec.pe_columns
        share = ceil(layer.out_channels / pes)
        rounds = ceil(share / spec.accumulator_entries)
        reached = all(pad[0] % stride == 0 for pad, stride in zip(layer.padding, layer.stride, strict=True))
        cycles = np.zeros((layer.batch * rounds, pes, CAUSES), np.int64)
        issued = np.zeros((layer.batch * rounds, pes), np.int64)
        drain = np.zeros(layer.batch * rounds, np.int64)
        for t, (image, turn) in enumerate(product(range(layer.batch), range(rounds))):
            for p in range(pes):
                low = p * share + turn * spec.accumulator_entries
                mine = range(low, min(low + spec.accumulator_entries, (p + 1) * share, layer.out_channels))
                pe = Pe([self.steps(image, c, mine) if reached else [] for c in range(layer.in_channels)],
                        spec.accumulator_banks, spec.queue_depth)  # fmt: skip
                run_tile([pe], [1] * layer.in_channels, layer.in_channels)
                cycles[t, p], issued[t, p] = pe.did, pe.issued
            drain[t] = ceil(min(spec.accumulator_entries, share - turn * spec.accumulator_entries)
                            / spec.post_processing_entries_per_cycle)  # fmt: skip
        return cycles, issued, drain

    def steps(self, image, channel, mine):
        if not self.A[image, channel]:
            return []
        group = channel // self.layer.group_in_channels
        connected = [k for k in mine if k // self.layer.group_out_channels == group]
        local = [k - mine.start for k in connected]
        there = [self.W[k, channel % self.layer.group_in_channels] for k in connected]
        entries = compressed(local, there, 2**self.spec.zero_run_bits)
        return [
            [bank_of(self.spec, k, 0, 0, 1, 1) for k in vector if k is not None]
            for vector in vectors(entries, self.spec.weights_per_vector)
        ]
