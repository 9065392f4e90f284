"""Outputs fold by fold, from the products of two non-zeros alone."""

from __future__ import annotations

import numpy as np

from dataflows.kernels.compiled import kernel
from dataflows.tiling.windows import PaddedMap


@kernel
def weights_stationary(inputs: PaddedMap, weights: np.ndarray, multipliers: int, outputs: np.ndarray) -> None:
    """Fill outputs (N, K/G, positions) of one group: weights (K/G, J) stay, `multipliers` of them in a fold."""
    values, columns, windows = inputs
    met = np.zeros(columns.size, np.bool_)  # columns in which the streamed operand has a non-zero
    for image in range(values.shape[0]):
        for window in windows:
            for j in range(columns.size):
                met[j] |= values[image, window + columns[j]] != 0
    rows, held = np.zeros(multipliers, np.int64), np.zeros(multipliers, np.int64)
    filled = 0
    for k in range(weights.shape[0]):
        for j in range(columns.size):
            if weights[k, j] != 0 and met[j]:
                rows[filled], held[filled] = k, j
                filled += 1
            if filled == multipliers:
                _stream_inputs(inputs, weights, rows, held, filled, outputs)
                filled = 0
    _stream_inputs(inputs, weights, rows, held, filled, outputs)


@kernel
def _stream_inputs(
    inputs: PaddedMap, weights: np.ndarray, rows: np.ndarray, held: np.ndarray, filled: int, outputs: np.ndarray
) -> None:
    values, columns, windows = inputs
    for image in range(values.shape[0]):
        for place in range(windows.size):
            for i in range(filled):
                value = values[image, windows[place] + columns[held[i]]]
                if value != 0:
                    outputs[image, rows[i], place] += weights[rows[i], held[i]] * value


@kernel
def inputs_stationary(inputs: PaddedMap, weights: np.ndarray, multipliers: int, outputs: np.ndarray) -> None:
    """The same, where inputs stay and filters are streamed."""
    values, columns, windows = inputs
    met = np.zeros(columns.size, np.bool_)
    for k in range(weights.shape[0]):
        for j in range(columns.size):
            met[j] |= weights[k, j] != 0
    rows, held = np.zeros(multipliers, np.int64), np.zeros(multipliers, np.int64)
    filled = 0
    for row in range(values.shape[0] * windows.size):
        for j in range(columns.size):
            if values[row // windows.size, windows[row % windows.size] + columns[j]] != 0 and met[j]:
                rows[filled], held[filled] = row, j
                filled += 1
            if filled == multipliers:
                _stream_weights(inputs, weights, rows, held, filled, outputs)
                filled = 0
    _stream_weights(inputs, weights, rows, held, filled, outputs)


@kernel
def _stream_weights(
    inputs: PaddedMap, weights: np.ndarray, rows: np.ndarray, held: np.ndarray, filled: int, outputs: np.ndarray
) -> None:
    values, columns, windows = inputs
    for k in range(weights.shape[0]):
        for i in range(filled):
            weight = weights[k, held[i]]
            if weight != 0:
                image, place = rows[i] // windows.size, rows[i] % windows.size
                outputs[image, k, place] += weight * values[image, windows[place] + columns[held[i]]]
