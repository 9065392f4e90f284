"""`DramChannels` from outside: bursts, books, many transfers, idle time and the exported traces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dram.channels import DramChannels
from simulator.dram.clock_domain import ClockDomain
from simulator.dram.spec import BankedDramSpec
from simulator.dram.trace_export import RequestTrace
from simulator.validation.dram_replay import replay
from workloads.errors import InputError

TAGS = ["input", "output"]


def run_all(channels):
    done = {}
    while channels.pending:
        done |= dict(channels.advance())
    return done


def test_partial_bursts_cost_whole_ones():
    channels = DramChannels(BankedDramSpec(), TAGS)
    channels.submit("a", np.array([60, 1000]), np.array([8, 1]), write=False, cycle=0, tag="input")
    channels.submit("b", np.array([128]), np.array([64]), write=True, cycle=0, tag="output")
    run_all(channels)
    tags = channels.statistics().tags
    assert (tags["input"].reads, tags["input"].useful_bytes, tags["input"].wasted_bytes) == (3, 9, 3 * 64 - 9)
    assert (tags["output"].writes, tags["output"].useful_bytes, tags["output"].wasted_bytes) == (1, 64, 0)


# By standard, in its own clocks: activate to column, column to data, the burst, and precharge to activate.
READS = {
    "DDR3-1600": (11, 11, 4, 11),
    "DDR4-2400": (17, 17, 4, 17),
    "DDR4-3200": (22, 22, 4, 22),
    "LPDDR4-3200": (29, 28, 8, 29),
    "HBM2": (14, 14, 2, 14),
}


@pytest.mark.parametrize("standard", READS)
def test_a_lone_read_takes_what_its_row_costs(standard):
    """A closed bank activates, reads and moves a burst; another row that is open there is closed first."""
    activate, column, burst, precharge = READS[standard]
    dram = DramChannels(BankedDramSpec(standard=standard), TAGS)
    row_bytes = dram.device.capacity_bytes // dram.device.rows
    waits = [activate, precharge + activate, 0]
    for number, (row, wait) in enumerate(zip((0, 1, 1), waits, strict=True)):
        start = 1000 * number
        dram.submit(number, np.array([row * row_bytes]), np.array([1]), write=False, cycle=start, tag="input")
        assert dram.advance() == [(number, start + wait + column + burst)]


def test_refusals():
    channels = DramChannels(BankedDramSpec(channels=2), TAGS)
    capacity = 2 * (8 << 30)
    with pytest.raises(InputError, match="unknown tag of DRAM traffic 'inputs': did you mean 'input'"):
        channels.submit("a", np.array([0]), np.array([1]), write=False, cycle=0, tag="inputs")
    for address, size in (([capacity - 1], [2]), ([-1], [4]), ([0], [0]), ([], [])):
        with pytest.raises(InputError, match=f"transfer 'a' must be runs .* inside the {capacity} bytes of DRAM"):
            channels.submit(
                "a", np.array(address, np.int64), np.array(size, np.int64), write=False, cycle=0, tag="input"
            )
    with pytest.raises(InputError, match="9 tags of DRAM traffic, must be 1 to 8"):
        DramChannels(BankedDramSpec(), [str(number) for number in range(9)])


def test_nothing_pending_ends_at_once():
    assert DramChannels(BankedDramSpec(), TAGS).advance() == []


@pytest.mark.parametrize("channels", [1, 3])
def test_an_idle_memory_refreshes_on_time(channels):
    dram = DramChannels(BankedDramSpec(channels=channels), TAGS)
    assert dram.advance(1_000_000) == []
    statistics = dram.statistics()
    assert statistics.refreshes == channels * (1_000_000 // 9360)
    assert statistics.precharges == 0
    assert statistics.clocks == 1_000_000


def test_more_transfers_than_the_tables_have_room_for_at_first():
    dram = DramChannels(BankedDramSpec(refresh=False), TAGS)
    for number in range(500):
        runs = np.arange(3) * 1024 + number * 64
        dram.submit(number, runs, np.full(3, 64), write=False, cycle=0, tag=TAGS[number % 2])
    done = run_all(dram)
    assert sorted(done) == list(range(500))
    # Within a tag the controller is entered in order; all hit few rows, so the order of completion follows closely.
    assert done[0] < done[100] < done[400]
    assert dram.statistics().total("reads") == 1500


def test_a_second_channel_doubles_the_rate():
    address, write = np.arange(20_000) * 64, np.zeros(20_000, bool)
    spec = {"address_map": "RoBaCoBg", "refresh": False}
    one = replay(BankedDramSpec.model_validate(spec), address, write)
    two = replay(BankedDramSpec.model_validate({**spec, "channels": 2}), address, write)
    assert two.data_end_clock == pytest.approx(one.data_end_clock / 2, rel=0.01)
    assert two.peak_gbs == 2 * one.peak_gbs
    assert two.achieved_gbs == pytest.approx(two.peak_gbs, rel=0.01)


def test_doubling_the_accelerator_clock_changes_no_time():
    ends = []
    for clock_hz in (200_000_000, 400_000_000):
        dram = DramChannels(BankedDramSpec(), TAGS, ClockDomain.between(clock_hz=clock_hz, tck_ps=833))
        dram.submit("all", np.array([0]), np.array([10_000_000]), write=False, cycle=0, tag="input")
        ends.append(run_all(dram)["all"] * 1_000_000_000 / clock_hz)
    assert ends[0] == pytest.approx(ends[1], abs=5.0)


@pytest.mark.parametrize("clock_hz", [150_000_000, 1_000_000_000, 5_000_000_000])
def test_a_transfer_may_always_start_where_the_last_one_ended_or_time_was_advanced_to(clock_hz):
    dram = DramChannels(BankedDramSpec(channels=2), TAGS, ClockDomain.between(clock_hz=clock_hz, tck_ps=833))
    now = 0
    for number in range(200):
        dram.submit(number, np.array([number * 100]), np.array([150]), write=False, cycle=now, tag="input")
        dram.advance(now + number % 7)
        dram.submit("more", np.array([0]), np.array([1]), write=True, cycle=now + number % 7, tag="output")
        now = max(run_all(dram).values())


def test_an_end_of_time():
    dram = DramChannels(BankedDramSpec(), TAGS)
    with pytest.raises(InputError, match="transfer 'a' for cycle 137438953472: later than DRAM can be simulated"):
        dram.submit("a", np.array([0]), np.array([1]), write=False, cycle=1 << 37, tag="input")


@given(
    st.lists(st.tuples(st.integers(0, 1 << 20), st.booleans()), min_size=1, max_size=200),
    st.sampled_from([1, 2]),
)
def test_books_balance(requests, channels):
    address = np.array([address for address, _ in requests])
    write = np.array([write for _, write in requests])
    statistics = replay(BankedDramSpec(channels=channels), address, write)
    (tag,) = statistics.tags.values()
    assert tag.reads + tag.writes == len(requests)
    assert tag.writes == write.sum()
    assert tag.row_hits + tag.row_misses + tag.row_conflicts + tag.forwarded == len(requests)
    assert tag.latency.reads == tag.reads
    assert tag.useful_bytes + tag.wasted_bytes == 64 * len(requests)
    assert statistics.data_bus_clocks == 4 * (len(requests) - tag.forwarded)
    # A row that was closed for one request may be opened for an older one of the other direction.
    assert 0 < statistics.activates <= tag.row_misses + tag.row_conflicts
    assert statistics.precharges <= statistics.activates
    activity = statistics.activity
    assert activity.bursts * activity.burst_bytes == tag.useful_bytes + tag.wasted_bytes
    assert activity.forwarded_bursts == tag.forwarded
    assert activity.open_clocks + activity.closed_clocks == channels * statistics.clocks
    assert min(activity.open_clocks, activity.closed_clocks) >= 0
    assert statistics.achieved_gbs <= statistics.peak_gbs


def test_exported_traces():
    trace = RequestTrace(64)
    dram = DramChannels(BankedDramSpec(), TAGS, observers=[trace])
    dram.submit("b", np.array([100]), np.array([100]), write=True, cycle=7, tag="output")
    dram.submit("a", np.array([4096, 0]), np.array([64, 1]), write=False, cycle=2, tag="input")
    assert trace.ramulator2() == "LD 0x1000\nLD 0x0\nST 0x40\nST 0x80\nST 0xc0\n"
    assert trace.dramsim3() == "0x1000 READ 2\n0x0 READ 2\n0x40 WRITE 7\n0x80 WRITE 7\n0xc0 WRITE 7\n"


def test_layers_of_a_trace_follow_one_another():
    trace = RequestTrace(64)
    for _ in range(2):
        trace.requests(np.array([0]), np.array([1]), np.array([False]), 5)
        trace.layer_ended(100)
    assert trace.dramsim3() == "0x0 READ 5\n0x0 READ 105\n"


def test_an_empty_trace():
    assert RequestTrace(64).ramulator2() == RequestTrace(64).dramsim3() == ""
