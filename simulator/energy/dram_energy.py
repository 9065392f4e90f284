"""Energy of external memory for a layer or a network, from what its devices did and how long they were on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Self

from dataflows.specs import AcceleratorSpec, DramSpec
from simulator.dram.activity import DramActivity
from simulator.energy.dram_power import DramPart, dram_parts
from simulator.energy.dram_work import DramWork, dram_work
from simulator.energy.price import NOTHING, Price
from simulator.reports.dram_report import DramReport
from workloads.errors import InputError, nearest

# A part whose bus, speed and density are the standard's. LPDDR4 has no currents of its own: DRAMsim3's file of that
# name holds those of a DDR4 part.
_IDEAL = "DDR4_8Gb_x8_2400"
_PARTS = {
    "DDR3-1600": "DDR3_4Gb_x8_1600",
    "DDR4-2400": _IDEAL,
    "DDR4-3200": "DDR4_8Gb_x8_3200",
    "LPDDR4-3200": "LPDDR4_per_bit",
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
    """The part that prices a machine's memory. Raises `InputError` for a name that no table has.

    Ideal memory is of no standard; unless a part is named it is priced as DDR4-2400 (assumption).
    """
    parts, name = dram_parts(), spec.energy.dram_part
    if name == "auto":
        name = _PARTS.get(spec.dram.standard, _IDEAL) if spec.dram.kind == "banked" else _IDEAL
    if name not in parts:
        raise InputError(f"energy.dram_part = '{name}': {nearest(name, parts)}")
    return parts[name]


def dram_energy(report: DramReport, spec: AcceleratorSpec, time_us: float) -> DramEnergy:
    """What a machine's memory took for `report` in a time."""
    return activity_energy(report.activity, spec.dram, part_of(spec), time_us)


def activity_energy(activity: DramActivity, dram: DramSpec, part: DramPart, time_us: float) -> DramEnergy:
    """What a memory made of `part` took in a time; the bands are over all parts of its generation."""
    # Each figure beside those that the other parts would give for the same activity.
    figures = [_priced(dram_work(activity, dram, by, time_us), by) for by in _alike(part)]
    return DramEnergy(*(Price.among(*values) for values in zip(*figures, strict=True)))


def activity_pj(activity: DramActivity, dram: DramSpec, part: DramPart, time_us: float) -> float:
    """The same in all, without a band."""
    return sum(_priced(dram_work(activity, dram, part, time_us), part))


@dataclass(frozen=True, slots=True)
class MemoryPrices:
    """A memory's prices with their bands, found once: all but the background are so much a piece.

    activate_pj   of a row; of ideal memory, of a byte
    read_pj, write_pj   of a byte of bursts
    refresh_pj    of a command; of ideal memory, of a us
    dram, parts   of the memory: what it is made of, then all others of that generation

    Example: where a byte read costs 40 pJ, and 30 to 60 by other parts, 2 bytes cost 80 pJ, and 60 to 120.
    """

    activate_pj: Price
    read_pj: Price
    write_pj: Price
    refresh_pj: Price
    dram: DramSpec
    parts: tuple[DramPart, ...]

    @classmethod
    def of(cls, dram: DramSpec, part: DramPart) -> Self:
        """Of a memory made of `part`."""
        parts = _alike(part)
        read, written = (
            [_priced(dram_work(activity, dram, by, 1.0), by) for by in parts]
            for activity in (
                DramActivity(activates=1, read_bursts=1, refreshes=1, burst_bytes=1),
                DramActivity(write_bursts=1, burst_bytes=1),
            )
        )
        activate, of_read, _, refresh, _ = (Price.among(*values) for values in zip(*read, strict=True))
        return cls(activate, of_read, Price.among(*(by_part[2] for by_part in written)), refresh, dram, parts)

    def energy(self, activity: DramActivity, time_us: float) -> dict[str, Price]:
        """As `activity_energy`, by the names of `DramEnergy`."""
        banked, size = self.dram.kind == "banked", activity.burst_bytes
        read_bytes, written_bytes = activity.read_bursts * size, activity.write_bursts * size
        works = [(dram_work(activity, self.dram, part, time_us), part) for part in self.parts]
        background = [work.open_ns * part.open_mw + work.closed_ns * part.closed_mw for work, part in works]
        return {
            "activate_pj": self.activate_pj.times(activity.activates if banked else read_bytes + written_bytes),
            "read_pj": self.read_pj.times(read_bytes),
            "write_pj": self.write_pj.times(written_bytes),
            "refresh_pj": self.refresh_pj.times(activity.refreshes if banked else time_us),
            "background_pj": Price.among(*background),
        }


@cache
def _alike(part: DramPart) -> tuple[DramPart, ...]:
    """The part and all others of its generation."""
    others = (other for other in dram_parts().values() if other.generation == part.generation and other != part)
    return part, *others


def _priced(work: DramWork, part: DramPart) -> tuple[float, ...]:
    """Activate, read, write, refresh and background, pJ."""
    return (
        work.activated_bytes / part.row_bytes * part.activate_pj,
        work.read_bytes / part.burst_bytes * part.read_pj,
        work.written_bytes / part.burst_bytes * part.write_pj,
        work.refreshes * part.refresh_pj,
        # A mW for a ns is a pJ.
        work.open_ns * part.open_mw + work.closed_ns * part.closed_mw,
    )
