"""The network's engine against its slow twin on random small networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.schedule import Tensor
from dataflows.specs import DramSpec
from simulator.engine.network_layers import NetworkLayer, Overlap
from tests.simulator.engine.network_twin import NetworkTwin
from tests.simulator.engine.networks import GHZ, play_network
from tests.simulator.engine.random_networks import networks
from tests.simulator.engine.random_schedules import memories


@dataclass(frozen=True)
class Machine:
    """What a network is played on."""

    memory: DramSpec
    overlap: Overlap
    write_back: Literal["overlapped", "blocking"]
    port_bytes: int | None


machines = st.builds(
    Machine,
    memory=memories,
    overlap=st.sampled_from(["serial", "weights", "tiles", "tiles", "tiles"]),
    write_back=st.sampled_from(["overlapped", "overlapped", "overlapped", "blocking"]),
    port_bytes=st.sampled_from([None, None, 1, 2]),
)


def assert_agree(layers: list[NetworkLayer], machine: Machine) -> None:
    """Cycles, spans, causes and fullest levels of the engine are the twin's, and all bytes have been moved."""
    settings = {"write_back": machine.write_back, "buffer_bytes_per_cycle": machine.port_bytes}
    played = play_network(layers, machine.memory, machine.overlap, **settings)
    twin = NetworkTwin(layers, machine.memory, GHZ, machine.overlap, **settings).play()
    assert played.cycles == twin.cycles
    for layer, expected in zip(played.layers, twin.layers, strict=True):
        assert (layer.start, layer.end) == (expected.start, expected.end), layer.name
        np.testing.assert_array_equal(layer.pe_cycles, expected.pe_cycles, layer.name)
    assert played.buffer_peak_bytes.keys() == twin.peaks.keys()
    for name, (least, most) in twin.peaks.items():
        assert least <= played.buffer_peak_bytes[name] <= most, name
    plans = [layer.schedule for layer in layers]
    for tensor in Tensor:
        moved = played.traffic.tensors[tensor]
        assert moved.read_bytes == sum(plan.loads.bytes_of(tensor) + plan.operands.bytes_of(tensor) for plan in plans)
        assert moved.write_bytes == sum(plan.stores.bytes_of(tensor) for plan in plans)


@pytest.mark.twin
@given(layers=networks(), machine=machines)
def test_engine_and_twin_agree(layers: list[NetworkLayer], machine: Machine) -> None:
    assert_agree(layers, machine)
