"""The systolic array cycle by cycle: a grid of registers through which values move to the right, one column a cycle."""

import numpy as np

from dataflows.schedule import CAUSES, Cause


class SystolicTwin:
    """Steps one layer; `strips` are lists of blocks, which are lists of output positions."""

    def __init__(self, spec, layer, strips):
        self.spec, self.layer, self.strips = spec, layer, strips
        self.shadow = 0  # rows of the next fold's operands that have been shifted in meanwhile
        self.cycles, self.issued = [], []

    def run(self):
        layer, step = self.layer, self.spec.block_filters
        for _group in range(layer.groups):
            for _image in range(layer.batch):
                for strip in self.strips:
                    for first in range(0, layer.group_out_channels, step):
                        self._tile(strip, min(step, layer.group_out_channels - first))
        return np.array(self.cycles, np.int64), np.array(self.issued, np.int64)

    def _tile(self, strip, filters):
        self.now = np.zeros((self.spec.columns, CAUSES), np.int64)
        self.products = np.zeros(self.spec.columns, np.int64)
        depth = len(list(np.ndindex(self.layer.weight_shape[1:])))
        for positions in strip:
            if self.spec.dataflow == "output":
                self._fold(len(positions), filters, depth)
                continue
            left = depth
            while left:
                rows = min(left, self.spec.rows)
                left -= rows
                if self.spec.dataflow == "weight":
                    self._load(rows, filters)
                    self._fold(rows, filters, len(positions))
                else:
                    self._load(rows, len(positions))
                    self._fold(rows, len(positions), filters)
        self.cycles.append(self.now)
        self.issued.append(self.products)

    def _load(self, rows, columns):
        there = self.shadow if self.spec.shadow_registers else 0
        while there < rows:
            there += 1
            self.now[:columns, Cause.FILL] += 1

    def _fold(self, rows, columns, passing):
        """Value v enters row i in cycle v + i and is multiplied by every register that it passes."""
        grid = [[None] * columns for _ in range(rows)]
        done = [[0] * columns for _ in range(rows)]
        self.shadow = cycle = 0
        while done[-1][-1] < passing:
            for i, row in enumerate(grid):
                row.insert(0, cycle - i if 0 <= cycle - i < passing else None)
                row.pop()
                for j, value in enumerate(row):
                    done[i][j] += value is not None
            for j in range(columns):
                multiplying = sum(row[j] is not None for row in grid)
                self.products[j] += multiplying
                started = any(done[i][j] for i in range(rows))
                self.now[j, Cause.BUSY if multiplying else Cause.DRAIN if started else Cause.FILL] += 1
            cycle += 1
            self.shadow += 1
