"""Eyeriss, slowly: dense PEs on three buses, one cycle after the other.

From the machine's description alone; nothing here is shared with the kernels.
"""

from typing import Any

import numpy as np

from dataflows.schedule import Cause
from tests.dataflows.machines.eyeriss.mapping_twin import Mapping, up
from tests.dataflows.machines.eyeriss.walk_twin import Held, Slot, Walk, Work
from workloads.layer import Layer


class Eyeriss(Walk):
    """A layer on the dense machine."""

    def __init__(self, spec: Any, layer: Layer, weights: np.ndarray, activations: np.ndarray, m: Mapping) -> None:
        self.rows_of_array, self.columns_of_array = spec.pe_rows, spec.pe_columns
        self.values, self.macs = spec.values_per_pe, 1
        self.channels_of_a_pass = spec.channels_per_pass or 1 << 60
        super().__init__(spec, layer, weights, activations, m)

    def room(self, m: Mapping) -> int:
        left = 8 * self.spec.global_buffer_bytes - self.inputs(m) * self.spec.value_bits
        return max(0, left) // self.spec.sum_bits

    def load_cycles(self, held: dict[tuple[int, int], Held]) -> int:
        # What is the same but for the output row is sent once.
        sent = {(one.slot.filters, one.block, one.kernel_row, one.taps): one for one in held.values()}
        words = sum(len(one.slot.filters) * len(one.channels) * len(one.taps) for one in sent.values())
        return up(words, self.spec.weight_port_values)

    def work(self, one: Held, image: int, at: tuple[int, int] | None) -> Work:
        del image, at  # zeros and rows in the padding are multiplied like all else
        cycles: Work = []
        for _q in range(self.q):
            for _c in one.channels:
                for _s in one.taps:
                    cycles += [(Cause.BUSY, 1) for _k in one.slot.filters]
        return cycles

    def input_cycles(self, inputs: dict[tuple[int, int], tuple[Held, tuple[int, int]]], image: int) -> int:
        del image
        rows = {(one.slot.group, one.block, *at): one for one, at in inputs.values()}
        words = sum(len(one.channels) * self.layer.input_size[2] for one in rows.values())
        return up(words, self.spec.input_port_values)

    def sum_cycles(self, chains: dict[tuple[int, int], Slot]) -> int:
        return up(sum(len(slot.filters) * self.q for slot in chains.values()), self.spec.sum_port_values)


WALK = Eyeriss


def twin(
    spec: Any,
    layer: Layer,
    waves: list[int],
    weight_mask: np.ndarray,
    activation_mask: np.ndarray,
    m: Mapping,
) -> tuple[np.ndarray, np.ndarray]:
    """Cycles int64 (tiles, PEs, causes) and products issued int64 (tiles, PEs)."""
    return Eyeriss(spec, layer, weight_mask, activation_mask, m).run(waves)
