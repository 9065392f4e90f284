"""The event engine against its slow twin on random small schedules, and laws that both must keep."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, reject
from hypothesis import strategies as st

from dataflows.schedule import BufferUse, Cause, LayerSchedule, Runs, Tensor
from dataflows.specs import DramSpec
from simulator.engine.errors import CapacityError
from simulator.engine.layer_simulation import LayerSimulation, Played
from tests.simulator.engine.engine_twin import EngineTwin
from tests.simulator.engine.random_schedules import memories, schedules
from tests.simulator.engine.schedules import byte_a_cycle, runs
from tests.simulator.engine.schedules import schedule as schedule_of

CLOCK_HZ = 1_000_000_000


def play(schedule: LayerSchedule, memory: DramSpec) -> Played:
    """The engine's result; schedules that it refuses do not count."""
    try:
        return LayerSimulation(schedule, memory, CLOCK_HZ).run()
    except CapacityError:
        reject()


def assert_agree(schedule: LayerSchedule, memory: DramSpec) -> None:
    """Cycles, causes and fullest levels of the engine are the twin's."""
    played, twin = play(schedule, memory), EngineTwin(schedule, memory, CLOCK_HZ)
    assert played.cycles == twin.play()
    np.testing.assert_array_equal(played.pe_cycles, twin.pe_cycles())
    peaks = twin.peaks()
    assert played.buffer_peak_bytes.keys() == peaks.keys()
    for name, (settled, most) in peaks.items():
        assert settled <= played.buffer_peak_bytes[name] <= most, name


@given(schedule=schedules(), memory=memories)
def test_engine_and_twin_agree(schedule: LayerSchedule, memory: DramSpec) -> None:
    assert_agree(schedule, memory)


def test_last_burst_counts_among_what_still_had_to_come() -> None:
    # Inputs were asked for at 4 and are there at 28; the weights' room is free at 24, their two bursts come at 32 and
    # 36. At 36 only half of the work can have been done: 36 + 4 / 2.
    late_weights = schedule_of(
        [[20], [4]],
        loads=Runs.merge(runs(Tensor.INPUT, (1, 20)), runs(Tensor.WEIGHT, (0, 8), (1, 8))),
        buffers=(BufferUse("input", Tensor.INPUT, 20), BufferUse("weight", Tensor.WEIGHT, 8)),
    )
    memory = DramSpec(bandwidth_gbs=1.0, latency_ns=0.0, burst_bytes=4)
    assert play(late_weights, memory).cycles == 38
    assert_agree(late_weights, memory)


def test_wait_for_room_is_split_where_a_write_ends() -> None:
    # Tile 2 needs the room of tiles 0 and 1. Tile 0 is written from 3 to 7, tile 1 drained at 15 and written at 19.
    crowded = schedule_of(
        [[1], [1], [3]],
        stores=runs(Tensor.OUTPUT, (0, 4), (1, 4), (2, 8)),
        drain=[2, 12, 0],
        buffers=(BufferUse("output", Tensor.OUTPUT, 10),),
    )
    books = play(crowded, byte_a_cycle()).pe_cycles[0]
    assert books[Cause.DRAIN] == 1  # tile 0's accumulators, from 2 to 3
    assert books[Cause.BUFFER] == 8  # from 7 to 15
    assert books[Cause.MEMORY] == 4 + 4 + 8  # writes: from 3 to 7, from 15 to 19, and tile 2's from 22 to 30
    assert_agree(crowded, byte_a_cycle())


def test_work_behind_late_data_is_memory() -> None:
    # 100 bytes of inputs and 100 of weights at a byte a cycle, 400 cycles of work: as the rule's own example, the tile
    # starts with the first byte at 1 and is late by 24.75 cycles.
    both = schedule_of(
        [[400]],
        loads=Runs.merge(runs(Tensor.INPUT, (0, 100)), runs(Tensor.WEIGHT, (0, 100))),
        buffers=(BufferUse("input", Tensor.INPUT, 100), BufferUse("weight", Tensor.WEIGHT, 100)),
    )
    assert EngineTwin(both, byte_a_cycle(), CLOCK_HZ).play() == 426
    assert_agree(both, byte_a_cycle())


@given(schedule=schedules(), memory=memories)
def test_twice_the_bandwidth_costs_at_most_a_cycle_a_tile(schedule: LayerSchedule, memory: DramSpec) -> None:
    faster = DramSpec(
        bandwidth_gbs=2 * memory.bandwidth_gbs, latency_ns=memory.latency_ns, burst_bytes=memory.burst_bytes
    )
    assert play(schedule, faster).cycles <= play(schedule, memory).cycles + schedule.tiles


@given(schedule=schedules(may_load=(Tensor.INPUT,)), memory=memories, data=st.data())
def test_room_and_prefetch_cost_at_most_a_cycle_a_tile(
    schedule: LayerSchedule, memory: DramSpec, data: st.DataObject
) -> None:
    # One tensor only: what more room lets in earlier no longer arrives side by side with what must still wait, and where
    # any input meets any weight that can cost more. No results: a tile that starts earlier also writes earlier, before
    # loads that might be needed more.
    schedule = replace(schedule, stores=Runs.none())
    limit = play(schedule, memory).cycles + schedule.tiles
    larger = data.draw(st.sampled_from(schedule.buffers))
    buffers = tuple(
        replace(use, capacity_bytes=2 * use.capacity_bytes) if use is larger else use for use in schedule.buffers
    )
    assert play(replace(schedule, buffers=buffers), memory).cycles <= limit
    assert play(replace(schedule, prefetch_tiles=schedule.prefetch_tiles + 1), memory).cycles <= limit
