"""ABM-SpConv, slowly: cores with adders and multipliers, one clock cycle after the other.

From the machine's description. The cut of the positions into strips and of the filters into blocks is taken over from
the machine's plan; everything inside a tile is stepped through.
"""

from fractions import Fraction

import numpy as np

from dataflows.schedule import CAUSES, Cause


class Core:
    """One convolution core and the (kernel, positions) that it has to do in this tile."""

    def __init__(self, spec, todo):
        self.spec, self.todo = spec, todo
        self.to_add, self.to_multiply, self.positions = [], 0, 0
        self.did, self.issued = np.zeros(CAUSES, np.int64), 0

    def step(self):
        """One cycle; False when there is nothing left to do."""
        while not self.to_add and not self.to_multiply:
            if not self.todo:
                return False
            kernel, self.positions = self.todo.pop(0)
            additions, values = kernel
            self.to_add = [None] * additions
            self.to_multiply = values * self.positions
        if self.to_add:  # one non-zero, added at every position
            self.to_add.pop()
            self.issued += self.positions
        self.did[Cause.BUSY] += 1
        self.to_multiply -= min(self.to_multiply, self.spec.multipliers_per_core)
        return True


def drawn(codes, draws):
    """Different codes that so many draws give on average, to the nearest whole: every draw finds what was missed."""
    found = Fraction(0)
    for _ in range(draws):
        found += 1 - found / codes
    return int(found + Fraction(1, 2))


def kernels(spec, weights, codebook):
    """Non-zeros and distinct values of each filter; those of a mask are drawn from its codebook, or from the spec's."""
    flat = weights.reshape(len(weights), -1)
    if flat.dtype == np.bool_:
        codes = min(spec.mask_codebook_values if codebook is None else codebook, spec.codebook_values)
        return [(int(row.sum()), drawn(codes, int(row.sum()))) for row in flat]
    rows = [[value for value in row.tolist() if value] for row in flat]
    return [(len(row), min(len(set(row)), spec.codebook_values)) for row in rows]


def run(spec, trace, strips, filter_blocks):
    """(cycles, issued) of every tile; `strips` as lists of blocks of positions, `filter_blocks` as numbers of filters."""
    values, cycles, issued = kernels(spec, trace.weights, trace.codebook_values), [], []
    for _image in range(trace.layer.batch):
        for strip in strips:
            first = 0
            for count in filter_blocks:
                own = [range(first + core, first + count, spec.cores) for core in range(spec.cores)]
                cores = [Core(spec, [(values[k], len(block)) for k in filters for block in strip]) for filters in own]
                while sum(core.step() for core in cores):  # every core steps
                    pass
                cycles.append([core.did for core in cores])
                issued.append([core.issued for core in cores])
                first += count
    return np.array(cycles, np.int64), np.array(issued, np.int64)
