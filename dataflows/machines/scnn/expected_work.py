"""What an analytical model expects of SCNN: the cycles and products of its PEs from densities alone.

Source: Parashar et al., ISCA 2017, figure 12a. Its density sweeps are an analytical model's: the curves follow from the
rules here, which were not fitted to them, while the machine's own lists, banks and barriers give others. The rules:

- A PE spends a cycle on each pair of a weight vector and an activation vector of one (virtual) channel.
- Vectors of F weights are always full, however few a channel's block holds: a channel has weights / F of them.
- Vectors of I activations end with the channel's tile: non-zeros fall on its n positions by chance, which makes
  E[ceil(Binomial(n, density) / I)] of them, the last of which is partly empty.
- The fullest PE decides. No bank conflicts, no zero-run fillers, no memory, no drain, no barrier before the layer's
  end, and tiles are never cut.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dataflows.expected import ExpectedWork
from dataflows.machines.scnn.planar_schedule import plan_of
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from workloads.layer import Layer
from workloads.whole_numbers import ceil_div

ANALYTICAL_KEYS = ("pe_rows", "pe_columns", "weights_per_vector", "activations_per_vector", "skip")


@lru_cache(maxsize=4096)
def expected_vectors(positions: int, density: float, lanes: int) -> float:
    """Vectors of `lanes` that hold the non-zeros of `positions`, each non-zero with chance `density`, on average.

    ceil(x / lanes) is (x + empty) / lanes with the lanes that the last vector leaves empty. They depend on x modulo
    `lanes` alone, whose chances the generating function at the roots of unity gives: (1 - d + d w)^n at w is the mean
    of w^x, and a transform over all w turns these means into the chances. No term exceeds 1, whatever the positions.
    """
    if density in (0.0, 1.0):
        return float(ceil_div(positions, lanes) * density)
    # 16 positions at density 0.1 hold 1.6 non-zeros, which would fill 0.4 vectors of 4 and take 0.83; a single position
    # has a vector to itself one time in ten.
    roots = np.exp(2j * np.pi * np.arange(lanes) / lanes)
    chances = np.fft.fft((1 - density + density * roots) ** positions).real / lanes
    empty = -np.arange(lanes) % lanes  # of 4 lanes, 0 1 2 3 non-zeros leave 0 3 2 1
    return float((positions * density + chances @ empty) / lanes)


def expected_planar(spec: ScnnSpec, layer: Layer, weight_density: float, activation_density: float) -> ExpectedWork:
    """A layer that `plan_of` can tile, whose PEs keep tiles of the map."""
    plan = plan_of(spec, layer)
    assert plan is not None  # noqa: S101 (the machine has refused the layer otherwise)
    weight_density, activation_density = _stored(spec, weight_density, activation_density)
    vectors, stored = np.zeros((2, spec.pes))
    for phase, taps in zip(plan.taps.phases.tolist(), np.diff(plan.taps.start).tolist(), strict=True):
        counts = []  # positions of the phase in each row, and in each column, of PEs
        for axis, pes in enumerate(plan.pe_grid):
            # A map of 7 rows and stride 2 has 4 in phase 0 and 3 in phase 1; on 2 PEs they are 2, 2 and 2, 1.
            extent = ceil_div(layer.input_size[axis] - phase[axis], layer.stride[axis])
            tile = plan.tile_size[axis]
            counts.append(np.clip(extent - np.arange(pes) * tile, 0, tile))
        positions = np.outer(*counts).reshape(-1)
        per_pe = [expected_vectors(n, activation_density, spec.activations_per_vector) for n in positions.tolist()]
        vectors += taps * np.array(per_pe)
        stored += taps * positions * activation_density
    # Kernels that meet an input channel: those of all filters of its group.
    kernels = layer.batch * layer.in_channels * layer.group_out_channels * weight_density
    return _work(spec, kernels * vectors, kernels * stored)


def expected_sliced(spec: ScnnSpec, layer: Layer, weight_density: float, activation_density: float) -> ExpectedWork:
    """A fully connected layer, whose PEs keep slices of the outputs: a tile of one position for the same rules."""
    weight_density, activation_density = _stored(spec, weight_density, activation_density)
    share = ceil_div(layer.out_channels, spec.pes)
    outputs = np.clip(layer.out_channels - np.arange(spec.pes) * share, 0, share)
    # The one activation of a channel is a vector by itself where it is not zero.
    weights = layer.batch * layer.group_in_channels * outputs * weight_density
    return _work(spec, weights * activation_density, weights * activation_density)


def _stored(spec: ScnnSpec, weight_density: float, activation_density: float) -> tuple[float, float]:
    """The densities as stored: 1 for a side whose zeros are kept."""
    keeps_weights, keeps_activations = spec.keeps
    return 1.0 if keeps_weights else weight_density, 1.0 if keeps_activations else activation_density


def _work(spec: ScnnSpec, meetings: np.ndarray, products: np.ndarray) -> ExpectedWork:
    """Work of each PE; float (PEs,): meetings of weights with activation vectors, and products."""
    grid, lanes = (spec.pe_rows, spec.pe_columns), spec.weights_per_vector * spec.activations_per_vector
    return ExpectedWork(grid, lanes, meetings / spec.weights_per_vector, products)
