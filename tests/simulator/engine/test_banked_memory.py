"""The banked DRAM model inside the event model."""

import json
from fractions import Fraction

import numpy as np
import pytest
import simpy

from dataflows.registry import create
from dataflows.schedule import BufferUse, Cause, Runs, Tensor
from dataflows.specs import DramSpec
from simulator.dram.activity import DramActivity
from simulator.dram.spec import BankedDramSpec
from simulator.engine.banked_memory import BankedMemory
from simulator.engine.layer_simulation import LayerSimulation
from simulator.engine.memory_kinds import peak_bytes_per_cycle
from simulator.engine.observer import Observer
from simulator.engine.traffic import transfers_by_tile
from simulator.network_simulation import MachineRun
from simulator.validation.dram_replay import replay
from tests.conformance.layers import random_trace
from tests.simulator.engine.schedules import schedule
from workloads.layer import Layer

DDR4 = DramSpec(kind="banked")
TCK_PS = BankedDramSpec.of(DDR4).device.tCK_ps
BIG = BufferUse("input buffer", Tensor.INPUT, 1 << 30)
OUT = BufferUse("output buffer", Tensor.OUTPUT, 1 << 30)


def read(address: np.ndarray, tile: np.ndarray | int = 0) -> Runs:
    return Runs.per_tile(Tensor.INPUT, np.broadcast_to(tile, address.shape), address, np.full(address.shape, 64))


def test_one_transfer_takes_what_the_controller_takes():
    """With the accelerator's clock at the DRAM's, cycles of a lone load are the clocks of a replay."""
    address = np.random.default_rng(0).integers(0, 1 << 20, 500) * 64
    played = LayerSimulation(schedule([[0]], loads=read(address), buffers=(BIG,)), DDR4, 10**12 // TCK_PS).run()
    alone = replay(BankedDramSpec.of(DDR4), address, np.zeros(500, bool))
    assert abs(played.cycles - alone.data_end_clock) <= 1
    carried = played.traffic.tensors[Tensor.INPUT]
    assert (carried.row_hits, carried.row_misses, carried.row_conflicts) == tuple(
        alone.total(count) for count in ("row_hits", "row_misses", "row_conflicts")
    )


def test_a_load_that_starts_inside_a_burst_asks_for_each_burst_once():
    """Bytes 10 to 209 lie in four bursts of 64, the first of which is a transfer of its own."""
    loads = Runs.per_tile(Tensor.INPUT, np.array([0]), np.array([10]), np.array([200]))
    played = LayerSimulation(schedule([[0]], loads=loads, buffers=(BIG,)), DDR4, 10**9).run()
    carried = played.traffic.tensors[Tensor.INPUT]
    assert carried.row_hits + carried.row_misses + carried.row_conflicts == 4
    assert carried.burst_bytes == 4 * 64


def test_each_run_of_a_load_asks_for_its_own_bursts():
    """Of 100 to 299 the bursts 1 to 4, of which the first is a transfer of its own; of 1000 to 1019 the burst 15."""
    loads = Runs.per_tile(Tensor.INPUT, np.array([0, 0]), np.array([100, 1000]), np.array([200, 20]))
    asked: list[int] = []

    class Bursts:
        def requests(self, address, bursts, write, clock):
            del write, clock
            asked.extend(
                at // 64 + step for at, count in zip(address.tolist(), bursts, strict=True) for step in range(count)
            )

    env = simpy.Environment()
    memory = BankedMemory(env, DDR4, 10**9, [Bursts()])
    ((part,),) = transfers_by_tile(loads, memory.burst_bytes).values()
    env.run(memory.transfer(loads, part, 0, write=False).last)
    assert asked == [1, 2, 3, 4, 15]
    assert memory.channel_bytes() == [part.burst_bytes] == [5 * 64]


def test_a_cut_into_tiles_that_never_wait_changes_nothing():
    """Loads that may all start at once reach the controller as one stream."""
    address = np.arange(400) * 8192
    tiles = np.repeat(np.arange(40), 10)
    whole = LayerSimulation(schedule([[0]], loads=read(address), buffers=(BIG,)), DDR4, 10**9).run()
    cut = LayerSimulation(
        schedule([[0]] * 40, loads=read(address, tiles), buffers=(BIG,), prefetch=40), DDR4, 10**9
    ).run()
    assert cut.cycles == whole.cycles
    assert cut.traffic.activity == whole.traffic.activity


def test_writes_and_reads_share_the_channel():
    loads = read(np.arange(2000) * 64, 1)
    stores = Runs.per_tile(Tensor.OUTPUT, np.zeros(2000), (1 << 28) + np.arange(2000) * 64, np.full(2000, 64))
    both = LayerSimulation(schedule([[1], [1]], loads=loads, stores=stores, buffers=(BIG, OUT)), DDR4, 10**9).run()
    alone = LayerSimulation(schedule([[1], [1]], loads=loads, buffers=(BIG,)), DDR4, 10**9).run()
    assert both.cycles > 1.7 * alone.cycles


def test_doubling_the_accelerators_clock_leaves_a_memory_bound_layers_time_unchanged():
    layer = Layer.dense("fc", in_features=2048, out_features=512)
    trace = random_trace(layer, 0.5, 0.5)
    times = [
        MachineRun(create("scnn", {"clock_hz": hertz, "dram": {"kind": kind}})).layer(trace).time_us
        for kind in ("banked", "ideal")
        for hertz in (1_000_000_000, 2_000_000_000)
    ]
    assert times[1] == pytest.approx(times[0], rel=0.01)
    assert times[3] == pytest.approx(times[2], rel=0.01)


def test_reports_hold_rows_and_latencies_by_tensor():
    layer = Layer.conv("c", in_channels=32, out_channels=64, input_size=(28, 28), kernel_size=3, padding=1)
    report = MachineRun(create("dcnn", {"sram_bytes": 16384, "dram": {"kind": "banked"}})).layer(
        random_trace(layer, 1, 1)
    )
    dram = report.to_dict()["dram"]
    assert dram["row_hits"] + dram["row_misses"] + dram["row_conflicts"] == dram["burst_bytes"] // 64
    assert dram["activates"] >= dram["row_misses"]
    assert dram["read_latency_p95_ns"] >= dram["read_latency_ns"] > 20
    for key in ("read_bytes", "write_bytes", "burst_bytes", "wasted_bytes", "row_hits", "row_misses", "row_conflicts"):
        assert dram[key] == sum(tensor[key] for tensor in dram["tensors"].values())
    assert dram["tensors"]["output"]["read_latency_ns"] is None
    assert 0 < dram["efficiency"] <= 1
    assert report.pe_cycle_stack[Cause.MEMORY.key] > 0


def test_another_standard_and_more_channels_are_faster():
    address = np.arange(4000) * 64
    plan = schedule([[0]], loads=read(address), buffers=(BIG,))
    cycles = [
        LayerSimulation(plan, DramSpec(kind="banked", **settings), 10**9).run().cycles
        for settings in ({"standard": "DDR3-1600"}, {}, {"channels": 2}, {"channels": 4})
    ]
    assert cycles == sorted(cycles, reverse=True)
    assert cycles[1] > 1.8 * cycles[2] > 3 * cycles[3]


def test_every_channel_adds_its_bus_to_the_peak():
    """DDR4-2400 on 64 bits: a burst of 64 bytes in 4 clocks of 833 ps; the peak is the bound and what efficiency is of."""
    peaks = [peak_bytes_per_cycle(DramSpec(kind="banked", channels=channels), 10**9) for channels in (1, 2, 4)]
    assert peaks == [channels * Fraction(64 * 1000, 4 * 833) for channels in (1, 2, 4)]


def test_transfers_end_at_whole_cycles_in_order_of_the_stream():
    ends: list[int] = []

    class Ends(Observer):
        def transfer(self, tile, tensor, start, end, size_bytes, *, write):
            del tile, tensor, start, size_bytes, write
            ends.append(end)

    tiles = np.repeat(np.arange(20), 5)
    plan = schedule([[7]] * 20, loads=read(np.arange(100) * 4096, tiles), buffers=(BIG,), prefetch=3)
    LayerSimulation(plan, DDR4, 700_000_000, (Ends(),)).run()
    assert ends == sorted(ends)
    assert all(isinstance(end, int) for end in ends)


def test_a_trace_of_requests_holds_every_burst_of_a_run(cli, tmp_path):
    arguments = (
        "run",
        "blazepose",
        "--layers",
        "op01[04]*",
        "--on",
        "scnn",
        "--set",
        "dram.kind=banked",
        "--json",
        "-",
    )
    counts = []
    for form in ("ramulator2", "dramsim3"):
        result = cli(*arguments, "--dram-trace", f"{form}:{tmp_path / form}")
        bursts = json.loads(result.out)["total"]["dram"]["burst_bytes"] // 64
        lines = (tmp_path / form).read_text().splitlines()
        counts.append((len(lines), bursts))
    assert counts[0] == counts[1] == (bursts, bursts)
    clocks = [int(line.split()[2]) for line in lines]
    assert clocks == sorted(clocks)


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("dramsim:x", "--dram-trace dramsim:x: must be FORMAT:FILE with a format of: ramulator2, dramsim3"),
        ("dramsim3:x", "--dram-trace dramsim3:x: needs banked memory: --set dram.kind=banked"),
    ],
)
def test_a_trace_that_cannot_be_written_is_refused(cli, target, line):
    result = cli("run", "blazepose", "--layers", "op010*", "--on", "scnn", "--dram-trace", target)
    assert (result.code, result.err) == (2, f"prunesim: {line}\n")


def test_dram_refreshes_until_the_run_ends_and_its_rows_stay_open():
    """A load of one burst, and a tile that computes for 30 us after it: DDR4-2400 refreshes every 7.8 us.

    The row is open from its activate to the first refresh. Rows stay closed then, as nothing is asked for any more.
    """
    played = LayerSimulation(schedule([[30_000]], loads=read(np.array([0])), buffers=(BIG,)), DDR4, 10**9).run()
    activity = played.traffic.activity
    end = -(-played.cycles * 1000 // TCK_PS)
    assert (activity.activates, activity.precharges, activity.refreshes) == (1, 1, 3)
    assert (activity.read_bursts, activity.write_bursts, activity.burst_bytes) == (1, 0, 64)
    assert (activity.open_clocks, activity.closed_clocks) == (9360, end - 9360)


def test_ideal_memory_counts_its_bursts_by_direction():
    loads = read(np.arange(20) * 64)
    stores = Runs.per_tile(Tensor.OUTPUT, np.zeros(3), (1 << 28) + np.arange(3) * 64 + 60, np.full(3, 8))
    watched: list[Observer] = [Observer()]
    for observers in (watched, []):
        simulation = LayerSimulation(
            schedule([[1]], loads=loads, stores=stores, buffers=(BIG, OUT)), DramSpec(), 10**9, tuple(observers)
        )
        activity = simulation.run().traffic.activity
        assert activity == DramActivity(read_bursts=20, write_bursts=6, burst_bytes=64)
