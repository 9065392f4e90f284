"""Time per request of the DRAM controller on every access pattern; asserts the clocks, so that speed cannot cheat."""

import pytest

from simulator.dram.spec import BankedDramSpec
from simulator.validation.dram_agreement import FIRST_CLOCK, MAPS, reference_counts
from simulator.validation.dram_patterns import PATTERNS, REQUESTS
from simulator.validation.dram_replay import replay

# Twenty times less than the 3 us that DRAMsim3 and Ramulator 2.1 need at least (3 to 8 us a request).
LIMIT_NANOSECONDS = 150
MEAN_LIMIT_NANOSECONDS = 100
CLOCKS = {case: same[0] for case, (same, _) in reference_counts("row_hit").items()}  # Ramulator's, to be met exactly


@pytest.mark.parametrize("address_map", MAPS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_time_per_request(benchmark, pattern, address_map):
    address, write = PATTERNS[pattern]()
    spec = BankedDramSpec(address_map=MAPS[address_map])
    first = {"first_clock": FIRST_CLOCK}
    statistics = benchmark.pedantic(replay, (spec, address, write), first, rounds=5, warmup_rounds=1)
    assert statistics.data_end_clock == CLOCKS[pattern, address_map, "ref"]
    nanoseconds = benchmark.stats.stats.min / REQUESTS * 1e9
    benchmark.extra_info["nanoseconds_per_request"] = nanoseconds
    assert nanoseconds < LIMIT_NANOSECONDS


def test_mean_time_per_request(benchmark):
    """All patterns under both maps, one after the other."""
    runs = [(BankedDramSpec(address_map=MAPS[name]), *make()) for make in PATTERNS.values() for name in MAPS]

    def replay_all() -> int:
        return sum(replay(*run, first_clock=FIRST_CLOCK).data_end_clock for run in runs)

    clocks = benchmark.pedantic(replay_all, rounds=3, warmup_rounds=1)
    assert clocks == sum(CLOCKS[pattern, name, "ref"] for pattern in PATTERNS for name in MAPS)
    nanoseconds = benchmark.stats.stats.min / (REQUESTS * len(runs)) * 1e9
    benchmark.extra_info["nanoseconds_per_request"] = nanoseconds
    assert nanoseconds < MEAN_LIMIT_NANOSECONDS
