"""What every machine with an analytical model promises."""

import pytest

from dataflows.registry import analytical_machines, baseline_of, create, machines
from dataflows.schedule import Cause
from simulator.analytical import no_part
from simulator.configuration import keys_of, merge
from simulator.network_simulation import dense_trace
from tests.conformance.layers import LAYERS
from workloads.layer import Layer

every_model = pytest.mark.parametrize("name", analytical_machines())
# Ragged on every axis, so that each setting of an array's shape changes something.
RAGGED = Layer.conv(
    "ragged", in_channels=37, out_channels=29, input_size=(31, 27), kernel_size=3, stride=2, padding=1, batch=2
)
SETTABLE = [(name, key) for name in analytical_machines() for key in keys_of(machines()[name].Spec)]
CHOICES = {
    "skip": {"scnn": "weights", "ideal": "nothing"}, "value_bits": 8, "energy.cell": "itrs-hp", "energy.clock_gating": False,
    "energy.dram_part": "HBM2_4Gb_x128", "energy.tables": "own.yaml", "energy.voltage": 1.0,
}  # fmt: skip
TEXTS = ("kind", "standard", "override", "address_map", "scheduler", "refresh", "write_back", "overlap", "pooling", "bank_hash",
         "tile_cut", "weight_format", "weight_layout")  # fmt: skip


def test_a_model_names_its_settings():
    named = [name for name, chosen in machines().items() if chosen.analytical_keys]
    assert named == analytical_machines()
    for name in named:
        assert set(machines()[name].analytical_keys) <= set(keys_of(machines()[name].Spec))
        assert baseline_of(create(name)).name in named


def test_a_machine_without_a_model_expects_nothing():
    assert create("eie").expected_work(RAGGED, 0.5, 0.5) is None
    assert create("eie").expected_cycles(RAGGED, 0.5, 0.5) is None


@pytest.mark.parametrize(("name", "key"), [row for row in SETTABLE if row[1].rpartition(".")[2] not in TEXTS])
def test_a_setting_has_an_effect_where_the_model_says_so(name, key):
    plain, settings = create(name), {}
    before = keys_of(type(plain.spec))[key].default
    other = CHOICES.get(key, 2 * before if before else 1)
    merge(settings, key, other[name] if isinstance(other, dict) else other)
    costs = [machine.expected_cycles(RAGGED, 0.5, 0.4) for machine in (plain, create(name, settings))]
    assert (costs[0] != costs[1]) == (key in plain.analytical_keys)
    assert (key in no_part(plain)) == (key not in (*plain.analytical_keys, "clock_hz"))


@every_model
@pytest.mark.parametrize("layer", [layer for layer in LAYERS if layer.axes == 2], ids=lambda layer: layer.name)
def test_zeros_never_cost_time(name, layer):
    machine = create(name)
    if machine.refusal(layer):
        pytest.skip("refused, which has its own test")
    grid = [machine.expected_cycles(layer, w, a) for w in (0.0, 0.3, 1.0) for a in (0.0, 0.3, 1.0)]
    for place, cycles in enumerate(grid):
        weights, activations = divmod(place, 3)
        assert not weights or grid[place - 3] <= cycles
        assert not activations or grid[place - 1] <= cycles


@pytest.mark.parametrize("name", [name for name in analytical_machines() if not machines()[name].skips_zeros])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_a_dense_machine_is_as_busy_as_it_is_expected_to_be(name, layer):
    machine = create(name)
    schedule, work = machine.schedule(dense_trace(layer)), machine.expected_work(layer, 0.3, 0.2)
    assert work.busy.tolist() == schedule.cycles[:, :, Cause.BUSY].sum(axis=0).tolist()
    assert work.issued.tolist() == schedule.issued.sum(axis=0).tolist()
    # PEs meet more often than at the end, but always wait for the same one.
    assert work.cycles == schedule.cycles[:, :, Cause.BUSY].max(axis=1).sum()
