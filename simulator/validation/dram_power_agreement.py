"""The power table: what memory takes on the patterns of the agreement table, beside DRAMsim3's average power.

Two comparisons a case. DRAMsim3's own counts, priced by ours: they differ by its clock alone, 0.833 ns where the part's
energies stand for 0.83. And our counts, of a controller that queues otherwise. DRAMsim3's energies lack the factor tCK;
its average power, which is energy in clocks over clocks, does not.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from simulator.dram.activity import DramActivity
from simulator.dram.spec import BankedDramSpec
from simulator.energy.dram_energy import activity_energy
from simulator.energy.dram_power import dram_parts
from simulator.validation.dram_agreement import FIRST_CLOCK, MAPS
from simulator.validation.dram_patterns import PATTERNS
from simulator.validation.dram_replay import replay
from workloads.units import PICOSECONDS_PER_NANOSECOND

POWER = Path(__file__).with_name("dram_power.csv")
PART = "DDR4_8Gb_x8_2400"
_FARTHEST = 0.06  # found: -5.0 % where reads and writes mix, 0.8 % in the median; cycles are as far away there
_FARTHEST_PRICE = 0.004  # 0.833 / 0.83, of which 0.27 % are found, since the background has no such part


@dataclass(frozen=True)
class PowerRow:
    """Average power of one case, mW: ours, DRAMsim3's, and DRAMsim3's counts priced by us."""

    pattern: str
    address_map: str
    refresh: str
    ours_mw: float
    dramsim3_mw: float
    priced_mw: float

    @property
    def distance(self) -> float:
        """Ours over DRAMsim3's, minus 1."""
        return self.ours_mw / self.dramsim3_mw - 1

    @property
    def price_distance(self) -> float:
        """The same of prices alone."""
        return self.priced_mw / self.dramsim3_mw - 1

    @property
    def agrees(self) -> bool:
        """Whether both are as near as they were found to be."""
        return abs(self.distance) <= _FARTHEST and abs(self.price_distance) <= _FARTHEST_PRICE


def power_rows(patterns: Iterable[str] = PATTERNS, path: Path = POWER) -> list[PowerRow]:
    """Our power beside the reference, a row a case. Takes about a second."""
    requests = {name: PATTERNS[name]() for name in set(patterns)}
    rows = []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            if row["trace"] not in requests:
                continue
            spec = BankedDramSpec(standard="DDR4-2400", address_map=MAPS[row["map"]], refresh=row["refresh"] == "ref")
            ours = replay(spec, *requests[row["trace"]], first_clock=FIRST_CLOCK).activity
            rows.append(
                PowerRow(
                    row["trace"],
                    row["map"],
                    row["refresh"],
                    ours_mw=power_mw(ours, spec),
                    dramsim3_mw=float(row["power_mw"]),
                    priced_mw=power_mw(reference_activity(row, spec.device.burst_bytes), spec),
                )
            )
    return rows


def reference_activity(row: dict[str, str], burst_bytes: int) -> DramActivity:
    """What a row of the reference counts."""
    names = {
        "activates": "act",
        "precharges": "pre",
        "read_bursts": "reads",
        "write_bursts": "writes",
        "refreshes": "refcmd",
        "open_clocks": "active",
        "closed_clocks": "idle",
    }
    return DramActivity(**{ours: int(row[theirs]) for ours, theirs in names.items()}, burst_bytes=burst_bytes)


def power_mw(activity: DramActivity, spec: BankedDramSpec) -> float:
    """Average power of one channel."""
    clocks = activity.open_clocks + activity.closed_clocks
    nanoseconds = clocks * spec.device.tCK_ps / PICOSECONDS_PER_NANOSECOND
    # A pJ in a ns is a mW.
    return activity_energy(activity, spec, dram_parts()[PART], nanoseconds / 1000).total_pj.value / nanoseconds


def format_power(rows: Sequence[PowerRow]) -> str:
    """The table as text, one line a row, under a line that says what is compared and over one that sums up."""
    lines = [
        f"DRAM power: {PART}, mean mW of a rank; priced: DRAMsim3's counts at our prices",
        "",
        f"{'pattern':<16} {'map':<3} {'refresh':<7} {'ours':>7} {'DRAMsim3':>8} {'away':>6} {'priced':>7} {'away':>6}",
    ]
    lines += [
        f"{row.pattern:<16} {row.address_map:<3} {row.refresh:<7} {row.ours_mw:>7.1f} {row.dramsim3_mw:>8.1f} "
        f"{row.distance:>+6.1%} {row.priced_mw:>7.1f} {row.price_distance:>+6.2%}"
        for row in rows
    ]
    distances = [row.distance for row in rows]
    lines.append(
        f"power is {min(distances):+.1%} to {max(distances):+.1%} away from DRAMsim3's, "
        f"{median(abs(distance) for distance in distances):.1%} in the median; "
        f"prices alone at most {max(abs(row.price_distance) for row in rows):.2%}"
    )
    return "\n".join(lines)
