"""Parameters of SIGMA."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dataflows.specs import AcceleratorSpec, Bytes, Clock, Count, DramSpec, Places, Size
from workloads.units import MIB

Stationary = Literal["auto", "weights", "inputs"]


class SigmaSpec(AcceleratorSpec):
    """Parameters of the machine; defaults follow Qin et al., HPCA 2020, where published."""

    stationary: Stationary = Field(
        "auto",
        description="the operand that stays in the multipliers: weights, inputs, or auto: for each layer the one that "
        "takes less time, computing or waiting for memory (section IV-D: both are run, the better one counts)",
    )
    groups: Literal["packed", "alone"] = Field(
        "packed",
        description="matrix products of a layer's groups or heads: packed: side by side, each on Flex-DPEs of its own "
        "(section IV-B: several Flex-DPUs); alone: one after the other",
    )
    pes: Places = Field(128, description="Flex-DPEs (section V: 128)")
    multipliers_per_pe: Count = Field(128, description="multipliers of a Flex-DPE (section V: 128)")
    load_words_per_cycle: Count = Field(
        128, description="stationary values that leave the SRAM in a cycle (section V: 128, a whole Flex-DPE's)"
    )
    stream_words_per_cycle: Count = Field(
        16384,
        description="streamed non-zeros that leave the SRAM in a cycle (section VI-A evaluates with more than the 128 "
        "of section V, without a number; assumption: a word for each multiplier, so that no vector waits)",
    )
    distribution_cycles: Size = Field(1, description="cycles of the distribution network (section V: 1)")
    multiply_cycles: Size = Field(1, description="cycles of a multiplication (section V: 1)")
    level_cycles: Size = Field(1, description="cycles of each level of adders (section V: 1)")
    input_buffer_bytes: Bytes = Field(
        8 * MIB, description="SRAM for inputs (assumption: as TPU v2's; section IV: 'similar to the TPU')"
    )
    weight_buffer_bytes: Bytes = Field(4 * MIB, description="SRAM for weights (assumption, likewise)")
    output_buffer_bytes: Bytes = Field(4 * MIB, description="SRAM for outputs and their sums (assumption, likewise)")
    clock_hz: Clock = Field(500_000_000, description="accelerator clock, Hz (500 MHz, from memory of the paper)")
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=350.0),  # type: ignore[call-arg]
        description="assumption: a core's half of TPU v2's 700 GB/s; the paper models no external memory",
    )

    @property
    def multipliers(self) -> int:
        """Multipliers of the whole machine."""
        return self.pes * self.multipliers_per_pe

    @property
    def pipeline_cycles(self) -> tuple[int, int]:
        """Cycles in which a fold's pipeline fills, and in which its last sums come down the adders."""
        levels = (self.multipliers_per_pe - 1).bit_length()  # 7 levels of 128 multipliers, as of 65
        return self.distribution_cycles + self.multiply_cycles, levels * self.level_cycles
