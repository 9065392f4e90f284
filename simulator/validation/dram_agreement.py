"""The agreement table: this model beside what Ramulator 2.1 and DRAMsim3 measured on the same requests.

The model is Ramulator's controller, cycle for cycle: with either of its schedulers every total equals Ramulator's. That
is no independent agreement; DRAMsim3, whose queues are organised otherwise, is shown as a second opinion.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from simulator.dram.spec import BankedDramSpec
from simulator.validation.dram_patterns import PATTERNS
from simulator.validation.dram_replay import replay

REFERENCE = Path(__file__).with_name("reference.csv")
MAPS = {"M1": "RoBaBgCo", "M2": "RoBaCoBg"}  # the reference's names for its two address maps
FIRST_CLOCK = 2  # at which the first request reaches the reference controllers
_SAME, _OTHER = "Ramulator2.1", "DRAMsim3"
_SCHEDULERS = {"row_hit": "rowhit", "first_ready": "frfcfs"}  # ours, and Ramulator's name

Scheduler = Literal["row_hit", "first_ready"]
Case = tuple[str, str, str]  # pattern, map, refresh ("ref" or "noref")
Counts = tuple[int, int]  # total clocks, activates


@dataclass(frozen=True)
class AgreementRow:
    """One number of one case, total clocks or activates: ours, Ramulator 2.1's with our scheduler, and DRAMsim3's."""

    pattern: str
    address_map: str
    refresh: str
    quantity: Literal["cycles", "activates"]
    ours: int
    ramulator: int
    dramsim3: int

    @property
    def equal(self) -> bool:
        """Whether our number is Ramulator's."""
        return self.ours == self.ramulator

    @property
    def distance(self) -> float:
        """Ours over DRAMsim3's, minus 1."""
        return self.ours / self.dramsim3 - 1


def reference_counts(scheduler: Scheduler, path: Path = REFERENCE) -> dict[Case, tuple[Counts, Counts]]:
    """What Ramulator 2.1 with this scheduler, and DRAMsim3, counted for each case of a reference file, in its order."""
    found: dict[Case, dict[str, Counts]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            if row["sim"] == _OTHER or row["sched"] == _SCHEDULERS[scheduler]:
                case = (row["trace"], row["map"], row["refresh"])
                found.setdefault(case, {})[row["sim"]] = (int(row["cycles"]), int(row["act"]))
    return {case: (counts[_SAME], counts[_OTHER]) for case, counts in found.items()}


def agreement_rows(scheduler: Scheduler = "row_hit", patterns: Iterable[str] = PATTERNS) -> list[AgreementRow]:
    """Our numbers beside the reference, two rows a case (cycles, then activates). Takes about a second."""
    wanted = set(patterns)
    # Made once a pattern; every map and refresh setting replays the same requests.
    requests = {name: PATTERNS[name]() for name in wanted}
    rows = []
    for (pattern, address_map, refresh), (same, other) in reference_counts(scheduler).items():
        if pattern not in wanted:
            continue
        spec = BankedDramSpec(
            standard="DDR4-2400", address_map=MAPS[address_map], refresh=refresh == "ref", scheduler=scheduler
        )
        ours = replay(spec, *requests[pattern], first_clock=FIRST_CLOCK)
        case = (pattern, address_map, refresh)
        rows.append(AgreementRow(*case, "cycles", ours.data_end_clock, same[0], other[0]))
        rows.append(AgreementRow(*case, "activates", ours.activates, same[1], other[1]))
    return rows


def format_agreement(rows: Sequence[AgreementRow]) -> str:
    """The table as text, one line a row, under a line that says what is compared and over one that counts."""
    lines = [
        "DRAM: DDR4-2400, 65,536 requests a pattern; the model is Ramulator 2.1's controller; DRAMsim3: second opinion",
        "",
        f"{'pattern':<16} {'map':<3} {'refresh':<7} {'quantity':<9} {'ours':>9} Ramulator equal  DRAMsim3 away",
    ]
    lines += [
        f"{row.pattern:<16} {row.address_map:<3} {row.refresh:<7} {row.quantity:<9} {row.ours:>9,} "
        f"{row.ramulator:>9,} {'yes' if row.equal else 'NO':<5} {row.dramsim3:>9,} {row.distance:+.1%}"
        for row in rows
    ]
    distances = [row.distance for row in rows]
    equal = sum(row.equal for row in rows)
    lines.append(
        f"{equal} of {len(rows)} numbers equal Ramulator 2.1's; from DRAMsim3's they are {min(distances):+.1%} to "
        f"{max(distances):+.1%} away, {median(abs(distance) for distance in distances):.1%} in the median"
    )
    return "\n".join(lines)
