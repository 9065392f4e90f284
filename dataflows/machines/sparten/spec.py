"""Parameters of SparTen."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dataflows.specs import AcceleratorSpec, Bytes, Clock, Count, DramSpec
from dataflows.tiling.strip_plan import require_two_blocks
from workloads.units import KIB

Balancing = Literal["none", "gb-s", "gb-h"]
ChunksOf = Literal["position", "window"]
Skips = Literal["both", "inputs", "weights", "neither"]


class SpartenSpec(AcceleratorSpec):
    """Parameters of SparTen (Gondimalla et al., MICRO 2019); what is from memory of the paper says so."""

    clusters: Count = Field(
        32, description="clusters, each with output positions of its own (from memory of the paper: 32 in its large "
        "configuration, 4 in its small one)"
    )  # fmt: skip
    units: Count = Field(32, description="compute units of a cluster, a multiplier each (from memory of the paper)")
    chunk: Annotated[int, Field(ge=1, le=1024)] = Field(
        128, description="positions of a SparseMap, the bit mask that is joined with another (section on the format)"
    )  # fmt: skip
    chunks_of: ChunksOf = Field(
        "position", description="position: a chunk holds channels of one kernel position; window: it runs on over the "
        "borders of kernel positions, channels innermost (assumption: position, as a window of any stride finds such "
        "chunks in the stored map)"
    )  # fmt: skip
    least_chunk_cycles: Annotated[int, Field(ge=0, le=64)] = Field(
        1, description="cycles that a unit spends at least on a chunk of a filter, also where nothing matches "
        "(assumption: its masks are joined once)"
    )  # fmt: skip
    skips: Skips = Field(
        "both", description="zeros that the join leaves out: both operands', as published; inputs or weights: those of "
        "one, the one-sided relatives; neither: the dense relative"
    )  # fmt: skip
    balancing: Balancing = Field(
        "gb-h", description="filters on units: none: one filter a unit, in their order; gb-s: two a unit, sorted by "
        "density, the densest with the sparsest; gb-h: the same anew for every chunk (from memory of the paper)"
    )  # fmt: skip
    permute_share: Count = Field(
        8,
        description="units of a cluster for each sum a cycle that its network carries to their filters' units, where "
        "chunks are paired anew (from memory of the paper: its bisection is an eighth of a full one)",
    )
    barrier: Literal["chunk", "window"] = Field(
        "chunk", description="where the units of a cluster wait for one another: at every chunk, since inputs are "
        "broadcast, or (a bound: units that run ahead) at the end of an output position (assumption: chunk)"
    )  # fmt: skip
    value_bits: Literal[4, 8, 16, 32] = Field(8, description="bits of a stored value (8, as published)")
    input_buffer_bytes: Bytes = Field(
        512 * KIB, description="input SparseMaps of all clusters (assumption: the paper's clusters fetch from memory)"
    )
    weight_buffer_bytes: Bytes = Field(384 * KIB, description="SparseMaps of filters (assumption, likewise)")
    output_buffer_bytes: Bytes = Field(128 * KIB, description="outputs on their way to memory (assumption, likewise)")
    clock_hz: Clock = Field(800_000_000, description="accelerator clock, Hz (800 MHz, of the synthesis at 45 nm)")
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=256.0),  # type: ignore[call-arg]
        description="assumption: memory that seldom binds, as published speedups hold none of its time",
    )

    @property
    def sparse_inputs(self) -> bool:
        """Whether maps are stored as SparseMaps, and their zeros skipped."""
        return self.skips in ("both", "inputs")

    @property
    def sparse_weights(self) -> bool:
        """Whether filters are stored as SparseMaps, and their zeros skipped."""
        return self.skips in ("both", "weights")

    @property
    def balanced(self) -> Balancing:
        """How filters are balanced: not at all where all of them take equally long."""
        return self.balancing if self.sparse_weights else "none"

    @property
    def filters_per_unit(self) -> int:
        """Filters that a unit holds in a round."""
        return 1 if self.balanced == "none" else 2

    @property
    def permute_sums_per_cycle(self) -> Fraction:
        """Sums that the permutation network of a cluster carries a cycle."""
        return Fraction(self.units, self.permute_share)

    @model_validator(mode="after")
    def _outputs_of_a_round_fit(self) -> Self:
        outputs = self.clusters * self.units * 2  # whichever balancing is chosen
        require_two_blocks(self.output_buffer_bytes, outputs, self.value_bits, "two rounds of outputs of every cluster")
        return self
