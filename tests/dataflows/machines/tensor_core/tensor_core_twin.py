"""The 2:4 sparse tensor cores, slowly: tiles on cores, their instructions one after the other, cycle by cycle.

From the machine's description alone; nothing here is shared with the kernels. Runs, slots and steps are loops.
"""

from itertools import product
from typing import Protocol

import numpy as np

from dataflows.schedule import CAUSES, Cause
from workloads.layer import Layer


class Spec(Protocol):
    """The settings that decide cycles."""

    cores: int
    macs_per_core: int
    step_filters: int
    step_positions: int
    step_depth: int
    kept_of_group: int
    group_size: int
    tile_filters: int
    tile_positions: int
    shared_bytes_per_cycle: int
    tile_fill_cycles: int
    sparse: str
    value_bits: int


def runs(spec: Spec, layer: Layer) -> list[list[tuple[int, tuple[int, ...]]]]:
    """The runs of a filter: lists of (channel, kernel position); what fills up the last of a position is left out."""
    found = []
    for tap in product(*map(range, layer.kernel_size)):
        channels = list(range(layer.group_in_channels))
        while channels:
            found.append([(c, tap) for c in channels[: spec.group_size]])
            del channels[: spec.group_size]
    return found


def index_bits(group_size: int) -> int:
    """Bits that tell the members of a run apart."""
    bits = 0
    while 2**bits < group_size:
        bits += 1
    return bits


def slots_kept(spec: Spec, layer: Layer) -> int:
    """Slots of a filter in sparse mode."""
    return sum(min(spec.kept_of_group, len(run)) for run in runs(spec, layer))


def is_sparse(spec: Spec, layer: Layer, weights: np.ndarray) -> bool:
    """Whether the layer runs in sparse mode."""
    if spec.sparse == "never" or layer.moving_weights:
        return False
    every = runs(spec, layer)
    for k in range(layer.out_channels):
        for run in every:
            if sum(bool(weights[(k, c, *tap)]) for c, tap in run) > spec.kept_of_group:
                return False
    compressed = slots_kept(spec, layer) * (spec.value_bits + index_bits(spec.group_size))
    return compressed < sum(map(len, every)) * spec.value_bits


def tile_cycles(spec: Spec, layer: Layer, filters: int, positions: int, *, sparse: bool) -> tuple[list[Cause], int]:
    """A tile's cycles, one after the other, and the products that it issues."""
    every = runs(spec, layer)
    # A column of the product: whether it is real, or fills up a run. Sparse: a kept slot of each filter.
    depth: list[bool] = []
    for run in every:
        wide = spec.kept_of_group if sparse else spec.group_size
        depth += [place < len(run) for place in range(wide)]
    cycles, issued = [], 0
    for f, p, d in product(
        range(0, filters, spec.step_filters),
        range(0, positions, spec.step_positions),
        range(0, len(depth), spec.step_depth),
    ):
        slots = spec.step_filters * spec.step_positions * spec.step_depth
        while slots > 0:
            cycles.append(Cause.BUSY)
            slots -= spec.macs_per_core
        real = sum(depth[d : d + spec.step_depth])
        issued += min(spec.step_filters, filters - f) * min(spec.step_positions, positions - p) * real
    # Padding alone: cycles that are more than there are products.
    cycles[issued:] = [Cause.INDEX] * len(cycles[issued:])
    bits_left = 0
    for _filter in range(filters):
        each = spec.value_bits + (index_bits(spec.group_size) if sparse else 0)
        bits_left += sum(depth) * each
    for _position in range(positions):
        bits_left += sum(map(len, every)) * spec.value_bits  # all inputs of a window, whatever the weights need
    arrived = 0  # cycles in which operands arrive, beside the computation from its first cycle on
    while bits_left > 0:
        bits_left -= 8 * spec.shared_bytes_per_cycle
        arrived += 1
        if arrived > len(cycles):
            cycles.append(Cause.PORT)
    return cycles + [Cause.FILL] * spec.tile_fill_cycles, issued


def twin(
    spec: Spec, layer: Layer, weight_mask: np.ndarray, activation_mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cycles int64 (cores, causes) and products issued int64 (cores,)."""
    del activation_mask  # they never matter
    sparse = is_sparse(spec, layer, weight_mask)
    places = list(product(range(layer.batch), *map(range, layer.output_size)))
    cycles = np.zeros((spec.cores, CAUSES), np.int64)
    issued = np.zeros(spec.cores, np.int64)
    known: dict[tuple[int, int], tuple[list[Cause], int]] = {}
    for _group, position, first in product(
        range(layer.groups),
        range(0, len(places), spec.tile_positions),
        range(0, layer.group_out_channels, spec.tile_filters),
    ):
        positions = len(places[position : position + spec.tile_positions])
        filters = min(spec.tile_filters, layer.group_out_channels - first)
        if (filters, positions) not in known:
            known[filters, positions] = tile_cycles(spec, layer, filters, positions, sparse=sparse)
        did, products = known[filters, positions]
        freest = min(range(spec.cores), key=lambda core: (int(cycles[core].sum()), core))
        for cause in did:
            cycles[freest, cause] += 1
        issued[freest] += products
    return cycles, issued
