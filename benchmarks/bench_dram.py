"""Time per request of the DRAM controller on every access pattern; asserts the clocks, so that speed cannot cheat."""

import pytest

from simulator.dram.agreement import MAPS, reference_bands
from simulator.dram.patterns import PATTERNS, REQUESTS
from simulator.dram.replay import replay
from simulator.dram.spec import BankedDramSpec

# Twenty times less than the 3 to 8 us a request that DRAMsim3 and Ramulator 2.1 need.
LIMIT_NANOSECONDS = 400


@pytest.mark.parametrize("address_map", MAPS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_time_per_request(benchmark, pattern, address_map):
    address, write = PATTERNS[pattern]()
    spec = BankedDramSpec(address_map=MAPS[address_map])
    band, _ = reference_bands()[pattern, address_map, "ref"]
    statistics = benchmark.pedantic(replay, (spec, address, write), rounds=5, warmup_rounds=1)
    assert band.contains(statistics.data_end_clock)
    nanoseconds = benchmark.stats.stats.min / REQUESTS * 1e9
    benchmark.extra_info["nanoseconds_per_request"] = nanoseconds
    assert nanoseconds < LIMIT_NANOSECONDS
