"""Parameters of the pattern machine."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from dataflows.specs import AcceleratorSpec, Bytes, Clock, Count, DramSpec, Size
from dataflows.tiling.strip_plan import require_two_blocks
from workloads.units import KIB


class PatternSpec(AcceleratorSpec):
    """Parameters of the pattern accelerator; none are in our sources, so all are assumptions (see each)."""

    arrays: Count = Field(4, description="arrays, each with a port to the input buffer (assumption)")
    kernels_parallel: Count = Field(
        16,
        description="rows of an array, a kernel each (assumption: PCONV's four patterns fill them from 64 filters on)",
    )
    pixels_parallel: Count = Field(
        16, description="output positions computed together, a multiplier of each row (assumption: 4 x 16 x 16 = 1,024 "
        "of the thousands of DSP of an Alveo card)"
    )  # fmt: skip
    patterns: Size = Field(
        8,
        description="size of the pattern set at most; 0: kernels keep the filters' order (assumption: PatDNN has 6, 8 "
        "or 12)",
    )
    reconfigurable: bool = Field(
        True, description="true: arrays take equal parts of the work (FCCM 2020: reconfigurable for balance); "
        "false: channel c stays with array c mod arrays"
    )  # fmt: skip
    reordered_rows: bool = Field(
        True, description="true: no two activations of a vector lie in one bank (FCCM 2020: re-ordered buffer rows); "
        "false: they lie as in the map"
    )  # fmt: skip
    switch_cycles: Size = Field(
        1, description="cycles until an array is set to read other than all positions of a batch's kernels "
        "(assumption)"
    )  # fmt: skip
    fill_cycles: Size = Field(8, description="cycles from a layer's start to the first product (assumption)")
    input_buffer_bytes: Bytes = Field(
        2048 * KIB, description="input buffer, bytes (assumption: of the 30 MB and more of UltraRAM of an Alveo card)"
    )
    weight_buffer_bytes: Bytes = Field(
        8192 * KIB,
        description="compressed weights, bytes (FCCM 2020: on chip; assumption: room for a layer of VGG-16)",
    )
    output_buffer_bytes: Bytes = Field(
        2048 * KIB, description="partial sums and outputs, both halves together, bytes (assumption)"
    )
    clock_hz: Clock = Field(200_000_000, description="accelerator clock, Hz (assumption)")
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=19.2),  # type: ignore[call-arg]
        description="assumption: one 64-bit channel of DDR4-2400",
    )

    @model_validator(mode="after")
    def _outputs_of_a_block_fit(self) -> Self:
        require_two_blocks(
            self.output_buffer_bytes,
            self.kernels_parallel * self.pixels_parallel,
            self.value_bits,
            "two blocks of outputs of every row of an array",
        )
        return self
