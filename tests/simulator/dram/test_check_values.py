"""Latencies and rates worked out by hand from the timings of DDR4-2400 (17-17-17)."""

import numpy as np
import pytest

from simulator.dram.channels import DramChannels
from simulator.dram.spec import BankedDramSpec
from simulator.validation.dram_replay import replay

QUIET = BankedDramSpec(refresh=False)  # row, bank, group, column from the highest bit; 128 bursts a row
LINE, ROW = 64, 64 * 128 * 16


def end_of(channels, address, cycle=0, *, write=False):
    channels.submit(address, np.array([address]), np.array([LINE]), write=write, cycle=cycle, tag="all")
    (done,) = channels.advance()
    return done.cycle


def test_a_read_of_a_closed_bank_takes_activate_read_and_burst():
    assert end_of(DramChannels(QUIET, ["all"]), 0) == 17 + 17 + 4


def test_a_write_of_a_closed_bank():
    assert end_of(DramChannels(QUIET, ["all"]), 0, write=True) == 17 + 12 + 4


def test_a_later_hit_takes_read_and_burst():
    channels = DramChannels(QUIET, ["all"])
    end_of(channels, 0)
    assert end_of(channels, LINE, cycle=1000) == 1000 + 17 + 4


def test_a_later_conflict_takes_precharge_activate_read_and_burst():
    channels = DramChannels(QUIET, ["all"])
    end_of(channels, 0)
    assert end_of(channels, ROW, cycle=1000) == 1000 + 17 + 17 + 17 + 4


def test_a_read_of_a_buffered_write_is_answered_from_the_buffer():
    spec = BankedDramSpec(refresh=False, write_buffer=8, drain_start=8)
    channels = DramChannels(spec, ["read", "write"])
    channels.submit("other", np.array([ROW]), np.array([LINE]), write=False, cycle=0, tag="read")
    channels.submit("write", np.array([0]), np.array([LINE]), write=True, cycle=1, tag="write")
    channels.submit("read", np.array([0]), np.array([LINE]), write=False, cycle=2, tag="read")
    done = {}
    while channels.pending:
        done |= dict(channels.advance())
    assert done["read"] == 2 + 17 + 4
    assert channels.statistics().tags["read"].forwarded == 1


def test_reads_that_the_write_buffer_answers_follow_one_another_by_a_clock():
    """Writes enter at 0, 1 and 2; the first one's row stays open until it is written, and the others wait for theirs.

    Nothing can issue when the two reads of what waits come in 5: one is answered then, the other in 6.
    """
    channels = DramChannels(QUIET, ["read", "write"])
    waiting = ROW, ROW + LINE
    channels.submit("writes", np.array([0, *waiting]), np.full(3, LINE), write=True, cycle=0, tag="write")
    for address in waiting:
        channels.submit(address, np.array([address]), np.array([LINE]), write=False, cycle=5, tag="read")
    done = {}
    while channels.pending:
        done |= dict(channels.advance())
    assert [done[address] for address in waiting] == [5 + 17 + 4, 6 + 17 + 4]
    assert channels.statistics().tags["read"].forwarded == 2


def test_a_bank_is_not_precharged_while_the_request_waits_for_which_it_was_opened():
    spec = BankedDramSpec(refresh=False, override={"nRAS": 1, "nRC": 18})
    statistics = replay(spec, np.array([0, ROW]), np.zeros(2, bool))
    assert (statistics.activates, statistics.precharges) == (2, 1)
    # activate 0, read 17, precharge 26 (nRTP), activate 43, read 60
    assert statistics.data_end_clock == 60 + 17 + 4


def rate(addresses, spec=QUIET):
    addresses = np.asarray(addresses, np.int64)
    return replay(spec, addresses, np.zeros(len(addresses), bool)).data_end_clock / len(addresses)


def test_row_hits_over_bank_groups_stream_at_the_short_column_gap():
    spec = BankedDramSpec(refresh=False, address_map="RoBaCoBg")
    assert rate(np.arange(20_000) * LINE, spec) == pytest.approx(4.00, abs=0.01)


def test_row_hits_in_one_bank_stream_at_the_long_column_gap():
    assert rate(np.arange(100_000) % 128 * LINE) == pytest.approx(6.00, abs=0.01)


def test_conflicts_over_all_banks_are_bound_by_the_activate_window():
    assert rate(np.arange(20_000) * 128 * LINE) == pytest.approx(26 / 4, abs=0.02)


def test_conflicts_in_one_bank_are_bound_by_the_row_cycle():
    assert rate(np.arange(5_000) * ROW) == pytest.approx(56.0, abs=0.05)


@pytest.mark.parametrize(("stride", "low", "high"), [(LINE, 21, 23.3), (ROW, 55, 57)])
def test_one_request_at_a_time(stride, low, high):
    channels = DramChannels(BankedDramSpec(), ["all"])
    now = 0
    for number in range(2_000):
        now = end_of(channels, number * stride % channels.device.capacity_bytes, now)
    if stride == ROW:
        now *= 1 - 420 / 9360  # without what refresh takes
    assert low <= now / 2_000 <= high


def test_a_burst_longer_than_the_column_gap_fills_the_bus_and_no_more():
    spec = BankedDramSpec(refresh=False, address_map="RoBaCoBg", override={"nCCD_S": 1, "nCCD_L": 1})
    statistics = replay(spec, np.arange(20_000) * LINE, np.zeros(20_000, bool))
    assert statistics.achieved_gbs <= statistics.peak_gbs
    assert statistics.data_bus_clocks == 80_000
