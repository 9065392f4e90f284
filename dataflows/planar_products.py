"""The outputs of a planar layer, product by product in the order of its PEs: the functional side of the lists."""

from __future__ import annotations

import itertools

import numpy as np

from dataflows.kernel import kernel, run_slices
from dataflows.planar import PlanarMap
from dataflows.planar_work import StoredActivations, StoredWeights
from workloads.layer import Layer


@kernel
def _multiply(
    a_start, a_offset, activations, windows, w_start, w_offset, weights, phases, stride, tap_at,
    row_step, first_k, origin_y, origin_x, F, I, region, outputs,
):  # fmt: skip
    """One group of output channels of one sub-tile: every PE's products into its region, then the regions into place.

    activations (C, H, W), weights (K, C/G, R * S), outputs (K, P, Q); region (Kc, rows * row_step) is work space.
    tap_at (phases, rows * row_step) says which tap of a phase has an offset. Results outside the map are dropped.
    """
    area = region.shape[1]
    for p in range(len(windows)):
        region[:] = 0
        top, _, left, _ = windows[p]
        for v in range(a_start.shape[1] - 1):
            c = v // len(phases)
            phase = v % len(phases)
            for a in range(a_start[p, v], a_start[p, v + 1], I):
                for w in range(w_start[v], w_start[v + 1], F):
                    for i in range(a, min(a + I, a_start[p, v + 1])):
                        if a_offset[i] < 0:
                            continue
                        h = (top + a_offset[i] // row_step) * stride[0] + phases[phase, 0]
                        x = (left + a_offset[i] % row_step) * stride[1] + phases[phase, 1]
                        for j in range(w, min(w + F, w_start[v + 1])):
                            if w_offset[j] < 0:
                                continue
                            k = w_offset[j] // area
                            tap = tap_at[phase, w_offset[j] % area]
                            weight = weights[first_k + k, c % weights.shape[1], tap]
                            region[k, w_offset[j] % area + a_offset[i]] += weight * activations[c, h, x]
        for k in range(min(len(region), len(outputs) - first_k)):
            for entry in range(area):
                y = top + entry // row_step + origin_y
                x = left + entry % row_step + origin_x
                if 0 <= y < outputs.shape[1] and 0 <= x < outputs.shape[2]:
                    outputs[first_k + k, y, x] += region[k, entry]


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
    taps, area = plan.taps, plan.region[0] * plan.region[1]
    outputs = np.zeros(layer.output_shape, np.int64)
    kernels = weights.reshape(len(weights), weights.shape[1], -1)
    tap_at = np.full((len(taps.phases), area), -1, np.int64)
    for phase, (low, high) in enumerate(itertools.pairwise(taps.start.tolist())):
        tap_at[phase, plan.tap_offsets[low:high]] = taps.index[low:high]

    def run(task: int) -> None:
        image, part = divmod(task, len(stored_weights.rows))
        rows, block = stored_weights.rows[part], stored_weights.lists[part]
        region = np.empty((plan.group_channels, area), np.int64)
        for cut in range(plan.cut_count):
            lists = stored_activations.lists(image, cut)
            for row, group in enumerate(rows):
                _multiply(
                    lists.start, lists.offset, activations[image], plan.windows(cut),
                    block.start[row], block.offset, kernels, taps.phases, plan.stride, tap_at,
                    plan.region[1], group * plan.group_channels, int(taps.dy.min()), int(taps.dx.min()),
                    *vectors, region, outputs[image],
                )  # fmt: skip

    run_slices(run, range(len(activations) * len(stored_weights.rows)))
    return outputs
