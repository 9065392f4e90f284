"""Eyeriss: the dense row-stationary machine, 12 x 14 PEs behind one bus for each kind of data.

Sources: Chen, Emer, Sze, "Eyeriss: A Spatial Architecture for Energy-Efficient Dataflow for Convolutional Neural
Networks", ISCA 2016; Chen, Krishna, Emer, Sze, "Eyeriss: An Energy-Efficient Reconfigurable Accelerator for Deep
Convolutional Neural Networks", JSSC 2017.

A cycle: a PE multiplies one activation by one weight of its scratchpad. It holds a kernel row of some filters and
channels, and slides it over a row of activations; the PEs of a kernel's rows, and of further channels, stand in a chain
down a column of the array, which the sums pass. Chains beside one another make other output rows (together a PE set of
the paper, which is folded where it is wider than the array) or belong to other filters (its replication). Zeros gate a
multiplier and save no cycle; positions in the padding are multiplied like others.

Barriers: all PEs meet when a wave of output rows is done, and when the weights of a pass have been loaded. What a bus
takes longer than the PEs is waited for (port): the sums of all chains leave, and come, four a cycle, so that a layer of
few channels a pass waits for them; weights come when a pass is over. PEs outside the chains, and chains without a row,
are unmapped.

Assumptions: how a layer is laid out is found by `mapping.search`; sets may be folded anywhere; activations cross DRAM
as they are, while the chip codes their runs of zeros; a pass has no start and end of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataflows.machines.eyeriss.chain_steps import Counted, Ports
from dataflows.machines.eyeriss.expected_time import Estimate
from dataflows.machines.eyeriss.mapping import Limits, Rows, Ways
from dataflows.machines.eyeriss.row_counts import dense_blocks, dense_rows
from dataflows.machines.eyeriss.row_stationary import RowStationary
from dataflows.machines.eyeriss.row_strips import LaidOut
from dataflows.machines.eyeriss.spec import EyerissSpec
from dataflows.sizing import Scaling
from dataflows.specs import MOST_COUNT
from dataflows.tiling.dram_layout import bits_to_bytes
from workloads.trace import LayerTrace


class Eyeriss(RowStationary):
    """The machine; a PE is one with a multiplier. Its dense baseline is itself."""

    name = "eyeriss"
    display = "Eyeriss"
    title = "Eyeriss: dense, row stationary, 12 x 14 PEs (JSSC 2017)"
    Spec = EyerissSpec
    spec: EyerissSpec
    skips_zeros = False
    scaling = Scaling(
        factors=("pe_rows", "pe_columns"),
        growing=("pe_rows", "pe_columns"),
        buffers={"global_buffer_bytes": ""},
        reason="its sides grow together (assumption)",
    )

    def issued_products(self, trace: LayerTrace) -> int:
        """All of them."""
        return trace.layer.dense_macs

    def limits(self) -> Limits:
        """See `RowStationary`."""
        spec = self.spec
        return Limits(
            rows=spec.pe_rows,
            columns=spec.pe_columns,
            lanes=1,
            filters=spec.sums_per_pe,
            weights=spec.weights_per_pe,
            taps=spec.values_per_pe,
            channels=spec.channels_per_pass or MOST_COUNT,
            value_bits=spec.value_bits,
            sum_bits=spec.sum_bits,
            input_room=8 * spec.global_buffer_bytes,
            sum_room=None,
        )

    def ports(self) -> Ports:
        """One bus of each kind for the whole array."""
        spec = self.spec
        return Ports(
            rows=spec.pe_rows,
            columns=spec.pe_columns,
            weights=spec.weight_port_values,
            inputs=spec.input_port_values,
            sums=spec.sum_port_values,
            pooled=1,
            beside=int(spec.weight_loads == "beside"),
            empty=0,
        )

    def estimate(self) -> Estimate:
        """See `RowStationary`."""
        return _Buses(self.spec.value_bits)

    def counted(self, trace: LayerTrace, laid: LaidOut) -> Counted:
        """Every weight and position counts."""
        del trace
        return self.count(laid, dense_rows(laid.layer), dense_blocks(laid.layer, laid.way), 1)

    def weight_bytes(self, counted: Counted, laid: LaidOut) -> np.ndarray:
        """All weights, as they are."""
        layer = laid.layer
        columns = layer.weight_count // layer.out_channels
        stored = bits_to_bytes(counted.filters * columns * self.spec.value_bits)
        return np.broadcast_to(stored, (layer.groups, stored.size))


@dataclass(frozen=True)
class _Buses(Estimate):
    value_bits: int

    def load(self, ways: Ways) -> np.ndarray:
        return ways.groups * ways.blocks * ways.depth * ways.filters * ways.channels * ways.taps

    def inputs(self, ways: Ways, shape: Rows, rows: np.ndarray) -> np.ndarray:
        return ways.groups * shape.held_channels(ways) * rows * shape.layer.input_size[-1]

    def sums(self, ways: Ways, shape: Rows) -> np.ndarray:
        return shape.sums(ways)

    def in_use(self, ways: Ways) -> tuple[np.ndarray, np.ndarray]:
        return np.ones(ways.rows.shape), np.ones(ways.rows.shape)

    def weight_bits(self, ways: Ways, shape: Rows, nonzero: float) -> np.ndarray:
        del nonzero
        return np.full(ways.rows.shape, shape.layer.weight_count * self.value_bits)
