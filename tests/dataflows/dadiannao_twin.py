"""DaDianNao cycle by cycle: a vector of inputs goes to every tile, each multiplies it with its own neurons' synapses."""

import itertools

import numpy as np

from dataflows.schedule import CAUSES, Cause


class DaDianNaoTwin:
    """Steps one layer; `strips` are lists of rows, which are lists of output positions."""

    def __init__(self, spec, layer, strips):
        self.spec, self.layer, self.strips = spec, layer, strips
        self.cycles, self.issued = [], []

    def run(self):
        for _group, _image in itertools.product(range(self.layer.groups), range(self.layer.batch)):
            for strip in self.strips:
                waiting = list(range(self.layer.group_out_channels))
                while waiting:
                    owners = []  # the neurons of each tile: the next ones that still wait
                    for _ in range(self.spec.tiles):
                        owners.append(waiting[: self.spec.neurons_per_tile])
                        del waiting[: self.spec.neurons_per_tile]
                    self._tile(owners, [position for row in strip for position in row])
        return np.array(self.cycles, np.int64), np.array(self.issued, np.int64)

    def _tile(self, owners, positions):
        cycles = np.zeros((self.spec.tiles, CAUSES), np.int64)
        issued = np.zeros(self.spec.tiles, np.int64)
        for _position, _tap in itertools.product(positions, np.ndindex(self.layer.kernel_size)):
            left = self.layer.group_in_channels
            while left:
                vector = min(left, self.spec.inputs_per_neuron)
                left -= vector
                for tile, neurons in enumerate(owners):
                    if neurons:
                        cycles[tile, Cause.BUSY] += 1
                        issued[tile] += vector * len(neurons)
        self.cycles.append(cycles)
        self.issued.append(issued)
