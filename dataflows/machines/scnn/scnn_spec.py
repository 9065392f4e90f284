"""SCNN's parameters, and the rules of its parts that follow from them.

Source: Parashar et al., "SCNN: An Accelerator for Compressed-sparse Convolutional Neural Networks", ISCA 2017.
"""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from dataflows.machines.scnn.activation_rams import ActivationRams
from dataflows.machines.scnn.bank_queues import QueueRules
from dataflows.machines.scnn.nonzero_lists import ListRules
from dataflows.specs import AcceleratorSpec, Bytes, Count, DramSpec, Places, Side, Size
from dataflows.tiling.dram_layout import bits_to_bytes
from dataflows.tiling.stored_weights import NATIVE, WeightFormat


class ScnnSpec(AcceleratorSpec):
    """Parameters of SCNN; defaults are the published machine (Parashar et al., ISCA 2017) unless marked assumption."""

    pe_rows: Side = Field(8, description="rows of PEs (Table II: 64 PEs)")
    pe_columns: Side = Field(8, description="columns of PEs (Table II: 64 PEs)")
    weights_per_vector: Count = Field(4, description="F, weights of a vector (Table II: 4 x 4 multipliers in a PE)")
    activations_per_vector: Count = Field(4, description="I, activations of a vector (Table II)")
    accumulator_banks: Places = Field(32, description="banks of a PE's accumulators (section on the PE: 2 x F x I)")
    accumulator_entries: Count = Field(
        1024, description="partial sums of one accumulator copy (32 banks of 32 entries)"
    )
    accumulator_copies: Count = Field(
        2, description="copies, so that one drains while the next fills (section on the PE)"
    )
    queue_depth: Size = Field(4, description="products that wait before each bank; 0: a step lasts until the fullest "
                              "bank is done (assumption; third-party models use 0, 4, 5 and 8; what figures 9 "
                              "and 10 leave to bank conflicts in VGG-16's conv2 is what 4 gives)")  # fmt: skip
    bank_hash: Literal["linear", "mix"] = Field(
        "linear", description="linear: address mod banks; mix: a bit mix of k, y and x (assumption; not published)"
    )
    output_channel_group: Count = Field(8, description="Kc, output channels accumulated together (from the capacity "
                                        "of the accumulators; fewer where a layer needs it)")  # fmt: skip
    tile_cut: Literal["vectors", "positions"] = Field(
        "vectors", description="where sub-tiles end if a tile exceeds the accumulators or the IARAM: vectors (even "
        "shares of each channel's vectors, so that none is cut short) or positions (windows of the map with lists of "
        "their own). Not published; figures 9 and 10 show the full vectors and the bank conflicts of whole tiles"
    )  # fmt: skip
    zero_run_bits: int = Field(4, ge=0, le=16, description="bits of the zero-run field of a stored value (Table II)")
    weight_fifo_vectors: Count = Field(50, description="F-wide vectors that a PE's weight FIFO holds (Table II: 50 "
                                       "entries, 500 bytes)")  # fmt: skip
    iaram_bytes: Bytes = Field(10240, description="input activation RAM of a PE, bytes (Table II)")
    oaram_bytes: Bytes = Field(10240, description="output activation RAM of a PE, bytes (Table II)")
    post_processing_entries_per_cycle: Count = Field(
        4, description="partial sums that a PE's post-processing takes a cycle (assumption: one I-wide vector)"
    )
    halo_entries_per_cycle: Count = Field(
        4, description="halo sums that a PE sends to neighbours a cycle (assumption: one I-wide vector)"
    )
    skip: Literal["both", "weights", "activations"] = Field(
        "both", description="whose zeros are skipped; weights and activations alone are the paper's SCNN-SparseW and "
        "SCNN-SparseA; the other side is stored densely"
    )  # fmt: skip
    weight_format: WeightFormat = Field(
        NATIVE, description="storage of weights in DRAM: native (zero runs, decoded as fast as vectors are taken), or "
        "another format, e.g. csc, with that format's bits and decoder; the PEs get the same vectors"
    )  # fmt: skip
    weight_layout: Literal["tiles", "filters"] = Field(
        "tiles", description="order of weights in DRAM: tiles (packed for this machine, group by group) or filters (as "
        "a file holds them, filter by filter; a tile then gathers kernels); fully connected layers read whole filters"
    )  # fmt: skip
    dram: DramSpec = DramSpec(bandwidth_gbs=50.0)  # type: ignore[call-arg]

    @property
    def pes(self) -> int:
        """PEs of the array."""
        return self.pe_rows * self.pe_columns

    @property
    def weight_bits(self) -> int:
        """Bits of a stored weight: with its zero-run field, which dense weights do not need."""
        return self.value_bits + (0 if self.skip == "activations" else self.zero_run_bits)

    @property
    def activation_bits(self) -> int:
        """Bits of a stored activation, input or output, likewise."""
        return self.value_bits + (0 if self.skip == "weights" else self.zero_run_bits)

    @property
    def keeps(self) -> tuple[bool, bool]:
        """Whether zeros of the weights, and of the activations, are stored and multiplied."""
        # What is skipped alone keeps the zeros of the other side.
        return self.skip == "activations", self.skip == "weights"

    @property
    def weight_rules(self) -> ListRules:
        """How weights are stored."""
        # A field of b bits counts 0 to 2^b - 1 zeros before a value: 2^b in a row need a placeholder.
        return ListRules(1 << self.zero_run_bits, np.uint8(self.keeps[0]))

    @property
    def activation_rules(self) -> ListRules:
        """How activations are stored."""
        return ListRules(1 << self.zero_run_bits, np.uint8(self.keeps[1]))

    @property
    def rams(self) -> ActivationRams:
        """The activation RAMs of a PE."""
        return ActivationRams(self.iaram_bytes, self.oaram_bytes, self.activation_bits, stores_zeros=self.keeps[1])

    @property
    def queue_rules(self) -> QueueRules:
        """What decides a PE's steps."""
        return QueueRules(
            weights_per_vector=self.weights_per_vector,
            activations_per_vector=self.activations_per_vector,
            banks=self.accumulator_banks,
            mixed_hash=self.bank_hash == "mix",
            depth=self.queue_depth,
            fifo_vectors=self.weight_fifo_vectors,
        )

    @model_validator(mode="after")
    def _outputs_of_a_tile_fit(self) -> Self:
        # A tile is drained whole: were its results more than the OARAM, they would never find room.
        needed = bits_to_bytes(self.accumulator_entries * self.activation_bits)
        if needed > self.oaram_bytes:
            raise ValueError(
                f"oaram_bytes = {self.oaram_bytes} cannot hold the {self.accumulator_entries} results of one "
                f"accumulator copy, {needed} bytes"
            )
        return self
