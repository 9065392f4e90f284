"""Parameters of the systolic array."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from dataflows.specs import Bytes, Clock, Count, DramSpec
from dataflows.tiling.group_packs import GroupedSpec
from dataflows.tiling.strip_plan import require_two_blocks
from workloads.units import MIB


class SystolicSpec(GroupedSpec):
    """Parameters of the array; the defaults resemble a core of the TPU v2 (Jouppi et al., CACM 2020)."""

    dataflow: Literal["weight", "output", "input"] = Field(
        "weight", description="the operand that stays in the array: weight (as in the TPU), output or input"
    )
    rows: Count = Field(128, description="rows of the array (TPU v2: 128)")
    columns: Count = Field(128, description="columns of the array (TPU v2: 128)")
    shadow_registers: bool = Field(
        True, description="weights or inputs that stay arrive during the fold before (as in the TPU's double buffering)"
    )
    fold_overlap: Literal["back_to_back", "none"] = Field(
        "back_to_back",
        description="back_to_back: a fold's values enter right behind those of the fold before, which double-buffered "
        "weights are for (TPU v1); none: a fold starts when the last wave has left the array, as textbooks count",
    )
    accumulators_per_column: Count = Field(
        4096, description="sums below a column, in two halves, weight and input stationary (TPU v1: 4,096)"
    )
    input_buffer_bytes: Bytes = Field(
        8 * MIB,
        description="input buffer (assumption: half of TPU v2's 16 MiB); maps that fit it and the output buffer stay",
    )
    weight_buffer_bytes: Bytes = Field(4 * MIB, description="weight buffer (assumption: a quarter)")
    output_buffer_bytes: Bytes = Field(4 * MIB, description="output buffer (assumption: a quarter)")
    clock_hz: Clock = Field(700_000_000, description="accelerator clock, Hz (700 MHz)")
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=350.0),  # type: ignore[call-arg]
        description="a core's half of TPU v2's 700 GB/s",
    )

    @property
    def block_positions(self) -> int:
        """Output positions that the array, or half of the accumulators, takes at a time."""
        return {"output": self.rows, "input": self.columns, "weight": self._half}[self.dataflow]

    @property
    def block_filters(self) -> int:
        """Filters that the array, or half of the accumulators, takes at a time."""
        return self._half if self.dataflow == "input" else self.columns

    @property
    def _half(self) -> int:
        return max(1, self.accumulators_per_column // 2)

    @model_validator(mode="after")
    def _outputs_of_a_block_fit(self) -> Self:
        what = f"two blocks of {self.block_positions} positions x {self.block_filters} filters"
        require_two_blocks(self.output_buffer_bytes, self.block_positions * self.block_filters, self.value_bits, what)
        return self
