"""DCNN's actions, walked through dot product by dot product: vectors read, weights taken, sums added and read again."""

import itertools
import math
from collections import Counter

from tests.dataflows.machines.dcnn.twin import DcnnTwin
from tests.dataflows.small_layers import positions_read

WEIGHT_VECTORS = 72  # of a PE's buffer: 3x3 kernels of 8 output channels


class ActionsTwin(DcnnTwin):
    """`count()` gives a Counter of (component, action), but for what follows from bytes."""

    def count(self):
        self.did = Counter()
        layer, pes = self.layer, self.spec.pe_rows * self.spec.pe_columns
        block = self.spec.output_channel_group * (pes if self.spread else 1)
        # Cut at every block of output channels, and at every convolution group.
        cuts = sorted({*range(0, layer.out_channels, block), *range(0, layer.out_channels, layer.group_out_channels)})
        portions = [range(a, b) for a, b in itertools.pairwise([*cuts, layer.out_channels])]
        parts = 1 if self.spread else self.parts()
        for _image, part, portion in itertools.product(range(layer.batch), range(parts), portions):
            rows = range(part * self.tile_rows // parts, (part + 1) * self.tile_rows // parts)
            for channels in self.vectors():
                if self.spread:
                    self.spread_out(portion, block, channels)
                else:
                    self.planar(portion, rows, channels)
        for _output in range(layer.output_count):
            self.did["accumulators", "read"] += 1
            self.did["post_processing", "compare"] += 1
        self.did["output_sram", "write"] += math.ceil(layer.output_count / self.spec.multipliers_per_pe)
        return self.did

    def vectors(self):
        """How many channels each vector of a position has."""
        left, lanes = self.layer.group_in_channels, self.spec.multipliers_per_pe
        return [min(lanes, left - first) for first in range(0, left, lanes)]

    def planar(self, filters, rows, channels):
        """Each PE that has outputs: the block's weights come by, and each position that it needs is read once a round."""
        taps = math.prod(self.layer.kernel_size)
        for own in self.outputs_by_pe(rows):
            for _weights in range(len(filters) * taps if own else 0):
                self.did["weight_broadcast", "traverse"] += 1
                self.did["weight_buffer", "write"] += 1
            needed = {at for output in own for at in positions_read(self.layer, output)}
            for _round, _at in itertools.product(range(math.ceil(len(filters) * taps / WEIGHT_VECTORS)), needed):
                self.did["input_sram", "read"] += 1
                self.did["input_registers", "write"] += 1
            for _dot in range(len(own) * len(filters) * taps):
                self.dot_product(channels)

    def spread_out(self, filters, block, channels):
        """A position's vector is read once, goes to every PE with filters, and meets weights that nobody else uses."""
        pes = self.spec.pe_rows * self.spec.pe_columns
        owners = Counter((k % block) % pes for k in filters)
        for _at in positions_read(self.layer, self.positions[0]):
            self.did["input_sram", "read"] += 1
            for _owner in owners:
                self.did["input_broadcast", "traverse"] += 1
                self.did["input_registers", "write"] += 1
        for _filter, _tap in itertools.product(filters, range(math.prod(self.layer.kernel_size))):
            self.did["weight_broadcast", "traverse"] += 1
            self.did["weight_buffer", "write"] += 1
            self.dot_product(channels)

    def dot_product(self, channels):
        self.did["weight_buffer", "read"] += 1
        self.did["adder_trees", "add"] += channels - 1
        self.did["accumulators", "read"] += 1
        self.did["accumulator_adders", "add"] += 1
        self.did["accumulators", "write"] += 1

    def outputs_by_pe(self, rows):
        """The output positions of each PE in some rows of its tile."""
        found = [[] for _ in range(self.spec.pe_rows * self.spec.pe_columns)]
        for position in self.positions:
            pe_row, row = divmod(position[-2], self.tile_rows)
            if row in rows:
                found[pe_row * self.spec.pe_columns + position[-1] // self.tile_columns].append(position)
        return found
