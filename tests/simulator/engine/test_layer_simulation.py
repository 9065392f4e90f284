from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.schedule import BufferUse, Cause, LayerSchedule, Runs, Tensor
from dataflows.specs import DramSpec
from simulator.engine.errors import CapacityError, StarvedError
from simulator.engine.ideal_memory import Moved
from simulator.engine.layer_events import LayerEvents
from simulator.engine.layer_simulation import LayerSimulation, Played
from simulator.engine.observer import Observer
from tests.simulator.engine.schedules import INFINITE, byte_a_cycle, runs, schedule

GHZ = 1_000_000_000
INPUT_BUFFER = BufferUse("input buffer", Tensor.INPUT, 100)
WEIGHT_FIFO = BufferUse("weight FIFO", Tensor.WEIGHT, 8, streamed=True)
OUTPUT_BUFFER = BufferUse("output buffer", Tensor.OUTPUT, 100)


def play(plan: LayerSchedule, dram: DramSpec = INFINITE) -> Played:
    played = LayerSimulation(plan, dram, GHZ).run()
    assert played.pe_cycles.sum() == played.cycles * plan.pes, "every PE-cycle has one cause"
    return played


def waits(played: Played) -> dict[str, int]:
    """Cycles of the first PE by cause, without those that are 0."""
    return {cause.key: int(n) for cause, n in zip(Cause, played.pe_cycles[0], strict=True) if n}


def test_compute_alone_costs_the_slowest_pe_of_each_tile():
    played = play(schedule([[3, 5], [4, 1]]))
    assert played.cycles == 5 + 4
    assert played.pe_cycles[:, Cause.IMBALANCE].tolist() == [2, 3]
    assert played.barrier_busy_cycles == 9


def test_a_pe_without_work_is_unmapped_for_the_tile():
    played = play(schedule([[3, 0], [4, 1]]))
    assert played.pe_cycles[1, Cause.UNMAPPED] == 3
    assert played.pe_cycles[1, Cause.IMBALANCE] == 3


def test_a_pe_that_never_had_work_is_unmapped_while_the_last_results_are_written():
    stores = runs(Tensor.OUTPUT, (0, 60))
    played = play(schedule([[10, 0]], stores=stores, buffers=(OUTPUT_BUFFER,)), byte_a_cycle())
    assert waits(played) == {"busy": 10, "memory": 60}
    assert {Cause(i): int(n) for i, n in enumerate(played.pe_cycles[1]) if n} == {Cause.UNMAPPED: 10 + 60}


def test_no_tiles_cost_nothing():
    assert play(schedule(np.zeros((0, 2), int).tolist() or [[0, 0]])).cycles == 0


def test_first_load_is_exposed_and_later_ones_hide_behind_compute():
    loads = runs(Tensor.INPUT, (0, 10), (1, 10))
    played = play(schedule([[20], [20]], loads=loads, buffers=(INPUT_BUFFER,)), byte_a_cycle())
    assert played.cycles == 1 + 20 + 20, "a tile starts with the first byte of its data"
    assert waits(played) == {"busy": 40, "memory": 1}


def test_without_room_the_second_load_waits_for_the_first_tile():
    loads = runs(Tensor.INPUT, (0, 60), (1, 60))
    played = play(schedule([[20], [20]], loads=loads, buffers=(INPUT_BUFFER,)), byte_a_cycle())
    assert played.cycles == 2 * (60 + 1), "twenty cycles of work on 60 bytes end a cycle after the last byte"
    assert played.buffer_peak_bytes == {"input buffer": 60}


def test_data_that_stays_is_loaded_once_and_keeps_its_room():
    loads = runs(Tensor.INPUT, (0, 60, 1), (1, 40))
    played = play(schedule([[20], [20]], loads=loads, buffers=(INPUT_BUFFER,)), byte_a_cycle())
    assert played.cycles == 60 + 40 + 1
    assert played.buffer_peak_bytes == {"input buffer": 100}


def test_prefetch_depth_decides_when_a_load_may_start():
    loads = runs(Tensor.INPUT, (0, 10), (2, 30))
    near = play(schedule([[5], [5], [5]], loads=loads, buffers=(INPUT_BUFFER,), prefetch=1), byte_a_cycle())
    far = play(schedule([[5], [5], [5]], loads=loads, buffers=(INPUT_BUFFER,), prefetch=2), byte_a_cycle())
    assert near.cycles == 10 + 1 + 30 + 1  # requested when tile 1 starts
    assert far.cycles == 10 + 30 + 1 - 5 + 5  # requested when tile 0 starts


def test_streamed_data_holds_up_the_end_of_a_tile_not_its_start():
    loads = runs(Tensor.WEIGHT, (0, 30), (1, 10))
    played = play(schedule([[20], [20]], loads=loads, buffers=(WEIGHT_FIFO,)), byte_a_cycle())
    assert played.cycles == 30 + 1 + 20
    assert waits(played) == {"busy": 40, "memory": 11}


def test_latency_is_paid_once_by_queued_transfers():
    loads = Runs.merge(runs(Tensor.INPUT, (0, 10)), runs(Tensor.INPUT, (0, 10)))
    buffers = (INPUT_BUFFER,)
    assert play(schedule([[1]], loads=loads, buffers=buffers), byte_a_cycle(latency_ns=7)).cycles == 7 + 20 + 1


@pytest.mark.parametrize(("latency_ns", "bursts", "cycles"), [(30.5, 1, 36), (30.5, 2, 41), (30.25, 3, 46), (0, 3, 15)])
def test_the_last_byte_is_there_a_latency_after_it_was_moved_rounded_up_once(latency_ns, bursts, cycles):
    """12.8 GB/s at 1 GHz move a burst of 64 bytes in 5 cycles: with 30.5 ns more it is there by 35.5, in cycle 36."""
    dram = DramSpec(bandwidth_gbs=12.8, latency_ns=latency_ns, burst_bytes=64)
    plan = schedule(
        [[0]], loads=runs(Tensor.INPUT, (0, 64 * bursts)), buffers=(replace(INPUT_BUFFER, capacity_bytes=200),)
    )
    assert play(plan, dram).cycles == cycles


def test_partial_bursts_cost_whole_ones():
    loads = Runs.per_tile(Tensor.INPUT, np.array([0, 0]), np.array([3, 8]), np.array([2, 1]))
    dram = DramSpec(bandwidth_gbs=1.0, latency_ns=0.0, burst_bytes=4)
    played = play(schedule([[1]], loads=loads, buffers=(INPUT_BUFFER,)), dram)
    assert played.traffic.tensors[Tensor.INPUT].burst_bytes == 12  # bytes 3-4 touch two bursts, byte 8 one
    assert played.cycles == 12 + 1


def test_rounding_does_not_drift():
    loads = runs(Tensor.INPUT, *((tile, 1) for tile in range(300)))
    dram = DramSpec(bandwidth_gbs=3.0, latency_ns=0.0, burst_bytes=1)
    plan = schedule([[0]] * 300, loads=loads, buffers=(INPUT_BUFFER,), prefetch=300)
    assert play(plan, dram).cycles == 100


def test_draining_hides_behind_the_next_tile_unless_it_is_longer():
    assert play(schedule([[10], [10], [10]], drain=[4, 4, 4])).cycles == 30 + 4
    long = play(schedule([[10], [10], [10]], drain=[25, 0, 0]))
    assert long.cycles == 10 + 25 + 10  # tile 2 waits for tile 0's accumulators
    assert waits(long) == {"busy": 30, "drain": 15}


def test_with_one_copy_draining_holds_the_array():
    assert play(schedule([[10], [10]], drain=[4, 4], copies=1)).cycles == 28


def test_stores_wait_for_room_and_the_layer_for_its_last_write():
    stores = runs(Tensor.OUTPUT, (0, 60), (1, 60))
    played = play(schedule([[10], [10]], stores=stores, buffers=(OUTPUT_BUFFER,)), byte_a_cycle())
    assert played.cycles == 10 + 60 + 10 + 60
    assert waits(played) == {"busy": 20, "memory": 120}


def test_writes_compete_with_reads():
    loads = runs(Tensor.INPUT, (2, 10))
    stores = runs(Tensor.OUTPUT, (0, 30))
    plan = schedule([[5], [5], [5]], loads=loads, stores=stores, buffers=(INPUT_BUFFER, OUTPUT_BUFFER))
    assert play(plan, byte_a_cycle()).cycles == 5 + 30 + 10 + 1


def test_a_tile_that_can_never_fit_is_refused_before_the_run():
    loads = runs(Tensor.INPUT, (0, 60, 1), (1, 50))
    with pytest.raises(CapacityError, match=r"^tile 1 needs 110 bytes in the input buffer of 100 bytes$"):
        LayerSimulation(schedule([[1], [1]], loads=loads, buffers=(INPUT_BUFFER,)), INFINITE, GHZ)


def test_results_that_the_output_buffer_never_holds_are_refused_unless_they_leave_as_they_are_made():
    """A tile's results must find room at its end; made one by one they pass through, and the tile ends with the last."""
    fits, never = (runs(Tensor.OUTPUT, (0, size)) for size in (100, 101))
    plans = [schedule([[10], [10]], stores=stores, buffers=(OUTPUT_BUFFER,)) for stores in (fits, never)]
    assert play(plans[0], byte_a_cycle()).cycles == 10 + 100
    with pytest.raises(CapacityError, match=r"^tile 0 needs 101 bytes in the output buffer of 100 bytes$"):
        LayerSimulation(plans[1], byte_a_cycle(), GHZ)
    as_made = [play(replace(plan, outputs_as_made=True), byte_a_cycle()) for plan in plans]
    assert [played.cycles for played in as_made] == [100, 101 + 10]
    assert [waits(played) for played in as_made] == [{"busy": 20, "memory": 80}, {"busy": 20, "memory": 91}]


def test_a_starved_run_says_who_waits_for_what():
    loads = runs(Tensor.INPUT, (0, 10))
    simulation = LayerEvents(schedule([[1]], loads=loads, buffers=(INPUT_BUFFER,)), INFINITE, GHZ)
    never = Moved(simulation._env.event(), simulation._env.event())
    simulation._memory.transfer = lambda *_args, **_kwargs: never  # a memory that never answers
    with pytest.raises(StarvedError, match=r"^the simulation starved at cycle 0: tile 0 waits for its first data$"):
        simulation.run()


def test_observers_see_tiles_transfers_drains_and_levels():
    log: list[tuple] = []

    class Log(Observer):
        def tile(self, tile, start, end):
            log.append(("tile", tile, start, end))

        def transfer(self, tile, tensor, start, end, size_bytes, *, write):
            log.append((tensor.key, tile, start, end, size_bytes, write))

        def drain(self, tile, start, end):
            log.append(("drain", tile, start, end))

        def buffer_level(self, buffer, now, taken_bytes):
            log.append((buffer, now, taken_bytes))

    plan = schedule([[5]], loads=runs(Tensor.INPUT, (0, 10)), buffers=(INPUT_BUFFER,), drain=[2])
    LayerSimulation(plan, byte_a_cycle(), GHZ, (Log(),)).run()
    assert log == [
        ("input buffer", 0, 10),
        ("input", 0, 0, 10, 10, False),
        ("tile", 0, 1, 11),
        ("input buffer", 11, 0),
        ("drain", 0, 11, 13),
    ]


tiles = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 9), st.integers(0, 9)), max_size=12)


@given(tiles.filter(bool))
def test_events_agree_with_the_recurrence_of_a_three_stage_pipeline(rows):
    """Load, compute, drain with ample buffers: each stage starts when its input and the stage itself are ready."""
    busy, size, drain = [[row[0]] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
    loads = runs(Tensor.INPUT, *((t, s) for t, s in enumerate(size)))
    ample = BufferUse("input buffer", Tensor.INPUT, 10_000)
    played = play(schedule(busy, loads=loads, buffers=(ample,), drain=drain, prefetch=1), byte_a_cycle())
    asked = loaded = started = ended = drained = 0
    starts, drains = [], []
    for tile, (work, data, post) in enumerate(zip(busy, size, drain, strict=True)):
        if data:
            asked = max(loaded, starts[tile - 1] if tile else 0)
            loaded = asked + data
        started = max(ended, asked + 1 if data else 0, drains[tile - 2] if tile >= 2 else 0)
        ended = started + work[0]
        if data and work[0]:
            ended = max(ended, loaded + -(-work[0] // data))
        elif data:
            ended = max(ended, loaded)
        drained = max(drained, ended) + post
        starts.append(started)
        drains.append(drained)
    assert played.cycles == max(ended, drained)


@given(tiles.filter(bool), st.sampled_from([0.5, 1.0, 2.0, 16.0]))
def test_cycles_lie_between_the_roofline_and_the_serial_sum(rows, bandwidth):
    busy = [[row[0], row[1]] for row in rows]
    loads = runs(Tensor.INPUT, *((t, row[2]) for t, row in enumerate(rows)))
    stores = runs(Tensor.OUTPUT, *((t, row[3]) for t, row in enumerate(rows)))
    dram = DramSpec(bandwidth_gbs=bandwidth, latency_ns=0.0, burst_bytes=1)
    plan = schedule(busy, loads=loads, stores=stores, buffers=(INPUT_BUFFER, OUTPUT_BUFFER))
    played = play(plan, dram)
    compute, moved = sum(map(max, busy)), sum(row[2] + row[3] for row in rows)
    assert max(compute, moved / bandwidth) <= played.cycles <= compute + moved / bandwidth + len(rows) * 2
    assert play(plan).pe_cycles[:, Cause.MEMORY].sum() == 0, "infinite bandwidth never waits for memory"


def test_without_prefetch_loads_start_when_the_tile_before_has_ended():
    loads = runs(Tensor.INPUT, (0, 10), (1, 10))
    plan = schedule([[20], [20]], loads=loads, buffers=(INPUT_BUFFER,), prefetch=0)
    played = play(plan, byte_a_cycle())
    assert played.cycles == 2 * (1 + 20)
    assert waits(played) == {"busy": 40, "memory": 2}


def test_blocking_write_back_holds_the_array_until_results_are_written():
    stores = runs(Tensor.OUTPUT, (0, 30), (1, 30))
    plan = schedule([[10], [10]], stores=stores, buffers=(OUTPUT_BUFFER,), drain=[5, 5])
    overlapped = LayerSimulation(plan, byte_a_cycle(), GHZ).run()
    blocking = LayerSimulation(plan, byte_a_cycle(), GHZ, write_back="blocking").run()
    assert overlapped.cycles == 10 + 5 + 30 + 30
    assert blocking.cycles == 2 * (10 + 5 + 30)
    assert waits(blocking) == {"busy": 20, "drain": 10, "memory": 60}


def test_a_port_slower_than_memory_holds_loads_up_and_a_faster_one_does_not():
    loads = runs(Tensor.INPUT, (0, 30))
    plan = schedule([[10]], loads=loads, buffers=(INPUT_BUFFER,))
    fast = DramSpec(bandwidth_gbs=10.0, latency_ns=0.0, burst_bytes=1)
    cycles = [LayerSimulation(plan, fast, GHZ, buffer_bytes_per_cycle=rate).run().cycles for rate in (1, 3, 10, 100)]
    assert cycles == [30 + 1, 10 + 1, 1 + 10, 1 + 10]


def test_ports_do_not_hold_up_what_infinite_memory_delivers():
    plan = schedule([[10]], loads=runs(Tensor.INPUT, (0, 30)), buffers=(INPUT_BUFFER,))
    assert LayerSimulation(plan, INFINITE, GHZ, buffer_bytes_per_cycle=1).run().cycles == 10
