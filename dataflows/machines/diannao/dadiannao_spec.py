"""Parameters of DaDianNao."""

from __future__ import annotations

from pydantic import Field

from dataflows.specs import LEAST_GBS, MOST_GBS, Bytes, Clock, Count, DramSpec
from dataflows.tiling.group_packs import GroupedSpec
from dataflows.tiling.residency import RESIDENCY_TEXT, Residency
from workloads.units import MIB


class DaDianNaoSpec(GroupedSpec):
    """Parameters of DaDianNao chips; defaults are the published machine (Chen et al., MICRO 2014) unless marked."""

    chips: Count = Field(1, description="chips (nodes) over which output neurons and synapses are spread")
    tiles: Count = Field(16, description="tiles of a chip")
    neurons_per_tile: Count = Field(16, description="output neurons computed together in a tile")
    inputs_per_neuron: Count = Field(16, description="inputs multiplied for each of them in a cycle")
    synapse_edram_bytes: Bytes = Field(
        32 * MIB, description="eDRAM of all tiles of a chip together, bytes (2 MB a tile)"
    )
    central_edram_bytes: Bytes = Field(
        4 * MIB,
        description="central eDRAM of a chip, bytes: half for inputs, half for outputs (4 MB; the split is an "
        "assumption)",
    )
    weights_resident: Residency = Field("fitting", description=RESIDENCY_TEXT)
    link_gbs: float = Field(
        25.6,
        ge=LEAST_GBS,
        le=MOST_GBS,
        description="what a chip receives from others, GB/s (four HyperTransport links of 6.4 GB/s)",
    )
    clock_hz: Clock = Field(606_000_000, description="accelerator clock, Hz (606 MHz)")
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=25.6),  # type: ignore[call-arg]
        description="what lies outside the chips, behind their links (assumption: no faster than one chip's 25.6 GB/s)",
    )

    @property
    def neurons(self) -> int:
        """Output neurons computed together."""
        return self.chips * self.tiles * self.neurons_per_tile

    @property
    def map_bytes(self) -> int:
        """Room for inputs, and for outputs, of all chips together."""
        return self.chips * (self.central_edram_bytes // 2)
