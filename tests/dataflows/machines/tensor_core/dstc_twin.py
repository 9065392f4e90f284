"""The dual-side sparse tensor core, slowly: outer products of what is not zero, one step after the other.

From the machine's description alone; nothing here is shared with the kernels. Both operands are lists of lists.
"""

from itertools import product
from typing import Protocol

import numpy as np

from dataflows.schedule import CAUSES, Cause
from workloads.layer import Layer

Vectors = list[list[bool]]  # a row a position or filter, a column a place of the depth


class Spec(Protocol):
    """The settings that decide cycles."""

    cores: int
    step_rows: int
    step_columns: int
    tile_rows: int
    tile_columns: int
    tile_depth: int
    set_cycles: int
    tile_fill_cycles: int
    left: str
    shared_bytes_per_cycle: int
    value_bits: int


def place_read(layer: Layer, output: tuple[int, ...], tap: tuple[int, ...]) -> tuple[int, ...] | None:
    """The place of the map that a kernel position reads; None in the padding."""
    place = []
    for axis, size in enumerate(layer.input_size):
        at = output[axis] * layer.stride[axis] + tap[axis] * layer.dilation[axis] - layer.padding[axis][0]
        if not 0 <= at < size:
            return None
        place.append(at)
    return tuple(place)


def lowered(layer: Layer, activations: np.ndarray, group: int) -> Vectors:
    """The windows of a group, image after image."""
    windows = []
    for image, *output in product(range(layer.batch), *map(range, layer.output_size)):
        window = []
        for c, *tap in product(range(layer.group_in_channels), *map(range, layer.kernel_size)):
            place = place_read(layer, tuple(output), tuple(tap))
            channel = group * layer.group_in_channels + c
            window.append(place is not None and bool(activations[(image, channel, *place)]))
        windows.append(window)
    return windows


def flattened(layer: Layer, weights: np.ndarray, group: int) -> Vectors:
    """The filters of a group."""
    each = layer.group_out_channels
    columns = list(product(range(layer.group_in_channels), *map(range, layer.kernel_size)))
    return [[bool(weights[(k, *column)]) for column in columns] for k in range(group * each, (group + 1) * each)]


def one_set(spec: Spec, rows: list[bool], columns: list[bool]) -> tuple[list[Cause], int]:
    """The cycles of one k of a live chunk, one after the other, and its products."""
    left, right = [i for i, value in enumerate(rows) if value], [i for i, value in enumerate(columns) if value]
    cycles, issued = [], 0
    for first in range(0, len(left), spec.step_rows):
        for second in range(0, len(right), spec.step_columns):
            cycles.append(Cause.BUSY)
            issued += sum(
                1 for _ in product(left[first : first + spec.step_rows], right[second : second + spec.step_columns])
            )
    while len(cycles) < spec.set_cycles:
        cycles.append(Cause.INDEX)
    return cycles, issued


def one_tile(spec: Spec, rows: Vectors, columns: Vectors) -> tuple[list[Cause], int]:
    """A tile's cycles, one after the other, and its products; no cycles where no chunk is live."""
    cycles, issued = [], 0
    depth = list(range(len(rows[0])))
    lives, bits_left = False, 0
    while depth:
        chunk, depth = depth[: spec.tile_depth], depth[spec.tile_depth :]
        if not any(row[k] for row in rows for k in chunk) or not any(column[k] for column in columns for k in chunk):
            continue
        if not lives:
            cycles += [Cause.FILL] * spec.tile_fill_cycles
        lives = True
        for k in chunk:
            did, products = one_set(spec, [row[k] for row in rows], [column[k] for column in columns])
            cycles += did
            issued += products
            for vector in (rows, columns):
                bits_left += len(vector) + spec.value_bits * sum(each[k] for each in vector)
    arrived = spec.tile_fill_cycles if lives else 0  # operands arrive beside the sets, from the first one on
    while bits_left > 0:
        bits_left -= 8 * spec.shared_bytes_per_cycle
        arrived += 1
        if arrived > len(cycles):
            cycles.append(Cause.PORT)
    return cycles, issued


def twin(
    spec: Spec, layer: Layer, weight_mask: np.ndarray, activation_mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cycles int64 (cores, causes) and products issued int64 (cores,)."""
    cycles = np.zeros((spec.cores, CAUSES), np.int64)
    issued = np.zeros(spec.cores, np.int64)
    inputs_left = spec.left == "inputs"
    positions, filters = (spec.tile_rows, spec.tile_columns) if inputs_left else (spec.tile_columns, spec.tile_rows)
    for group in range(layer.groups):
        windows, kernels = lowered(layer, activation_mask, group), flattened(layer, weight_mask, group)
        for position, first in product(range(0, len(windows), positions), range(0, len(kernels), filters)):
            inputs, weights = windows[position : position + positions], kernels[first : first + filters]
            did, products = one_tile(spec, inputs, weights) if inputs_left else one_tile(spec, weights, inputs)
            if not did:
                continue  # dead, or takes no cycles: whichever core gets it, nothing changes
            freest = min(range(spec.cores), key=lambda core: (int(cycles[core].sum()), core))
            for cause in did:
                cycles[freest, cause] += 1
            issued[freest] += products
    return cycles, issued
