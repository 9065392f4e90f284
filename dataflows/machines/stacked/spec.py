"""Parameters of the stacked machine."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from dataflows.specs import AcceleratorSpec, Bytes, Clock, Count, DramSpec, Places
from dataflows.tiling.strip_plan import require_two_blocks
from workloads.pruning.methods.nested import Nested
from workloads.units import KIB


class StackedSpec(AcceleratorSpec):
    """Parameters of the stacked accelerator; the paper's own are not in our sources, so all are assumptions."""

    levels: str = Field(
        "0.1/0.25/0.5",
        description="densities of the levels in rising order, as pruning 'nested' takes them (assumption)",
    )
    level: int = Field(0, ge=0, le=16, description="the level that runs, 1 being the smallest; 0: the largest")
    storage: Literal["sectioned", "coded", "separate"] = Field(
        "sectioned", description="sectioned: level by level, a mode reads the first (JETCAS 2019); coded: one list "
        "with level codes; separate: every level on its own, for comparison"
    )  # fmt: skip
    loaded: Literal["running", "all"] = Field(
        "running", description="running: what the level needs; all: the whole stored copy, so that the level can "
        "change without a load (assumption)"
    )  # fmt: skip
    pes: Count = Field(16, description="PEs, a filter each at a time (assumption)")
    lanes: Count = Field(16, description="multipliers of a PE, an output position each (assumption)")
    index_bits: int = Field(8, ge=1, le=16, description="bits of a run of zeros; a longer one takes fillers "
                            "(assumption: as in Deep Compression)")  # fmt: skip
    decoded_entries: Count = Field(4, description="stored entries that a PE's decoder looks at together (assumption)")
    input_ports: Places = Field(
        16, description="vectors, a value a lane, that the input memory sends a cycle (assumption, a bound: 512 KiB "
        "are 128 block RAMs of 4 KiB; a vector that begins anywhere needs one for each of 16 lanes: 8 banks, two ports)"
    )  # fmt: skip
    input_queue_depth: Places = Field(8, description="vectors that wait before a PE (assumption: as many as in EIE)")
    input_buffer_bytes: Bytes = Field(512 * KIB, description="input buffer, bytes (assumption)")
    weight_buffer_bytes: Bytes = Field(
        8192 * KIB, description="stored weights, bytes (assumption: room for all levels of a layer of VGG-16)"
    )
    output_buffer_bytes: Bytes = Field(256 * KIB, description="output buffer, both halves together, bytes (assumption)")
    clock_hz: Clock = Field(200_000_000, description="accelerator clock, Hz (assumption)")
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=12.8),  # type: ignore[call-arg]
        description="assumption: a channel of DDR3-1600",
    )

    @property
    def densities(self) -> tuple[float, ...]:
        """Of the levels."""
        return Nested(levels=self.levels).densities

    @property
    def running(self) -> int:
        """The level that runs, counted from 1."""
        return self.level or len(self.densities)

    @model_validator(mode="after")
    def _levels_and_buffers(self) -> Self:
        Nested(levels=self.levels, level=self.level)  # checks both
        require_two_blocks(
            self.output_buffer_bytes, self.pes * self.lanes, self.value_bits, "two blocks of outputs of every PE"
        )
        return self
