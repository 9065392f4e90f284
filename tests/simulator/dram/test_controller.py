"""The kernels against the slow controller in `twin`: every completion, every count, in one go and in pieces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dram.channels import DramChannels
from simulator.dram.layout import LATENCY_BINS
from simulator.dram.spec import BankedDramSpec
from tests.simulator.dram.test_latency import bin_of
from tests.simulator.dram.twin import SlowDram

TAGS = ["input", "weight", "output"]
SMALL = {"rows": 8, "columns": 32}  # few rows and short ones, so that small mixes hit and conflict


@st.composite
def specs(draw):
    standard = draw(st.sampled_from(["DDR3-1600", "DDR4-2400", "DDR4-3200", "LPDDR4-3200", "HBM2"]))
    override = dict(SMALL)
    refresh = draw(st.booleans())
    if refresh:
        override |= {"nRFC": draw(st.integers(20, 60)), "nREFI": draw(st.integers(260, 500))}
    if draw(st.booleans()):
        override |= {name: draw(st.integers(0, 40)) for name in draw(st.sets(st.sampled_from(SHAKEN), max_size=4))}
    write_buffer = draw(st.integers(2, 12))
    drain_start = draw(st.integers(2, write_buffer))
    return BankedDramSpec(
        standard=standard,
        override=override,
        channels=draw(st.sampled_from([1, 1, 2, 3])),
        address_map=draw(st.sampled_from(["RoBaBgCo", "RoBaCoBg", "CoRoBgBa", "RoCoBaBg"])),
        interleave_bytes=draw(st.sampled_from([64, 128, 192])),
        read_queue=draw(st.integers(1, 12)),
        write_buffer=write_buffer,
        drain_start=drain_start,
        drain_stop=draw(st.integers(0, drain_start - 1)),
        scheduler=draw(st.sampled_from(["row_hit", "first_ready"])),
        refresh=refresh,
    )


SHAKEN = [
    "nRCD",
    "nRP",
    "nRPab",
    "nRAS",
    "nRC",
    "nCCD_S",
    "nCCD_L",
    "nRRD_S",
    "nRRD_L",
    "nFAW",
    "nWTR_S",
    "nWTR_L",
    "nWR",
    "nRTP",
]
SHAKEN += ["nRTW", "nCL", "nCWL"]


@st.composite
def transfers(draw, capacity):
    """(runs, write, cycle, tag) in the order of their cycles."""
    hot = draw(st.integers(1, capacity // 2))  # a small hot range makes requests meet
    cycle, chosen = 0, []
    for _ in range(draw(st.integers(1, 8))):
        cycle += draw(st.integers(0, 60))
        sizes = draw(st.lists(st.integers(1, 600), min_size=1, max_size=4))
        places = [draw(st.integers(0, min(hot, capacity - size))) for size in sizes]
        chosen.append((list(zip(places, sizes, strict=True)), draw(st.booleans()), cycle, draw(st.sampled_from(TAGS))))
    return chosen


@st.composite
def cases(draw):
    spec = draw(specs())
    return spec, draw(transfers(spec.device.capacity_bytes * spec.channels))


def submit(dram, number, transfer):
    runs, write, cycle, tag = transfer
    address, size = (np.array(column, np.int64) for column in zip(*runs, strict=True))
    dram.submit(number, address, size, write=write, cycle=cycle, tag=tag)


def counts(dram):
    """All counters of a finished run."""
    statistics = dram.statistics()
    names = ("activates", "precharges", "refreshes", "read_bursts", "write_bursts", "open_clocks", "closed_clocks")
    rows = {name: getattr(statistics.activity, name) for name in names}
    for tag, own in statistics.tags.items():
        for name in ("reads", "writes", "row_hits", "row_misses", "row_conflicts", "forwarded"):
            rows[tag, name] = getattr(own, name)
        rows[tag, "latencies"] = own.latency.sum_clocks, own.latency.bins.tolist()
    return rows


def slow_counts(slow):
    rows = {
        "activates": sum(channel.count("ACT") for channel in slow.channels),
        "precharges": sum(channel.count("PRE", "PREA") for channel in slow.channels),
        "refreshes": sum(channel.count("REF") for channel in slow.channels),
        "read_bursts": sum(channel.count("RD") for channel in slow.channels),
        "write_bursts": sum(channel.count("WR") for channel in slow.channels),
        "open_clocks": sum(channel.open_clocks for channel in slow.channels),
        "closed_clocks": sum(channel.clock - channel.open_clocks for channel in slow.channels),
    }
    for tag in TAGS:
        own = [entry for entry in slow.served() if entry[0].tag == tag]
        reads = [entry for entry in own if not entry[0].write]
        rows[tag, "reads"], rows[tag, "writes"] = len(reads), len(own) - len(reads)
        for name, met in (("row_hits", "hit"), ("row_misses", "miss"), ("row_conflicts", "conflict")):
            rows[tag, name] = sum(entry[2] == met for entry in own)
        rows[tag, "forwarded"] = sum(entry[2] == "forwarded" for entry in own)
        latencies = [end - request.accepted for request, end, _ in reads]
        bins = np.bincount([bin_of(clocks) for clocks in latencies], minlength=LATENCY_BINS)
        rows[tag, "latencies"] = sum(latencies), bins.tolist()
    return rows


def run_whole(spec, chosen, until):
    dram = DramChannels(spec, TAGS)
    for number, transfer in enumerate(chosen):
        submit(dram, number, transfer)
    ends = {}
    while dram.pending:
        ends |= {done.transfer: done.cycle for done in dram.advance()}
    while dram.statistics().clocks < until:
        assert dram.advance(until) == []
    return ends, counts(dram)


def equals_the_slow_twin(spec, chosen):
    """Every completion and every count."""
    slow = SlowDram(spec, TAGS)
    for number, (runs, write, cycle, tag) in enumerate(chosen):
        slow.submit(number, runs, write=write, cycle=cycle, tag=tag)
    until = 0
    while len(slow.ends()) < len(chosen):
        until += 200
        slow.run(until)
        assert until < 200_000, "the twin makes no progress"
    until += 700
    slow.run(until)
    ends, counted = run_whole(spec, chosen, until)
    assert ends == slow.ends()
    assert counted == slow_counts(slow)


@pytest.mark.twin
@given(cases())
def test_every_completion_and_count_equals_the_slow_twin(case):
    equals_the_slow_twin(*case)


def test_queues_of_the_largest_size_fill_while_every_bank_holds_a_request():
    """All there is room for: 64 reads, 64 writes, and the 16 for which rows were opened, since columns come late."""
    late = {"nRCD": 400, "nRAS": 400, "nRC": 417, "nRRD_S": 1, "nRRD_L": 1, "nFAW": 4}
    sizes = {"read_queue": 64, "write_buffer": 64, "drain_start": 64, "drain_stop": 0}
    spec = BankedDramSpec(refresh=False, override=late, address_map="RoCoBaBg", **sizes)
    bursts = [(64 * number, 1) for number in range(100)]  # neighbours lie in different banks
    far = [(spec.device.capacity_bytes // 2 + place, size) for place, size in bursts]
    equals_the_slow_twin(spec, [(bursts, False, 0, "input"), (far, True, 0, "output")])


@given(cases(), st.data())
def test_advancing_in_pieces_and_submitting_late_changes_nothing(case, data):
    spec, chosen = case
    until = 20_000
    ends, counted = run_whole(spec, chosen, until)
    dram = DramChannels(spec, TAGS)
    pieces, now, waiting = {}, 0, list(enumerate(chosen))
    while now < until:
        while waiting and waiting[0][1][2] <= now:
            submit(dram, *waiting.pop(0))
        ahead = data.draw(st.integers(1, 40)) if dram.pending else until
        target = min([now + ahead, until] + [transfer[2] for _, transfer in waiting[:1]])
        while True:
            done = dram.advance(target)
            assert all(completion.cycle >= dram.earliest_cycle for completion in done)
            pieces |= {completion.transfer: completion.cycle for completion in done}
            if not done:
                break
        now = target
    assert pieces == ends
    assert counts(dram) == counted


def test_a_transfer_for_the_past_is_refused():
    dram = DramChannels(BankedDramSpec(), TAGS)
    dram.advance(100)
    with pytest.raises(AssertionError, match="transfer 'late' for cycle 99, but DRAM is at 100"):
        dram.submit("late", np.array([0]), np.array([64]), write=False, cycle=99, tag="input")
