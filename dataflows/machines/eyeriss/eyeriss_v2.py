"""Eyeriss v2: PEs that skip zero weights and activations, in clusters on a hierarchical mesh.

Source: Chen, Yang, Emer, Sze, "Eyeriss v2: A Flexible Accelerator for Emerging Deep Neural Networks on Mobile Devices",
JETCAS 2019.

A cycle: a PE multiplies one non-zero activation by up to `macs_per_pe` non-zero weights of the column that it meets:
those of the PE's filters at the activation's channel and tap, which are stored compressed. An activation takes as many
cycles as its column takes (busy); one whose column is empty takes `empty_column_cycles` (index), zeros take none.

Layers are laid out as on `eyeriss`: chains of PEs down a column of the array, whose PEs hold the blocks of a filter's
weights one after the other, and beside them those of other output rows, filters and groups; a depthwise layer has many
groups side by side. PEs meet at the end of a wave of output rows and of a load of weights (barriers; assumption) and
wait for the slowest (imbalance).

The mesh: each cluster takes activations at one port, shared by all its PEs, weights at one for each of its rows, and
sums at one for each of its columns. PEs that need the same take it together, clusters too, for which the mesh is set to
unicast, grouped multicast, interleaved multicast or broadcast; which of them is in use changes what a cluster has to
take (what its own PEs need, each value once) and nothing else, since rows of activations lie spread over the buffers of
all clusters (assumption). What a port takes longer than the PEs is waited for (port).

Assumptions: maps cross DRAM dense, weights compressed; weights come when a pass is over; the search of `mapping`; no
fillers, though a column of 32 filters may have more than the 15 zeros in a row that a count of 4 bits tells; a sum
takes no time from PE to PE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dataflows.machines.eyeriss.chain_steps import Counted, Ports
from dataflows.machines.eyeriss.expected_time import Estimate
from dataflows.machines.eyeriss.mapping import Limits, Rows, Ways
from dataflows.machines.eyeriss.row_counts import taken_of_rows, weights_of_blocks
from dataflows.machines.eyeriss.row_stationary import RowStationary, stacked_input
from dataflows.machines.eyeriss.row_strips import LaidOut
from dataflows.machines.eyeriss.spec import EyerissV2Spec
from dataflows.sizing import Scaling
from dataflows.specs import MOST_COUNT
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.truth.products import count_products
from workloads.trace import LayerTrace
from workloads.whole_numbers import ceil_div

_BUS_BITS, _INPUT_BUS_BITS = 64, 16  # of the baseline's buses for weights and sums, and for activations (memory)


class EyerissV2(RowStationary):
    """The machine; its dense baseline is an Eyeriss with as many PEs, of one multiplier each, and as large buffers."""

    name = "eyeriss-v2"
    display = "Eyeriss v2"
    title = "Eyeriss v2: zeros skipped in the PE, 16 clusters of 12 PEs on a hierarchical mesh (JETCAS 2019)"
    Spec = EyerissV2Spec
    spec: EyerissV2Spec
    baseline_name = "eyeriss"
    needs_constant_weights = (
        "its weights are compressed before the run, in columns of the filters of a PE, which is not the form in which "
        "it compresses another layer's results"
    )
    scaling = Scaling(
        factors=("cluster_rows", "cluster_columns", "pe_rows", "pe_columns", "macs_per_pe"),
        growing=("cluster_rows", "cluster_columns"),
        buffers={"input_buffer_bytes": "", "sum_buffer_bytes": ""},
        reason="clusters are added, as the paper does",
    )

    def baseline_settings(self) -> dict[str, Any]:
        """Eyeriss with as many PEs, nearer to a square, and buses of 64 bits."""
        spec = self.spec
        side = 2 if spec.rows % 2 == 0 and spec.rows > spec.columns else 1
        return {
            "pe_rows": spec.rows // side,
            "pe_columns": spec.columns * side,
            "weight_port_values": max(1, _BUS_BITS // spec.value_bits),
            "input_port_values": max(1, _INPUT_BUS_BITS // spec.value_bits),
            "sum_port_values": max(1, _BUS_BITS // spec.sum_bits),
            "sum_bits": spec.sum_bits,
            "global_buffer_bytes": spec.input_buffer_bytes + spec.sum_buffer_bytes,
            "weight_loads": spec.weight_loads,
        }

    def issued_products(self, trace: LayerTrace) -> int:
        """Those of two non-zeros inside the map."""
        return count_products(trace).effectual_macs

    def limits(self) -> Limits:
        """See `RowStationary`."""
        spec = self.spec
        return Limits(
            rows=spec.rows,
            columns=spec.columns,
            lanes=spec.macs_per_pe,
            filters=spec.sums_per_pe,
            weights=spec.weights_per_pe,
            taps=spec.columns_per_pe,
            channels=MOST_COUNT,
            value_bits=spec.value_bits,
            sum_bits=spec.sum_bits,
            input_room=8 * spec.input_buffer_bytes,
            sum_room=8 * spec.sum_buffer_bytes,
        )

    def ports(self) -> Ports:
        """Those of a cluster."""
        spec = self.spec
        return Ports(
            rows=spec.pe_rows,
            columns=spec.pe_columns,
            weights=spec.weight_port_values,
            inputs=spec.input_port_values,
            sums=spec.sum_port_values,
            pooled=0,
            beside=int(spec.weight_loads == "beside"),
            empty=spec.empty_column_cycles,
        )

    def estimate(self) -> Estimate:
        """See `RowStationary`."""
        spec = self.spec
        return _Mesh(self.ports(), spec.columns, spec.value_bits + spec.count_bits, spec.address_bits)

    def densities(self, trace: LayerTrace) -> tuple[float, float]:
        """See `RowStationary`; `mapped_for` says whether they are known."""
        if self.spec.mapped_for == "shape":
            return 1.0, 1.0
        return trace.weight_density, trace.activation_density

    def counted(self, trace: LayerTrace, laid: LaidOut) -> Counted:
        """Non-zeros of rows and weights."""
        rows = taken_of_rows(laid.layer, stacked_input(trace.layer, trace.activation_mask))
        return self.count(laid, rows, weights_of_blocks(laid.layer, laid.way, trace.weight_mask), self.spec.macs_per_pe)

    def weight_bytes(self, counted: Counted, laid: LaidOut) -> np.ndarray:
        """Non-zero weights, each with its count, and an address for every column of a PE's filters."""
        spec, layer = self.spec, laid.layer
        nonzeros = counted.weights.reshape(*counted.weights.shape[:2], -1).sum(axis=2, dtype=np.int64)
        stored = nonzeros * (spec.value_bits + spec.count_bits)
        # A block without a weight is not stored at all.
        addresses = layer.weight_count // layer.out_channels * spec.address_bits
        return bits_to_bytes(stored + np.where(stored > 0, addresses, 0))


@dataclass(frozen=True)
class _Mesh(Estimate):
    ports: Ports
    array_columns: int
    stored_bits: int
    address_bits: int

    def load(self, ways: Ways) -> np.ndarray:
        blocks = np.minimum(ways.groups * ways.blocks, ceil_div(self.ports.columns, ways.rows))
        return blocks * ways.filters * ways.channels * ways.taps

    def inputs(self, ways: Ways, shape: Rows, rows: np.ndarray) -> np.ndarray:
        # Of a cluster's PEs those of a chain read rows for so many channel blocks and kernel rows, and
        # those beside them rows that overlap, or other groups'.
        layer, entries = shape.layer, np.minimum(self.ports.rows, ways.depth)
        across, down = np.minimum(ways.rows, self.ports.columns), np.minimum(entries, shape.kernel_rows)
        overlapping = (across - 1) * layer.stride[-2] + (down - 1) * layer.dilation[-2] + 1
        own = np.minimum(np.minimum(across * down, overlapping), rows)
        groups = np.minimum(ways.groups, ceil_div(self.ports.columns, ways.blocks * ways.rows))
        blocks = ceil_div(entries, shape.units(ways.taps)) * groups * self._stacks(ways)
        return blocks * own * ways.channels * layer.input_size[-1]

    def in_use(self, ways: Ways) -> tuple[np.ndarray, np.ndarray]:
        pes = ways.groups * ways.blocks * ways.rows * ways.depth
        return ceil_div(pes, self.ports.columns), ceil_div(pes, self.ports.columns * self.ports.rows)

    def sums(self, ways: Ways, shape: Rows) -> np.ndarray:
        return self._stacks(ways) * ways.filters * shape.layer.output_size[-1]

    def weight_bits(self, ways: Ways, shape: Rows, nonzero: float) -> np.ndarray:
        layer = shape.layer
        addresses = ceil_div(layer.group_out_channels, ways.filters) * layer.weight_count // layer.group_out_channels
        return nonzero * layer.weight_count * self.stored_bits + addresses * self.address_bits

    def _stacks(self, ways: Ways) -> np.ndarray:
        """Chains of a column that lie in a cluster, or end there."""
        chains = ceil_div(ways.groups * ways.blocks * ways.rows, self.array_columns)
        return np.minimum(ceil_div(self.ports.rows, ways.depth), chains)
