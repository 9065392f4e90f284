"""Figures of a report that follow from others: time from the clock, the memory bound from bytes and bandwidth."""

import math
from dataclasses import replace

import numpy as np
import pytest

from dataflows.registry import create
from simulator.equal_size import parse_equal_size
from simulator.network_simulation import MachineRun, able_machines, dense_trace, network_report, simulate
from simulator.reports.report import Bounds
from tests.workloads.pruning.cases import conv, workload
from workloads.errors import UnsupportedLayerError
from workloads.layer import Layer
from workloads.trace import LayerTrace

LAYER = Layer.conv("small", in_channels=4, out_channels=6, input_size=(5, 5), kernel_size=3, batch=2)


def reported(bandwidth_gbs, clock_hz=250_000_000):
    settings = {"clock_hz": clock_hz, "dram": {"bandwidth_gbs": bandwidth_gbs}}
    return MachineRun(create("diannao", settings)).layer(dense_trace(LAYER))


def test_memory_that_is_infinitely_fast_bounds_nothing():
    report = reported(math.inf)
    assert report.bounds.memory_cycles == 0
    assert (report.dram.efficiency, report.dram.peak_gbs) == (0, None)
    assert report.pe_cycle_stack["memory"] == 0


@pytest.mark.parametrize("bandwidth_gbs", [0.3, 0.5, 12.8])
def test_the_memory_bound_is_the_bytes_over_the_peak_rounded_up(bandwidth_gbs):
    """At 250 MHz a cycle takes 4 ns, in which memory moves four times the bandwidth in bytes."""
    report = reported(bandwidth_gbs)
    assert report.bounds.memory_cycles == math.ceil(report.dram.total_bytes / (4 * bandwidth_gbs) - 1e-9)
    assert report.dram.peak_gbs == pytest.approx(bandwidth_gbs)
    assert report.dram.efficiency == pytest.approx(report.dram.total_bytes / (4 * bandwidth_gbs * report.cycles))
    assert report.time_us == pytest.approx(report.cycles * 0.004)


def test_other_bounds_are_the_products_over_the_multipliers_and_the_fullest_pe():
    """Two images of nine positions, nine kernel positions each: 162 steps of six busy neurons, 4 of 16 lanes full."""
    report = reported(math.inf)
    assert report.issued_macs == report.dense_macs == 162 * 6 * 4
    assert report.bounds.compute_cycles == math.ceil(162 * 6 * 4 / 256)
    assert report.bounds.fullest_pe_cycles == report.cycles == 162
    assert report.fragmented_lanes == 162 * 6 * 12
    assert report.dense_cycles == report.cycles, "a dense machine is its own baseline"


def test_a_layer_without_products_takes_no_time_and_uses_nothing():
    trace = LayerTrace(LAYER, np.zeros(LAYER.weight_shape, bool), np.ones(LAYER.input_shape, bool))
    report = MachineRun(create("ideal")).layer(trace)
    assert (report.cycles, report.utilization, report.effectual_utilization) == (0, 0, 0)
    assert report.bound_ratio is None, "no bound binds"


@pytest.mark.parametrize("bounds", [(150, 90, 120), (90, 150, 120), (90, 120, 150)])
def test_the_bound_ratio_is_the_cycles_over_the_bound_that_binds(bounds):
    """300 cycles where 150 are the least: twice as many as could be, whichever bound it is."""
    assert replace(reported(math.inf), cycles=300, bounds=Bounds(*bounds)).bound_ratio == 2


def two_layers():
    """A 1x1 kernel, which is a matrix as EIE multiplies it, and then a 3x3 kernel, which is none."""
    layers = conv(4, 6, (1, 1), name="matrix"), conv(6, 4, name="window")
    return workload(*((layer, np.ones(layer.weight_shape, bool)) for layer in layers))


def test_a_layer_that_a_machine_refuses_is_refused_before_any_other_has_run():
    begun = []
    with pytest.raises(UnsupportedLayerError, match="eie cannot run layer 'window'"):
        simulate([create("ideal"), create("eie")], two_layers(), lambda *at: begun.append(at))
    assert begun == []


def test_machines_that_cannot_run_every_layer_stand_apart_with_the_reason():
    able, refused = able_machines([create("eie"), create("ideal")], two_layers())
    assert [machine.name for machine in able] == ["ideal"]
    assert list(refused) == ["eie"]
    assert refused["eie"].startswith("eie cannot run layer 'window'")


def test_the_digest_tells_settings_data_and_the_equal_size_apart():
    """The equal size decides the dense baseline's too, so that equal settings may have other speedups."""
    layers, spec = two_layers(), create("ideal").spec

    def digest(machine, traces):
        return network_report(machine, layers, [reported(math.inf)], traces).digest

    machines = [create("ideal"), create("ideal", {"multipliers": 7})]
    machines += [type(machines[0])(spec, parse_equal_size(size)) for size in ("multipliers=1024", "bits=16")]
    found = [digest(machine, traces) for machine in machines for traces in (["one", "two"], ["two", "one"])]
    assert len(set(found)) == len(found)
    assert digest(create("ideal"), ["one", "two"]) == found[0]
