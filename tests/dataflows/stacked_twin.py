"""The stacked machine, slowly: decoders that look at stored entries and PEs that take weights, cycle by cycle.

From the machine's description. The cut of the positions into strips and of the filters into blocks, and which weight
belongs to which level, are taken over; lists, fillers and every cycle inside a tile are worked out here.
"""

import numpy as np

from dataflows.schedule import CAUSES, Cause

FILLER = 0


def stored_list(codes, levels, index_bits):
    """The level of every stored entry of a filter's list, in order; FILLER where a run of zeros is too long."""
    stored, run = [], 0
    for code in codes:
        if code not in levels:
            run += 1
            continue
        while run > 2**index_bits - 1:  # the filler is itself one of the zeros
            stored.append(FILLER)
            run -= 2**index_bits
        stored.append(code)
        run = 0
    return stored


def lists(spec, codes):
    """The lists of a filter that the running level reads, and those that are loaded."""
    last, running = len(spec.densities), spec.running
    if spec.storage == "sectioned":
        whole = [[level] for level in range(1, last + 1)]
        read = whole[:running]
    elif spec.storage == "coded":
        whole = read = [list(range(1, last + 1))]
    else:
        whole = [list(range(1, level + 1)) for level in range(1, last + 1)]
        read = [whole[running - 1]]
    loaded = whole if spec.loaded == "all" else read
    return tuple([stored_list(codes, levels, spec.index_bits) for levels in which] for which in (read, loaded))


def bits(spec, loaded):
    """Bits of a filter's loaded lists."""
    entry = spec.value_bits + spec.index_bits
    if spec.storage == "coded":
        entry += int(np.ceil(np.log2(len(spec.densities))))
    return sum(len(entries) for entries in loaded) * entry


class Pe:
    """A PE with its decoder, and the (list, positions) that it has to do in this tile."""

    def __init__(self, spec, todo):
        self.spec, self.todo = spec, todo
        self.waiting, self.positions = [], 0  # stored entries that the decoder has not looked at
        self.found = 0  # weights of the level that it has found and not handed over
        self.did, self.issued = np.zeros(CAUSES, np.int64), 0

    def step(self):
        """One cycle; False when there is nothing left to do."""
        if not self.found:
            while not self.waiting:
                if not self.todo:
                    return False
                entries, self.positions = self.todo.pop(0)
                self.waiting = list(entries)
            seen, self.waiting = self.waiting[: self.spec.decoded_entries], self.waiting[self.spec.decoded_entries :]
            self.found = sum(entry != FILLER and entry <= self.spec.running for entry in seen)
            if not self.found:
                self.did[Cause.INDEX] += 1
                return True
        self.found -= 1
        self.issued += self.positions
        self.did[Cause.BUSY] += 1
        return True


def run(spec, layer, filters, strips, filter_blocks):
    """(cycles, issued) of every tile.

    `filters` as the lists that each filter reads, `strips` as lists of blocks of positions, `filter_blocks` as numbers
    of filters.
    """
    cycles, issued = [], []
    for _image in range(layer.batch):
        for strip in strips:
            first = 0
            for count in filter_blocks:
                own = [range(first + pe, first + count, spec.pes) for pe in range(spec.pes)]
                pes = [
                    Pe(spec, [(entries, len(block)) for k in ks for block in strip for entries in filters[k]])
                    for ks in own
                ]
                while sum(pe.step() for pe in pes):  # every PE steps
                    pass
                cycles.append([pe.did for pe in pes])
                issued.append([pe.issued for pe in pes])
                first += count
    return np.array(cycles, np.int64), np.array(issued, np.int64)
