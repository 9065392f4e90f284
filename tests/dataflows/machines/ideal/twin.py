"""The ideal machine product by product: every one takes the next free multiplier, and full cycles follow one another."""

import numpy as np


def ideal_cycles(layer, weights, activations, multipliers, *, skips):
    """Cycles and products of masks; with `skips` only products of two non-zeros are made."""
    padded = np.pad(activations, ((0, 0), (0, 0), *layer.padding))
    cycles = products = 0
    free = 0  # multipliers left in the cycle under way
    for image, k in np.ndindex(layer.batch, layer.out_channels):
        first = k // layer.group_out_channels * layer.group_in_channels
        for output in np.ndindex(layer.output_size):
            for c, *tap in np.ndindex(weights.shape[1:]):
                steps = zip(output, layer.stride, tap, layer.dilation, strict=True)
                at = [o * stride + t * dilation for o, stride, t, dilation in steps]
                if skips and not (weights[(k, c, *tap)] and padded[(image, first + c, *at)]):
                    continue
                if not free:
                    cycles, free = cycles + 1, multipliers
                free -= 1
                products += 1
    return cycles, products
