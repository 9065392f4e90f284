"""Several inputs that follow one another through a network: by hand, and against one network of all their layers."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.schedule import LayerSchedule, Runs, Tensor
from dataflows.specs import DramSpec
from simulator.engine.network_layers import NetworkLayer, NetworkPlayed, Overlap, Read
from simulator.engine.network_play import NetworkPlay
from tests.simulator.engine.network_twin import NetworkTwin, TwinPlayed
from tests.simulator.engine.networks import GHZ, play_network
from tests.simulator.engine.random_networks import networks
from tests.simulator.engine.random_schedules import memories
from tests.simulator.engine.schedules import byte_a_cycle, runs
from tests.simulator.engine.test_network_laws import bursts_of, overlaps, slack, write_backs
from tests.simulator.engine.test_network_play import ONE_IN, ONE_OUT, chain, layer
from tests.simulator.live_objects import LiveObjects


def play_inputs(
    inputs: list[list[NetworkLayer]], memory: DramSpec, overlap: Overlap = "weights", **settings
) -> NetworkPlayed:
    play = NetworkPlay(memory, GHZ, overlap, **settings)
    for number, layers in enumerate(inputs):
        if number:
            play.next_input()
        for one in layers:
            play.push(one)
    return play.finish()


def times(played: NetworkPlayed) -> list[tuple[int, int, int]]:
    return [(one.start, one.end, one.done) for one in played.inputs]


# The second layer's weights come while the first one works, and so do those of the next input's first layer.
FIRST = layer(100, inputs=ONE_IN, weights=runs(Tensor.WEIGHT, (0, 10)), stores=ONE_OUT)
SECOND = layer(20, inputs=ONE_IN, weights=runs(Tensor.WEIGHT, (0, 60)), stores=ONE_OUT)


def test_one_input_is_the_network():
    """See `test_weights_of_the_next_layer_are_loaded_meanwhile`: work ends at 132, and all is written by 142."""
    assert times(play_inputs([chain(FIRST, SECOND)], byte_a_cycle())) == [(0, 142, 142)]


@pytest.mark.parametrize("count", [2, 3])
def test_inputs_follow_one_another(count):
    """The first input's second layer works from 112 to 132 and is written by 142.

    The next input's first layer reads nothing of the network, so that it is asked for when that layer has begun, at 112:
    behind that one's own inputs 10 bytes of weights come from 122 to 131 and the first input byte at 132. The results
    of the tile before are more urgent and take memory until 142; the other 9 bytes come by 151, long before they are used.
    The array works on it from 132 to 232 and writes by 242, the second layer's inputs come from 243, and it works until 263
    and is written by 273: 131 cycles behind the first input. So it goes on.
    """
    played = play_inputs([chain(FIRST, SECOND)] * count, byte_a_cycle())
    # To the last one the array belongs until all is written.
    every = [(0, 132, 142), (132, 263, 273), (263, 394, 404)][:count]
    assert times(played) == [*every[:-1], (every[-1][0], every[-1][2], every[-1][2])]
    assert [(one.name, one.start, one.end) for one in played.layers] == [("layer0", 0, 101), ("layer1", 101, 132)]


@pytest.mark.parametrize("count", [2, 3])
def test_serial_inputs_take_as_long_as_each_alone(count):
    """The layers of an input take 111 and 81 cycles alone (`test_weights_of_the_next_layer_are_loaded_meanwhile`)."""
    played = play_inputs([chain(FIRST, SECOND)] * count, byte_a_cycle(), "serial")
    assert times(played) == [(192 * k, 192 * (k + 1), 192 * (k + 1)) for k in range(count)]


@pytest.mark.parametrize(("drain", "done"), [(0, 35), (40, 60)])
def test_an_input_is_done_with_its_last_write_and_its_last_drain(drain, done):
    """The only tile ends at 20: its first layer's 25 bytes are written by 35, the drain of the last one lasts until 60."""
    first = layer(10, stores=runs(Tensor.OUTPUT, (0, 25)))
    last = layer(10, drain=[drain])
    played = play_inputs([[NetworkLayer("a", first), NetworkLayer("b", last)]] * 2, byte_a_cycle())
    assert times(played)[0] == (0, 20, done)


def test_a_layer_reads_those_of_its_own_input_alone():
    """Work ends at 101, and what reads it waits for 10 bytes to be written, at 111, in the second input as in the first."""
    kept = replace(SECOND, loads=runs(Tensor.WEIGHT, (0, 10)))
    reads_first = [*chain(FIRST, kept), NetworkLayer("c", layer(20, inputs=ONE_IN), (Read(0),))]
    played = play_inputs([reads_first] * 2, byte_a_cycle())
    flat = play_network([*reads_first, *moved(reads_first, 3)], byte_a_cycle(), "weights")
    assert played.cycles == flat.cycles
    with pytest.raises(AssertionError, match="layer 'c', number 0, reads layer 0, which does not come before it"):
        play_inputs([chain(FIRST, SECOND), reads_first[2:]], byte_a_cycle())


def moved(layers: list[NetworkLayer], by: int) -> list[NetworkLayer]:
    """The same layers behind so many others of one network."""
    return [
        replace(
            one,
            reads=tuple(replace(read, layer=read.layer + by) for read in one.reads),
            operands=tuple(other + by for other in one.operands),
        )
        for one in layers
    ]


@given(networks(most=3), st.integers(2, 3), memories, overlaps, write_backs)
def test_inputs_are_one_network_of_all_their_layers(
    layers: list[NetworkLayer], count: int, memory: DramSpec, overlap: Overlap, write_back: str
) -> None:
    played = play_inputs([layers] * count, memory, overlap, write_back=write_back)
    every = [one for number in range(count) for one in moved(layers, number * len(layers))]
    flat = play_network(every, memory, overlap, write_back=write_back)
    assert (played.cycles, played.traffic, played.buffer_peak_bytes) == (
        flat.cycles, flat.traffic, flat.buffer_peak_bytes,
    )  # fmt: skip
    for number, one in enumerate(played.inputs):
        own = flat.layers[number * len(layers) : (number + 1) * len(layers)]
        assert (one.start, one.end) == (own[0].start, own[-1].end)
        assert one.pe_cycles.tolist() == sum(layer.pe_cycles.sum(axis=0) for layer in own).tolist()
        assert one.end <= one.done
    dones = [one.done for one in played.inputs]
    assert dones[-1] == played.cycles
    assert played.layers[0].start == 0
    assert len(played.layers) == len(layers)


class MakingTwin(NetworkTwin):
    """Notes the first cycle in which each layer has been made."""

    def _count_wait(self) -> None:
        self._note()
        super()._count_wait()

    def _played(self) -> TwinPlayed:
        self._note()
        return super()._played()

    def _note(self) -> None:
        self.made: dict[int, int] = getattr(self, "made", {})
        for number in range(len(self.layers)):
            if number not in self.made and self._is_made(number):
                self.made[number] = self.now


@pytest.mark.twin
@given(networks(most=3), memories, overlaps, write_backs)
def test_an_input_is_done_when_the_twin_has_made_its_layers(
    layers: list[NetworkLayer], memory: DramSpec, overlap: Overlap, write_back: Literal["overlapped", "blocking"]
) -> None:
    played = play_inputs([layers] * 2, memory, overlap, write_back=write_back)
    twin = MakingTwin([*layers, *moved(layers, len(layers))], memory, GHZ, overlap, write_back=write_back)
    assert twin.play().cycles == played.cycles
    made = [twin.made[number] for number in range(2 * len(layers))]
    by_input = made[: len(layers)], made[len(layers) :]
    assert [one.done for one in played.inputs] == [
        max(*own, one.end) for own, one in zip(by_input, played.inputs, strict=True)
    ]


@given(networks(most=3, operands=False), st.integers(2, 4), memories, overlaps)
def test_an_input_follows_no_later_than_it_would_take_alone(
    layers: list[NetworkLayer], count: int, memory: DramSpec, overlap: Overlap
) -> None:
    """But for a burst a layer and a cycle a tile, see `slack`; without results that could overtake loads."""
    storeless = [replace(one, schedule=replace(one.schedule, stores=Runs.none())) for one in layers]
    assert_in_time(storeless, count, memory, overlap, slack(layers, memory))


@given(networks(most=3), st.integers(2, 4), memories, overlaps)
def test_an_input_follows_no_later_than_alone_but_for_what_overtakes_loads(
    layers: list[NetworkLayer], count: int, memory: DramSpec, overlap: Overlap
) -> None:
    plans = [one.schedule for one in layers]
    overtaking = sum(bursts_of(runs, memory) for plan in plans for runs in (plan.stores, plan.operands))
    assert_in_time(layers, count, memory, overlap, slack(layers, memory) + ceil(overtaking / memory.bandwidth_gbs))


def assert_in_time(
    layers: list[NetworkLayer], count: int, memory: DramSpec, overlap: Overlap, slack_cycles: int
) -> None:
    latency = play_network(layers, memory, overlap).cycles
    dones = [one.done for one in play_inputs([layers] * count, memory, overlap).inputs]
    assert dones[-1] <= count * (latency + slack_cycles)
    assert dones[-1] - dones[0] <= (count - 1) * (latency + slack_cycles)
    if overlap == "serial":
        assert dones == [latency * (k + 1) for k in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("overlap", ["serial", "weights", "tiles"])
def test_schedules_of_many_inputs_do_not_live_together(overlap):
    play = NetworkPlay(byte_a_cycle(), GHZ, overlap)
    alive, live = [], LiveObjects(LayerSchedule)
    for number in range(300):
        if number:
            play.next_input()
        for one in chain(*(layer(5, inputs=ONE_IN, stores=ONE_OUT) for _ in range(3))):
            play.push(one)
        if number % 100 == 99:
            alive.append(live.count())
    assert len(play.finish().inputs) == 300
    assert 0 < max(alive) <= 8
