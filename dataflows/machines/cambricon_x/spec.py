"""Parameters of Cambricon-X."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from dataflows.machines.cambricon_x.index_windows import (
    Span,
)
from dataflows.specs import AcceleratorSpec, Bytes, Count, DramSpec
from dataflows.tiling.stored_weights import NATIVE, WeightFormat


class CambriconXSpec(AcceleratorSpec):
    """Parameters of Cambricon-X; defaults are the published machine (Zhang et al., MICRO 2016) unless marked."""

    pes: Count = Field(16, description="PEs, each with an indexing module of its own (section on the PE)")
    multipliers_per_pe: Count = Field(
        16, description="multipliers of a PE, and neurons its indexing module selects a cycle"
    )
    window: Count = Field(256, description="input neurons among which the indexing module selects")
    window_spans: Span = Field(
        "kernel", description="kernel: a window may hold inputs of several kernel positions; position: of one only, so "
        "that few input channels leave most of it empty (assumption: not known which; see DEVIATIONS.md)"
    )  # fmt: skip
    index_bits: int = Field(8, ge=0, le=16, description="bits of a step index; a longer run of zeros takes fillers "
                            "(assumption: 8, which span a window of 256)")  # fmt: skip
    nbin_bytes: Bytes = Field(8192, description="NBin, input neurons, both halves together, bytes")
    nbout_bytes: Bytes = Field(8192, description="NBout, output neurons and partial sums, both halves together, bytes")
    sb_bytes: Bytes = Field(2048, description="SB, compressed synapses of one PE, bytes")
    loop_order: Literal["auto", "inputs_outer", "weights_outer"] = Field(
        "auto", description="inputs_outer: a block of inputs meets all filters; weights_outer: rounds of filters that "
        "fit the SBs meet all inputs; auto: whichever takes less time (assumption)"
    )  # fmt: skip
    fetch: Literal["asynchronous", "shared"] = Field(
        "asynchronous", description="asynchronous: PEs run apart, as published; shared: a fetch of a window serves all "
        "PEs, which wait for the slowest (the machine of accelerator-aware pruning, Kang, TCSVT 2020)"
    )  # fmt: skip
    weight_format: WeightFormat = Field(
        NATIVE, description="storage of weights: native (values and steps, selected as they come) or another format, "
        "e.g. csc, with that format's bits; each PE's decoder then takes a filter's entries once an output"
    )  # fmt: skip
    dram: DramSpec = DramSpec(bandwidth_gbs=256.0)  # type: ignore[call-arg]

    @property
    def held_neurons(self) -> int:
        """Neurons in one half of NBin."""
        return self.nbin_bytes * 8 // self.value_bits // 2

    @property
    def held_sums(self) -> int:
        """Partial sums in one half of NBout, stored like neurons."""
        return self.nbout_bytes * 8 // self.value_bits // 2

    @model_validator(mode="after")
    def _buffers_hold_a_step(self) -> Self:
        if self.held_neurons < self.window:
            raise ValueError(
                f"nbin_bytes = {self.nbin_bytes}: half of it cannot hold a window of {self.window} neurons"
            )
        if self.held_sums < self.pes:
            raise ValueError(
                f"nbout_bytes = {self.nbout_bytes}: half of it cannot hold a sum for each of {self.pes} PEs"
            )
        return self
