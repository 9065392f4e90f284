"""Parameters of TCL."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dataflows.machines.tcl.weight_schedule import ScheduleRule, Shape, places_within
from dataflows.specs import Bytes, Clock, Count, DramSpec
from dataflows.tiling.group_packs import GroupedSpec
from dataflows.tiling.residency import RESIDENCY_TEXT, Residency
from workloads.units import MIB

_WORD_BITS = 64  # a row of a filter is a word in the scheduler

Lanes = Annotated[int, Field(ge=1, le=_WORD_BITS)]


class TclSpec(GroupedSpec):
    """Parameters of TCL; defaults are those of the authors' simulator (DNNsim's example of it) unless marked."""

    tiles: Count = Field(16, description="tiles, each with a schedule of its own")
    filters_per_tile: Count = Field(16, description="filters of a tile, which go through their rows together")
    lanes: Lanes = Field(16, description="weights of a filter multiplied in a cycle, at most 64")
    lookahead: int = Field(
        2, ge=1, le=8, description="h: rows ahead that a weight may be promoted from, and rows without any left out "
        "one after the other"
    )  # fmt: skip
    lookaside: int = Field(5, ge=0, le=16, description="d: places in other lanes that a weight may be promoted from")
    shape: Shape = Field(
        "T", description="T: places aside lie in turn to the right and left, ever further and by turns 1 to h rows "
        "ahead; L: to the left, a row ahead"
    )  # fmt: skip
    promote: Literal["most", "fewest"] = Field(
        "most", description="which empty slot of a row is filled first: the one with the most weights in reach (what "
        "the authors' simulator does) or with the fewest (what a comment in it says)"
    )  # fmt: skip
    synapse_edram_bytes: Bytes = Field(
        32 * MIB, description="memory of scheduled weights of all tiles together, bytes (assumption: DaDianNao's)"
    )
    central_edram_bytes: Bytes = Field(
        4 * MIB, description="memory of maps, bytes: half for inputs, half for outputs (assumption: DaDianNao's)"
    )
    weights_resident: Residency = Field("fitting", description=RESIDENCY_TEXT)
    clock_hz: Clock = Field(606_000_000, description="accelerator clock, Hz (assumption: DaDianNao's 606 MHz)")
    dram: DramSpec = Field(
        DramSpec(bandwidth_gbs=25.6),  # type: ignore[call-arg]
        description="what lies outside the chip (assumption: as with DaDianNao)",
    )

    @property
    def filters(self) -> int:
        """Filters of a round."""
        return self.tiles * self.filters_per_tile

    @property
    def rule(self) -> ScheduleRule:
        """How sets are scheduled."""
        places = places_within(self.lookahead, self.lookaside, self.shape, self.lanes)
        return ScheduleRule(places, self.lanes, self.lookahead, self.promote == "fewest")

    @property
    def select_bits(self) -> int:
        """Bits beside each weight that tell which activation it meets: its own, or that of a place in reach."""
        return len(self.rule.places).bit_length()

    @property
    def skip_bits(self) -> int:
        """Bits beside each row of a tile that tell how many were left out before it."""
        return self.lookahead.bit_length()
