"""Described machines promise what written ones do: those of examples/machines, one by one."""

import pytest

from dataflows.registry import create, machine
from simulator.configuration import commented_toml, configure
from simulator.network_simulation import MachineRun
from tests.conformance import test_machines as promises
from tests.conformance.layers import LAYERS, random_trace
from tests.project import ROOT
from workloads.layer import Layer
from workloads.trace import LayerTrace

EXAMPLES = sorted((ROOT / "examples" / "machines").glob("*.toml"))
every_example = pytest.mark.parametrize("path", list(map(str, EXAMPLES)), ids=[path.stem for path in EXAMPLES])
every_layer = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)


@every_example
@every_layer
def test_every_layer_runs_as_on_a_written_machine(path, layer):
    if create(path).refusal(layer):
        pytest.skip("refused, which has its own test")
    for densities in [(0.3, 0.4), (1.0, 1.0), (0.0, 0.5), (0.5, 0.0), (0.02, 0.9)]:
        promises.test_every_layer_runs_and_its_books_balance(path, layer, densities)
    promises.test_inputs_from_memory_change_what_a_schedule_moves_as_a_schedule_of_its_own_would(path, layer)
    promises.test_products_issued_without_a_schedule_are_those_of_the_schedule(path, layer)
    promises.test_outputs_equal_the_reference_convolution(path, layer)
    promises.test_the_input_of_a_network_comes_from_dram(path, layer)


@every_example
@pytest.mark.parametrize("layer", ["plain", "strided", "grouped", "fully_connected"])
def test_laws_of_zeros_size_and_memory(path, layer):
    promises.test_no_machine_beats_the_ideal_one_of_its_size(path, layer)
    promises.test_the_name_of_a_layer_never_changes_a_result(path, layer)
    promises.test_with_infinite_bandwidth_nobody_waits_for_memory(path, layer)
    promises.test_banked_memory_changes_when_but_not_what(path, layer)
    if not create(path).spec.skip.kept:
        # Weights that are no longer 2:4 are stored densely, so that zeros may cost more there.
        promises.test_more_zeros_never_cost_more_products(path, layer)


@every_example
def test_laws_of_one_layer(path):
    promises.test_bandwidth_never_hurts_and_in_the_end_decides(path)
    promises.test_a_batch_costs_at_least_as_many_products_as_its_images(path)
    for layer in (layer for layer in LAYERS if layer.axes == 2 and not layer.moving_weights):
        assert create(path).refusal(layer) is None


@every_example
def test_its_configuration_reads_back(path, tmp_path):
    accelerator = create(path)
    file = tmp_path / "machine.toml"
    file.write_text(commented_toml(accelerator), encoding="utf-8")
    again, warnings = configure(path, file)
    assert (again.spec.model_dump(), warnings) == (accelerator.spec.model_dump(), [])


def test_a_level_is_a_setting_by_its_number():
    path = str(ROOT / "examples" / "machines" / "wide-window.toml")
    accelerator, _ = configure(path, settings=("mapping.4.size=8", "skip.window=32"))
    assert (accelerator.multipliers, create(path).multipliers) == (128, 256)


@pytest.mark.parametrize("key", ["input_buffer_bytes", "weight_buffer_bytes"])
@every_example
def test_larger_buffers_never_move_more(path, key):
    layer = Layer.conv("map", in_channels=32, out_channels=48, input_size=(20, 20), kernel_size=3, padding=1, batch=2)
    trace = random_trace(layer, 0.4, 0.5)
    sizes = [1 << power for power in (8, 10, 12, 14, 16, 20)]
    moved = [MachineRun(create(path, {"storage": {key: size}})).layer(trace).dram.total_bytes for size in sizes]
    assert moved == sorted(moved, reverse=True)


def test_machines_of_the_package_are_no_others_for_a_description():
    before = list(promises.machines())
    found = machine(str(EXAMPLES[0]))
    assert found is machine(str(EXAMPLES[0]))
    assert list(promises.machines()) == before


@pytest.mark.parametrize("batch", [1, 3])
def test_what_is_resident_does_not_move(batch):
    layer = Layer.conv("fits", in_channels=24, out_channels=30, input_size=(5, 6), kernel_size=3, batch=batch)
    trace = random_trace(layer, 1.0, 1.0)
    machines = {name: create(str(ROOT / "examples" / "machines" / f"{name}.toml")) for name in ("dadiannao", "dcnn")}
    assert machines["dadiannao"].schedule(trace).loads.total_bytes == 0
    weights = machines["dcnn"].schedule(trace).loads.total_bytes
    assert weights == layer.weight_count * 2
    first = LayerTrace(layer, trace.weights, trace.activations, input_in_dram=True)
    assert machines["dcnn"].schedule(first).loads.total_bytes == weights + layer.input_count * 2
