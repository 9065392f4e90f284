"""The group-sparse machine cycle by cycle: an input port, a weight port, and a PE for each row group of a tile."""

import itertools

import numpy as np

from dataflows.schedule import CAUSES, Cause
from tests.dataflows.small_layers import packs, positions_read


def cut(values, size):
    """A list in pieces of `size`."""
    values = list(values)
    return [values[i : i + size] for i in range(0, len(values), size)]


class KgrcTwin:
    """Steps one layer. Kernel groups are (rows, channels) pairs of lists; kept rows and positions are lists too."""

    def __init__(self, spec, trace):
        self.spec, self.layer, self.mask = spec, trace.layer, trace.weight_mask

    def run(self):
        """Cycles, products and drains of the tiles in the fastest mode; every mode is stepped through."""
        modes = []
        for by_row, by_position in self._modes():
            self.lists_rows, self.lists_positions = by_row, by_position
            self.cycles, self.issued, self.drains, self.weights = [], [], [], 0
            self._layer()
            spent = sum(int(tile.sum(axis=1).max()) for tile in self.cycles)
            modes.append((spent, self.weights, [self.cycles, self.issued, self.drains]))
        return (np.array(part, np.int64) for part in min(modes, key=lambda mode: mode[:2])[2])

    def _modes(self):
        """Whether rows and positions are listed; what is not dropped anywhere, or in the dense design, has no list."""
        self.lists_rows = self.lists_positions = self.spec.design == "sparse"
        every = list(self._kernel_groups())
        by_row = any(len(self._kept(*group)[0]) < len(self._meeting(*group)) for group in every)
        by_position = any(len(self._kept(*group)[1]) < len(self._taps) for group in every if self._meeting(*group))
        return list(
            itertools.product((True, False) if by_row else (False,), (True, False) if by_position else (False,))
        )

    @property
    def _taps(self):
        return list(np.ndindex(self.layer.kernel_size))

    def _layer(self):
        layer, spec = self.layer, self.spec
        sizes = (spec.depth_per_tile, spec.rows_per_tile, spec.columns_per_tile)[3 - layer.axes :]
        boxes = list(
            itertools.product(*(cut(range(n), size) for n, size in zip(layer.output_size, sizes, strict=True)))
        )
        for filters, channels in self._kernel_groups():
            rows, taps = self._kept(filters, channels)
            self.weights += len(self._pairs(rows, channels)) * len(taps)
        for filters, channels in self._packs():
            for _image in range(layer.batch):
                for tile in cut(filters, spec.filters_per_tile):
                    for box in boxes:
                        self._tile(cut(tile, spec.group_filters), channels, box)

    def _packs(self):
        """Filters and channels of each pack of convolution groups that lie together."""
        layer, spec = self.layer, self.spec
        for pack in packs(layer, spec.groups, spec.channels_per_tile, spec.filters_per_tile):
            yield tuple(
                range(pack[0] * size, (pack[-1] + 1) * size)
                for size in (layer.group_out_channels, layer.group_in_channels)
            )

    def _pairs(self, filters, channels):
        """Filters with the channels among these that lie in their convolution group."""
        per_group = self.layer.group_out_channels, self.layer.group_in_channels
        return [(k, c) for k in filters for c in channels if k // per_group[0] == c // per_group[1]]

    def _meeting(self, filters, channels):
        """Filters that have any channel among these."""
        return sorted({k for k, _ in self._pairs(filters, channels)})

    def _kernel_groups(self):
        """Filters and channels of every kernel group."""
        for filters, channels in self._packs():
            yield from itertools.product(
                cut(filters, self.spec.group_filters), cut(channels, self.spec.step_group_channels)
            )

    def _kept(self, filters, channels):
        """Rows and kernel positions of a kernel group that hold a weight; what has no list is kept whole."""
        taps, size = self._taps, self.layer.group_in_channels
        held = [(k, tap) for k, c in self._pairs(filters, channels) for tap in taps if self.mask[(k, c % size, *tap)]]
        rows = sorted({k for k, _ in held}) if self.lists_rows else self._meeting(filters, channels)
        return rows, sorted({tap for _, tap in held}) if self.lists_positions else taps

    def _window(self, box):
        """Input positions that a box loads: the rows inside the map that it reads, from first column to last."""
        layer, rows, columns = self.layer, set(), set()
        for output in itertools.product(*box):
            for *row, column in positions_read(layer, output):
                rows.add(tuple(row))
                columns.add(column)
        return len(rows) * (max(columns) - min(columns) + 1) if rows else 0

    def _tile(self, row_groups, every_channel, box):
        spec, layer = self.spec, self.layer
        pixels = list(itertools.product(*box))
        window = self._window(box)
        self.now = np.zeros((spec.row_groups, CAUSES), np.int64)
        self.products = np.zeros(spec.row_groups, np.int64)
        longest = 0
        for channels in cut(every_channel, spec.channels_per_tile):
            column_groups = cut(channels, spec.step_group_channels)
            kept = [[self._kept(rows, columns) for columns in column_groups] for rows in row_groups]
            spent, computed = 0, False
            for chunk in cut(np.ndindex(layer.kernel_size), spec.positions_per_tile):
                work = [
                    [
                        (rows, [tap for tap in chunk if tap in taps], columns)
                        for (rows, taps), columns in zip(groups, column_groups, strict=True)
                    ]
                    for groups in kept
                ]
                cycles, computing = self._chunk(work, pixels)
                spent += cycles
                longest = max(longest, computing)
                computed = computed or computing > 0
            for _word in cut(channels, spec.channel_ports) if computed else ():
                for _ in cut(range(window), spec.input_port_values):
                    spent -= 1  # the input port works beside the chunks
            while spent < 0:
                self.now[:, Cause.PORT] += 1
                spent += 1
        self.now[:, Cause.FILL] += longest
        self.now[self.products == 0] = 0
        self.cycles.append(self.now)
        self.issued.append(self.products)
        filters = cut([k for rows in row_groups for k in rows], spec.channel_ports)
        self.drains.append(sum(1 for _ in itertools.product(filters, cut(pixels, spec.output_port_values))))

    def _chunk(self, work, pixels):
        """Cycles of a chunk and how many of them some PE computed; each PE has a queue of what to do cycle by cycle."""
        queues = [self._queue(groups, pixels) for groups in work]
        transfers = 0  # of the weight ports
        for groups in work:
            for rows, taps, channels in groups:
                transfers += len(self._pairs(rows, channels)) * len(cut(taps, self.spec.weight_port_values))
        cycles = computing = 0
        before = []  # what a chunk waits for before it computes
        if any(queues):
            before = [Cause.FILL] * self.spec.start_cycles + [Cause.INDEX] * (
                self.spec.row_list_cycles * self.lists_rows
            )
        while transfers > 0 or before or any(queues):
            transfers -= self.spec.channel_ports
            cycles += 1
            if before:
                self.now[:, before.pop(0)] += 1
                continue
            somebody = any(queues)
            computing += somebody
            for pe in range(self.spec.row_groups):
                queue = queues[pe] if pe < len(queues) else []
                if queue:
                    self.products[pe] += queue.pop()
                    self.now[pe, Cause.BUSY] += 1
                else:
                    self.now[pe, Cause.IMBALANCE if somebody else Cause.PORT] += 1
        return cycles, computing

    def _queue(self, groups, pixels):
        """Products of each cycle: for each vector of pixels, column groups side by side, rows by positions each."""
        queue = []
        for vector in cut(pixels, self.spec.pixels_parallel):
            lists = [
                [
                    len(self._pairs(r, channels)) * len(t) * len(vector)
                    for r in cut(rows, self.spec.rows_parallel)
                    for t in cut(taps, self.spec.positions_parallel)
                ]
                for rows, taps, channels in groups
            ]
            queue += [sum(together) for together in itertools.zip_longest(*lists, fillvalue=0)]
        return queue
