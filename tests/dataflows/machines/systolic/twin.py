"""The systolic array cycle by cycle: a grid of registers through which values move to the right, one column a cycle."""

import math

import numpy as np

from dataflows.schedule import CAUSES, Cause
from tests.dataflows.small_layers import packs


def packs_of(spec, layer):
    """Groups that lie together: with weights stationary only."""
    groups = spec.groups if spec.dataflow == "weight" else "alone"
    return packs(layer, groups, spec.rows, spec.block_filters, math.prod(layer.kernel_size))


class SystolicTwin:
    """Steps one layer; `strips` are lists of blocks, which are lists of output positions."""

    def __init__(self, spec, layer, strips):
        self.spec, self.layer, self.strips = spec, layer, strips
        self.shadow = 0  # rows of the next fold's operands that have been shifted in meanwhile
        self.cycles, self.issued = [], []

    def run(self):
        layer, step = self.layer, self.spec.block_filters
        for pack in packs_of(self.spec, layer):
            filters = [group for group in pack for _ in range(layer.group_out_channels)]
            for _image in range(layer.batch):
                for strip in self.strips:
                    for first in range(0, len(filters), step):
                        self._tile(strip, pack, filters[first : first + step])
        return np.array(self.cycles, np.int64), np.array(self.issued, np.int64)

    def _tile(self, strip, pack, filters):
        self.now = np.zeros((self.spec.columns, CAUSES), np.int64)
        self.products = np.zeros(self.spec.columns, np.int64)
        for positions in strip:
            for fold in self.folds(len(positions), pack, filters):
                if self.spec.dataflow != "output":
                    self._load(len(fold[0]), len(fold[1]))
                self._fold(*fold)
        self.cycles.append(self.now)
        self.issued.append(self.products)

    def folds(self, positions, pack, filters):
        """Of a block: the groups of the rows and of the columns, and values that pass. A row of group None is any's."""
        depth = [group for group in pack for _ in np.ndindex(self.layer.weight_shape[1:])]
        if self.spec.dataflow == "output":
            return [([None] * positions, filters, len(depth))]
        cut = [depth[i : i + self.spec.rows] for i in range(0, len(depth), self.spec.rows)]
        if self.spec.dataflow == "weight":
            return [(rows, filters, positions) for rows in cut]
        return [([None] * len(rows), [None] * positions, len(filters)) for rows in cut]

    def _load(self, rows, columns):
        there = self.shadow if self.spec.shadow_registers else 0
        while there < rows:
            there += 1
            self.now[:columns, Cause.FILL] += 1

    def _fold(self, row_groups, column_groups, passing):
        """Value v enters row i in cycle v + i and is multiplied by every register of its group that it passes."""
        rows, columns = len(row_groups), len(column_groups)
        grid = [[None] * columns for _ in range(rows)]
        own = [[group in (None, other) for other in column_groups] for group in row_groups]
        done = [[0] * columns for _ in range(rows)]
        self.shadow = cycle = 0
        while done[-1][-1] < passing:
            for i, row in enumerate(grid):
                row.insert(0, cycle - i if 0 <= cycle - i < passing else None)
                row.pop()
                for j, value in enumerate(row):
                    done[i][j] += value is not None
            for j in range(columns):
                multiplying = sum(grid[i][j] is not None and own[i][j] for i in range(rows))
                self.products[j] += multiplying
                started = any(done[i][j] and own[i][j] for i in range(rows))
                self.now[j, Cause.BUSY if multiplying else Cause.DRAIN if started else Cause.FILL] += 1
            cycle += 1
            self.shadow += 1


class BackToBackTwin(SystolicTwin):
    """All folds of a layer in one array, cycle by cycle: the next one's values enter as soon as they may.

    Operands that stay are shifted into shadow registers, a row a cycle, from the start of the fold before; sums that
    stay leave a row a cycle, and those of the next fold must not be done before.
    """

    def run(self):
        """Cycles of the layer, and products by column."""
        waiting = []
        for pack in packs_of(self.spec, self.layer):
            filters = [group for group in pack for _ in range(self.layer.group_out_channels)]
            for _image in range(self.layer.batch):
                for strip in self.strips:
                    for first in range(0, len(filters), self.spec.block_filters):
                        for positions in strip:
                            block = filters[first : first + self.spec.block_filters]
                            waiting += self.folds(len(positions), pack, block)
        self.waves, self.products, self.cycle = [], np.zeros(self.spec.columns, np.int64), 0
        shadow = leaving = 0
        while waiting or self.waves:
            entering = self.waves[-1][1] if self.waves else 0  # values of the last wave that have not entered
            if waiting and entering == 0:
                rows, columns, passing = waiting[0]
                ready = leaving <= passing if self.spec.dataflow == "output" else shadow >= len(rows)
                if ready:
                    waiting.pop(0)
                    self.waves.append([self.cycle, passing, rows, columns, passing])
                    shadow, leaving = 0, passing + len(rows)
            self._step()
            shadow, leaving = shadow + 1, leaving - 1
        return self.cycle, self.products

    def _step(self):
        moving = []
        for wave in self.waves:
            start, left, rows, columns, passing = wave
            wave[1] = max(0, left - 1)
            for i, group in enumerate(rows):
                for j, other in enumerate(columns):
                    if 0 <= self.cycle - start - i - j < passing:
                        self.products[j] += group in (None, other)
            if self.cycle - start < passing + len(rows) + len(columns) - 2 - 1 or wave[1]:
                moving.append(wave)
        self.waves = moving
        self.cycle += 1
