"""Outputs of the dense machines of the DianNao family: rounds of output neurons, each a sum over vectors of inputs."""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.tiling.group_packs import GroupPacks, Groups
from dataflows.tiling.windows import PaddedMap
from workloads.layer import Layer


def neuron_outputs(
    layer: Layer, weights: np.ndarray, activations: np.ndarray, *, neurons: int, lanes: int, groups: Groups
) -> np.ndarray:
    """Int64 (N, K, [O,] P, Q), computed round by round of `neurons` filters and `lanes` channels at a time.

    Every product is made, padding included; of convolution groups packed into a round, each filter's own channels only.
    """
    packs = GroupPacks.of(layer, groups, inputs=lanes, filters=neurons)
    padded = PaddedMap.of(layer, activations)
    # (g, c, taps, k): the synapses of one input lie side by side, as in the synapse buffer.
    by_filter = weights.reshape(layer.groups, layer.group_out_channels, layer.group_in_channels, -1)
    synapses = np.ascontiguousarray(by_filter.transpose(0, 2, 3, 1))
    outputs = np.zeros((layer.batch, layer.groups, len(padded.windows), layer.group_out_channels), np.int64)
    _neuron_outputs(padded, synapses, packs.together, neurons, lanes, outputs)
    return outputs.transpose(0, 1, 3, 2).reshape(layer.output_shape)


@kernel
def _neuron_outputs(
    inputs: PaddedMap, synapses: np.ndarray, together: int, neurons: int, lanes: int, outputs: np.ndarray
) -> None:
    """Fill outputs (N, G, positions, K/G) from synapses (G, C/G, kernel positions, K/G)."""
    values, columns, windows = inputs
    groups, channels, taps, filters = synapses.shape
    for pack in range(0, groups, together):
        for first in range(0, filters, neurons):
            last = min(first + neurons, filters)
            for image in range(outputs.shape[0]):
                for position in range(windows.size):
                    # The partial sums of a position wait in NBout until its last chunk and kernel
                    # position have been added.
                    for chunk in range(0, channels, lanes):
                        for tap in range(taps):
                            # Groups of a pack share the cycle. On the lanes of the others a filter meets
                            # zeros, which are left out here.
                            for group in range(pack, min(pack + together, groups)):
                                sums = outputs[image, group, position, first:last]
                                for c in range(chunk, min(chunk + lanes, channels)):
                                    value = values[image, group, windows[position] + columns[c * taps + tap]]
                                    row = synapses[group, c, tap, first:last]
                                    for k in range(sums.size):
                                        sums[k] += value * row[k]
