"""DaDianNao cycle by cycle: a vector of inputs goes to every tile, each multiplies it with its own neurons' synapses."""

import itertools

import numpy as np

from dataflows.schedule import CAUSES, Cause
from tests.dataflows.small_layers import packs


class DaDianNaoTwin:
    """Steps one layer; `strips` are lists of rows, which are lists of output positions."""

    def __init__(self, spec, layer, strips):
        self.spec, self.layer, self.strips = spec, layer, strips
        self.cycles, self.issued = [], []

    def run(self):
        layer, spec = self.layer, self.spec
        neurons = spec.chips * spec.tiles * spec.neurons_per_tile
        for pack in packs(layer, spec.groups, spec.inputs_per_neuron, neurons):
            vector = [group for group in pack for _ in range(layer.group_in_channels)]
            for _image in range(layer.batch):
                for strip in self.strips:
                    waiting = [group for group in pack for _ in range(layer.group_out_channels)]
                    while waiting:
                        owners = []  # the neurons of each tile, by their groups: the next ones that still wait
                        for _ in range(spec.chips * spec.tiles):
                            owners.append(waiting[: spec.neurons_per_tile])
                            del waiting[: spec.neurons_per_tile]
                        self._tile(owners, vector, [position for row in strip for position in row])
        return np.array(self.cycles, np.int64), np.array(self.issued, np.int64)

    def _tile(self, owners, channels, positions):
        cycles = np.zeros((len(owners), CAUSES), np.int64)
        issued = np.zeros(len(owners), np.int64)
        for _position, _tap in itertools.product(positions, np.ndindex(self.layer.kernel_size)):
            left = list(channels)
            while left:
                vector = left[: self.spec.inputs_per_neuron]
                del left[: self.spec.inputs_per_neuron]
                for tile, neurons in enumerate(owners):
                    if neurons:
                        cycles[tile, Cause.BUSY] += 1
                        issued[tile] += sum(vector.count(group) for group in neurons)
        self.cycles.append(cycles)
        self.issued.append(issued)
