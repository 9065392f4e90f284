"""A baseline inherits what it shares with its machine, and a speedup is a ratio of times."""

import pytest

from dataflows.registry import baseline_of, create, machines
from dataflows.specs import AcceleratorSpec
from simulator.configuration import keys_of
from simulator.network_simulation import MachineRun
from tests.conformance.layers import LAYERS, random_trace
from tests.conformance.test_settings import alternatives, configured, value_of

SHARED = keys_of(AcceleratorSpec)
WITH_BASELINE = [name for name, chosen in machines().items() if chosen.baseline_name]
BY_NAME = {layer.name: layer for layer in LAYERS}


@pytest.mark.parametrize("name", WITH_BASELINE)
@pytest.mark.parametrize("key", SHARED)
def test_a_baseline_inherits_every_shared_setting(name, key):
    machine = create(name)
    assert value_of(baseline_of(machine).spec, key) == value_of(machine.spec, key)
    changed = [
        configured(name, {}, key, value)
        for value in alternatives(key, SHARED[key].annotation, value_of(machine.spec, key))
    ]
    # A change may need others with it (drain_stop below drain_start), so not every value is possible; most are.
    possible = [machine for machine in changed if machine is not None]
    assert possible
    for machine in possible:
        assert value_of(baseline_of(machine).spec, key) == value_of(machine.spec, key)


@pytest.mark.parametrize("name", WITH_BASELINE)
def test_a_baseline_has_as_many_multipliers_as_its_machine_unless_its_paper_gives_it_a_size(name):
    trace = random_trace(BY_NAME["plain"], 1.0, 1.0)
    machine = create(name)
    sizes = [chosen.schedule(trace).multipliers for chosen in (machine, baseline_of(machine))]
    # KGRC's dense design is published with a size of its own, and Eyeriss's PEs have one multiplier.
    assert sizes[0] == sizes[1] or name in ("kgrc", "eyeriss-v2")


@pytest.mark.parametrize("name", sorted(set(machines()) - set(WITH_BASELINE)))
def test_a_machine_that_names_no_baseline_is_its_own(name):
    machine = create(name)
    assert baseline_of(machine) is machine


@pytest.mark.parametrize("name", WITH_BASELINE)
@pytest.mark.parametrize("clock_hz", [500_000_000, 2_000_000_000])
def test_a_speedup_is_the_ratio_of_the_two_times(name, clock_hz):
    trace = random_trace(BY_NAME["plain"], 0.3, 0.4)
    machine = create(name, {"clock_hz": clock_hz})
    found = MachineRun(machine).layer(trace)
    dense = MachineRun(baseline_of(machine)).layer(random_trace(BY_NAME["plain"], 1.0, 1.0))
    assert found.speedup == pytest.approx(dense.time_us / found.time_us, rel=1e-12)


@pytest.mark.parametrize("name", ["scnn", "cambricon-x"])
def test_a_baseline_of_another_clock_is_compared_in_time(name, monkeypatch):
    trace, own = random_trace(BY_NAME["plain"], 0.3, 0.4), machines()[name].baseline_settings
    infinite = {"dram": {"bandwidth_gbs": float("inf")}}
    like_for_like = MachineRun(create(name, infinite)).layer(trace)
    monkeypatch.setattr(machines()[name], "baseline_settings", lambda self: own(self) | {"clock_hz": 250_000_000})
    slower = MachineRun(create(name, infinite)).layer(trace)
    assert slower.cycles == like_for_like.cycles
    assert slower.dense_cycles == 4 * like_for_like.dense_cycles


def test_slow_buffers_slow_the_baseline_too():
    trace = random_trace(BY_NAME["plain"], 0.9, 0.9)
    wide, narrow = (
        MachineRun(create("scnn", {"buffers": {"banks": banks, "port_bytes": 1}})).layer(trace) for banks in (64, 1)
    )
    assert narrow.cycles > wide.cycles
    assert narrow.dense_cycles > wide.dense_cycles


def test_a_baseline_that_cannot_be_built_is_refused_in_one_line(cli):
    run = cli("run", "examples/tiny.toml", "--on", "cambricon-x", "--set", "pes=2048")
    assert run.code == 2
    assert run.err.splitlines()[-1] == (
        "prunesim: cambricon-x: its dense baseline diannao cannot be built with output_neurons = 2048, "
        "inputs_per_neuron = 16: "
        "nbout_bytes = 2048 cannot hold 2048 partial sums, 4096 bytes"
    )
