"""The agreement table: this model beside what DRAMsim3 and Ramulator 2.1 measured on the same requests.

A number agrees when it lies in the band that the two simulators span, over all their schedulers, widened on both sides.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from simulator.dram.patterns import PATTERNS
from simulator.dram.replay import replay
from simulator.dram.spec import BankedDramSpec

REFERENCE = Path(__file__).with_name("reference.csv")
WIDENED_PERCENT = 3
MAPS = {"M1": "RoBaBgCo", "M2": "RoBaCoBg"}  # the reference's names for its two address maps
_FIRST_CLOCK = 2  # at which the first request reaches the reference controllers

Case = tuple[str, str, str]  # pattern, map, refresh ("ref" or "noref")


@dataclass(frozen=True)
class Band:
    """What the simulators span."""

    low: int
    high: int

    def contains(self, value: int) -> bool:
        """Whether a value lies in the band, widened by `WIDENED_PERCENT` on either side."""
        return (100 - WIDENED_PERCENT) * self.low <= 100 * value <= (100 + WIDENED_PERCENT) * self.high


@dataclass(frozen=True)
class AgreementRow:
    """One number of one case: total clocks or activates."""

    pattern: str
    address_map: str
    refresh: str
    quantity: Literal["cycles", "activates"]
    ours: int
    band: Band

    @property
    def inside(self) -> bool:
        """Whether our number agrees."""
        return self.band.contains(self.ours)


def reference_bands(path: Path = REFERENCE) -> dict[Case, tuple[Band, Band]]:
    """(cycles, activates) of every case in a reference file, in its order."""
    cycles: dict[Case, list[int]] = defaultdict(list)
    activates: dict[Case, list[int]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            case = (row["trace"], row["map"], row["refresh"])
            cycles[case].append(int(row["cycles"]))
            activates[case].append(int(row["act"]))
    return {
        case: (Band(min(cycles[case]), max(cycles[case])), Band(min(activates[case]), max(activates[case])))
        for case in cycles
    }


def agreement_rows(
    scheduler: Literal["row_hit", "first_ready"] = "row_hit", patterns: Iterable[str] = PATTERNS
) -> list[AgreementRow]:
    """Our numbers beside the reference, two rows a case (cycles, then activates). Takes about a second."""
    wanted = set(patterns)
    requests = {name: PATTERNS[name]() for name in wanted}
    rows = []
    for (pattern, address_map, refresh), (cycles, activates) in reference_bands().items():
        if pattern not in wanted:
            continue
        spec = BankedDramSpec(
            standard="DDR4-2400", address_map=MAPS[address_map], refresh=refresh == "ref", scheduler=scheduler
        )
        ours = replay(spec, *requests[pattern], first_clock=_FIRST_CLOCK)
        case = (pattern, address_map, refresh)
        rows.append(AgreementRow(*case, "cycles", ours.data_end_clock, cycles))
        rows.append(AgreementRow(*case, "activates", ours.activates, activates))
    return rows


def format_agreement(rows: Iterable[AgreementRow]) -> str:
    """The table as text, one line a row, headed by the names of the columns."""
    lines = [f"{'pattern':<16} {'map':<3} {'refresh':<7} {'quantity':<9} {'ours':>9} {'low':>9} {'high':>9} inside"]
    lines += [
        f"{row.pattern:<16} {row.address_map:<3} {row.refresh:<7} {row.quantity:<9} {row.ours:>9,} {row.band.low:>9,} "
        f"{row.band.high:>9,} {'yes' if row.inside else 'NO'}"
        for row in rows
    ]
    return "\n".join(lines)
