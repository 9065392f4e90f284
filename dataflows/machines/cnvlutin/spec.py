"""Parameters of Cnvlutin."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dataflows.specs import Bytes, Clock, Count, DramSpec, Places, Side
from dataflows.tiling.group_packs import GroupedSpec
from dataflows.tiling.residency import RESIDENCY_TEXT, Residency
from workloads.units import MIB


class CnvlutinSpec(GroupedSpec):
    """Parameters of Cnvlutin; defaults are the published machine (Albericio et al., ISCA 2016), from memory of it.

    Of its text only the abstract could be read again while this was written.
    """

    units: Count = Field(16, description="units, to all of which a lane's neuron goes (from memory of the paper)")
    lanes: Side = Field(
        16,
        description="neuron lanes, each a subunit of every unit (from memory of the paper, as are DaDianNao's units)",
    )
    filters_per_unit: Count = Field(
        16, description="filters that a unit multiplies each neuron for in a cycle (from memory of the paper)"
    )
    brick: Places = Field(
        16, description="neurons of a brick, side by side along the channels (ZFNAf; from memory of the paper)"
    )
    slices: Literal["window", "depth"] = Field(
        "window",
        description="which lane takes a brick: window: the bricks of a window in turn, kernel position by kernel "
        "position; depth: those of a kernel position in turn, so that fewer than 256 channels leave lanes without any "
        "(assumption; both are the published order where the channels are a multiple of 256)",
    )
    empty_brick_cycles: int = Field(
        1, ge=0, le=1, description="cycles that a lane spends on a brick of zeros (1: from memory of the paper)"
    )
    first_layer: Literal["dense", "skipping"] = Field(
        "dense",
        description="dense: the network's own input is not encoded, and runs as on DaDianNao (from memory of the "
        "paper); skipping: it is like any other",
    )
    fully_connected: Literal["skipping", "dense"] = Field(
        "skipping",
        description="fully connected layers: skipping: like any other; dense: as on DaDianNao (assumption: it is not "
        "remembered which of them the paper's do)",
    )
    synapse_edram_bytes: Bytes = Field(
        32 * MIB, description="eDRAM of all units together, bytes (2 MB a unit, as DaDianNao)"
    )
    central_edram_bytes: Bytes = Field(
        4 * MIB,
        description="neuron memory, bytes: half for inputs, half for outputs (as DaDianNao; offsets have memory of "
        "their own)",
    )
    weights_resident: Residency = Field("fitting", description=RESIDENCY_TEXT)
    clock_hz: Clock = Field(606_000_000, description="accelerator clock, Hz (606 MHz, as DaDianNao)")
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=25.6),  # type: ignore[call-arg]
        description="what lies outside the chip (assumption: as with DaDianNao)",
    )

    @property
    def filters(self) -> int:
        """Filters of a round."""
        return self.units * self.filters_per_unit
