"""Mean and percentile of read latencies, where they are short and where they are beyond the bins of one clock."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dram.latency import latency_bin
from simulator.dram.layout import FINE_CLOCKS, LATENCY_BINS
from simulator.dram.read_latency import ReadLatency, longest_clocks
from simulator.dram.spec import BankedDramSpec
from simulator.validation.dram_replay import replay

ENDLESS = 1 << 20


ENDS = [longest_clocks(index) for index in range(LATENCY_BINS - 1)]


def bin_of(clocks: int) -> int:
    """The first bin whose longest latency is at least this, found by looking at all."""
    return next((index for index, end in enumerate(ENDS) if end >= clocks), LATENCY_BINS - 1)


def counted(latencies) -> ReadLatency:
    bins = np.bincount([int(latency_bin(clocks)) for clocks in latencies], minlength=LATENCY_BINS)
    return ReadLatency(sum(latencies), bins)


@given(st.one_of(st.integers(0, 3 * FINE_CLOCKS), st.integers(0, 2 * ENDLESS), st.integers(0, 1 << 40)))
def test_a_latency_lies_in_the_first_bin_that_reaches_it(clocks):
    assert latency_bin(clocks) == bin_of(clocks)


def test_bins_are_fine_ascend_and_end():
    assert ENDS[: FINE_CLOCKS + 1] == [*range(FINE_CLOCKS), FINE_CLOCKS + 7]
    widths = np.diff(ENDS)
    assert (widths > 0).all()
    assert (widths[FINE_CLOCKS:] <= np.array(ENDS[FINE_CLOCKS:-1]) / 500).all()
    assert ENDS[-1] == ENDLESS - 1
    assert longest_clocks(LATENCY_BINS - 1) is None


@given(st.lists(st.integers(0, ENDLESS - 1), min_size=1, max_size=60))
def test_the_mean_is_exact_and_the_percentile_within_a_bin(latencies):
    found = counted(latencies)
    exact = sorted(latencies)[-(-95 * len(latencies) // 100) - 1]
    assert found.mean_clocks == sum(latencies) / len(latencies)
    assert exact <= found.share_clocks() <= exact * (1 + 1 / 500)
    assert (found + found).mean_clocks == found.mean_clocks
    assert (found + found).reads == 2 * found.reads


def test_a_percentile_beyond_all_bins_is_none():
    found = counted([5] * 9 + [ENDLESS])
    assert found.share_clocks() is None
    assert found.share_clocks(Fraction(9, 10)) == 5
    assert found.mean_clocks == (45 + ENDLESS) / 10


def test_without_reads_there_is_no_latency():
    statistics = replay(BankedDramSpec(), np.array([0]), np.array([True]))
    (tag,) = statistics.tags.values()
    assert (tag.latency.share_clocks(), tag.latency.mean_clocks) == (None, None)


def test_reads_of_a_starved_row_are_counted_at_their_length():
    """Every request opens a row of the same bank, so a queue of 32 waits for 32 row cycles of 97 clocks and more."""
    rows = 4000
    spec = BankedDramSpec(standard="LPDDR4-3200", address_map="BaBgRoCo", override={"nRC": 500, "nRAS": 400})
    row_bytes = spec.device.columns * spec.device.channel_bits // 8
    statistics = replay(spec, np.arange(rows) * row_bytes, np.zeros(rows, bool))
    (tag,) = statistics.tags.values()
    assert tag.latency.mean_clocks > FINE_CLOCKS
    assert tag.latency.mean_clocks == pytest.approx(32 * 500, rel=0.15)
    assert tag.latency.share_clocks() >= tag.latency.mean_clocks
