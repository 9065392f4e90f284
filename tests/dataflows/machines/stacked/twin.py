"""The stacked machine, slowly: a memory that sends vectors, decoders and PEs with queues, cycle by cycle.

From the machine's description. The cut of the positions into strips and of the filters into blocks, and which weight
belongs to which level, are taken over; lists, fillers and every cycle inside a tile are worked out here.
"""

import numpy as np

from dataflows.schedule import CAUSES, Cause

FILLER = 0


def stored_list(codes, levels, index_bits):
    """Place and level of every stored entry of a filter's list, in order; FILLER where a run of zeros is too long."""
    stored, run = [], 0
    for place, code in enumerate(codes):
        if code not in levels:
            run += 1
            continue
        while run > 2**index_bits - 1:  # the filler is itself one of the zeros
            stored.append((place, FILLER))
            run -= 2**index_bits
        stored.append((place, code))
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
    """A PE with its decoder and its queue of vectors, and the lists of the filter that it has to do in this turn.

    A list is given as its stored entries: None for what holds no weight of the level, else the weight's vector.
    """

    def __init__(self, spec, lists):
        self.spec, self.lists = spec, [list(entries) for entries in lists]
        self.to_receive = [vector for entries in lists for vector in entries if vector is not None]
        self.found = []  # vectors of the weights that the decoder has found and not handed over
        self.queue = []
        self.waits_as = Cause.UNMAPPED if self.done else Cause.IMBALANCE
        self.did = np.zeros(CAUSES, np.int64)

    @property
    def done(self):
        return not self.found and not any(self.lists)

    def wants(self, vector):
        return self.to_receive[:1] == [vector]

    def step(self):
        if not self.found:
            entries = next(entries for entries in self.lists if entries)
            self.found = [vector for vector in entries[: self.spec.decoded_entries] if vector is not None]
            del entries[: self.spec.decoded_entries]
            if not self.found:
                self.did[Cause.INDEX] += 1
                return
        if not self.queue:
            self.did[Cause.PORT] += 1
            return
        assert self.queue.pop(0) == self.found.pop(0)
        self.did[Cause.BUSY] += 1


def turn(spec, lists):
    """What every PE did while it worked; `lists` of each PE that has a filter."""
    pes = [Pe(spec, own) for own in lists]
    memory = sorted({vector for pe in pes for vector in pe.to_receive})
    while not all(pe.done for pe in pes):
        for _ in range(spec.input_ports):
            takers = [pe for pe in pes if memory and pe.wants(memory[0])]
            if not takers or any(len(pe.queue) == spec.input_queue_depth for pe in takers):
                break
            for pe in takers:
                pe.queue.append(pe.to_receive.pop(0))
            memory.pop(0)
        working = [not pe.done for pe in pes]
        for pe, works in zip(pes, working, strict=True):
            if works:
                pe.step()
            else:
                pe.did[pe.waits_as] += 1
    length = pes[0].did.sum()
    nothing = np.zeros(CAUSES, np.int64)
    nothing[Cause.UNMAPPED] = length
    return [pe.did for pe in pes] + [nothing] * (spec.pes - len(pes))


def run(spec, layer, filters, strips, filter_blocks):
    """(cycles, issued) of every tile.

    `filters` as the lists that each filter reads, `strips` as lists of blocks of positions, `filter_blocks` as numbers
    of filters. Lists have the place and level of each entry.
    """
    vectors = [
        [
            [
                (number, place, k // layer.group_out_channels) if FILLER < level <= spec.running else None
                for place, level in entries
            ]
            for number, entries in enumerate(lists)
        ]
        for k, lists in enumerate(filters)
    ]
    cycles, issued = [], []
    for _image in range(layer.batch):
        for strip in strips:
            first = 0
            for count in filter_blocks:
                did, products = np.zeros((spec.pes, CAUSES), np.int64), np.zeros(spec.pes, np.int64)
                for start in range(first, first + count, spec.pes):
                    for block in strip:
                        one = np.array(turn(spec, vectors[start : min(start + spec.pes, first + count)]))
                        did += one
                        products += one[:, Cause.BUSY] * len(block)
                cycles.append(did)
                issued.append(products)
                first += count
    return np.array(cycles, np.int64), np.array(issued, np.int64)
