"""Weights of a kernel grouped by value, so that what they meet can be added before it is multiplied once a value."""

from __future__ import annotations

import numpy as np

from dataflows.kernel import kernel, run_slices


def distinct_values(weights: np.ndarray) -> np.ndarray:
    """Int64 (K,): distinct non-zero values of each filter (K, ...)."""
    filters = weights.reshape(len(weights), -1)
    return np.array(run_slices(lambda k: len(np.unique(filters[k][filters[k] != 0])), range(len(filters))), np.int64)


def expected_distinct(draws: np.ndarray, values: int) -> np.ndarray:
    """Int64: how many different ones, to the nearest whole, so many draws from equally likely values give on average.

    Of m values a draw misses one with probability 1 - 1/m, so that n draws find m (1 - (1 - 1/m)^n).
    """
    return np.floor(values * (1 - (1 - 1 / values) ** draws) + 0.5).astype(np.int64)


def group_by_value(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct non-zero values (V,) of a filter, ends (V,) of their runs, and its non-zeros' places, run by run."""
    places = np.flatnonzero(weights)
    order = places[np.argsort(weights[places], kind="stable")]
    values, counts = np.unique(weights[places], return_counts=True)
    return values, np.cumsum(counts), order


@kernel
def add_by_value(
    values: np.ndarray,
    windows: np.ndarray,
    codes: np.ndarray,
    ends: np.ndarray,
    offsets: np.ndarray,
    adders: int,
    outputs: np.ndarray,
) -> None:
    """Fill outputs (N, positions) of one filter.

    values   int64 (N, size) padded map of the filter's group
    windows  int64 (positions,) first value of each window
    codes    int64 (V,) distinct weights; ends (V,) of their offsets
    offsets  int64 (non-zeros,) how far each reads from a window's first value
    adders   positions of a block
    """
    sums = np.zeros(adders, np.int64)
    for image in range(outputs.shape[0]):
        for first in range(0, windows.size, adders):
            size = min(adders, windows.size - first)
            start = 0
            for v in range(codes.size):
                sums[:] = 0
                for z in range(start, ends[v]):
                    for i in range(size):
                        sums[i] += values[image, windows[first + i] + offsets[z]]
                start = ends[v]
                for i in range(size):
                    outputs[image, first + i] += codes[v] * sums[i]
