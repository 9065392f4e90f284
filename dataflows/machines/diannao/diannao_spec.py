"""Parameters of DianNao."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from dataflows.specs import Bytes, Clock, Count, DramSpec, Size
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.group_packs import GroupedSpec


class DianNaoSpec(GroupedSpec):
    """Parameters of DianNao; defaults are the published machine (Chen et al., ASPLOS 2014) unless marked assumption."""

    output_neurons: Count = Field(16, description="Tn, output neurons computed together (section on the accelerator)")
    inputs_per_neuron: Count = Field(16, description="Ti, inputs multiplied for each of them in a cycle")
    nbin_bytes: Bytes = Field(2048, description="NBin, input buffer, bytes (2 KB)")
    sb_bytes: Bytes = Field(32768, description="SB, synapse buffer, bytes (32 KB)")
    nbout_bytes: Bytes = Field(2048, description="NBout, buffer of outputs and partial sums, bytes (2 KB)")
    pipeline_fill_cycles: Size = Field(
        0, description="cycles until the three NFU stages run, once a round of output channels (assumption: hidden)"
    )
    clock_hz: Clock = Field(980_000_000, description="accelerator clock, Hz (0.98 GHz)")
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=256.0),  # type: ignore[call-arg]
        description="assumption: ample bandwidth, as with Cambricon-X",
    )

    @model_validator(mode="after")
    def _a_position_fits(self) -> Self:
        needed = bits_to_bytes(self.output_neurons * self.value_bits)
        if needed > self.nbout_bytes:
            raise ValueError(
                f"nbout_bytes = {self.nbout_bytes} cannot hold {self.output_neurons} partial sums, {needed} bytes"
            )
        return self
