"""SIGMA, slowly: folds of non-zeros in Flex-DPEs, to which one vector after the other is streamed, cycle by cycle.

From the machine's description alone; nothing here is shared with the kernels. Matrices and loads are lists.
"""

from itertools import product
from typing import Protocol

import numpy as np

from dataflows.schedule import CAUSES, Cause
from workloads.layer import Layer

Matrix = list[list[bool]]
Load = tuple[int, list[tuple[int, int]]]  # the group, and the elements (row, column) of its stationary operand


class Spec(Protocol):
    """The settings that decide cycles."""

    pes: int
    multipliers_per_pe: int
    load_words_per_cycle: int
    stream_words_per_cycle: int
    distribution_cycles: int
    multiply_cycles: int
    level_cycles: int
    stationary: str
    groups: str


def place_read(layer: Layer, output: tuple[int, ...], tap: tuple[int, ...]) -> tuple[int, ...] | None:
    """The place of the map that a kernel position reads; None in the padding."""
    place = []
    for axis, size in enumerate(layer.input_size):
        at = output[axis] * layer.stride[axis] + tap[axis] * layer.dilation[axis] - layer.padding[axis][0]
        if not 0 <= at < size:
            return None
        place.append(at)
    return tuple(place)


def inputs_of(layer: Layer, activations: np.ndarray, group: int) -> Matrix:
    """X of a group: a row a position of the batch."""
    rows = []
    for image, *output in product(range(layer.batch), *map(range, layer.output_size)):
        row = []
        for c, *tap in product(range(layer.group_in_channels), *map(range, layer.kernel_size)):
            place = place_read(layer, tuple(output), tuple(tap))
            channel = group * layer.group_in_channels + c
            row.append(place is not None and bool(activations[(image, channel, *place)]))
        rows.append(row)
    return rows


def weights_of(layer: Layer, weights: np.ndarray, group: int) -> Matrix:
    """W of a group: a row a filter."""
    each = layer.group_out_channels
    columns = list(product(range(layer.group_in_channels), *map(range, layer.kernel_size)))
    return [[bool(weights[(k, *column)]) for column in columns] for k in range(group * each, (group + 1) * each)]


def loads_of(spec: Spec, group: int, stationary: Matrix, streamed: Matrix) -> list[Load]:
    """The mapped elements of a group, cut into DPE loads."""
    wanted = [any(row[j] for row in streamed) for j in range(len(stationary[0]))]
    mapped = [(a, j) for a, row in enumerate(stationary) for j, value in enumerate(row) if value and wanted[j]]
    size = spec.multipliers_per_pe
    return [(group, mapped[i : i + size]) for i in range(0, len(mapped), size)]


def fold_starts(spec: Spec, loads: list[Load]) -> list[str]:
    """The cycles from a fold's start to its first vector: "load" or "fill"."""
    cycles = []
    if spec.load_words_per_cycle >= spec.multipliers_per_pe:
        waiting = list(loads)
        while waiting:
            del waiting[: spec.load_words_per_cycle // spec.multipliers_per_pe]
            cycles.append("load")
    else:
        for _, elements in loads:
            words = len(elements)
            while words > 0:
                words -= spec.load_words_per_cycle
                cycles.append("load")
    return cycles + ["fill"] * (spec.distribution_cycles + spec.multiply_cycles)


def run_fold(spec: Spec, loads: list[Load], streamed: list[Matrix]) -> tuple[np.ndarray, np.ndarray]:
    """Cycles (PEs, causes) and products (PEs,) of a fold."""
    did, issued = np.zeros((spec.pes, CAUSES), np.int64), np.zeros(spec.pes, np.int64)

    def cycle(causes: list[Cause]) -> None:
        for dpe in range(spec.pes):
            did[dpe, causes[dpe] if dpe < len(causes) else Cause.UNMAPPED] += 1

    for kind in fold_starts(spec, loads):
        cycle([Cause.PORT if kind == "load" else Cause.FILL for _ in loads])
    columns = {(group, j) for group, elements in loads for _, j in elements}
    for t in range(len(streamed[0])):
        words = sum(streamed[group][t][j] for group, j in columns)
        while words > spec.stream_words_per_cycle:
            words -= spec.stream_words_per_cycle
            cycle([Cause.PORT for _ in loads])
        products = [sum(streamed[group][t][j] for _, j in elements) for group, elements in loads]
        for dpe, count in enumerate(products):
            issued[dpe] += count
        idle = Cause.IMBALANCE if any(products) else Cause.INDEX
        cycle([Cause.BUSY if count else idle for count in products])
    reach = 1
    while reach < spec.multipliers_per_pe:  # levels of the adder tree
        reach *= 2
        for _ in range(spec.level_cycles):
            cycle([Cause.DRAIN for _ in loads])
    return did, issued


def twin(
    spec: Spec, layer: Layer, weight_mask: np.ndarray, activation_mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cycles int64 (folds, PEs, causes) and products issued int64 (folds, PEs); the caller decides 'auto'."""
    if spec.stationary not in ("weights", "inputs"):
        raise ValueError(f"stationary = {spec.stationary!r}: decide it first")
    folds: list[list[Load]] = []
    streamed: list[Matrix] = []
    for group in range(layer.groups):
        inputs, weights = inputs_of(layer, activation_mask, group), weights_of(layer, weight_mask, group)
        stays, moves = (weights, inputs) if spec.stationary == "weights" else (inputs, weights)
        streamed.append(moves)
        for number, load in enumerate(loads_of(spec, group, stays, moves)):
            if not folds or len(folds[-1]) == spec.pes or (spec.groups == "alone" and number == 0):
                folds.append([])
            folds[-1].append(load)
    done = [run_fold(spec, loads, streamed) for loads in folds]
    cycles = np.array([did for did, _ in done], np.int64).reshape(len(folds), spec.pes, CAUSES)
    return cycles, np.array([products for _, products in done], np.int64).reshape(len(folds), spec.pes)
