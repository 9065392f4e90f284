"""Eyeriss v2, slowly: sparse PEs in clusters, one cycle after the other.

From the machine's description alone; nothing here is shared with the kernels.
"""

from typing import Any

import numpy as np

from dataflows.schedule import Cause
from tests.dataflows.machines.eyeriss.mapping_twin import Mapping, up
from tests.dataflows.machines.eyeriss.walk_twin import Held, Slot, Walk, Work
from workloads.layer import Layer


class EyerissV2(Walk):
    """A layer on the sparse machine."""

    def __init__(self, spec: Any, layer: Layer, weights: np.ndarray, activations: np.ndarray, m: Mapping) -> None:
        self.rows_of_array = spec.cluster_rows * spec.pe_rows
        self.columns_of_array = spec.cluster_columns * spec.pe_columns
        self.values, self.macs = spec.columns_per_pe, spec.macs_per_pe
        super().__init__(spec, layer, weights, activations, m)

    def room(self, m: Mapping) -> int:
        fits = self.inputs(m) * self.spec.value_bits <= 8 * self.spec.input_buffer_bytes
        return 8 * self.spec.sum_buffer_bytes // self.spec.sum_bits if fits else 0

    def stored(self, k: int, c: int, kernel_row: tuple[int, int], s: int) -> bool:
        """Whether a weight is non-zero."""
        return bool(self.weights[(k, c, *kernel_row, s)])

    def load_cycles(self, held: dict[tuple[int, int], Held]) -> int:
        # By router: the different blocks of weights that its PEs take, by the group and the filters.
        routers: dict[tuple[int, int], dict[tuple[int, int], Held]] = {}
        for (y, x), one in held.items():
            routers.setdefault((y, x // self.spec.pe_columns), {})[one.slot.group, one.slot.filters[0]] = one
        longest = 0
        for blocks in routers.values():
            words = 0
            for one in blocks.values():
                for k in one.slot.filters:
                    words += sum(self.stored(k, c, one.kernel_row, s) for c in one.channels for s in one.taps)
            longest = max(longest, up(words, self.spec.weight_port_values))
        return longest

    def activation(self, image: int, one: Held, c: int, at: tuple[int, int], w: int) -> bool:
        """Whether an activation is non-zero; zero outside the row."""
        if not 0 <= w < self.layer.input_size[2]:
            return False
        channel = one.slot.group * self.layer.group_in_channels + c
        return bool(self.activations[(image, channel, *at, w)])

    def work(self, one: Held, image: int, at: tuple[int, int] | None) -> Work:
        layer = self.layer
        cycles: Work = []
        if at is None:
            return cycles
        for q in range(self.q):
            for c in one.channels:
                for s in one.taps:
                    w = q * layer.stride[2] + s * layer.dilation[2] - layer.padding[2][0]
                    if not self.activation(image, one, c, at, w):
                        continue
                    left = sum(self.stored(k, c, one.kernel_row, s) for k in one.slot.filters)
                    if left == 0:
                        cycles += [(Cause.INDEX, 0)] * self.spec.empty_column_cycles
                    while left > 0:
                        cycles.append((Cause.BUSY, min(left, self.macs)))
                        left -= self.macs
        return cycles

    def input_cycles(self, inputs: dict[tuple[int, int], tuple[Held, tuple[int, int]]], image: int) -> int:
        clusters: dict[tuple[int, int], dict[tuple[int, ...], tuple[Held, tuple[int, int]]]] = {}
        for (y, x), (one, at) in inputs.items():
            cluster = clusters.setdefault((y // self.spec.pe_rows, x // self.spec.pe_columns), {})
            cluster[(one.slot.group, one.block, *at)] = one, at
        longest = 0
        for rows in clusters.values():
            words = 0
            for one, at in rows.values():
                for c in one.channels:
                    words += sum(self.activation(image, one, c, at, w) for w in range(self.layer.input_size[2]))
            longest = max(longest, up(words, self.spec.input_port_values))
        return longest

    def sum_cycles(self, chains: dict[tuple[int, int], Slot]) -> int:
        words: dict[tuple[int, int], int] = {}
        for (v, x), slot in chains.items():
            port = (v * self.m.depth + self.m.depth - 1) // self.spec.pe_rows, x
            words[port] = words.get(port, 0) + len(slot.filters) * self.q
        return max((up(count, self.spec.sum_port_values) for count in words.values()), default=0)


WALK = EyerissV2


def twin(
    spec: Any,
    layer: Layer,
    waves: list[int],
    weight_mask: np.ndarray,
    activation_mask: np.ndarray,
    m: Mapping,
) -> tuple[np.ndarray, np.ndarray]:
    """Cycles int64 (tiles, PEs, causes) and products issued int64 (tiles, PEs)."""
    return EyerissV2(spec, layer, weight_mask, activation_mask, m).run(waves)
