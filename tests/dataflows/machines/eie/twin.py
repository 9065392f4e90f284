"""EIE, slowly: registers, queues and entries as Python objects, one clock cycle after the other.

From the machine's description; nothing here is shared with the kernels. Blocks of rows, vectors and PEs are found from
the numbers of filters and positions alone.
"""

from collections import deque
from itertools import product

from dataflows.schedule import Cause


def stored(column, run_bits):
    """A PE's own rows of a column as entries: "real" or "filler"."""
    entries, zeros = [], 0
    for weight in column:
        if not weight:
            zeros += 1
            continue
        while zeros > 2**run_bits - 1:
            entries.append("filler")
            zeros -= 2**run_bits
        entries.append("real")
        zeros = 0
    return entries


class Pe:
    def __init__(self, columns, depth):
        self.columns, self.depth = columns, depth
        self.queue, self.pointers, self.entries = deque(), None, []
        self.did = {}

    def full(self):
        return len(self.queue) == self.depth

    def idle(self):
        return not self.queue and self.pointers is None and not self.entries

    def clock(self, cycle, arriving):
        """One cycle. What a step hands on is in the next step's register in the next cycle."""
        reading = self.pointers
        if self.entries:
            cause = Cause.BUSY if self.entries.pop(0) == "real" else Cause.INDEX
        elif cycle <= 3:
            cause = Cause.FILL
        elif reading is not None:
            cause = Cause.PORT
        else:
            cause = Cause.IMBALANCE
        self.did[cause] = self.did.get(cause, 0) + 1
        if reading is not None and not self.entries:
            self.entries = list(self.columns[reading])
            self.pointers = None
        elif reading is not None and not self.columns[reading]:
            self.pointers = None
        if self.pointers is None and self.queue:
            self.pointers = self.queue.popleft()
        if arriving is not None:
            self.queue.append(arriving)


def multiply(matrix, vector, spec):
    """Cycles by cause of each PE that has rows, for one vector, write-back not included."""
    pes = [
        Pe(
            [stored([row[j] for row in matrix[number :: spec.pes]], spec.run_bits) for j in range(len(vector))],
            spec.queue_depth,
        )
        for number in range(min(spec.pes, len(matrix)))
    ]
    waiting = deque(j for j, activation in enumerate(vector) if activation)
    if not waiting:
        return [{} for _ in pes]
    cycle = 0
    while waiting or not all(pe.idle() for pe in pes):
        cycle += 1
        blocked = any(pe.full() for pe in pes)
        arriving = waiting.popleft() if waiting and not blocked else None
        for pe in pes:
            pe.clock(cycle, arriving)
    for pe in pes:
        pe.did[Cause.FILL] = pe.did.get(Cause.FILL, 0) + spec.arithmetic_cycles
    return [pe.did for pe in pes]


def units(layer, spec):
    """(group, first filter, end) of each block of rows."""
    most, each = spec.pes * spec.accumulators_per_pe, layer.group_out_channels
    for group in range(layer.groups):
        for first in range(group * each, (group + 1) * each, most):
            yield group, first, min(first + most, (group + 1) * each)


def position_read(layer, output):
    """The input position that an output position reads; None for a padded one."""
    place = tuple(o * s - pad[0] for o, s, pad in zip(output, layer.stride, layer.padding, strict=True))
    return place if all(0 <= p < size for p, size in zip(place, layer.input_size, strict=True)) else None


def run(spec, layer, weights, activations):
    """For each unit, image and position: the PEs' cycles by cause, write-back included."""
    every = list(units(layer, spec))
    places = list(product(*map(range, layer.output_size)))
    results = sum(-(-(end - first) // spec.pes) for _, first, end in every) * layer.batch * len(places)  # of PE 0
    stay = results <= spec.accumulators_per_pe
    channels = layer.group_in_channels
    for group, first, end in every:
        bits = -(-(end - first) // spec.pes) * spec.value_bits
        write = 0 if stay else -(-bits // spec.sram_port_bits)
        matrix = [[bool(w) for w in weights[k].reshape(-1)] for k in range(first, end)]
        for image in range(layer.batch):
            for output in places:
                place = position_read(layer, output)
                read = activations[image, group * channels : (group + 1) * channels]
                vector = [bool(read[(c, *place)]) if place else False for c in range(channels)]
                did = multiply(matrix, vector, spec)
                for causes in did:
                    causes[Cause.DRAIN] = write
                yield did
