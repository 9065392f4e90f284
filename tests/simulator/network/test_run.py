"""Networks as one run, beside their layers: by machine, by setting, and by hand."""

import gc
import math
from dataclasses import replace

import pytest

from dataflows.registry import create, machines
from dataflows.schedule import LayerSchedule
from simulator.input_runs import simulate_inputs
from simulator.network.roles import NO_GRAPH
from simulator.network_simulation import simulate
from tests.simulator.live_objects import LiveObjects
from tests.simulator.network.graphs import BLOCK, CHAIN, POOLED, graph
from tests.simulator.network.workloads import network
from workloads.trace import LayerTrace

ABLE = sorted(set(machines()) - {"eie"})  # 3x3 kernels


def reported(machine, workload, **settings):
    (report,) = simulate([create(machine, settings)], workload)
    return report


def cycles(machine, workload, **settings):
    return reported(machine, workload, **settings).network.cycles


@pytest.mark.parametrize("machine", ABLE)
@pytest.mark.parametrize("graph", [CHAIN, POOLED, BLOCK, None], ids=["chain", "pooled", "block", "unknown"])
def test_without_overlap_the_network_is_the_sum_of_its_layers(machine, graph):
    report = reported(machine, network(graph), overlap="none")
    total, run = report.total, report.network
    assert (run.cycles, run.time_us, run.alone_cycles, run.gain) == (total.cycles, total.time_us, total.cycles, 1.0)
    assert run.pe_cycle_stack == total.pe_cycle_stack
    assert run.bounds == total.bounds
    assert run.read_bytes + run.write_bytes == total.dram.total_bytes
    assert [(span.name, span.cycles) for span in run.layers] == [(layer.name, layer.cycles) for layer in report.layers]
    assert run.layers[-1].end_cycle == run.cycles


@pytest.mark.parametrize("machine", ABLE)
@pytest.mark.parametrize("graph", [CHAIN, None], ids=["chain", "unknown"])
def test_serial_is_the_sum_where_nothing_lies_between(machine, graph):
    report = reported(machine, network(graph), overlap="serial")
    assert report.network.cycles == report.total.cycles
    assert report.network.pe_cycle_stack == report.total.pe_cycle_stack
    assert report.network.read_bytes + report.network.write_bytes == report.total.dram.total_bytes


@pytest.mark.parametrize("machine", ABLE)
@pytest.mark.parametrize(
    ("graph", "pooling"),
    [(CHAIN, "leaving"), (POOLED, "leaving"), (POOLED, "memory"), (BLOCK, "leaving")],
    ids=["chain", "pooled", "pooling", "block"],
)
def test_what_may_run_side_by_side_costs_no_time(machine, graph, pooling):
    workload = network(graph)
    serial, weights, tiles = (
        cycles(machine, workload, overlap=overlap, pooling=pooling) for overlap in ("serial", "weights", "tiles")
    )
    assert serial >= weights >= tiles


@pytest.mark.parametrize("machine", ABLE)
def test_layers_and_total_do_not_depend_on_what_lies_between(machine):
    workload = network(BLOCK)
    reports = [reported(machine, workload, overlap=overlap) for overlap in ("none", "serial", "weights", "tiles")]
    assert all(report.layers == reports[0].layers for report in reports)
    assert all(report.total == reports[0].total for report in reports)
    assert len({report.digest for report in reports}) == 4


def test_a_single_layer_is_no_run():
    report = reported("scnn", network(BLOCK).select("a"))
    assert report.network.cycles == report.total.cycles


def test_a_network_of_unknown_graph_says_so():
    assert reported("scnn", network(None)).network.notes == (NO_GRAPH,)
    assert reported("scnn", network(CHAIN)).network.notes == ()


def moved(report):
    return report.network.read_bytes + report.network.write_bytes - report.total.dram.total_bytes


def test_an_added_map_is_read_again():
    """The structured machine keeps no map: the stem's 4 x 64 values of 2 bytes come once more, for the sum."""
    assert moved(reported("structured", network(BLOCK))) == 512


def test_a_map_that_waits_is_stored_and_read_where_the_machine_keeps_maps():
    """DCNN keeps all maps of this network; the stem's goes out for the sum and comes back."""
    assert moved(reported("dcnn", network(BLOCK))) == 512 + 512


def test_a_compressed_map_is_stored_and_read_compressed():
    """Half of 256 values are not zero: 128 entries of 20 bits are 320 bytes."""
    assert moved(reported("scnn", network(BLOCK))) == 320 + 320


def test_pooled_results_leave_pooled():
    assert moved(reported("structured", network(POOLED))) == -512 * 3 // 4


def test_a_pooling_by_itself_reads_the_map_and_writes_a_quarter():
    report = reported("structured", network(POOLED), pooling="memory")
    assert moved(report) == 512 + 128
    assert [span.name for span in report.network.layers] == ["a", "p", "b"]
    kept = reported("dcnn", network(POOLED), pooling="memory")
    # The map goes out, comes back, goes out pooled, and comes as the next layer's input: 4 x 4x4 values.
    assert moved(kept) == 512 + 512 + 128 + 128


def test_a_pooling_behind_the_last_layer_runs_as_well():
    ends = graph("x input - 3x8x8", "a layer x 4x8x8", "b layer a 4x8x8", "p pool b 4x4x4")
    report = reported("structured", network(ends), pooling="memory")
    assert moved(report) == 512 + 128
    assert [span.name for span in report.network.layers] == ["a", "b", "p"]
    assert moved(reported("structured", network(ends))) == -512 * 3 // 4


def test_an_image_that_is_pooled_is_read_as_it_is_stored():
    shrunk = graph("x input - 3x8x8", "p pool x 3x4x4", "a layer p 4x4x4", "b layer a 4x4x4")
    report = reported("structured", network(shrunk))
    assert moved(report) == 2 * (192 + 48)
    assert [span.name for span in report.network.layers] == ["p", "a", "b"]


def test_images_of_a_batch_are_added_and_pooled_alike():
    assert moved(reported("structured", network(BLOCK, batch=3))) == 3 * 512
    assert moved(reported("dcnn", network(BLOCK, batch=3))) == 3 * 1024


def test_what_is_not_selected_lies_in_dram():
    report = reported("dcnn", network(BLOCK).select("[bc]"))
    # b loads its input of 2 x 64 values and the stem's map of 4 x 64 for the sum.
    assert moved(report) == 256 + 512


def test_the_ideal_machine_moves_nothing_and_loses_nothing():
    report = reported("ideal", network(BLOCK), overlap="serial", pooling="memory")
    assert (report.network.cycles, report.network.read_bytes, report.network.write_bytes) == (report.total.cycles, 0, 0)


def test_names_do_not_decide_the_digest_and_wiring_does():
    def renamed(node):
        return replace(node, name=f"n_{node.name}", inputs=tuple(f"n_{name}" for name in node.inputs))

    named = network(type(BLOCK)(tuple(renamed(node) for node in BLOCK.nodes)))
    assert reported("scnn", named).digest == reported("scnn", network(BLOCK)).digest
    assert reported("scnn", replace(network(BLOCK), graph=None)).digest != reported("scnn", network(BLOCK)).digest


def test_infinitely_fast_memory_leaves_no_bound_of_memory():
    report = reported("scnn", network(BLOCK), dram={"bandwidth_gbs": math.inf})
    assert report.network.bounds.memory_cycles == 0


@pytest.mark.slow
@pytest.mark.parametrize("overlap", ["serial", "tiles"])
def test_schedules_of_a_thousand_layers_do_not_live_together(overlap):
    def schedules():
        gc.collect()
        return {one for one in gc.get_objects() if isinstance(one, LayerSchedule)}

    most, of_other_tests = 0, schedules()

    def count(done, *_):
        nonlocal most
        if done % 200 == 199:
            most = max(most, len(schedules() - of_other_tests))

    workload = network(None, [f"layer{number}" for number in range(1000)])
    (report,) = simulate([create("structured", {"overlap": overlap})], workload, count)
    assert len(report.network.layers) == 1000
    assert 0 < most <= 8


@pytest.mark.slow
@pytest.mark.parametrize("overlap", ["none", "tiles"])
def test_schedules_and_traces_of_many_inputs_do_not_live_together(overlap):
    """Of 64 inputs of 4 layers."""
    alive, everything, live = [], [], LiveObjects(LayerSchedule, LayerTrace)

    def count(done, *_):
        if done % 64 == 63:
            alive.append(live.count())
            everything.append(len(gc.get_objects()))

    workload = network(None, [f"layer{number}" for number in range(4)])
    (report,) = simulate_inputs([create("structured", {"overlap": overlap})], workload, 64, count)
    assert len(report.network.inputs.each) == 64
    assert len(report.network.layers) == 4
    assert 0 < max(alive) <= 12
    # What stays of an input are its figures by layer and its span.
    assert everything[-1] - everything[0] < 64 * 4 * 4
