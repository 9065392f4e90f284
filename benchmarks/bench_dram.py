"""Time per request of the DRAM controller on every access pattern; asserts the clocks, so that speed cannot cheat.

Limits are ratios to a loop of the same run that picks one of 32 requests (`benchmarks.speed.waiting`): what they say
holds on any processor, where nanoseconds hold on one. Both run in one thread, so that processor time is what counts.
"""

import time

import numpy as np
import pytest

from benchmarks.measure import best_seconds
from benchmarks.speed.limits import limit_of
from benchmarks.speed.waiting import LASTING, pick_for
from simulator.dram.spec import BankedDramSpec
from simulator.validation.dram_agreement import FIRST_CLOCK, MAPS, reference_counts
from simulator.validation.dram_patterns import PATTERNS, REQUESTS
from simulator.validation.dram_replay import replay

CLOCKS = {case: same[0] for case, (same, _) in reference_counts("row_hit").items()}  # Ramulator's, to be met exactly


def of_yardstick(benchmark, requests):
    """The best time of a request over that of the yardstick, measured now."""
    arrivals = np.random.default_rng(0).integers(0, 1 << 40, REQUESTS)
    times = requests // REQUESTS * LASTING
    least = best_seconds(lambda: pick_for(arrivals, times), clock=time.process_time) / (REQUESTS * times)
    seconds = benchmark.stats.stats.min / requests
    benchmark.extra_info["nanoseconds_per_request"] = seconds * 1e9
    benchmark.extra_info["of_picking_one_of_32"] = seconds / least
    return seconds / least


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("address_map", MAPS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_time_per_request(benchmark, pattern, address_map):
    address, write = PATTERNS[pattern]()
    spec = BankedDramSpec(address_map=MAPS[address_map])
    first = {"first_clock": FIRST_CLOCK}
    statistics = benchmark.pedantic(replay, (spec, address, write), first, rounds=5, warmup_rounds=1)
    assert statistics.data_end_clock == CLOCKS[pattern, address_map, "ref"]
    assert of_yardstick(benchmark, REQUESTS) <= limit_of("dram", f"{pattern} {address_map}")


@pytest.mark.benchmark(timer=time.process_time)
def test_mean_time_per_request(benchmark):
    """All patterns under both maps, one after the other."""
    runs = [(BankedDramSpec(address_map=MAPS[name]), *make()) for make in PATTERNS.values() for name in MAPS]

    def replay_all() -> int:
        return sum(replay(*run, first_clock=FIRST_CLOCK).data_end_clock for run in runs)

    clocks = benchmark.pedantic(replay_all, rounds=3, warmup_rounds=1)
    assert clocks == sum(CLOCKS[pattern, name, "ref"] for pattern in PATTERNS for name in MAPS)
    assert of_yardstick(benchmark, REQUESTS * len(runs)) <= limit_of("dram", "mean of all")
