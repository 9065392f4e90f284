"""The pattern machine, slowly: every cut of every order tried, and the arrays stepped through cycle by cycle.

From the machine's description. The cut of the positions into strips and of the filters into blocks is taken over from
the machine's plan; everything inside a tile is found here. A kernel is the tuple of its positions that hold a weight.
"""

import math
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import combinations, pairwise

import numpy as np

from dataflows.schedule import CAUSES, Cause

MOST_SORTED, MOST_CUT_WELL = 9, 64  # positions of kernels


@dataclass(frozen=True)
class Batch:
    """Kernels in the rows of an array, what they read, and whether the array is first set to that."""

    kernels: tuple
    read: tuple
    set_first: bool


@dataclass(frozen=True)
class Cycle:
    """One cycle of a tile's work: an array is being set (`at` is None), or reads for position `at` of the kernels."""

    channel: int
    batch: Batch
    at: int | None = None
    positions: int = 0
    first_read: bool = False


def kernels_of(layer, mask):
    """{(filter, channel of the whole map): kernel}, kernels without weights left out."""
    kernels = {}
    for k, filter_mask in enumerate(mask.reshape(*mask.shape[:2], -1).tolist()):
        group = k // layer.group_out_channels
        for c, row in enumerate(filter_mask):
            kernel = tuple(at for at, weight in enumerate(row) if weight)
            if kernel:
                kernels[k, group * layer.group_in_channels + c] = kernel
    return kernels


def place(kernel, library):
    """Where the smallest pattern that holds the kernel stands in the library; behind all where none does."""
    holding = [(len(pattern), at) for at, pattern in enumerate(library) if set(kernel) <= set(pattern)]
    return min(holding)[1] if holding else len(library)


def library_of(kernels, patterns, kernel_positions):
    """Patterns of the layer, each the one that then saves most positions, until none saves any."""
    if not 2 <= kernel_positions <= MOST_SORTED:
        return ()
    whole, library = len(set().union(*kernels)), []

    def positions_read(names):
        sizes = [*(len(pattern) for pattern in names), whole]
        return sum(sizes[place(kernel, names)] for kernel in kernels)

    while len(library) < patterns:
        now = positions_read(library)
        offers = [
            (positions_read([*library, pattern]), sum(1 << at for at in pattern), pattern) for pattern in set(kernels)
        ]
        if not offers or min(offers)[0] >= now:
            break
        library.append(min(offers)[2])
    return tuple(library)


@cache
def ways_to_cut(count, most):
    """All ways to cut so many kernels into batches of at most `most`, as sizes; larger first batches come first."""
    ways = []
    for cuts in range(count):
        for ends in combinations(range(1, count), cuts):
            sizes = tuple(b - a for a, b in zip((0, *ends), (*ends, count), strict=True))
            if max(sizes) <= most:
                ways.append(sizes)
    return sorted(ways, reverse=True)


def batch_of(spec, kernels, kernel_positions, reads):
    """(cycles, batch) of kernels that share one."""
    read = tuple(sorted(set().union(*kernels)))
    when_set = len(read) * reads + spec.switch_cycles
    if when_set < kernel_positions * reads:
        return when_set, Batch(kernels, read, set_first=True)
    return kernel_positions * reads, Batch(kernels, tuple(range(kernel_positions)), set_first=False)


def batches_of(spec, kernels, library, kernel_positions, reads):
    """The batches of a channel's kernels (of one block of filters, in the filters' order)."""
    if not kernels:
        return []
    rows = spec.kernels_parallel
    if kernel_positions > MOST_CUT_WELL:
        cut = [kernels[first : first + rows] for first in range(0, len(kernels), rows)]
        return [batch_of(spec, own, kernel_positions, reads)[1] for own in cut]
    orders = [list(kernels)]
    orders += [sorted(kernels, key=lambda own: place(own, library[:first])) for first in range(1, len(library) + 1)]
    best_cycles, best = math.inf, []
    for order in orders:
        costs = {}
        for first in range(len(order)):
            for end in range(first + 1, min(first + rows, len(order)) + 1):
                costs[first, end] = batch_of(spec, tuple(order[first:end]), kernel_positions, reads)
        for sizes in ways_to_cut(len(order), rows):
            ends = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
            tried = [costs[cut] for cut in pairwise(ends)]
            cycles = sum(own for own, _ in tried)
            if cycles < best_cycles:
                best_cycles, best = cycles, [batch for _, batch in tried]
    return best


def reads_of(spec, layer, block):
    """Reads that a vector of a block takes."""
    if spec.reordered_rows:
        return 1
    width = layer.input_size[1] + sum(layer.padding[1])
    addresses = [p * layer.stride[0] * width + q * layer.stride[1] for p, q in block]
    return max(Counter(address % spec.pixels_parallel for address in addresses).values())


def stretch(spec, channel, batch, blocks):
    """The cycles of one batch; `blocks` as (positions, reads)."""
    work = [Cycle(channel, batch)] * (spec.switch_cycles if batch.set_first else 0)
    for at in batch.read:
        for positions, reads in blocks:
            work += [Cycle(channel, batch, at, positions, first_read=read == 0) for read in range(reads)]
    return work


def shares(spec, work):
    """The cycles of each array."""
    if not spec.reconfigurable:
        return [[cycle for cycle in work if cycle.channel % spec.arrays == array] for array in range(spec.arrays)]
    share = math.ceil(len(work) / spec.arrays)
    return [work[array * share : (array + 1) * share] for array in range(spec.arrays)]


def cause_of(cycle, row):
    """What a mapped row does in a cycle of its array."""
    if row >= len(cycle.batch.kernels):
        return Cause.IMBALANCE
    if cycle.at is None:
        return Cause.INDEX
    return Cause.BUSY if cycle.first_read and cycle.at in cycle.batch.kernels[row] else Cause.BANK_CONFLICT


def tile(spec, work, fill_cycles):
    """(cycles, issued) of the rows of all arrays in one tile."""
    cycles = np.zeros((spec.arrays, spec.kernels_parallel, CAUSES), np.int64)
    issued = np.zeros((spec.arrays, spec.kernels_parallel), np.int64)
    for array, own in enumerate(shares(spec, work)):
        for row in range(max((len(cycle.batch.kernels) for cycle in own), default=0)):  # the mapped ones
            cycles[array, row, Cause.FILL] = fill_cycles
            for cycle in own:
                cause = cause_of(cycle, row)
                cycles[array, row, cause] += 1
                issued[array, row] += cycle.positions if cause == Cause.BUSY else 0
    return cycles.reshape(-1, CAUSES), issued.reshape(-1)


def run(spec, layer, mask, strips, filter_blocks):
    """(cycles, issued) by image, strip and filter block, in this order.

    mask           (K, C/G, R, S), true where there is a weight
    strips         of an image: blocks of output positions (p, q)
    filter_blocks  numbers of filters
    """
    kernels, kernel_positions = kernels_of(layer, mask), math.prod(layer.kernel_size)
    library = library_of(list(kernels.values()), spec.patterns, kernel_positions)
    cycles, issued = [], []
    for _image in range(layer.batch):
        for strip in strips:
            blocks = [(len(block), reads_of(spec, layer, block)) for block in strip]
            reads = sum(own for _, own in blocks)
            first = 0
            for count in filter_blocks:
                work = []
                for c in range(layer.in_channels):
                    own = tuple(kernels[k, c] for k in range(first, first + count) if (k, c) in kernels)
                    for batch in batches_of(spec, own, library, kernel_positions, reads):
                        work += stretch(spec, c, batch, blocks)
                done = tile(spec, work, 0 if cycles else spec.fill_cycles)
                cycles.append(done[0])
                issued.append(done[1])
                first += count
    return np.array(cycles, np.int64), np.array(issued, np.int64)
