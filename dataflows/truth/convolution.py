"""The reference convolution: what every machine must compute, written to be obviously right."""

from __future__ import annotations

import itertools

import numpy as np

from workloads.layer import Layer


def reference_convolution(layer: Layer, weights: np.ndarray, activations: np.ndarray) -> np.ndarray:
    """Outputs (N, K, [O,] P, Q) as int64, from weights (K, C/G, [T,] R, S) and activations (N, C, [D,] H, W)."""
    padded = np.pad(activations, ((0, 0), (0, 0), *layer.padding))
    padded = padded.reshape(layer.batch, layer.groups, layer.group_in_channels, *padded.shape[2:])
    kernels = weights.reshape(layer.groups, layer.group_out_channels, *weights.shape[1:])
    outputs = np.zeros((layer.batch, layer.groups, layer.group_out_channels, *layer.output_size), np.int64)
    for position in itertools.product(*map(range, layer.kernel_size)):
        # One slice an axis holds what a kernel position reads for all outputs: tap 1 with a dilation of 2 reads 2 to 5
        # for four outputs of stride 1.
        window = tuple(
            slice(start * dilation, start * dilation + (size - 1) * stride + 1, stride)
            for start, dilation, size, stride in zip(
                position, layer.dilation, layer.output_size, layer.stride, strict=True
            )
        )
        read = padded[(slice(None), slice(None), slice(None), *window)]
        # Kernel position by kernel position a convolution is a product of matrices over the channels, so that no index
        # of a single product can go wrong.
        outputs += np.einsum("gkc,ngc...->ngk...", kernels[(slice(None),) * 3 + position], read, optimize=True)
    return outputs.reshape(layer.output_shape)
