"""Parameters of Eyeriss and Eyeriss v2.

What is marked (memory) was taken from memory of the papers and not from their text.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dataflows.specs import AcceleratorSpec, Bytes, Clock, Count, DramSpec, Side, Size
from workloads.units import KIB

_Bits = Field(20, ge=1, le=64, description="bits of a partial sum (memory)")


class RowStationarySpec(AcceleratorSpec):
    """Parameters that both machines have."""

    sums_per_pe: Count = Field(32, description="partial sums of a PE: filters that it holds weights of (memory)")
    weights_per_pe: Count = Field(192, description="weights of a PE's scratchpad (memory)")
    weight_port_values: Count = Field(2, description="weights that a port brings a cycle (memory)")
    input_port_values: Count = Field(6, description="activations that a port brings a cycle (memory)")
    sum_port_values: Count = Field(2, description="partial sums that a port brings, and takes, a cycle (memory)")
    sum_bits: int = _Bits
    weight_loads: Literal["before", "beside"] = Field(
        "before",
        description="before: a PE's next weights come when it has done with its last, for which its scratchpad has the "
        "only room; beside: they come while it computes (assumption)",
    )
    clock_hz: Clock = Field(200_000_000, description="accelerator clock, Hz (memory)")


class EyerissSpec(RowStationarySpec):
    """Parameters of Eyeriss; defaults are the chip of Chen et al., JSSC 2017."""

    pe_rows: Side = Field(12, description="rows of PEs, each with one multiplier (memory)")
    pe_columns: Side = Field(14, description="columns of PEs (memory)")
    sums_per_pe: Count = Field(24, description="partial sums of a PE: filters that it holds weights of (memory)")
    weights_per_pe: Count = Field(224, description="weights of a PE's scratchpad (memory)")
    values_per_pe: Count = Field(12, description="activations of a PE's scratchpad: channels times taps (memory)")
    weight_port_values: Count = Field(4, description="weights that the array takes a cycle: a bus of 64 bits (memory)")
    input_port_values: Count = Field(1, description="activations that the array takes a cycle: 16 bits (memory)")
    sum_port_values: Count = Field(4, description="partial sums that it takes, and gives, a cycle: 64 bits (memory)")
    sum_bits: int = Field(16, ge=1, le=64, description="bits of a partial sum (memory)")
    channels_per_pass: Size = Field(
        0, description="most channels that a chain adds up before its sums go back to the global buffer; 0: as many as "
        "are fastest (assumption: what else the chip's mappings were chosen for is not modelled)"
    )  # fmt: skip
    global_buffer_bytes: Bytes = Field(
        100 * KIB, description="global buffer of activations and partial sums, which share it as each layer needs, "
        "bytes (memory; 8 KiB more hold weights on their way)"
    )  # fmt: skip
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=0.48),  # type: ignore[call-arg]
        description="external memory (memory: a link of 64 bits at 60 MHz)",
    )


class EyerissV2Spec(RowStationarySpec):
    """Parameters of Eyeriss v2; defaults follow Chen et al., JETCAS 2019."""

    cluster_rows: Side = Field(8, description="rows of clusters (memory)")
    cluster_columns: Side = Field(2, description="columns of clusters (memory)")
    pe_rows: Side = Field(3, description="rows of PEs in a cluster, each row with a port for weights (memory)")
    pe_columns: Side = Field(4, description="columns of PEs in a cluster, each with a port for sums (memory)")
    macs_per_pe: int = Field(
        2, ge=1, le=32, description="multipliers of a PE, which take weights of one activation (memory)"
    )
    sums_per_pe: Count = Field(32, description="partial sums of a PE: filters that it holds weights of (memory)")
    weights_per_pe: Count = Field(
        192, description="weights of a PE's scratchpad (memory: 96 words of 24 bits), for blocks as if none was zero "
        "(assumption; the paper lets sparse ones be larger)"
    )  # fmt: skip
    columns_per_pe: Count = Field(
        16, description="weight columns of a PE: channels times taps, an address each (memory)"
    )
    weight_port_values: Count = Field(
        2, description="non-zero weights that a row of a cluster takes a cycle (memory: 24 bits)"
    )
    input_port_values: Count = Field(
        6, description="non-zero activations that a cluster takes a cycle (memory: three ports of 24 bits)"
    )
    sum_port_values: Count = Field(
        2, description="partial sums that a column of a cluster takes, and gives, a cycle (memory: 40 bits)"
    )
    sum_bits: int = _Bits
    mapped_for: Literal["densities", "shape"] = Field(
        "densities",
        description="what the search of a mapping knows: densities: the shares of weights and activations that are not "
        "zero (assumption: the paper sizes blocks by their compressed weights, whose zeros it so knows); shape: none",
    )
    empty_column_cycles: int = Field(
        0, ge=0, le=1, description="cycles that an activation takes whose weights in a PE are all zero (assumption: 0, "
        "as in Sparseloop's model of the PE; 1 where looking up an empty column costs a slot)"
    )  # fmt: skip
    count_bits: Size = Field(4, description="bits beside a stored weight: zeros before it (paper)")
    address_bits: Size = Field(7, description="bits of a weight column's address (memory)")
    input_buffer_bytes: Bytes = Field(
        72 * KIB, description="global buffer for activations, all clusters together, bytes (memory: 3 x 1.5 KiB each)"
    )
    sum_buffer_bytes: Bytes = Field(
        120 * KIB, description="global buffer for partial sums, likewise, bytes (memory: 4 x 1.875 KiB each)"
    )
    value_bits: Literal[4, 8, 16, 32] = Field(8, description="bits of a weight or activation (memory)")
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=25.6),  # type: ignore[call-arg]
        description="external memory (assumption: not published)",
    )

    @property
    def rows(self) -> int:
        """Rows of PEs of all clusters."""
        return self.cluster_rows * self.pe_rows

    @property
    def columns(self) -> int:
        """Columns of PEs of all clusters."""
        return self.cluster_columns * self.pe_columns
