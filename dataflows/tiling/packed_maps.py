"""Maps and filters as bits and non-zero values behind them, and the input runs of a map whose places differ in size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dataflows.schedule import Runs, Tensor
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.windows import places_read
from workloads.layer import Layer


def stored_bits(elements: int, nonzeros: np.ndarray, value_bits: int, *, sparse: bool) -> np.ndarray:
    """Bits of so many elements of which so many are not zero, int64 as `nonzeros`; dense where they are not sparse."""
    return elements + nonzeros * value_bits if sparse else np.full_like(nonzeros, elements * value_bits)


def fibre_bytes(layer: Layer, activations: np.ndarray, value_bits: int, *, sparse: bool) -> np.ndarray:
    """Int64 (N, G, [D,] H, W): whole bytes of the channels of each place of a group, from a mask (N, C, [D,] H, W)."""
    channels = layer.group_in_channels
    nonzeros = activations.reshape(layer.batch, layer.groups, channels, *layer.input_size).sum(axis=2, dtype=np.int64)
    return bits_to_bytes(stored_bits(channels, nonzeros, value_bits, sparse=sparse))


def packed_inputs(loads: Runs, edges: np.ndarray, position_bytes: int) -> Runs:
    """The same loads where input places take their own bytes; edges int64 (N * G * places + 1,)."""
    inputs = loads.tensor == Tensor.INPUT
    first, places = loads.address // position_bytes, loads.size_bytes // position_bytes
    start = edges[np.where(inputs, first, 0)]
    end = edges[np.where(inputs, first + places, 0)]
    return replace(
        loads,
        address=np.where(inputs, start, loads.address),
        size_bytes=np.where(inputs, end - start, loads.size_bytes),
    )


def bytes_read(layer: Layer, fibres: np.ndarray) -> int:
    """Bytes of the places that some window reads."""
    for axis, size in enumerate(layer.output_size):
        fibres = fibres.take(places_read(layer, axis, range(size)), axis=2 + axis)
    return int(fibres.sum())
