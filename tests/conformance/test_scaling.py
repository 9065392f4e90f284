"""Every machine declares its multipliers and buffers, and grows and shrinks to a size as it says."""

import math

import pytest

from dataflows.registry import baseline_of, create, machines
from dataflows.sizing import EqualSize
from simulator.equal_size import at_equal_size, shortfalls, size_of
from simulator.network_simulation import MachineRun
from tests.conformance.layers import LAYERS, random_trace

BY_NAME = {layer.name: layer for layer in LAYERS}
every_machine = pytest.mark.parametrize("name", sorted(machines()))


def brought(name: str, **size: float):
    return at_equal_size(machines()[name], {}, EqualSize.model_validate(size), (), name)[0]


@every_machine
def test_the_declared_multipliers_are_those_of_the_schedule(name):
    for machine in (create(name), brought(name, multipliers=512), brought(name, multipliers=2048, bits=8)):
        layer = BY_NAME["pointwise"]
        assert machine.schedule(random_trace(layer, 0.5, 0.5)).multipliers == machine.multipliers


@every_machine
def test_every_buffer_counts(name):
    """All parameters that hold bytes and are not of the memory or the ports are buffers."""
    sized = {key for key in machines()[name].Spec.model_fields if key.endswith("_bytes")}
    assert sized == set(machines()[name].scaling.buffers)


@every_machine
@pytest.mark.parametrize("multipliers", [256, 1000, 1024, 4096])
def test_multipliers_come_near_from_below(name, multipliers):
    machine = brought(name, multipliers=multipliers)
    step = machine.scaling.step(machine.spec)
    assert multipliers - 3 * step < machine.multipliers <= multipliers
    missed = [line for line in shortfalls(machine, EqualSize(multipliers=multipliers)) if ": multipliers: " in line]
    assert bool(missed) == (machine.multipliers != multipliers)


@every_machine
@pytest.mark.parametrize("kib", [256, 1024, 8192])
def test_buffers_keep_their_proportions_and_fill_the_target(name, kib):
    before, after = create(name), brought(name, multipliers=1024, on_chip_kib=kib)
    if not before.scaling.buffers:
        assert after.on_chip_bytes is None
        return
    if any(": on_chip_kib: " in line for line in shortfalls(after, EqualSize(on_chip_kib=kib))):
        assert after.on_chip_bytes > kib * 1024  # the least that it can work with
        assert (name, kib) in {("scnn", 256), ("systolic", 256)}
    else:
        assert kib * 1024 * 0.995 <= after.on_chip_bytes <= kib * 1024
    ratios = [getattr(after.spec, key) / getattr(before.spec, key) for key in before.scaling.buffers]
    assert max(ratios) == pytest.approx(min(ratios), rel=0.1)  # whole bytes


@every_machine
def test_what_a_machine_cannot_have_is_said(name):
    size = EqualSize(multipliers=1, on_chip_kib=0.01)
    machine = brought(name, multipliers=1, on_chip_kib=0.01)
    lines, reached = shortfalls(machine, size), size_of(machine)
    assert any(": multipliers: asked 1, " in line for line in lines) == (machine.multipliers != 1)
    if reached["on_chip_kib"] is None or not math.isclose(reached["on_chip_kib"], 0.01, rel_tol=0.005):
        assert any(line.startswith(f"{name}: on_chip_kib: asked 0.01, reached ") for line in lines)


@every_machine
def test_a_machine_of_another_size_runs(name):
    machine = brought(name, multipliers=512, clock_ghz=0.5, on_chip_kib=512, bandwidth_gbs=25.6, bits=8)
    assert (machine.spec.clock_hz, machine.spec.value_bits) == (500_000_000, 8)
    assert machine.spec.dram.bandwidth_gbs == 25.6
    layer = BY_NAME["pointwise"]
    assert MachineRun(machine).layer(random_trace(layer, 0.3, 0.4)).cycles > 0  # checks its books


@pytest.mark.parametrize("name", [name for name, chosen in sorted(machines().items()) if chosen.baseline_name])
def test_a_dense_baseline_is_brought_to_the_same_size(name):
    machine = brought(name, multipliers=512, on_chip_kib=512, clock_ghz=0.5, bits=8)
    baseline = baseline_of(machine)
    assert baseline.spec.clock_hz == 500_000_000
    assert baseline.multipliers == pytest.approx(512, rel=0.1)
    if baseline.on_chip_bytes is not None:
        assert baseline.on_chip_bytes == pytest.approx(512 * 1024, rel=0.005)
    shape = machine.baseline_settings()
    if name == "cambricon-x":  # keeps the machine's own shape
        assert {key: getattr(baseline.spec, key) for key in shape} == shape
