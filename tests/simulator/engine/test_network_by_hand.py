"""Networks worked out by hand: the engine and its twin find the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from dataflows.schedule import CAUSES, Cause, Tensor
from tests.simulator.engine.network_twin import NetworkTwin
from tests.simulator.engine.networks import GHZ, play_network
from tests.simulator.engine.networks_by_hand import NETWORKS, ByHand, busy, network, weights
from tests.simulator.engine.schedules import byte_a_cycle, schedule

every_network = pytest.mark.parametrize("by_hand", NETWORKS, ids=lambda one: one.name)


def books(pe_cycles: np.ndarray) -> dict[str, int]:
    """One PE's cycles by cause, without those that are 0."""
    return {Cause(cause).key: int(pe_cycles[cause]) for cause in range(CAUSES) if pe_cycles[cause]}


@every_network
def test_engine(by_hand: ByHand) -> None:
    played = play_network(by_hand.layers, byte_a_cycle(), by_hand.overlap, write_back=by_hand.write_back)
    assert [(one.start, one.end, books(one.pe_cycles[0])) for one in played.layers] == by_hand.expected
    assert played.cycles == by_hand.expected[-1][1]


@every_network
def test_twin(by_hand: ByHand) -> None:
    twin = NetworkTwin(by_hand.layers, byte_a_cycle(), GHZ, by_hand.overlap, write_back=by_hand.write_back)
    played = twin.play()
    assert [(one.start, one.end, books(one.pe_cycles[0])) for one in played.layers] == by_hand.expected
    assert played.cycles == by_hand.expected[-1][1]


def test_pes_without_work_are_unmapped_in_their_layer_alone() -> None:
    # Layer 0: PE 1 works 4 of 10 cycles and waits 6 for PE 0. Layer 1: three weights, asked for in 10, let PE 0 start in
    # 11 and end in 17; PE 1 has no work there.
    both = schedule([[10, 4]]), schedule([[6, 0]], loads=weights((0, 3)), buffers=busy([1]).buffers)
    first, second = play_network(network(*both), byte_a_cycle(), "weights").layers
    assert (first.start, first.end, second.start, second.end) == (0, 10, 10, 17)
    assert [books(pe) for pe in first.pe_cycles] == [{"busy": 10}, {"busy": 4, "imbalance": 6}]
    assert [books(pe) for pe in second.pe_cycles] == [{"busy": 6, "memory": 1}, {"unmapped": 7}]


def test_traffic_and_levels_count_all_layers() -> None:
    # A buffer of 100 bytes that both layers use alike: fifteen bytes and ten lie there together.
    room = next(one for one in NETWORKS if one.name == "room beside")
    played = play_network(room.layers, byte_a_cycle(), "weights")
    assert played.buffer_peak_bytes["weights"] == 25
    assert played.traffic.tensors[Tensor.WEIGHT].read_bytes == 25
