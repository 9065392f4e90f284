"""The structured-sparse array cycle by cycle: a vector generator, an array of accumulators, a unit that drains them."""

import math
from fractions import Fraction

import numpy as np

from dataflows.schedule import CAUSES, Cause
from tests.dataflows.small_layers import positions_read


class StructuredTwin:
    """Steps one layer. `strips` gives the blocks of output positions of each strip."""

    def __init__(self, spec, trace, strips):
        self.spec, self.trace, self.layer, self.strips = spec, trace, trace.layer, strips
        self.rate = Fraction(str(spec.index_entries_per_cycle))
        self.undrained = 0  # sums in the copy of the accumulators that the array does not use
        self.cycles, self.issued, self.drains = [], [], []

    def run(self):
        layer, parallel = self.layer, self.spec.output_channels_parallel
        for group in range(layer.groups):
            kept = self._index_list(group)
            for _image in range(layer.batch):
                for strip in self.strips:
                    for first in range(0, layer.group_out_channels, parallel):
                        self._tile(kept, strip, min(parallel, layer.group_out_channels - first))
        return (np.array(part, np.int64) for part in (self.cycles, self.issued, self.drains))

    def _index_list(self, group):
        layer, kept = self.layer, []
        for column in np.ndindex(layer.weight_shape[1:]):
            filters = range(group * layer.group_out_channels, (group + 1) * layer.group_out_channels)
            if any(self.trace.weight_mask[(k, *column)] for k in filters):
                kept.append(column)
        return kept

    def _tile(self, kept, strip, filters):
        self.now = np.zeros((self.spec.output_channels_parallel, CAUSES), np.int64)
        self.products = np.zeros(self.spec.output_channels_parallel, np.int64)
        if not self.cycles:
            for _ in range(self.spec.fill_cycles):
                self._cycle(filters, Cause.FILL)
        for pixels in strip:
            self._block(kept, pixels, filters)
        self.cycles.append(self.now)
        self.issued.append(self.products)
        left, cycles = self.undrained, 0
        while left > 0:  # how long the tile's last sums take, which the next tile does not wait for
            left -= self.spec.drain_entries_per_cycle
            cycles += 1
        self.drains.append(cycles)

    def _block(self, kept, pixels, filters):
        waiting, credit = list(kept), Fraction(0)
        while waiting:
            credit = min(credit + self.rate, Fraction(1) + credit % 1) if self.rate < 1 else Fraction(1)
            if credit >= 1:
                credit -= 1
                waiting.pop(0)
                for row in range(filters):
                    for _pixel in pixels:
                        self.products[row] += 1
                self._cycle(filters, Cause.BUSY)
            else:
                self._cycle(filters, Cause.INDEX)
        while self.undrained:
            self._cycle(filters, Cause.DRAIN)
        self.undrained = filters * len(pixels)  # the copies change places

    def _cycle(self, filters, cause):
        for row in range(filters):
            self.now[row, cause] += 1
        self.undrained = max(0, self.undrained - self.spec.drain_entries_per_cycle)


def blocks(spec, layer):
    """The output positions of an image in map order, Pp at a time."""
    positions = list(np.ndindex(layer.output_size))
    step = spec.pixels_parallel
    return [positions[i : i + step] for i in range(0, len(positions), step)]


def rows_read(layer, positions):
    """(depth slice, row) of the input that the windows between the first and last of each output slice read."""
    rows = set()
    for o in {position[:-2] for position in positions}:
        spans = []
        for axis in range(layer.axes - 1):
            ends = [p[axis] * layer.stride[axis] - layer.padding[axis][0] for p in positions if p[:-2] == o]
            taps = [tap * layer.dilation[axis] for tap in range(layer.kernel_size[axis])]
            between = range(min(ends), max(ends) + 1, layer.stride[axis])  # whole rows of windows between the two ends
            spans.append({at + tap for at in between for tap in taps if 0 <= at + tap < layer.input_size[axis]})
        rows |= {(d, h) for d in (spans[0] if layer.axes == 3 else [0]) for h in spans[-1]}
    return rows


def strips(spec, layer, together=1):
    """Blocks by strip: one block more as long as half the buffers have room; and whether one block is too much.

    A position's channels are those of all groups that run `together`.
    """
    all_blocks = blocks(spec, layer)
    position = math.ceil(together * layer.group_in_channels * spec.value_bits / 8)
    in_buffer = spec.input_buffer_bytes // position

    def inputs(strip):
        return layer.input_size[-1] * len(rows_read(layer, [position for block in strip for position in block]))

    if layer.batch * layer.groups == 1 and inputs(all_blocks) <= in_buffer:
        return [all_blocks], False
    room, found = in_buffer // 2, [[]]
    for block in all_blocks:
        longer = [*found[-1], block]
        if found[-1] and inputs(longer) > room:
            found.append([block])
        else:
            found[-1] = longer
    return found, any(inputs(strip) > room for strip in found)


def inputs_of(layer, strip):
    """Every input position that a strip needs."""
    return {at for block in strip for position in block for at in positions_read(layer, position)}
