"""DCNN's parameters: those of a dense machine of SCNN's size (Parashar et al., ISCA 2017)."""

from __future__ import annotations

from pydantic import Field

from dataflows.specs import MOST_BYTES, AcceleratorSpec, Count, DramSpec, Side


class DcnnSpec(AcceleratorSpec):
    """Parameters of DCNN; defaults are the published machine (Parashar et al., ISCA 2017) unless marked assumption."""

    pe_rows: Side = Field(8, description="rows of PEs (64 PEs, as SCNN)")
    pe_columns: Side = Field(8, description="columns of PEs (64 PEs, as SCNN)")
    multipliers_per_pe: Count = Field(16, description="products of one dot-product step (16 in a PE, as SCNN)")
    output_channel_group: Count = Field(8, description="output channels between two barriers (assumption: SCNN's Kc)")
    sram_bytes: int = Field(
        2 * 1024 * 1024,
        ge=2,
        le=MOST_BYTES,
        description="activation SRAM, bytes: half for inputs, half for outputs (DCNN's 2 MB)",
    )
    dram: DramSpec = DramSpec(bandwidth_gbs=50.0)  # type: ignore[call-arg]
