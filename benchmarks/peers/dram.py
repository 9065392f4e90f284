"""What the DRAM simulators share: the ten patterns of the agreement table under both maps, and our side of each."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simulator.dram.spec import BankedDramSpec
from simulator.validation.dram_agreement import FIRST_CLOCK, MAPS, reference_counts
from simulator.validation.dram_patterns import PATTERNS
from simulator.validation.dram_replay import replay


@dataclass(frozen=True)
class Replayed:
    """A pattern under a map, and what we make of it; a request is a burst of 64 bytes.

    their_clocks  what the agreement table holds for DRAMsim3
    """

    name: str
    address_map: str
    address: np.ndarray
    write: np.ndarray
    seconds: float
    clocks: int
    activates: int
    their_clocks: int


def replays() -> Iterator[Replayed]:
    """Every pattern under both maps, refresh on, timed after a run that does not count."""
    reference = reference_counts("row_hit")
    for pattern, make in PATTERNS.items():
        address, write = make()
        for name, address_map in MAPS.items():
            spec = BankedDramSpec(address_map=address_map)
            replay(spec, address, write, first_clock=FIRST_CLOCK)
            start = time.perf_counter()
            found = replay(spec, address, write, first_clock=FIRST_CLOCK)
            seconds = time.perf_counter() - start
            theirs = reference[pattern, name, "ref"][1][0]
            work = f"{pattern} {name}"
            yield Replayed(
                work, address_map, address, write, seconds, found.data_end_clock, found.activates, theirs
            )  # fmt: skip
