"""Parameters of ABM-SpConv and of Sparse-YOLO."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from dataflows.specs import AcceleratorSpec, Bytes, Clock, Count, DramSpec
from dataflows.tiling.strip_plan import require_two_blocks
from workloads.units import KIB


class AbmSpec(AcceleratorSpec):
    """Parameters of ABM-SpConv on a Stratix-V GXA7; the paper's own are not in our sources, so most are assumptions."""

    cores: Count = Field(48, description="convolution cores, a kernel each at a time (assumption)")
    adders_per_core: Count = Field(20, description="output positions that a core adds for in a cycle (assumption)")
    multipliers_per_core: Count = Field(
        5, description="multipliers of a core (assumption: 240 in all, a DSP block each; the paper uses 6.25 % fewer "
        "than the 256 of the Stratix-V GXA7)"
    )  # fmt: skip
    codebook_values: Count = Field(
        255, description="distinct non-zero weights that a kernel can have (assumption: fixed point of 8 bits)"
    )
    mask_codebook_values: Count = Field(
        16, description="values from which weights known only as a mask are taken to be drawn, up to codebook_values, "
        "where the workload tells no codebook of its own, as density sets @deep-compression do "
        "(assumption: 4 bits, as EIE's)"
    )  # fmt: skip
    encoded_weight_bits: int = Field(
        16, ge=1, le=64, description="bits of a stored non-zero with its position (DAC 2019)"
    )
    input_buffer_bytes: Bytes = Field(1024 * KIB, description="input buffer, bytes (assumption: of 6.25 MB of M20K)")
    weight_buffer_bytes: Bytes = Field(1024 * KIB, description="buffer of encoded weights, bytes (assumption)")
    output_buffer_bytes: Bytes = Field(512 * KIB, description="output buffer, bytes (assumption)")
    value_bits: Literal[4, 8, 16, 32] = Field(
        8, description="bits of an activation (assumption: fixed point of 8 bits)"
    )
    clock_hz: Clock = Field(200_000_000, description="accelerator clock, Hz (assumption)")
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=12.8),  # type: ignore[call-arg]
        description="assumption: a channel of DDR3-1600",
    )

    @model_validator(mode="after")
    def _outputs_of_a_block_fit(self) -> Self:
        require_two_blocks(
            self.output_buffer_bytes,
            self.cores * self.adders_per_core,
            self.value_bits,
            "two blocks of outputs of every core",
        )
        return self


class SparseYoloSpec(AbmSpec):
    """Sparse-YOLO's machine on an Arria-10 GX1150 (IEEE Access 2020); what is not published there is an assumption."""

    cores: Count = Field(64, description="convolution cores (assumption: filters of YOLOv2 come in multiples of 32)")
    adders_per_core: Count = Field(16, description="output positions that a core adds for in a cycle (assumption)")
    multipliers_per_core: Count = Field(4, description="multipliers of a core (assumption: an adder's quarter)")
    codebook_values: Count = Field(
        16, description="distinct non-zero weights of a kernel (the paper clusters weights; assumption: into 16)"
    )
    clock_hz: Clock = Field(211_000_000, description="accelerator clock, Hz (211 MHz)")
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=17.0),  # type: ignore[call-arg]
        description="assumption: a 64-bit channel of DDR4-2133",
    )
