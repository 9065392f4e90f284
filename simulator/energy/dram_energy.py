"""Energy of external memory for a layer or a network, from what it carried and how long it was on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from dataflows.specs import AcceleratorSpec
from simulator.energy.dram_power import DramPart, dram_parts
from simulator.energy.price import NOTHING, Price
from simulator.reports.dram_report import DramReport
from workloads.errors import InputError, nearest

# A part whose bus and speed are the standard's. LPDDR4 has no currents of its own: DRAMsim3's file of that name holds
# those of DDR4.
_PARTS = {
    "DDR3-1600": "DDR3_8Gb_x8_1600",
    "DDR4-2400": "DDR4_8Gb_x8_2400",
    "DDR4-3200": "DDR4_8Gb_x8_3200",
    "LPDDR4-3200": "LPDDR3_8Gb_x32_1600",
    "HBM2": "HBM2_4Gb_x128",
}


@dataclass(frozen=True, slots=True)
class DramEnergy:
    """Prices by what the memory did; background is what it takes while it does nothing else."""

    activate_pj: Price = NOTHING
    read_pj: Price = NOTHING
    write_pj: Price = NOTHING
    refresh_pj: Price = NOTHING
    background_pj: Price = NOTHING

    @property
    def total_pj(self) -> Price:
        """All of it."""
        return sum((getattr(self, name) for name in self.__dataclass_fields__), NOTHING)

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    def to_dict(self) -> dict[str, float]:
        """The figures under their names in the JSON report."""
        names = (*self.__dataclass_fields__, "total_pj")
        return {name: getattr(self, name).value for name in names}


def part_of(spec: AcceleratorSpec) -> DramPart:
    """The part that prices a machine's memory. Raises `InputError` for a name that no table has."""
    parts, name = dram_parts(), spec.energy.dram_part
    if name == "auto":
        name = _PARTS.get(spec.dram.standard, _PARTS["DDR4-2400"])
    if name not in parts:
        raise InputError(f"energy.dram_part = '{name}': {nearest(name, parts)}")
    return parts[name]


def dram_energy(report: DramReport, spec: AcceleratorSpec, time_us: float) -> DramEnergy:
    """What memory took for `report` in a time, as if it streamed: rows are opened once for all their bytes."""
    part, carried = part_of(spec), report.all
    useful = carried.read_bytes + carried.write_bytes
    bursts = carried.burst_bytes / part.burst_bytes
    reads = bursts * carried.read_bytes / useful if useful else 0.0
    rows = report.activates or carried.burst_bytes / part.row_bytes
    refreshes = time_us * 1000 / part.refresh_ns * spec.dram.channels
    return DramEnergy(
        activate_pj=Price.exact(rows * part.activate_pj),
        read_pj=Price.exact(reads * part.read_pj),
        write_pj=Price.exact((bursts - reads) * part.write_pj),
        refresh_pj=Price.exact(refreshes * part.refresh_pj),
        # A mW for a us is a thousand pJ.
        background_pj=Price.exact(part.open_mw * spec.dram.channels * time_us * 1000),
    )
