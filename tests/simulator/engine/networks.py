"""Random small networks for the event engine, every rule between layers in play."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st

from dataflows.schedule import BufferUse, LayerSchedule, Runs, Tensor
from dataflows.specs import DramSpec
from simulator.engine.errors import CapacityError
from simulator.engine.network_layers import NetworkLayer, NetworkPlayed, Overlap, Read
from simulator.engine.network_play import NetworkPlay
from tests.simulator.engine.test_engine_twin import CLOCK_HZ, schedules

OVERLAPS: tuple[Overlap, ...] = ("serial", "weights", "tiles")


def play_network(
    layers: list[NetworkLayer], memory: DramSpec, overlap: Overlap, observers: tuple = (), **settings
) -> NetworkPlayed:
    """The engine's result; networks that it refuses do not count."""
    play = NetworkPlay(memory, CLOCK_HZ, overlap, observers, **settings)
    try:
        for layer in layers:
            play.push(layer)
    except CapacityError:
        reject()
    return play.finish()


def with_room(use: BufferUse, plans: list[LayerSchedule]) -> BufferUse:
    """A buffer as large as the largest that any schedule has for the tensor."""
    rooms = [one.capacity_bytes for plan in plans for one in plan.buffers if one.tensor == use.tensor]
    return replace(use, capacity_bytes=max(rooms))


@st.composite
def operand_runs(draw: st.DrawFn, tiles: int) -> Runs:
    """Another map's bytes for some tiles."""
    size = draw(st.lists(st.sampled_from([0, 0, 3, 17]), min_size=tiles, max_size=tiles))
    return Runs.per_tile(Tensor.INPUT, np.arange(tiles), np.array(draw(st.integers(0, 9))), np.array(size))


def in_a_row(schedule: LayerSchedule) -> LayerSchedule:
    """The same schedule with each tensor's runs one behind the other, so that shares of a map mean something."""

    def spread(runs: Runs) -> Runs:
        address = runs.address.copy()
        for tensor in Tensor:
            own = runs.tensor == tensor
            sizes = runs.size_bytes[own]
            address[own] = np.cumsum(sizes) - sizes
        return replace(runs, address=address)

    return replace(schedule, loads=spread(schedule.loads), stores=spread(schedule.stores))


@st.composite
def networks(
    draw: st.DrawFn, *, most: int = 4, operands: bool = True, one_machine: bool | None = None
) -> list[NetworkLayer]:
    """One to `most` layers; of one machine all have the same buffers."""
    plans = draw(st.lists(schedules(), min_size=1, max_size=most))
    if draw(st.booleans()):
        plans = [in_a_row(plan) for plan in plans]
    if one_machine or (one_machine is None and draw(st.booleans())):
        common = tuple(with_room(use, plans) for use in plans[0].buffers)
        one = plans[0]
        plans = [
            replace(
                plan,
                buffers=common,
                prefetch_tiles=one.prefetch_tiles,
                accumulator_copies=one.accumulator_copies,
                operands_in_step=one.operands_in_step,
                outputs_as_made=one.outputs_as_made,
            )
            for plan in plans
        ]
    layers: list[NetworkLayer] = []
    for number, plan in enumerate(plans):
        earlier = st.integers(0, number - 1)
        reads = draw(st.sampled_from([1, 1, 1, 0, 2])) if number else 0
        read = [number - 1] if reads == 1 else sorted({draw(earlier) for _ in range(reads)})
        added = sorted({draw(earlier) for _ in range(draw(st.integers(0, 2)))}) if number and operands else []
        layers.append(
            NetworkLayer(
                f"layer{number}",
                replace(plan, operands=draw(operand_runs(plan.tiles))) if added else plan,
                tuple(Read(other, draw(st.booleans())) for other in read),
                tuple(added),
            )
        )
    return layers
