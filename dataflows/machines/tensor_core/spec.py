"""Parameters of the tensor cores."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from dataflows.specs import AcceleratorSpec, Bytes, Clock, Count, DramSpec, Places, Side, Size

MIB = 1024 * 1024
CountedSide = Annotated[int, Field(ge=1, le=255)]  # a count up to it is a byte


class LaunchSpec(AcceleratorSpec):
    """What all GPUs here have: cores that take tiles of one launch, before them an L2 between DRAM and the cores."""

    cores: Places = Field(432, description="tensor cores of the whole chip")
    tile_fill_cycles: Size = Field(
        0,
        description="cycles from a tile's start to its first step (assumption: another warp's work on the same core "
        "hides them)",
    )
    shared_bytes_per_cycle: Count = Field(
        32, description="bytes that a core reads of shared memory a cycle (an SM's 128, from memory, over its 4 cores)"
    )
    l2_bytes: Bytes = Field(40 * MIB, description="L2, bytes: half for inputs, half for weights (assumption)")


class TensorCoreSpec(LaunchSpec):
    """Parameters of the 2:4 tensor cores; defaults are an A100 (NVIDIA, 2020) unless marked assumption.

    The rates of other words are those of its data sheet: INT8 twice FP16's, INT4 four times, TF32 half. TF32 keeps one
    of two; INT4 keeps pairs of neighbours, which is not modelled, so that it runs dense (PTX ISA).
    """

    cores: Places = Field(432, description="tensor cores: 108 SMs x 4")
    macs_per_core: Count = Field(
        256, description="products of a core in a cycle, by value_bits: 1,024 an SM with 16 bits (312 TFLOPS), twice "
        "as many with 8, half with 32"
    )  # fmt: skip
    step_filters: Count = Field(16, description="filters of a step, an instruction mma.m16n8k16 (PTX ISA)")
    step_positions: Count = Field(8, description="output positions of a step (likewise)")
    step_depth: Count = Field(
        16, description="weights of a filter that a step multiplies, kept ones of sparse filters; by value_bits: 256 "
        "bits (PTX ISA: k16, and k32 of mma.sp)"
    )  # fmt: skip
    kept_of_group: Side = Field(2, description="n of n:m: weights of a group that are stored (2:4; 1:2 with 32 bits)")
    group_size: Side = Field(4, description="m of n:m: consecutive channels of a group (likewise)")
    sparse: Literal["where_possible", "never"] = Field(
        "where_possible",
        description="where_possible: layers whose constant weights are all n:m, and smaller so, run sparse, others "
        "dense; never: all run dense, as with 4 bits unless set",
    )
    tile_filters: Side = Field(
        64, description="filters of a tile (assumption: CUTLASS's warp tiles, from memory: 64 x 64 of 128 x 128)"
    )
    tile_positions: Side = Field(64, description="output positions of a tile (likewise)")
    l2_bytes: Bytes = Field(40 * MIB, description="L2, bytes: half for inputs, half for weights (halves: assumption)")
    clock_hz: Clock = Field(1_410_000_000, description="accelerator clock, Hz (boost clock)")
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=1555.0),  # type: ignore[call-arg]
        description="HBM2 of the A100 with 40 GB (from memory of its data sheet)",
    )

    @model_validator(mode="before")
    @classmethod
    def _rate_of_the_word(cls, values: Any) -> Any:
        """Other words have a rate and a step of their own, where none is given."""
        if isinstance(values, dict) and values.get("value_bits") in (4, 8, 32):
            bits = values["value_bits"]
            own: dict[str, Any] = {"macs_per_core": 256 * 16 // bits, "step_depth": 256 // bits}
            own |= {4: {"sparse": "never"}, 8: {}, 32: {"kept_of_group": 1, "group_size": 2}}[bits]
            # Standing first, they give way to values that the user has set.
            return own | values
        return values

    @model_validator(mode="after")
    def _keeps_no_more_than_there_are(self) -> Self:
        if self.kept_of_group > self.group_size:
            raise ValueError(f"kept_of_group = {self.kept_of_group} exceeds group_size = {self.group_size}")
        return self


class DstcSpec(LaunchSpec):
    """Parameters of the dual-side sparse tensor core; defaults are Wang et al., ISCA 2021, on a V100.

    Chip, clock, L2 and DRAM are the V100's, from memory of its data sheet.
    """

    cores: Places = Field(320, description="cores: 80 SMs x 4, of two 64-multiplier tensor cores each")
    step_rows: CountedSide = Field(8, description="values of the left vector in a step (8x16x1: Uni-STC, table VI)")
    step_columns: CountedSide = Field(16, description="values of the right vector in a step (likewise)")
    tile_rows: CountedSide = Field(32, description="rows of a tile of outputs (32 x 32 in the accumulation buffer)")
    tile_columns: CountedSide = Field(32, description="columns of a tile of outputs (likewise)")
    tile_depth: Side = Field(
        16, description="depth of the chunks that a bit of the first-level bitmap stands for (from memory of the paper)"
    )
    set_cycles: int = Field(
        1, ge=0, le=1024, description="cycles in which the front end prepares an outer product, beside its steps: "
        "bitmaps multiplied, non-zeros counted, steps left out (assumption: one instruction, BOHMMA)"
    )  # fmt: skip
    left: Literal["inputs", "weights"] = Field(
        "inputs", description="which operand is the left one (inputs, lowered, from memory of the paper)"
    )
    l2_bytes: Bytes = Field(6 * MIB, description="L2, bytes: half for inputs, half for weights (halves: assumption)")
    clock_hz: Clock = Field(1_530_000_000, description="accelerator clock, Hz (boost clock)")
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=900.0),  # type: ignore[call-arg]
        description="HBM2 of the V100",
    )
