"""Laws of networks on random small ones, with ideal memory."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil, inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.schedule import LayerSchedule, Runs
from dataflows.specs import DramSpec
from simulator.engine.layer_simulation import LayerSimulation
from simulator.engine.network_layers import NetworkLayer, NetworkPlayed, Overlap
from tests.simulator.engine.networks import GHZ, OVERLAPS, play_network
from tests.simulator.engine.random_networks import networks
from tests.simulator.engine.random_schedules import memories

overlaps = st.sampled_from(OVERLAPS)
write_backs = st.sampled_from(["overlapped", "blocking"])


def moved_bytes(schedule: LayerSchedule) -> int:
    return sum(runs.total_bytes for runs in (schedule.loads, schedule.stores, schedule.operands))


def slack(layers: list[NetworkLayer], memory: DramSpec) -> int:
    """A burst's time a layer and a cycle a tile: what docs/network.md excepts."""
    burst = 0 if memory.bandwidth_gbs == inf else ceil(memory.burst_bytes / memory.bandwidth_gbs)
    return len(layers) * burst + sum(layer.schedule.tiles for layer in layers)


@given(networks(), memories, overlaps, write_backs, st.sampled_from([None, 1]))
def test_every_cycle_of_every_pe_has_one_cause_and_every_byte_moves_once(
    layers: list[NetworkLayer], memory: DramSpec, overlap: Overlap, write_back: str, port: int | None
) -> None:
    played = play_network(layers, memory, overlap, write_back=write_back, buffer_bytes_per_cycle=port)
    assert [layer.start for layer in played.layers] == [0, *(layer.end for layer in played.layers[:-1])]
    assert played.layers[-1].end == played.cycles
    for part, layer in zip(played.layers, layers, strict=True):
        assert (part.pe_cycles.sum(axis=1) == part.end - part.start).all()
        assert (part.pe_cycles >= 0).all()
        # Inside tiles nothing is gained or lost by what stands around them.
        assert (part.pe_cycles[:, :3] == layer.schedule.cycles.sum(axis=0)[:, :3]).all()
    carried = sum(tensor.read_bytes + tensor.write_bytes for tensor in played.traffic.tensors.values())
    assert carried == sum(moved_bytes(layer.schedule) for layer in layers)


@given(networks(), memories, overlaps, write_backs)
def test_no_network_is_faster_than_its_bytes_or_its_fullest_pes(
    layers: list[NetworkLayer], memory: DramSpec, overlap: Overlap, write_back: str
) -> None:
    played = play_network(layers, memory, overlap, write_back=write_back)
    fullest = sum(int(layer.schedule.cycles.sum(axis=2).max(axis=1).sum()) for layer in layers)
    assert played.cycles >= fullest
    for part, layer in zip(played.layers, layers, strict=True):
        assert part.end - part.start >= layer.schedule.cycles.sum(axis=2).max(axis=1).sum()
    if memory.bandwidth_gbs < inf:
        bursts = sum(tensor.burst_bytes for tensor in played.traffic.tensors.values())
        assert played.cycles >= bursts / Fraction(memory.bandwidth_gbs)


@pytest.mark.parametrize("port", [None, 1])
@given(layers=networks(operands=False), memory=memories, write_back=write_backs)
def test_serial_is_the_sum_of_the_layers_alone(
    port: int | None, layers: list[NetworkLayer], memory: DramSpec, write_back: str
) -> None:
    settings = {"write_back": write_back, "buffer_bytes_per_cycle": port}
    played = play_network(layers, memory, "serial", **settings)
    alone = [LayerSimulation(layer.schedule, memory, GHZ, **settings).run() for layer in layers]
    assert [part.end - part.start for part in played.layers] == [layer.cycles for layer in alone]
    for part, layer in zip(played.layers, alone, strict=True):
        np.testing.assert_array_equal(part.pe_cycles, layer.pe_cycles)
    names = {name for layer in alone for name in layer.buffer_peak_bytes}
    peaks = {name: max(layer.buffer_peak_bytes.get(name, 0) for layer in alone) for name in names}
    assert played.buffer_peak_bytes == peaks


@given(networks(least=1, most=1, operands=False), memories, overlaps)
def test_a_network_of_one_layer_is_that_layer(layers: list[NetworkLayer], memory: DramSpec, overlap: Overlap) -> None:
    played = play_network(layers, memory, overlap)
    assert played.cycles == LayerSimulation(layers[0].schedule, memory, GHZ).run().cycles


@given(networks(operands=False), memories)
def test_more_overlap_costs_no_more_than_a_burst_a_layer(layers: list[NetworkLayer], memory: DramSpec) -> None:
    # Nothing behind the first layer that could overtake a load.
    behind = [replace(layer, schedule=replace(layer.schedule, stores=Runs.none())) for layer in layers[1:]]
    assert_overlap_gains([layers[0], *behind], memory, slack(layers, memory))


@given(networks(), memories)
def test_more_overlap_costs_no_more_than_what_overtakes_loads(layers: list[NetworkLayer], memory: DramSpec) -> None:
    plans = [layer.schedule for layer in layers[1:]]
    overtaking = sum(bursts_of(runs, memory) for plan in plans for runs in (plan.stores, plan.operands))
    assert_overlap_gains(layers, memory, slack(layers, memory) + ceil(overtaking / memory.bandwidth_gbs))


def bursts_of(runs: Runs, memory: DramSpec) -> int:
    """Bytes of the bursts of some runs, at most."""
    return runs.total_bytes + 2 * memory.burst_bytes * len(runs.tile)


def assert_overlap_gains(layers: list[NetworkLayer], memory: DramSpec, slack_cycles: int) -> None:
    """Each kind of overlap is as fast as the one before, but for some cycles."""
    serial, weights, tiles = (play_network(layers, memory, overlap).cycles for overlap in OVERLAPS)
    assert weights <= serial + slack_cycles
    assert tiles <= weights + slack_cycles


@given(networks(), memories, overlaps)
def test_twice_the_bandwidth_costs_no_more_than_a_burst_a_layer(
    layers: list[NetworkLayer], memory: DramSpec, overlap: Overlap
) -> None:
    faster = replace_bandwidth(memory, 2 * memory.bandwidth_gbs)
    slower = play_network(layers, memory, overlap).cycles
    assert play_network(layers, faster, overlap).cycles <= slower + slack(layers, memory)


def replace_bandwidth(memory: DramSpec, bandwidth_gbs: float) -> DramSpec:
    return DramSpec(bandwidth_gbs=bandwidth_gbs, latency_ns=memory.latency_ns, burst_bytes=memory.burst_bytes)


@given(networks(most=3), overlaps)
def test_banked_memory_keeps_the_books_too(layers: list[NetworkLayer], overlap: Overlap) -> None:
    played: NetworkPlayed = play_network(layers, DramSpec(kind="banked"), overlap)
    assert sum(part.end - part.start for part in played.layers) == played.cycles
    for part in played.layers:
        assert (part.pe_cycles.sum(axis=1) == part.end - part.start).all()
