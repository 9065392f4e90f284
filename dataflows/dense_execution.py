"""Outputs of a dense dataflow: every product is made, in the order in which a dot-product unit takes them."""

from __future__ import annotations

import numpy as np

from dataflows.kernel import kernel, run_slices
from workloads.layer import Layer


def dense_outputs(layer: Layer, weights: np.ndarray, activations: np.ndarray, lanes: int) -> np.ndarray:
    """Int64 (N, K, [O,] P, Q): each output as dot products of `lanes` terms over the flattened (c, [t,] r, s).

    Padding positions are multiplied like any other, as a dense machine does.
    """
    lift = 3 - layer.axes  # a 2-D layer is a 3-D one of depth 1
    pads = ((0, 0),) * lift + layer.padding
    padded = np.pad(activations.reshape(*layer.input_shape[:2], *(1,) * lift, *layer.input_size), ((0, 0),) * 2 + pads)
    kernels = np.ascontiguousarray(weights).reshape(*weights.shape[:2], *(1,) * lift, *layer.kernel_size)
    stride = np.array((1,) * lift + layer.stride)
    dilation = np.array((1,) * lift + layer.dilation)
    outputs = np.zeros((layer.batch, layer.out_channels, *(1,) * lift, *layer.output_size), np.int64)

    def compute(channel: int) -> None:
        _dot_products(padded, kernels, stride, dilation, layer.group_out_channels, lanes, outputs, channel)

    run_slices(compute, range(layer.out_channels))
    return outputs.reshape(layer.output_shape)


@kernel
def _dot_products(
    padded: np.ndarray,
    kernels: np.ndarray,
    stride: np.ndarray,
    dilation: np.ndarray,
    group_out_channels: int,
    lanes: int,
    outputs: np.ndarray,
    k: int,
) -> None:
    """Fill outputs[:, k]: at each position the flattened reduction in steps of `lanes`, summed by an adder tree."""
    images, _, depth, height, width = outputs.shape
    channels, kernel_depth, rows, columns = kernels.shape[1:]
    first_channel = k // group_out_channels * channels
    terms = channels * kernel_depth * rows * columns
    for n in range(images):
        for o in range(depth):
            for p in range(height):
                for q in range(width):
                    total = np.int64(0)
                    for start in range(0, terms, lanes):
                        tree = np.int64(0)
                        for term in range(start, min(start + lanes, terms)):
                            s = term % columns
                            r = term // columns % rows
                            t = term // (columns * rows) % kernel_depth
                            c = term // (columns * rows * kernel_depth)
                            tree += (
                                kernels[k, c, t, r, s]
                                * padded[
                                    n,
                                    first_channel + c,
                                    o * stride[0] + t * dilation[0],
                                    p * stride[1] + r * dilation[1],
                                    q * stride[2] + s * dilation[2],
                                ]
                            )
                        total += tree
                    outputs[n, k, o, p, q] = total
