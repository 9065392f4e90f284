"""Parameters of EIE."""

from __future__ import annotations

from pydantic import Field

from dataflows.specs import AcceleratorSpec, Bytes, Clock, Count, Places, Size
from dataflows.tiling.residency import RESIDENCY_TEXT, Residency
from workloads.units import KIB


class EieSpec(AcceleratorSpec):
    """Parameters of EIE; defaults are the published machine (Han et al., ISCA 2016) unless marked assumption."""

    pes: Count = Field(64, description="PEs, each with a multiplier (section VI)")
    code_bits: int = Field(4, ge=1, le=16, description="bits of a weight, an index into a codebook of 16 (section III)")
    run_bits: int = Field(
        4, ge=0, le=16, description="bits of an entry's number of zeros; a longer run takes fillers (section III)"
    )
    pointer_bits: int = Field(16, ge=1, le=64, description="bits of a column pointer (section IV)")
    queue_depth: Places = Field(8, description="activations that the queue of a PE holds (section VI, figure 8)")
    accumulators_per_pe: Count = Field(64, description="activations of a PE's register file (section IV)")
    arithmetic_cycles: Size = Field(
        4, description="cycles from a vector's last entry to its last result: the four stages of the arithmetic unit"
    )
    weight_sram_bytes: Bytes = Field(128 * KIB, description="sparse matrix SRAM of a PE, bytes (table II)")
    pointer_sram_bytes: Bytes = Field(32 * KIB, description="both pointer SRAM banks of a PE, bytes (table II)")
    activation_sram_bytes: Bytes = Field(2 * KIB, description="activation SRAM of a PE, bytes (table II)")
    sram_port_bits: Count = Field(64, description="bits that a PE writes to its activation SRAM a cycle (section VI)")
    weights_resident: Residency = Field(
        "fitting", description=RESIDENCY_TEXT + "; what is not resident is loaded once where a block of rows fits the "
        "SRAMs, otherwise for every vector"
    )  # fmt: skip
    clock_hz: Clock = Field(800_000_000, description="accelerator clock, Hz (800 MHz)")
