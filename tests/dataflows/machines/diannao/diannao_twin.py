"""DianNao cycle by cycle: three nested units of loops, every multiplication counted one at a time."""

import itertools
import math

import numpy as np

from dataflows.schedule import CAUSES, Cause
from tests.dataflows.small_layers import packs, positions_read


class DianNaoTwin:
    """Steps one layer; strips are lists of output positions, as `strips` of this module finds them."""

    def __init__(self, spec, trace, strips):
        self.spec, self.layer, self.strips = spec, trace.layer, strips
        self.cycles, self.issued = [], []

    def run(self):
        layer, neurons = self.layer, self.spec.output_neurons
        for pack in packs(layer, self.spec.groups, self.spec.inputs_per_neuron, neurons):
            # Each filter with the channels that it needs, which lie side by side in the pack.
            waiting = [(place, group) for group in pack for place in range(layer.group_out_channels)]
            channels = [group for group in pack for _ in range(layer.group_in_channels)]
            while waiting:
                filters = [group for _, group in waiting[:neurons]]
                del waiting[:neurons]
                for image in range(layer.batch):
                    for number, strip in enumerate(self.strips):
                        self._tile(filters, channels, strip, starts_round=image == 0 and number == 0)
        return np.array(self.cycles, np.int64), np.array(self.issued, np.int64)

    def _tile(self, filters, channels, strip, *, starts_round):
        cycles = np.zeros((self.spec.output_neurons, CAUSES), np.int64)
        issued = np.zeros(self.spec.output_neurons, np.int64)
        if starts_round:
            for _ in range(self.spec.pipeline_fill_cycles):
                for neuron in range(len(filters)):
                    cycles[neuron, Cause.FILL] += 1
        for _position in strip:
            for _tap in itertools.product(*map(range, self.layer.kernel_size)):
                waiting = list(channels)
                while waiting:
                    vector = waiting[: self.spec.inputs_per_neuron]
                    del waiting[: self.spec.inputs_per_neuron]
                    for neuron, group in enumerate(filters):
                        cycles[neuron, Cause.BUSY] += 1
                        issued[neuron] += vector.count(group)
        self.cycles.append(cycles)
        self.issued.append(issued)


def block_reads(layer, rows, columns):
    """Inputs of one depth slice that a whole block spans, kernel holes and borders included."""
    sides = []
    for outputs, stride, kernel, dilation in zip(
        (rows, columns), layer.stride[-2:], layer.kernel_size[-2:], layer.dilation[-2:], strict=True
    ):
        places = [o * stride + k * dilation for o in range(outputs) for k in range(kernel)]
        sides.append(max(places) - min(places) + 1)
    return sides[0] * sides[1]


def strips(spec, layer, tiles_about=1024):
    """Output positions by strip, and blocks side by side in a band: found by trying every block."""
    values = 8 // spec.value_bits if spec.value_bits < 8 else 1
    value_bytes = max(1, spec.value_bits // 8)
    sums = spec.nbout_bytes * values // value_bytes // spec.output_neurons
    found = packs(layer, spec.groups, spec.inputs_per_neuron, spec.output_neurons)
    channels = len(found[0]) * layer.group_in_channels
    inputs = spec.nbin_bytes * values // value_bytes // min(spec.inputs_per_neuron, channels)
    height, width = layer.output_size[-2:]
    sizes = [
        (p, q)
        for p in range(1, height + 1)
        for q in range(1, width + 1)
        if p * q <= sums and block_reads(layer, p, q) <= inputs
    ]
    sizes.sort(key=lambda size: (block_reads(layer, *size) / (size[0] * size[1]), -size[0] * size[1], -size[1]))
    rows, columns = sizes[0] if sizes else (1, 1)
    bands = []
    for o in range(layer.output_size[0] if layer.axes == 3 else 1):
        for p in range(0, height, rows):
            depth = (o,) if layer.axes == 3 else ()
            bands.append([(*depth, y, x) for y in range(p, min(p + rows, height)) for x in range(width)])
    passes = layer.batch * len(found) * math.ceil(layer.group_out_channels / spec.output_neurons)
    wanted = max(1, tiles_about // passes)
    together = next(n for n in range(1, len(bands) + 1) if math.ceil(len(bands) / n) <= wanted)
    merged = [list(itertools.chain(*bands[i : i + together])) for i in range(0, len(bands), together)]
    return merged, math.ceil(width / columns)


def inputs_of(layer, positions):
    """Every input position that a strip needs."""
    return {at for position in positions for at in positions_read(layer, position)}
