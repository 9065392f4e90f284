"""Products of two non-zeros, counted from the masks alone: a closed form without tiles, lists or vectors.

A stride sends each weight to the activations of one phase (h mod stride, w mod stride); every weight of a channel meets
every activation of its phase, those whose product falls outside the output map included.
"""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices, thread_count
from workloads.layer import Layer
from workloads.whole_numbers import even_slices


@kernel
def _phase_counts(mask: np.ndarray, stride_y: int, stride_x: int, counts: np.ndarray) -> None:
    """Fill counts, int64 (channels, stride_y, stride_x): stored values of each phase; mask uint8 (channels, H, W)."""
    channels, height, width = mask.shape
    for c in range(channels):
        for h in range(height):
            row = mask[c, h]
            # A map narrower than the stride has no positions of the later phases.
            for phase in range(min(stride_x, width)):
                found = 0
                if stride_x == 1:  # without a step, so that the compiler adds up many at once
                    for w in range(width):
                        found += row[w]
                else:
                    for w in range(phase, width, stride_x):
                        found += row[w]
                counts[c, h % stride_y, phase] += found


@kernel
def _tap_counts(mask: np.ndarray, first: int, end: int, groups: int, counts: np.ndarray) -> None:
    """Fill counts, int32 (groups, C/G * taps), with the weights of channels first..end; mask uint8 (K, C/G * taps)."""
    group_channels = len(mask) // groups
    for k in range(first, end):
        row = mask[k]
        total = counts[k // group_channels]
        for i in range(len(row)):
            total[i] += row[i]


def issued_products(layer: Layer, weights: np.ndarray, activations: np.ndarray, keep: tuple[bool, bool]) -> int:
    """Products of all images; weights uint8 (K, C/G, R, S), activations uint8 (N, C, H, W).

    keep  whether zeros of the weights, and of the activations, are multiplied like non-zeros.
    """
    keep_weights, keep_activations = keep
    stride_y, stride_x = layer.stride
    if keep_activations:
        # Every position counts, alike in all channels and images: one map of ones stands for them, counted `batch`
        # times below.
        activations = np.ones((1, 1, *layer.input_size), np.uint8)
    images, channels = activations.shape[:2]
    per_phase = np.zeros((images * channels, stride_y, stride_x), np.int64)
    # Without a stride a channel is as good as a single long row.
    rows = layer.input_size if stride_y * stride_x > 1 else (1, activations[0, 0].size)
    _phase_counts(activations.reshape(-1, *rows), stride_y, stride_x, per_phase)
    per_phase = per_phase.reshape(images, channels, stride_y, stride_x).sum(axis=0) * (layer.batch // images)
    per_phase = np.broadcast_to(per_phase, (layer.in_channels, stride_y, stride_x))
    # The phase of the inputs that each tap reads: tap r reads p * stride + r * dilation - padding.
    # Three taps with padding 1 and stride 2 read the phases 1, 0 and 1.
    rows, columns = (
        (np.arange(size) * dilation - pad[0]) % stride
        for size, dilation, pad, stride in zip(
            layer.kernel_size, layer.dilation, layer.padding, layer.stride, strict=True
        )
    )
    # What a weight at each place (C, R, S) meets over the whole batch.
    met = per_phase[:, rows[:, None], columns]
    if keep_weights:
        # Stored zeros make each of the K/G filters have a weight at every place.
        return int(met.sum()) * layer.group_out_channels
    return int((_per_tap(layer, weights).reshape(met.shape) * met).sum())


def _per_tap(layer: Layer, weights: np.ndarray) -> np.ndarray:
    """int64 (C, R * S): non-zero weights that meet a channel, by tap."""
    mask = weights.reshape(layer.out_channels, -1)
    # Few weights are counted sooner than threads are given their share.
    slices = even_slices(len(mask), thread_count() if mask.size > 1 << 22 else 1)

    def count(part: tuple[int, int]) -> np.ndarray:
        counts = np.zeros((layer.groups, mask.shape[1]), np.int32)
        _tap_counts(mask, *part, layer.groups, counts)
        return counts

    return np.sum(run_slices(count, slices), axis=0, dtype=np.int64).reshape(layer.in_channels, -1)
