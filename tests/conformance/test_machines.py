"""What every registered machine promises; a new machine is tested the day its file appears."""

from dataclasses import replace
from typing import get_args, get_origin

import numpy as np
import pytest

from dataflows.accelerator import Accelerator
from dataflows.registry import create, machines
from dataflows.schedule import Cause, LayerSchedule, Runs, Tensor
from simulator.functional import differing_outputs
from simulator.network_simulation import MachineRun
from simulator.reports.report import LayerReport
from tests.conformance.layers import LAYERS, random_trace
from tests.dataflows.small_layers import positions_read
from workloads.errors import UnsupportedLayerError
from workloads.layer import Layer
from workloads.trace import LayerTrace

EVERY_MACHINE = sorted(machines())
BY_NAME = {layer.name: layer for layer in LAYERS}
every_machine = pytest.mark.parametrize("name", EVERY_MACHINE)
every_layer = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)


def run(name: str, trace: LayerTrace, settings: dict | None = None) -> LayerReport:
    """The report, whose books the simulator has checked; skips what the machine refuses."""
    machine = MachineRun(create(name, settings))
    if machine.accelerator.refusal(trace.layer):
        pytest.skip("refused, which has its own test")
    return machine.layer(trace)


@every_machine
def test_a_machine_has_the_spec_that_its_type_says(name):
    declared = [
        get_args(base)[0]
        for parent in machines()[name].__mro__
        for base in getattr(parent, "__orig_bases__", ())
        if get_origin(base) is Accelerator
    ]
    assert issubclass(machines()[name].Spec, declared[0])
    assert type(create(name).spec) is machines()[name].Spec


@every_machine
@every_layer
@pytest.mark.parametrize("densities", [(0.3, 0.4), (1.0, 1.0), (0.0, 0.5), (0.5, 0.0), (0.0, 0.0), (0.02, 0.9)])
def test_every_layer_runs_and_its_books_balance(name, layer, densities):
    report = run(name, random_trace(layer, *densities))
    assert sum(report.pe_cycle_stack.values()) == report.pes * report.cycles
    assert report.effectual_macs <= report.issued_macs


@every_machine
@every_layer
def test_inputs_from_memory_change_what_a_schedule_moves_as_a_schedule_of_its_own_would(name, layer):
    machine, trace = create(name), random_trace(layer, 0.3, 0.5)
    if machine.refusal(layer):
        pytest.skip("refused, which has its own test")
    resident, moved = (replace(trace, input_in_dram=where) for where in (False, True))
    # What another layer has made, and `found` is of, may run otherwise than the network's own input.
    alike = {"first_layer": "skipping"} if "first_layer" in machine.Spec.model_fields else {}
    found = machine.with_inputs_from_dram(resident, machine.schedule(resident))
    expected = create(name, alike).schedule(moved)
    for name_of_field in LayerSchedule.__dataclass_fields__:
        one, other = getattr(found, name_of_field), getattr(expected, name_of_field)
        parts = Runs.__dataclass_fields__ if isinstance(one, Runs) else None
        for left, right in [(one, other)] if parts is None else [(getattr(one, p), getattr(other, p)) for p in parts]:
            np.testing.assert_array_equal(left, right, err_msg=name_of_field)


@every_machine
@every_layer
def test_products_issued_without_a_schedule_are_those_of_the_schedule(name, layer):
    machine, trace = create(name), random_trace(layer, 0.3, 0.5)
    if machine.refusal(layer):
        pytest.skip("refused, which has its own test")
    issued = machine.issued_products(trace)
    assert (issued, type(issued)) == (machine.schedule(trace).expected_issued, int)


@every_machine
@every_layer
def test_outputs_equal_the_reference_convolution(name, layer):
    machine = create(name)
    if machine.refusal(layer):
        pytest.skip("refused, which has its own test")
    assert differing_outputs(machine, random_trace(layer, 0.4, 0.6), seed=1) == 0


@every_machine
def test_refusals_are_sentences_that_name_machine_and_layer(name):
    machine = create(name)
    for layer in LAYERS:
        reason = machine.refusal(layer)
        if reason is not None:
            assert len(reason.split()) > 4
            with pytest.raises(UnsupportedLayerError, match=f"^{name} cannot run layer '{layer.name}': "):
                machine.require(layer)


@every_machine
def test_two_dimensional_layers_are_never_refused(name):
    machine = create(name)
    built_for = [
        layer
        for layer in LAYERS
        if (not machine.pointwise_only or max(layer.kernel_size) == 1)
        and not (layer.moving_weights and machine.needs_constant_weights)
    ]
    assert [layer.name for layer in built_for if layer.axes == 2 and machine.refusal(layer)] == []


@every_machine
def test_a_product_of_two_activations_is_run_or_refused_for_the_reason_that_the_machine_gives(name):
    machine = create(name)
    for layer in (layer for layer in LAYERS if layer.moving_weights):
        assert machine.refusal(layer) == machine.needs_constant_weights
        # The same product with constant weights runs everywhere.
        assert machine.refusal(replace(layer, moving_images=0)) is None


RUNS_ATTENTION = [
    "cnvlutin", "dadiannao", "dcnn", "dcnn-opt", "diannao", "dstc", "eyeriss", "ideal", "sigma", "structured", "systolic",
    "tensor-core",
]  # fmt: skip


def test_machines_that_take_matrices_as_they_come_run_attention():
    able = [name for name in EVERY_MACHINE if create(name).needs_constant_weights is None]
    assert able == RUNS_ATTENTION
    assert create("kgrc", {"design": "dense"}).refusal(BY_NAME["attention"]) is None


@pytest.mark.parametrize("name", RUNS_ATTENTION)
def test_moving_weights_cost_what_constant_ones_cost_unless_those_are_known_beforehand(name):
    trace = random_trace(BY_NAME["attention"], 1.0, 0.4)
    constant = replace(trace, layer=replace(trace.layer, moving_images=0))
    settings = {"weights_resident": "never"} if name in ("cnvlutin", "dadiannao") else {}
    # Why a machine did not do what it does for weights that it knows differs between the two.
    found = [replace(run(name, one, settings), notes=()) for one in (trace, constant)]
    assert found[0] == found[1]


def test_synapses_that_are_activations_do_not_lie_on_the_chip():
    trace = random_trace(BY_NAME["attention"], 1.0, 1.0)
    constant = replace(trace, layer=replace(trace.layer, moving_images=0))
    for residency in ("fitting", "always"):
        settings = {"weights_resident": residency}
        for name in ("cnvlutin", "dadiannao"):
            assert run(name, constant, settings).dram.tensors["weight"].read_bytes == 0
            assert run(name, trace, settings).dram.tensors["weight"].read_bytes == 2 * trace.layer.weight_count


def test_an_index_list_that_is_made_before_the_run_names_every_column_of_an_activation():
    trace = random_trace(BY_NAME["attention"], 0.0, 1.0)
    assert run("structured", trace).issued_macs == trace.layer.dense_macs
    constant = replace(trace, layer=replace(trace.layer, moving_images=0))
    assert run("structured", constant).issued_macs == 0


@every_machine
@pytest.mark.parametrize("layer", ["plain", "strided", "depthwise", "fully_connected"])
def test_the_name_of_a_layer_never_changes_a_result(name, layer):
    trace = random_trace(BY_NAME[layer], 0.3, 0.4)
    renamed = LayerTrace(replace(trace.layer, name="other"), trace.weights, trace.activations)
    assert replace(run(name, renamed), name=layer) == run(name, trace)


@every_machine
@pytest.mark.parametrize("layer", ["plain", "strided", "grouped", "depthwise", "fully_connected"])
def test_more_zeros_never_cost_more_products(name, layer):
    trace = random_trace(BY_NAME[layer], 1.0, 1.0)
    random = np.random.default_rng(7)
    weights, activations = trace.weights.copy(), trace.activations.copy()
    before = run(name, trace).issued_macs
    for _ in range(4):
        weights &= random.random(weights.shape) < 0.6
        activations &= random.random(activations.shape) < 0.7
        now = run(name, LayerTrace(trace.layer, weights, activations)).issued_macs
        assert now <= before
        before = now


@every_machine
@pytest.mark.parametrize("layer", ["plain", "strided", "grouped", "fully_connected"])
def test_no_machine_beats_the_ideal_one_of_its_size(name, layer):
    report = run(name, random_trace(BY_NAME[layer], 0.3, 0.4))
    ideal = create("ideal", {"multipliers": report.multipliers})
    assert report.cycles >= MachineRun(ideal).layer(random_trace(BY_NAME[layer], 0.3, 0.4)).cycles > 0


@every_machine
@pytest.mark.parametrize("layer", ["plain", "batched", "fully_connected", "depthwise"])
def test_with_infinite_bandwidth_nobody_waits_for_memory(name, layer):
    report = run(name, random_trace(BY_NAME[layer], 0.3, 0.4), {"dram": {"bandwidth_gbs": float("inf")}})
    assert report.pe_cycle_stack[Cause.MEMORY.key] == 0


@every_machine
@pytest.mark.parametrize("layer", ["plain", "strided", "fully_connected", "depthwise"])
def test_banked_memory_changes_when_but_not_what(name, layer):
    trace = random_trace(BY_NAME[layer], 0.3, 0.4)
    kinds = ({"kind": "banked", "standard": "DDR4-2400"}, {"kind": "ideal", "bandwidth_gbs": 19.2})  # of one peak
    banked, ideal = (run(name, trace, {"dram": kind}) for kind in kinds)
    assert banked.issued_macs == ideal.issued_macs
    assert banked.dram.total_bytes == ideal.dram.total_bytes
    assert banked.bounds.fullest_pe_cycles == ideal.bounds.fullest_pe_cycles
    assert bool(banked.dram.activates) == bool(banked.dram.total_bytes)


@every_machine
def test_bandwidth_never_hurts_and_in_the_end_decides(name):
    trace = random_trace(BY_NAME["plain"], 0.3, 0.4)
    bandwidths = [0.01, 0.1, 1.0, 10.0, 100.0, float("inf")]
    reports = [run(name, trace, {"dram": {"bandwidth_gbs": gbs}}) for gbs in bandwidths]
    cycles = [report.cycles for report in reports]
    assert cycles == sorted(cycles, reverse=True)
    if reports[0].dram.total_bytes:
        assert cycles[0] > cycles[-1]
        assert reports[0].bound_ratio == pytest.approx(1, rel=0.35)


@every_machine
@every_layer
def test_the_input_of_a_network_comes_from_dram(name, layer):
    """At least its non-zero values that some window reads, however much room the machine has; and never less than
    for a layer amid the network, whose input may lie on the chip."""
    machine = create(name)
    if machine.refusal(layer):
        pytest.skip("refused, which has its own test")
    trace = random_trace(layer, 1.0, 0.4)
    first = machine.schedule(replace(trace, input_in_dram=True))
    if not first.buffers:
        pytest.skip("it moves no data")
    read = np.zeros(layer.input_size, bool)
    for output in np.ndindex(*layer.output_size):
        for at in positions_read(layer, output):
            read[at] = True
    loaded = first.loads.bytes_of(Tensor.INPUT)
    assert 8 * loaded >= int((trace.activation_mask & read).sum()) * machine.spec.value_bits
    assert loaded >= machine.schedule(trace).loads.bytes_of(Tensor.INPUT)
    assert MachineRun(machine).layer(replace(trace, input_in_dram=True)).dram.tensors["input"].read_bytes == loaded


@pytest.mark.parametrize("name", ["scnn", "dcnn", "dadiannao", "eie"])
@pytest.mark.parametrize("batch", [1, 3])
def test_an_input_that_fits_is_loaded_once_and_only_where_no_layer_left_it(name, batch):
    layer = Layer.conv("fits", in_channels=24, out_channels=300, input_size=(5, 6), kernel_size=1, batch=batch)
    trace = random_trace(layer, 1.0, 1.0)
    machine = create(name)
    bits = machine.spec.activation_bits if name == "scnn" else machine.spec.value_bits
    assert machine.schedule(trace).loads.bytes_of(Tensor.INPUT) == 0
    first = machine.schedule(replace(trace, input_in_dram=True))
    assert first.loads.bytes_of(Tensor.INPUT) == layer.input_count * bits // 8
    before = machine.schedule(trace).compulsory_bytes
    assert first.compulsory_bytes == before + layer.input_count * bits // 8


def test_a_dense_baseline_loads_what_its_machine_loads():
    layer = Layer.conv("image", in_channels=64, out_channels=8, input_size=(64, 64), kernel_size=1)
    trace, dense_cycles = random_trace(layer, 0.5, 0.5), {}
    amid, first = (
        MachineRun(create("scnn"), dense_cycles).layer(replace(trace, input_in_dram=in_dram)).dense_cycles
        for in_dram in (False, True)
    )
    assert first > amid


@every_machine
def test_a_batch_costs_at_least_as_many_products_as_its_images(name):
    one = BY_NAME["batched"].with_batch(1)
    trace = random_trace(one, 0.3, 0.4)
    batch = LayerTrace(one.with_batch(3), trace.weights, np.repeat(trace.activations, 3, axis=0))
    assert run(name, batch).issued_macs == 3 * run(name, trace).issued_macs


@pytest.mark.parametrize("name", ["structured", "scnn", "cambricon-x"])
def test_half_of_the_channels_pruned_costs_what_half_a_layer_costs(name):
    whole = Layer.conv("whole", in_channels=64, out_channels=32, input_size=(14, 14), kernel_size=3, padding=1)
    half = Layer.conv("half", in_channels=32, out_channels=32, input_size=(14, 14), kernel_size=3, padding=1)
    weights = np.ones(whole.weight_shape, bool)
    weights[:, 32:] = False
    settings = {"dram": {"bandwidth_gbs": float("inf")}}
    pruned = run(name, LayerTrace(whole, weights, np.ones(whole.input_shape, bool)), settings)
    dense = run(name, LayerTrace(half, np.ones(half.weight_shape, bool), np.ones(half.input_shape, bool)), settings)
    assert pruned.issued_macs == dense.issued_macs
    assert pruned.cycles == dense.cycles


def test_one_filter_with_every_weight_is_the_worst_imbalance_on_cambricon_x():
    layer = Layer.conv("one", in_channels=32, out_channels=16, input_size=(8, 8), kernel_size=3, padding=1)
    weights = np.zeros(layer.weight_shape, bool)
    weights[5] = True
    assert run("cambricon-x", LayerTrace(layer, weights, np.ones(layer.input_shape, bool))).load_imbalance == 16


@pytest.mark.parametrize(
    ("name", "key", "sizes"),
    [
        ("dcnn", "sram_bytes", [2048, 4096, 8192, 16384, 65536]),
        ("cambricon-x", "nbin_bytes", [1024, 2048, 4096, 16384]),
        ("scnn", "iaram_bytes", [64, 128, 256, 10240]),
        ("structured", "input_buffer_bytes", [4096, 8192, 16384, 1 << 20]),
    ],
)
def test_larger_buffers_never_move_more_and_in_the_end_move_less(name, key, sizes):
    layer = Layer.conv("map", in_channels=32, out_channels=32, input_size=(28, 28), kernel_size=3, padding=1)
    trace = random_trace(layer, 0.4, 0.5)
    moved = [run(name, trace, {key: size}).dram.total_bytes for size in sizes]
    assert moved == sorted(moved, reverse=True)
    assert moved[0] > moved[-1]


DENSE_WITH_GROUPS = [("diannao", {}), ("dadiannao", {}), ("systolic", {}), ("kgrc", {"design": "dense"})]


@pytest.mark.parametrize(("name", "design"), DENSE_WITH_GROUPS, ids=[name for name, _ in DENSE_WITH_GROUPS])
@every_layer
def test_packed_groups_issue_the_same_products_in_no_more_cycles(name, design, layer):
    trace = random_trace(layer, 1.0, 1.0)
    packed, alone = (run(name, trace, design | {"groups": groups}) for groups in ("packed", "alone"))
    assert packed.issued_macs == alone.issued_macs == layer.dense_macs
    assert packed.cycles <= alone.cycles
    assert packed.dram.total_bytes <= alone.dram.total_bytes
    if layer.groups == layer.in_channels > 1:
        assert packed.cycles < alone.cycles
