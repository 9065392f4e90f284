"""The compiled event loop against simpy's on layers alone: every field, every tie."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from dataflows.registry import create, machines
from dataflows.schedule import BufferUse, LayerSchedule, Runs, Tensor
from dataflows.specs import DramSpec
from simulator.engine.errors import CapacityError
from simulator.engine.write_back import WriteBack
from tests.simulator.engine.compiled.equal import both_layers
from tests.simulator.engine.random_schedules import memories, schedules
from tests.simulator.engine.schedules import byte_a_cycle, runs
from tests.simulator.engine.schedules import schedule as schedule_of
from workloads.catalog import load_workload
from workloads.errors import UnsupportedLayerError

GHZ = 1_000_000_000
write_backs = st.sampled_from(["overlapped", "blocking"])
rates = st.sampled_from([None, 1, 2, 3])
# 606 MHz, so that neither bytes a cycle nor latencies are whole.
clocks = st.sampled_from([GHZ, GHZ, 606_000_000])
# Loads of results, which wait for the same room as what tiles make, and may starve.
all_tensors = schedules(may_load=tuple(Tensor), most_tiles=8)


def assert_equal(
    schedule: LayerSchedule, memory: DramSpec, clock_hz: int, write_back: WriteBack, rate: int | None
) -> None:
    """Both loops have one outcome; schedules that both refuse do not count."""
    try:
        compiled, events = both_layers(schedule, memory, clock_hz, write_back, rate)
    except CapacityError:
        reject()
    assert compiled == events


@given(schedules(), memories, clocks, write_backs, rates)
def test_equal_on_random_schedules(
    schedule: LayerSchedule, memory: DramSpec, clock_hz: int, write_back: WriteBack, rate: int | None
) -> None:
    assert_equal(schedule, memory, clock_hz, write_back, rate)


@pytest.mark.slow
@settings(max_examples=1500)
@given(st.one_of(schedules(most_tiles=12), all_tensors), memories, clocks, write_backs, rates)
def test_equal_on_many_random_schedules(
    schedule: LayerSchedule, memory: DramSpec, clock_hz: int, write_back: WriteBack, rate: int | None
) -> None:
    assert_equal(schedule, memory, clock_hz, write_back, rate)


def test_equal_words_of_a_starved_run() -> None:
    # 8 bytes of results lie loaded in their buffer of 10 until the last tile; the first one's 5 have no room.
    loads = Runs.per_tile(Tensor.OUTPUT, np.array([0]), np.array(0), np.array([8]), np.array([1]))
    starving = schedule_of(
        [[3], [3]],
        loads=loads,
        stores=runs(Tensor.OUTPUT, (0, 5), (1, 5)),
        buffers=(BufferUse("output", Tensor.OUTPUT, 10),),
    )
    words = "the simulation starved at cycle 8: tile 0 waits for room in the output buffer"
    assert both_layers(starving, byte_a_cycle(), GHZ) == (("starved", words), ("starved", words))


def test_equal_where_only_fractions_tell_the_end() -> None:
    # 100 bytes of inputs and 100 of weights at a byte a cycle: the parabola's loss for 400 cycles of work is a whole
    # number of cycles and a half or a quarter, for others it lies on a whole cycle.
    both = Runs.merge(runs(Tensor.INPUT, (0, 100)), runs(Tensor.WEIGHT, (0, 100)))
    buffers = (BufferUse("input", Tensor.INPUT, 100), BufferUse("weight", Tensor.WEIGHT, 100))
    for duration in range(201, 900):
        compiled, events = both_layers(schedule_of([[duration]], loads=both, buffers=buffers), byte_a_cycle(), GHZ)
        assert compiled == events, duration


@pytest.mark.parametrize("name", ["scnn", "dcnn", "abm", "cambricon-x"])
def test_equal_on_layers_of_the_shipped_network(name: str) -> None:
    assert _compare_layers(name, "blazepose", 12) > 0


@pytest.mark.slow
@pytest.mark.parametrize("workload", ["blazepose", "alexnet@deep-compression", "googlenet@scnn"])
@pytest.mark.parametrize("name", machines())
def test_equal_on_all_layers(name: str, workload: str) -> None:
    _compare_layers(name, workload, 1)


def _compare_layers(name: str, workload_name: str, every: int) -> int:
    machine, workload = create(name), load_workload(workload_name)
    spec, compared = machine.spec, 0
    for index in range(0, len(workload.layers), every):
        try:
            machine.require(workload.layers[index])
        except UnsupportedLayerError:
            continue
        schedule = machine.schedule(workload.trace(index))
        for write_back in ("overlapped", "blocking"):
            for dram in (spec.dram, spec.dram.model_copy(update={"bandwidth_gbs": 1.7, "latency_ns": 33.0})):
                compiled, events = both_layers(schedule, dram, spec.clock_hz, write_back, spec.buffers.bytes_per_cycle)
                assert compiled == events, (workload.layers[index].name, write_back)
                compared += 1
    return compared


@given(schedules(), memories)
def test_operands_of_a_layer_alone_are_ignored(schedule: LayerSchedule, memory: DramSpec) -> None:
    operands = Runs.per_tile(Tensor.INPUT, np.arange(schedule.tiles), np.array(0), np.full(schedule.tiles, 7))
    assert_equal(dataclasses.replace(schedule, operands=operands), memory, GHZ, "overlapped", None)
