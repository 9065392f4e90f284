"""The pattern machine, slowly: arrays of rows that hold kernels while blocks of positions pass by, cycle by cycle.

From the machine's description. The cut of the positions into strips and of the filters into blocks is taken over from
the machine's plan; patterns, batches, dealing and every cycle inside a tile are worked out here.
"""

from collections import Counter

import numpy as np

from dataflows.schedule import CAUSES, Cause


def pattern_of(kernel):
    """The places of a kernel's weights."""
    return tuple(x for x, weight in enumerate(kernel) if weight)


def library(kernels, size, positions):
    """The commonest patterns; of equal ones the one whose last place is lowest, and so on downwards."""
    counts = Counter(pattern_of(kernel) for kernel in kernels)
    known = [pattern for pattern in counts if pattern and (positions <= 9 or len(pattern) == positions)]
    return sorted(known, key=lambda pattern: (-counts[pattern], sum(2**x for x in pattern)))[:size]


class Batch:
    """Kernels of one channel, a row each."""

    def __init__(self, channel, pattern, kernels):
        self.channel, self.pattern, self.kernels = channel, pattern, kernels
        self.reads = sorted({x for kernel in kernels for x in pattern_of(kernel)})


class Array:
    def __init__(self, spec, batches):
        self.spec, self.batches, self.pattern = spec, batches, None
        self.did = np.zeros((spec.kernels_parallel, CAUSES), np.int64)
        self.issued = np.zeros(spec.kernels_parallel, np.int64)

    def run(self, blocks):
        """All batches over the blocks of a strip: (positions, reads that a vector takes) each."""
        for batch in self.batches:
            if batch.pattern is None or batch.pattern != self.pattern:
                for _ in range(self.spec.switch_cycles):
                    self.cycle(len(batch.kernels), lambda _row: Cause.INDEX)
            self.pattern = batch.pattern
            for positions, reads in blocks:
                for x in batch.reads:
                    for read in range(reads):
                        now = [bool(kernel[x]) and read == 0 for kernel in batch.kernels]
                        self.cycle(len(now), lambda row, now=now: Cause.BUSY if now[row] else Cause.BANK_CONFLICT)
                        for row, works in enumerate(now):
                            self.issued[row] += works * positions
        rows = max((len(batch.kernels) for batch in self.batches), default=0)
        self.did[rows:] = 0  # rows that never hold a kernel are not mapped

    def cycle(self, rows, cause):
        for row in range(self.spec.kernels_parallel):
            self.did[row, cause(row) if row < rows else Cause.IMBALANCE] += 1


class Twin:
    """`strips` as lists of blocks of output positions (p, q); `filter_blocks` as numbers of filters."""

    def __init__(self, spec, layer, mask, strips, filter_blocks):
        self.spec, self.layer, self.strips, self.filter_blocks = spec, layer, strips, filter_blocks
        self.kernels = mask.reshape(*layer.weight_shape[:2], -1).tolist()
        every = [kernel for filter_ in self.kernels for kernel in filter_]
        self.patterns = library(every, spec.patterns, len(every[0]))

    def run(self):
        cycles, issued = [], []
        for _image in range(self.layer.batch):
            for strip in self.strips:
                blocks = [(len(block), self.reads(block)) for block in strip]
                first = 0
                for count in self.filter_blocks:
                    arrays = self.dealt(self.batches(range(first, first + count)))
                    for array in arrays:
                        array.run(blocks)
                    cycles.append(np.concatenate([array.did for array in arrays]))
                    issued.append(np.concatenate([array.issued for array in arrays]))
                    first += count
        cycles = np.array(cycles, np.int64)
        cycles[0, cycles[0].any(axis=1), Cause.FILL] += self.spec.fill_cycles
        return cycles, np.array(issued, np.int64)

    def batches(self, filters):
        batches, rows = [], self.spec.kernels_parallel
        for pattern in [*self.patterns, None]:
            for channel in range(self.layer.in_channels):
                group, c = divmod(channel, self.layer.group_in_channels)
                own = [self.kernels[k][c] for k in filters if k // self.layer.group_out_channels == group]
                own = [kernel for kernel in own if any(kernel) and self.known(kernel) == pattern]
                batches += [Batch(channel, pattern, own[i : i + rows]) for i in range(0, len(own), rows)]
        return batches

    def known(self, kernel):
        return pattern_of(kernel) if pattern_of(kernel) in self.patterns else None

    def dealt(self, batches):
        arrays, total, before = [[] for _ in range(self.spec.arrays)], sum(len(batch.reads) for batch in batches), 0
        for batch in batches:
            even = before * self.spec.arrays // total
            arrays[even if self.spec.reconfigurable else batch.channel % self.spec.arrays].append(batch)
            before += len(batch.reads)
        return [Array(self.spec, own) for own in arrays]

    def reads(self, block):
        if self.spec.reordered_rows:
            return 1
        (above, below), (left, right) = self.layer.padding
        padded = np.arange((self.layer.input_size[0] + above + below) * (self.layer.input_size[1] + left + right))
        padded = padded.reshape(-1, self.layer.input_size[1] + left + right)
        down, across = self.layer.stride
        banks = Counter(int(padded[p * down, q * across]) % self.spec.pixels_parallel for p, q in block)
        return max(banks.values())

    def filter_bits(self, k):
        """Bits of a filter's compressed kernels."""
        kept = [self.known(kernel) for kernel in self.kernels[k] if any(kernel)]
        every = [kernel for filter_ in self.kernels for kernel in filter_ if any(kernel)]
        names = len({self.known(kernel) for kernel in every})
        whole = len(every) == len(self.kernels) * len(self.kernels[0])
        channel_bits = 0 if whole else int(np.ceil(np.log2(len(self.kernels[0]))))
        bits = sum(sum(kernel) for kernel in self.kernels[k]) * self.spec.value_bits
        bits += len(kept) * ((int(np.ceil(np.log2(names))) if names else 0) + channel_bits)
        return bits + kept.count(None) * len(self.kernels[0][0])
