"""The outputs of a planar layer, product by product in the order of its PEs: the functional side of the lists."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.kernels.threads import run_slices
from dataflows.machines.scnn.nonzero_lists import NonzeroLists
from dataflows.machines.scnn.planar_map import PlanarMap
from dataflows.machines.scnn.tile_work import StoredActivations, StoredWeights
from workloads.layer import Layer


class _ValuedLists(NamedTuple):
    """Lists with the value of each entry, int64 (entries,); 0 for placeholders."""

    lists: NonzeroLists
    value: np.ndarray


@kernel
def _add_products(
    a_offset: np.ndarray,
    a_value: np.ndarray,
    w_offset: np.ndarray,
    w_value: np.ndarray,
    F: int,
    I: int,
    region: np.ndarray,
) -> None:
    """The Cartesian product of two lists, vector by vector, into one PE's accumulators."""
    # Vector by vector as on the machine, though sums of integers do not depend on it.
    for a in range(0, len(a_offset), I):
        for w in range(0, len(w_offset), F):
            for i in range(a, min(a + I, len(a_offset))):
                for j in range(w, min(w + F, len(w_offset))):
                    if a_offset[i] >= 0 and w_offset[j] >= 0:
                        # Activation 4 and weight 10 of the 4 x 4 region in `PlanarMap.tap_offsets` meet in accumulator
                        # 14.
                        region[a_offset[i] + w_offset[j]] += a_value[i] * w_value[j]


@kernel
def _add_region(region: np.ndarray, row_step: int, top: int, left: int, outputs: np.ndarray) -> None:
    """One PE's accumulators (channels * rows * row_step) to their places in outputs (K, P, Q); the rest is dropped."""
    # Regions of the group's output channels stand one behind the other, rows inside them.
    area = len(region) // len(outputs)
    for k in range(len(outputs)):
        for entry in range(area):
            # The halo of a PE at the map's edge has no output: the machine makes these products and drops them.
            y, x = top + entry // row_step, left + entry % row_step
            if 0 <= y < outputs.shape[1] and 0 <= x < outputs.shape[2]:
                outputs[k, y, x] += region[k * area + entry]


@kernel
def _multiply(
    activations: _ValuedLists,
    weights: _ValuedLists,
    row: int,
    vectors: tuple[int, int],
    region: tuple[int, int],
    corners: np.ndarray,
    outputs: np.ndarray,
) -> None:
    """One group of output channels of one sub-tile, outputs (channels, P, Q): all PEs' products, then their results.

    row      of the weights' lists: the group of output channels
    vectors  weights and activations of a vector
    region   rows and columns of an output channel's accumulators
    corners  (PEs, 2): the output at each PE's first accumulator, which may lie outside the map
    """
    (a_start, a_offset), a_value = activations
    (w_start, w_offset), w_value = weights
    for p in range(len(a_start)):
        sums = np.zeros(len(outputs) * region[0] * region[1], np.int64)
        for v in range(w_start.shape[1] - 1):
            a = slice(a_start[p, v], a_start[p, v + 1])
            w = slice(w_start[row, v], w_start[row, v + 1])
            _add_products(a_offset[a], a_value[a], w_offset[w], w_value[w], vectors[0], vectors[1], sums)
        _add_region(sums, region[1], corners[p, 0], corners[p, 1], outputs)


def _activation_values(
    lists: NonzeroLists, plan: PlanarMap, windows: np.ndarray, activations: np.ndarray
) -> np.ndarray:
    """int64 (entries,): the values of listed activations (C, H, W); 0 for placeholders."""
    phases = plan.taps.phases
    rows = np.repeat(np.arange(len(lists.start)), lists.entries)
    lengths = np.diff(lists.start, axis=1)
    channels = np.repeat(np.tile(np.arange(lengths.shape[1]), len(lengths)), lengths.reshape(-1))
    # In a region 4 wide offset 6 is row 1 and column 2 of the window; placeholders are read at its corner and blanked
    # below.
    row, column = np.divmod(np.maximum(lists.offset, 0), plan.region[1])
    # Virtual channels count phases fastest: of 4 phases number 6 is phase 2 of channel 1. Row y of a phase is input row
    # y * stride + phase.
    h = (windows[rows, 0] + row) * plan.stride[0] + phases[channels % len(phases), 0]
    w = (windows[rows, 2] + column) * plan.stride[1] + phases[channels % len(phases), 1]
    return np.where(lists.offset < 0, 0, activations[channels // len(phases), h, w])


def _weight_values(lists: NonzeroLists, plan: PlanarMap, rows: range, weights: np.ndarray) -> np.ndarray:
    """int64 (entries,): the values of listed weights (K, C/G, R * S); 0 for placeholders."""
    start, position, tap_offset, area = plan.tap_offsets
    phases = len(plan.taps.phases)
    tap_at = np.zeros((phases, area), np.int64)  # an offset names a tap only within its phase
    for phase, (low, high) in enumerate(itertools.pairwise(start.tolist())):
        tap_at[phase, tap_offset[low:high]] = position[low:high]
    # Row, channel and place of each entry are found from its position in the lists, so that values need no list of
    # their own.
    groups = np.repeat(np.asarray(rows), lists.entries)
    lengths = np.diff(lists.start, axis=1)
    channels = np.repeat(np.tile(np.arange(lengths.shape[1]), len(lengths)), lengths.reshape(-1))
    # A weight's offset is that of its tap in the region, behind the regions of the output channels before it.
    k, offset = np.divmod(np.maximum(lists.offset, 0), area)
    # Virtual channels run through all groups, a filter's weights through its own group's channels.
    in_channel = channels // phases % weights.shape[1]
    values = weights[groups * plan.group_channels + k, in_channel, tap_at[channels % phases, offset]]
    return np.where(lists.offset < 0, 0, values)


def planar_outputs(
    layer: Layer,
    plan: PlanarMap,
    weights: np.ndarray,
    activations: np.ndarray,
    stored: tuple[StoredActivations, StoredWeights],
    vectors: tuple[int, int],
) -> np.ndarray:
    """Outputs int64 (N, K, P, Q) of int64 weights (K, C/G, R, S) and activations (N, C, H, W).

    stored   both operands as the machine's lists
    vectors  weights and activations of a vector (F, I)
    """
    stored_activations, stored_weights = stored
    outputs = np.zeros(layer.output_shape, np.int64)
    kernels = weights.reshape(*weights.shape[:2], -1)
    size = plan.group_channels
    blocks = [
        _ValuedLists(lists, _weight_values(lists, plan, rows, kernels))
        for lists, rows in zip(stored_weights.lists, stored_weights.rows, strict=True)
    ]
    # The region begins at the output that the window's first position reaches with the smallest dy and dx.
    origin = np.array([plan.taps.dy.min(), plan.taps.dx.min()])
    for image, cut in itertools.product(range(layer.batch), range(plan.cut_count)):
        lists, windows = stored_activations.lists(image, cut), plan.windows(cut)
        operand = _ValuedLists(lists, _activation_values(lists, plan, windows, activations[image]))
        # A 3x3 kernel with padding 1 has the smallest dy and dx -1: a window from row 4 on begins at output row 3.
        corners = windows[:, [0, 2]] + origin

        def run(part: int, image: int = image, operand: _ValuedLists = operand, corners: np.ndarray = corners) -> None:
            for row, group in enumerate(stored_weights.rows[part]):
                channels = outputs[image, group * size : (group + 1) * size]
                _multiply(operand, blocks[part], row, vectors, plan.region, corners, channels)

        run_slices(run, range(len(blocks)))
    return outputs
