"""The timeline of a network: one clock, and every span says whose tile it is."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given

from dataflows.schedule import BufferUse, Runs, Tensor
from simulator.engine.network_layers import NetworkLayer, NetworkPlayed, Read
from simulator.engine.network_play import NetworkPlay
from simulator.observers.network_timeline import NetworkTimeline
from simulator.observers.timeline import ARRAY, BUFFERS, DRAIN, DRAM, FIRST_GROUP, LAYERS, TILES, WAIT
from tests.simulator.engine.networks import play_network
from tests.simulator.engine.random_networks import networks
from tests.simulator.engine.schedules import byte_a_cycle, runs, schedule
from tests.simulator.observers.test_timeline import GHZ, counters, moved_bytes, spans

WEIGHTS = BufferUse("weights", Tensor.WEIGHT, 100)
INPUTS = BufferUse("inputs", Tensor.INPUT, 100)


def two_layers() -> tuple[NetworkTimeline, NetworkPlayed]:
    first = schedule(
        [[20, 20], [20, 0]],
        loads=runs(Tensor.WEIGHT, (0, 10)),
        stores=runs(Tensor.OUTPUT, (1, 5)),
        buffers=(WEIGHTS, INPUTS),
        drain=[2, 3],
    )
    second = schedule(
        [[30, 30]],
        loads=Runs.merge(runs(Tensor.INPUT, (0, 10)), runs(Tensor.WEIGHT, (0, 10))),
        buffers=(WEIGHTS, INPUTS),
    )
    timeline = NetworkTimeline()
    network = NetworkPlay(byte_a_cycle(), GHZ, "weights", (timeline,))
    network.push(NetworkLayer("conv1", first))
    network.push(NetworkLayer("conv2", second, (Read(0),)))
    return timeline, network.finish()


def test_loads_of_the_next_layer_lie_under_the_layer_before():
    """conv1 works from 1 to 41 and is drained at 44, its results are written by 49. conv2's weights are asked for at 1.

    Its inputs are asked for at 49 and come from 50 to 59. Begun at 49, for weights are there, 30 cycles of work end at 80.
    """
    timeline, played = two_layers()
    events = timeline.events
    assert played.cycles == 80
    assert spans(events, LAYERS, 1) == [("conv1", 0, 41), ("conv2", 41, 80)]
    assert spans(events, DRAM, Tensor.WEIGHT + 1) == [
        ("conv1: load of tile 0", 0, 10),
        ("conv2: load of tile 0", 10, 20),
    ]
    assert spans(events, DRAM, Tensor.INPUT + 1) == [("conv2: load of tile 0", 49, 59)]
    assert spans(events, DRAM, Tensor.OUTPUT + 1) == [("conv1: store of tile 1", 44, 49)]
    assert spans(events, ARRAY, DRAIN) == [("conv1: tile 0", 21, 23), ("conv1: tile 1", 41, 44)]
    assert spans(events, ARRAY, TILES) == [
        ("wait: memory", 0, 1),
        ("conv1: tile 0", 1, 21),
        ("conv1: tile 1", 21, 41),
        ("wait: memory", 41, 49),
        ("conv2: tile 0", 49, 79),
        ("wait: memory", 79, 80),
    ]
    assert spans(events, ARRAY, FIRST_GROUP + 1) == [("busy", 1, 21), ("unmapped", 21, 41), ("busy", 49, 79)]
    assert counters(events, BUFFERS)["weights"] == [(0, 10), (1, 20), (21, 10), (80, 0)]


def test_the_trace_ends_with_the_network():
    timeline, played = two_layers()
    last = max(event["ts"] + event.get("dur", 0) for event in timeline.events if event["ph"] != "M")
    assert last == pytest.approx(played.cycles / 1000)
    assert timeline._cycles == played.cycles
    json.dumps(timeline.events)


@given(networks(most=3))
def test_spans_add_up_to_the_network(layers: list[NetworkLayer]) -> None:
    # PEs of all layers are one machine's.
    one = [layer for layer in layers if layer.schedule.pes == layers[0].schedule.pes and not layer.reads]
    one = [NetworkLayer(layer.name, layer.schedule) for layer in one]
    timeline = NetworkTimeline()
    played = play_network(one, byte_a_cycle(3.0), "tiles", (timeline,))
    pes, events = one[0].schedule.pes, timeline.events
    assert [span[1:] for span in spans(events, LAYERS, 1)] == sorted((part.start, part.end) for part in played.layers)
    array = spans(events, ARRAY, TILES)
    assert all(end == start for (_, _, end), (_, start, _) in pairwise(array))
    told = sum(
        event["args"]["cycles"] * pes if event["name"].startswith(WAIT) else event["args"].get("pe_cycles", 0)
        for event in events
        if event["ph"] == "X" and event["pid"] == ARRAY and (event["tid"] >= FIRST_GROUP or event["tid"] == TILES)
    )
    assert told == pes * played.cycles
    tensors = played.traffic.tensors.values()
    channels = counters(events, DRAM)
    area = sum(moved_bytes(series) for series in channels.values())
    assert area == pytest.approx(sum(tensor.burst_bytes for tensor in tensors))
