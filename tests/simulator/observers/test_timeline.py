"""Timelines: what they tell adds up to what the report says."""

import json
from collections import defaultdict
from itertools import pairwise

import pytest

from dataflows.registry import create
from dataflows.schedule import BufferUse, Cause, Runs, Tensor
from dataflows.specs import DramSpec
from simulator.engine.layer_simulation import LayerSimulation
from simulator.network_simulation import simulate
from simulator.observers.timeline import (
    ARRAY,
    BUFFERS,
    DRAIN,
    DRAM,
    FIRST_GROUP,
    LAYERS,
    TILES,
    WAIT,
    Timeline,
    group_cycles,
)
from tests.simulator.engine.schedules import byte_a_cycle, runs, schedule
from workloads.catalog import load_workload

GHZ = 1_000_000_000
BANKED = {"dram": {"kind": "banked", "channels": 2}}
BLOCKING = {"write_back": "blocking", "prefetch_tiles": 0, "buffers": {"banks": 1, "port_bytes": 16}}


def watched(plan, dram: DramSpec) -> Timeline:
    timeline = Timeline()
    timeline.begin("layer", plan, GHZ)
    timeline.end(LayerSimulation(plan, dram, GHZ, (timeline,)).run().cycles)
    return timeline


def spans(events: list[dict], pid: int, tid: int) -> list[tuple[str, int, int]]:
    """(name, start, end) in cycles of 1 ns, by start; a wait is told before the tile that it ends."""
    own = [e for e in events if e["ph"] == "X" and (e["pid"], e["tid"]) == (pid, tid)]
    told = [(e["name"], round(1000 * e["ts"]), round(1000 * (e["ts"] + e["dur"]))) for e in own]
    return sorted(told, key=lambda span: span[1:])


def counters(events: list[dict], pid: int) -> dict[str, list[tuple[int, float]]]:
    """(cycle, value) of each counter of a process."""
    series = defaultdict(list)
    for e in events:
        if e["ph"] == "C" and e["pid"] == pid:
            series[e["name"]].append((round(1000 * e["ts"]), next(iter(e["args"].values()))))
    return dict(series)


def moved_bytes(series: list[tuple[int, float]]) -> float:
    """The area under a counter of bytes a cycle."""
    return sum(rate * (end - start) for (start, rate), (end, _) in pairwise(series))


def test_a_small_layer_cycle_by_cycle():
    loads = runs(Tensor.INPUT, (0, 10), (1, 15))
    stores = runs(Tensor.OUTPUT, (1, 5))
    plan = schedule(
        [[4, 6], [8, 0]],
        loads=loads,
        stores=stores,
        buffers=(BufferUse("in", Tensor.INPUT, 100),),
        drain=[2, 3],
    )
    events = watched(plan, byte_a_cycle()).events
    # A tile begins with its first byte and ends a cycle behind its last: the share of work that waits for that byte.
    assert spans(events, LAYERS, 1) == [("layer", 0, 34)]
    assert spans(events, ARRAY, TILES) == [
        ("wait: memory", 0, 1),
        ("tile 0", 1, 7),
        ("wait: memory", 7, 10),
        ("wait: memory", 10, 11),
        ("tile 1", 11, 19),
        ("wait: memory", 19, 25),
        ("wait: memory", 25, 26),
        ("wait: drain", 26, 29),
        ("wait: memory", 29, 34),
    ]
    assert spans(events, ARRAY, DRAIN) == [("tile 0", 11, 13), ("tile 1", 26, 29)]
    assert spans(events, ARRAY, FIRST_GROUP) == [("busy", 1, 5), ("imbalance", 5, 7), ("busy", 11, 19)]
    assert spans(events, ARRAY, FIRST_GROUP + 1) == [("busy", 1, 7), ("unmapped", 11, 19)]
    assert spans(events, DRAM, Tensor.INPUT + 1) == [("load of tile 0", 0, 10), ("load of tile 1", 10, 25)]
    assert spans(events, DRAM, Tensor.OUTPUT + 1) == [("store of tile 1", 29, 34)]
    assert counters(events, BUFFERS) == {"in": [(0, 10), (1, 25), (11, 15), (26, 0)]}
    assert counters(events, DRAM) == {"channel 0": [(0, pytest.approx(1)), (25, 0), (29, pytest.approx(1)), (34, 0)]}


def test_a_wait_for_streamed_data_is_no_part_of_its_tile():
    loads = Runs.merge(runs(Tensor.WEIGHT, (0, 30)))
    plan = schedule([[20], [5]], loads=loads, buffers=(BufferUse("fifo", Tensor.WEIGHT, 8, streamed=True),))
    assert spans(watched(plan, byte_a_cycle()).events, ARRAY, TILES) == [
        ("wait: memory", 0, 1),
        ("tile 0", 1, 21),
        ("wait: memory", 21, 30),
        ("wait: memory", 30, 31),
        ("tile 1", 31, 36),
    ]


def test_groups_are_rows_of_the_array_or_neighbours_in_a_single_row():
    cycles, sizes = group_cycles(schedule([list(range(1, 18))]))
    assert sizes == [3, 3, 3, 3, 3, 2]
    assert cycles[0, :, Cause.BUSY].tolist() == [6, 15, 24, 33, 42, 33]
    assert cycles.sum() == 17 * 17


@pytest.mark.parametrize(
    ("machine", "settings"),
    [("scnn", {}), ("scnn", BANKED), ("scnn", BLOCKING), ("dcnn", {}), ("cambricon-x", {}), ("ideal", {})],
)
def test_spans_add_up_to_the_report(machine, settings):
    timeline = Timeline()
    workload = load_workload("blazepose").select("op0[12]*")
    (report,) = simulate([create(machine, settings)], workload, observers=(timeline,))
    (unwatched,) = simulate([create(machine, settings)], workload)
    assert unwatched.to_dict() == report.to_dict(), "watching changes nothing"

    data = json.loads(timeline.to_json(report))
    events, total = data["traceEvents"], report.total
    assert data["otherData"]["cycles"] == total.cycles
    assert [name for name, _, _ in spans(events, LAYERS, 1)] == [layer.name for layer in report.layers]
    array = spans(events, ARRAY, TILES)
    assert array[0][1] == 0
    assert array[-1][2] == total.cycles
    assert all(end == start for (_, _, end), (_, start, _) in pairwise(array))

    by_cause = dict.fromkeys((cause.key for cause in Cause), 0)
    for event in events:
        if event["ph"] == "X" and event["pid"] == ARRAY and event["tid"] >= FIRST_GROUP:
            by_cause[event["name"]] += event["args"]["pe_cycles"]
        elif event["ph"] == "X" and event["name"].startswith(WAIT):
            by_cause[event["name"].removeprefix(WAIT)] += event["args"]["cycles"] * total.pes
    assert by_cause == total.pe_cycle_stack

    for track in range(TILES, FIRST_GROUP + 8):
        told = spans(events, ARRAY, track)
        assert all(end <= start for (_, _, end), (_, start, _) in pairwise(told)), "spans of a track do not overlap"

    for tensor in Tensor:
        told = [e for e in events if e["ph"] == "X" and (e["pid"], e["tid"]) == (DRAM, tensor + 1)]
        reported = total.dram.tensors[tensor.key]
        assert sum(e["args"]["bytes"] for e in told) == reported.read_bytes + reported.write_bytes
        assert all(e["dur"] >= 0 for e in told)

    channels = counters(events, DRAM)
    assert sum(moved_bytes(series) for series in channels.values()) == pytest.approx(total.dram.all.burst_bytes)
    peaks = {name: max(value for _, value in series) for name, series in counters(events, BUFFERS).items()}
    assert peaks == {name: max(layer.buffer_peak_bytes.get(name, 0) for layer in report.layers) for name in peaks}


def test_an_ideal_memory_never_moves_more_than_its_peak():
    timeline = Timeline()
    workload = load_workload("blazepose").select("op0[12]*")
    (report,) = simulate([create("scnn", {})], workload, observers=(timeline,))
    (series,) = counters(timeline.events, DRAM).values()
    assert 45 < max(rate for _, rate in series) <= report.layers[0].dram.peak_gbs * 1.02  # times are whole cycles


def test_the_command_writes_a_timeline_beside_the_table(cli, tmp_path):
    result = cli("run", "blazepose", "--layers", "op01*", "--on", "scnn", "--timeline", tmp_path / "t.json")
    assert result.code == 0
    assert "total" in result.out
    data = json.loads((tmp_path / "t.json").read_text())
    assert data["otherData"]["accelerator"] == "scnn"
    assert {event["ph"] for event in data["traceEvents"]} == {"X", "C", "M"}
    assert {event["pid"] for event in data["traceEvents"]} == {LAYERS, ARRAY, DRAM, BUFFERS}


def test_a_timeline_that_cannot_be_written_stops_the_run_before_it_starts(cli, tmp_path):
    result = cli("run", "blazepose", "--on", "scnn", "--timeline", tmp_path / "no" / "t.json")
    assert result.code == 2
    assert f"{tmp_path}/no/t.json: cannot be written" in result.err
