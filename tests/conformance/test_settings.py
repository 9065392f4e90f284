"""Every documented setting of every machine moves a reported number on a stress layer, or warns that it has no effect."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from dataflows.accelerator import Accelerator
from dataflows.registry import machine, machines
from dataflows.specs import AcceleratorSpec, EnergySpec
from simulator.configuration import configure, idle_settings, keys_of, merge, validate
from simulator.network_simulation import MachineRun, simulate
from simulator.reports.energy_report import KEYS
from tests.conformance.layers import random_trace
from tests.simulator.network.graphs import POOLED
from tests.simulator.network.workloads import network
from workloads.errors import PrunesimError
from workloads.layer import Layer
from workloads.trace import LayerTrace

# Layers of several kinds, so dense and so large that queues, ports and buffers of every machine are short.
STRESS = [
    random_trace(Layer.conv("large", in_channels=40, out_channels=72, input_size=(20, 20), kernel_size=3, padding=1), 0.6, 0.7),
    random_trace(Layer.conv("pointwise", in_channels=96, out_channels=80, input_size=(12, 12), kernel_size=1), 0.3, 0.4),
    random_trace(Layer.dense("fully_connected", in_features=3000, out_features=600), 0.05, 0.3),
    random_trace(Layer.dense("dense_batch", in_features=700, out_features=300, batch=4), 0.9, 0.9),
    random_trace(Layer.conv("maps", in_channels=4, out_channels=6, input_size=(112, 112), kernel_size=5, stride=2, padding=2), 0.8, 0.6),
    random_trace(Layer.conv("depthwise", in_channels=96, out_channels=96, input_size=(14, 14), kernel_size=3, groups=96), 0.9, 0.8),
    random_trace(Layer.conv("volume", in_channels=8, out_channels=64, input_size=(4, 14, 14), kernel_size=3, padding=1), 0.4, 0.5),
    random_trace(Layer.conv("spilling", in_channels=48, out_channels=40, input_size=(128, 128), kernel_size=1, batch=2), 0.6, 0.5),
]  # fmt: skip
# Circumstances in which settings matter that others hide otherwise; settings that a machine does not have are left out.
# "tight" also shrinks every memory of the machine.
SHORT = {"weights_resident": "never", "accumulators_per_column": 64, "accumulator_entries": 128, "level": 1}
BASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "banked": {**SHORT, "dram": {"kind": "banked", "channels": 2}},
    "conflicts": {**SHORT, "dram": {"kind": "banked", "address_map": "RoCoBaBg"}},
    "slow": {**SHORT, "storage": "coded", "dram": {"bandwidth_gbs": 0.5}},
    "spilled": {
        **SHORT,
        "input_buffer_bytes": 16384,
        "dram": {"kind": "banked", "write_buffer": 3, "drain_start": 2, "drain_stop": 1},
    },
    "narrow": {**SHORT, "dram": {"bandwidth_gbs": 500.0}, "buffers": {"banks": 2, "ports": 2, "port_bytes": 1}},
    "tight": {**SHORT, "dram": {"kind": "banked", "write_buffer": 3, "drain_start": 2, "drain_stop": 1}},
    # A machine of a slow clock makes its results one by one, so that no writes wait together.
    "fast": {
        **SHORT,
        "clock_hz": 10**10,
        "dram": {"kind": "banked", "write_buffer": 16, "drain_start": 8, "drain_stop": 1},
    },
}
TEXTS = {
    "levels": ["0.05/0.3/0.6", "0.2/0.4"],
    "weight_format": ["csc", "bitmask"],
    "dram.standard": ["DDR3-1600", "HBM2", "DDR4-3200"],
    "dram.address_map": ["RoCoBaBg", "RoBaRaCoCh", "CoRoBaBg"],
    "energy.voltage": [0.7, 1.2],
    "energy.dram_part": ["HBM2_4Gb_x128", "DDR3_4Gb_x8_1600"],
    "energy.tables": [str(Path(__file__).with_name("own_prices.yaml"))],
}
TABLES = {"dram.override": [{"nRCD": 30}, {"nCL": 30}]}


def alternatives(key: str, annotation: Any, default: Any) -> Iterator[Any]:
    """Other values of a setting, near and far; some of them may not be allowed."""
    if key in TEXTS or key in TABLES:
        yield from {**TEXTS, **TABLES}[key]
    elif get_origin(annotation) is Literal:
        yield from (value for value in get_args(annotation) if value != default)
    elif isinstance(default, bool):
        yield not default
    elif isinstance(default, int):
        numbers = [
            default // 2,
            1,
            2 * default,
            default // 8,
            8 * default,
            0,
            default + 1,
            default - 2,
            3 * default,
            64 * default,
            2,
            4,
            8,
        ]
        yield from dict.fromkeys(number for number in numbers if number != default)
    elif isinstance(default, float):
        yield from (default / 4, default * 4, 0.25, 1.0)
    elif isinstance(default, tuple | list):
        kind = type(default)
        yield from (kind(2 * n for n in default), kind(max(1, n // 2) for n in default), kind(reversed(default)))
    elif default is None:
        yield from (1, 4, 64)
    else:
        raise AssertionError(f"{key} = {default!r}: this test does not know other values")


def value_of(spec: Any, key: str) -> Any:
    for part in key.split("."):
        spec = getattr(spec, part)
    return spec


@cache
def base_settings(name: str, base: str) -> dict[str, Any]:
    known = machine(name).Spec.model_fields
    settings = {key: value for key, value in BASES[base].items() if key in known}
    if base == "tight":
        plain = machine(name)()
        for key in keys_of(plain.Spec):
            if key.endswith("_bytes") and "." not in key:
                sizes = (value_of(plain.spec, key) // share for share in (64, 16, 4))
                fitting = [size for size in sizes if runs(configured(name, settings | {key: size}))]
                settings |= {key: fitting[0]} if fitting else {}
    return settings


def configured(name: str, settings: dict[str, Any], key: str = "", value: Any = None) -> Accelerator | None:
    """The machine, or None where the setting is not possible."""
    values = {part: dict(table) if isinstance(table, dict) else table for part, table in settings.items()}
    if key:
        merge(values, key, value)
    try:
        return machine(name)(validate(machine(name), values, name))
    except PrunesimError:
        return None


def numbers(accelerator: Accelerator, trace: LayerTrace) -> dict[str, Any] | None:
    """What is reported of a layer, or None where the machine cannot run it."""
    try:
        return MachineRun(accelerator).layer(trace).to_dict()
    except PrunesimError:
        return None


def runs(accelerator: Accelerator | None) -> bool:
    return accelerator is not None and any(numbers(accelerator, trace) for trace in STRESS)


@cache
def before(name: str, base: str, place: int) -> dict[str, Any] | None:
    accelerator = configured(name, base_settings(name, base))
    assert accelerator is not None
    return numbers(accelerator, STRESS[place])


BETWEEN_LAYERS = ("overlap", "pooling")
OF_A_NETWORK = (*BETWEEN_LAYERS, "first_layer")
PREFETCH = "prefetch_tiles"  # of machines whose layers are a single tile each, it shows between layers alone
NETWORK = network(POOLED, kernel=1)  # which every machine can run


def network_cycles(accelerator: Accelerator) -> int:
    (report,) = simulate([accelerator], NETWORK)
    assert report.network is not None
    return report.network.cycles


def moves_a_network(name: str, base: str, key: str) -> bool:
    settings = base_settings(name, base)
    plain = configured(name, settings)
    assert plain is not None
    field = keys_of(type(plain.spec))[key]
    others = (
        configured(name, settings, key, value)
        for value in alternatives(key, field.annotation, value_of(plain.spec, key))
    )
    return any(network_cycles(other) != network_cycles(plain) for other in others if other)


def moves(name: str, base: str, key: str) -> bool:
    if key in OF_A_NETWORK:
        return moves_a_network(name, base, key)
    settings = base_settings(name, base)
    accelerator = configured(name, settings)
    assert accelerator is not None
    field = keys_of(type(accelerator.spec))[key]
    for value in alternatives(key, field.annotation, value_of(accelerator.spec, key)):
        other = configured(name, settings, key, value)
        for place in range(len(STRESS) if other else 0):
            was = before(name, base, place)
            now = numbers(other, STRESS[place]) if was else None
            if now and now != was:
                return True
    return key == PREFETCH and moves_a_network(name, base, key)


def warns(name: str, base: str, key: str) -> bool:
    return key in idle_settings(configured(name, base_settings(name, base)))


ENERGY = keys_of(EnergySpec, "energy.")
SHARED = keys_of(AcceleratorSpec)
"""Settings of words, memory and ports, whose meaning all machines share: one machine stands for them in a quick run."""
WALK = [
    pytest.param(name, key, marks=[pytest.mark.slow] if key in SHARED and name != "dcnn" else [])
    for name, chosen in machines().items()
    for key in keys_of(chosen.Spec)
    if key not in ENERGY
]


@pytest.mark.parametrize(("name", "key"), WALK)
def test_every_setting_moves_a_number_or_warns(name, key):
    likely_first = sorted(BASES, key=lambda base: key.partition(".")[0] not in BASES[base])
    effective = [base for base in likely_first if not warns(name, base, key)]
    assert not effective or any(moves(name, base, key) for base in effective)


@cache
def small_trace(name: str) -> LayerTrace:
    accelerator = machine(name)()
    return next(trace for trace in sorted(STRESS, key=lambda one: one.layer.dense_macs) if numbers(accelerator, trace))


def priced(accelerator: Accelerator) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is reported of a layer without its energy, and its energy with the machine's area."""
    run = MachineRun(accelerator, energy=True)
    if run.energy is None:
        pytest.skip("it names no components")
    report = run.layer(small_trace(accelerator.name)).to_dict()
    counted = {key: report.pop(key) for key in KEYS}
    # Counts know no technology, so they belong to what must not move.
    return report | {"actions": counted.pop("actions")}, counted | run.energy.area.to_dict()


@pytest.mark.parametrize("key", ENERGY)
@pytest.mark.parametrize("name", sorted(machines()))
def test_a_setting_of_energy_moves_energy_or_area_and_nothing_else_or_warns(name, key):
    plain = machine(name)()
    counted, energy = priced(plain)
    others = [
        configured(name, {}, key, value) for value in alternatives(key, ENERGY[key].annotation, ENERGY[key].default)
    ]
    found = [priced(other) for other in others if other is not None]
    assert found
    assert all(other == counted for other, _ in found)
    assert any(other != energy for _, other in found) != (key in idle_settings(plain))


@pytest.mark.parametrize("name", sorted(set(machines()) - {"ideal"}))
@pytest.mark.parametrize("key", BETWEEN_LAYERS)
def test_what_lies_between_layers_moves_the_networks_cycles(name, key):
    assert moves_a_network(name, "slow", key)


def test_pooling_warns_where_nothing_lies_between_layers():
    _, warnings = configure("scnn", None, ["overlap=none", "pooling=memory"])
    assert warnings == ["scnn: pooling has no effect: overlap is 'none', where nothing lies between layers"]


@pytest.mark.parametrize("name", sorted(machines()))
def test_the_command_warns_of_settings_without_effect(name):
    _, warnings = configure(name, None, ["dram.read_queue=8"])
    assert any(line.startswith(f"{name}: dram.read_queue has no effect: ") for line in warnings)
