"""Cases with a known answer: the first line names it, and what it says to gain is what a run without it gains."""

import json
import math
from html import escape

import numpy as np
import pytest

from dataflows.registry import create
from dataflows.schedule import Cause
from simulator.explain.knobs import knobs
from simulator.explain.layer import explain_layer
from simulator.explain.lifts import lift
from simulator.explain.network import explain
from simulator.explain.timed import timed, with_settings
from simulator.explain.zeros import even_activations, even_filters, sorted_filters, zeros_of
from simulator.network_simulation import simulate
from simulator.plots.explanation_page import explanation_page, tornado
from tests.simulator.plots.geometry import require_readable
from workloads.catalog import load_workload
from workloads.layer import Layer
from workloads.trace import LayerTrace


def trace_of(layer, weights=1.0, activations=1.0, seed=0):
    draw = np.random.default_rng(seed)
    return LayerTrace(layer, draw.random(layer.weight_shape) < weights, draw.random(layer.input_shape) < activations)


def conv(channels, filters, size, kernel=3, **more):
    return Layer.conv(
        "conv", in_channels=channels, out_channels=filters, input_size=(size, size), kernel_size=kernel,
        padding=kernel // 2, **more,
    )  # fmt: skip


def uneven(layer):
    """One filter in sixteen is full, all others hold a twentieth of their weights."""
    draw = np.random.default_rng(1).random(layer.weight_shape)
    return LayerTrace(layer, draw < np.where(np.arange(layer.out_channels) % 16 == 0, 1.0, 0.05)[:, None, None, None],
                      np.ones(layer.input_shape, bool))  # fmt: skip


FC = Layer.dense("fc", in_features=2048, out_features=1024)
# Machine, settings, trace, cause, words of the first line, settings of the run that proves the gain.
KNOWN = {
    "a fully connected layer waits for memory": (
        "cambricon-x", {"dram": {"bandwidth_gbs": 4.0}}, trace_of(FC, 0.1, 0.4), "memory", "limited by memory",
        {"dram": {"bandwidth_gbs": math.inf, "latency_ns": 0.0}},
    ),
    "bank conflicts where every channel's sums begin in one bank": (
        "scnn", {"dram": {"bandwidth_gbs": math.inf}}, trace_of(conv(32, 64, 112), 0.3, 0.5), "bank_conflict",
        "limited by bank conflicts", {"queue_depth": 4096},
    ),
    "sums of few weights wait for the multipliers behind the adders": (
        "abm", {"dram": {"bandwidth_gbs": math.inf}}, trace_of(conv(4, 96, 32), 0.3), "empty_lanes",
        "limited by multipliers left empty in busy PEs (without it (multipliers_per_core=",
        {"multipliers_per_core": 5 * 1024},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", KNOWN)
def test_the_first_line_names_what_limits_and_its_gain_is_that_of_a_run_without_it(case):
    name, settings, trace, cause, words, without = KNOWN[case]
    found = explain_layer(create(name, settings), trace)
    assert words in found.headline()
    first = found.what_ifs[0]
    assert (first.cause, first.simulated) == (cause, True)
    before, after = timed(create(name, settings), trace), timed(create(name, settings | without), trace)
    assert first.gain == pytest.approx(1 - after.time_us / before.time_us)
    assert first.gain > 0.2


def test_uneven_filters_are_named_and_even_ones_tried():
    machine, trace = create("cambricon-x", {"dram": {"bandwidth_gbs": math.inf}}), uneven(conv(64, 128, 14))
    found = explain_layer(machine, trace)
    assert "limited by uneven work" in found.headline()
    assert any(line.startswith("filters are uneven: the fullest has") for line in found.sentences())
    best = found.what_ifs[0]
    sorted_time, even_time = (timed(machine, change(trace)).time_us for change in (sorted_filters, even_filters))
    assert best.gain == pytest.approx(1 - min(sorted_time, even_time) / timed(machine, trace).time_us)


@pytest.mark.parametrize(
    ("name", "layer", "words"),
    [
        (
            "scnn",
            conv(256, 256, 7),
            "limited by multipliers left empty in busy PEs (7x7 outputs on 8x8 PEs, which fill no whole vectors",
        ),
        ("diannao", conv(64, 64, 28, groups=64), "limited by multipliers left empty in busy PEs (a depthwise layer"),
    ],
)
def test_shapes_that_no_setting_mends_are_named_with_their_share(name, layer, words):
    machine = create(name, {"dram": {"bandwidth_gbs": math.inf}})
    trace = trace_of(layer, 0.5, 0.5)
    found = explain_layer(machine, trace)
    assert words in found.headline()
    first = found.what_ifs[0]
    assert not first.simulated
    own = timed(machine, trace)
    assert first.gain == first.share == (own.empty_lanes if first.cause == "empty_lanes" else own.share(Cause.UNMAPPED))


def test_zeros_elsewhere_are_as_many():
    trace = uneven(conv(8, 32, 6, groups=2))
    for change in (sorted_filters, even_filters):
        assert change(trace).weight_nonzeros == trace.weight_nonzeros
    counts = np.count_nonzero(sorted_filters(trace).weights.reshape(2, 16, -1), axis=2)
    assert (np.diff(counts, axis=1) <= 0).all()
    even = np.count_nonzero(even_filters(trace).weights.reshape(32, -1), axis=1)
    assert even.max() - even.min() <= 1
    sparse = trace_of(conv(8, 4, 6), 1, 0.3)
    assert even_activations(sparse).activation_nonzeros == sparse.activation_nonzeros
    assert zeros_of(even_filters(trace)).fullest_filter < zeros_of(trace).fullest_filter


@pytest.mark.parametrize("name", ["scnn", "cambricon-x", "eie", "structured", "kgrc"])
def test_a_parameter_moves_the_time_as_a_run_with_it_does(name):
    machine = create(name)
    trace = trace_of(FC if name == "eie" else conv(32, 32, 14), 0.3, 0.5)
    own = timed(machine, trace)
    found = knobs(machine, [trace], own.time_us, lambda _: None)
    assert [knob.sway for knob in found] == sorted((knob.sway for knob in found), reverse=True)
    clock = next(knob for knob in found if knob.key == "clock_hz")
    assert (clock.half, clock.double) == (machine.spec.clock_hz // 2, machine.spec.clock_hz * 2)
    for knob in found:
        assert not knob.key.startswith("energy.")
        if knob.double_time is not None:
            changed = with_settings(machine, {knob.key: knob.double})
            assert knob.double_time == timed(changed, trace).time_us / own.time_us


def test_no_lift_makes_a_machine_slower():
    """What is lifted is wider or shorter than before; a layer that takes longer with it would say nothing."""
    for name in ("scnn", "cambricon-x", "structured", "stacked", "pattern", "kgrc", "abm"):
        machine, trace = create(name), trace_of(conv(16, 32, 14), 0.3, 0.5)
        own = timed(machine, trace)
        for cause in Cause:
            lifted = lift(machine, cause)
            if lifted:
                assert timed(lifted[0], trace).time_us <= own.time_us, (name, cause)


def test_the_network_is_that_of_a_run():
    workload = load_workload("blazepose").select("op00*")
    machine, asked = create("scnn"), []
    found = explain(machine, workload, 2, lambda *step: asked.append(step))
    (report,) = simulate([machine], workload, energy=False)
    assert found.times == {layer.name: layer.time_us for layer in report.layers}
    assert found.time_us == pytest.approx(report.total.time_us)
    assert found.utilization == pytest.approx(report.total.utilization)
    every = sum(report.total.pe_cycle_stack.values())
    assert all(cost.share == pytest.approx(report.total.pe_cycle_stack[cost.cause] / every) for cost in found.causes)
    worst = sorted(report.layers, key=lambda layer: -layer.time_us)[:2]
    assert [layer.name for layer in found.layers] == [layer.name for layer in worst]
    assert [layer.bound_ratio for layer in found.layers] == [layer.bound_ratio for layer in worst]
    assert all(done <= every for done, every, _ in asked)
    json.dumps(found.to_dict(), allow_nan=False)
    assert {"layer", "cause", "gain"} <= set(found.to_frame().columns)
    page = explanation_page(found)
    assert all(escape(sentence) in page for sentence in found.sentences())
    assert 'role="img"' in page
    require_readable(tornado([knob for knob in found.knobs if knob.sway]))


def test_the_command_prints_and_writes(cli, tmp_path):
    page, data = tmp_path / "e.html", tmp_path / "e.json"
    said = cli("explain", "examples/tiny.toml", "--on", "scnn", "--worst", "1", "--html", page, "--json", data)
    assert (said.code, said.err) == (0, f"wrote {data}\nwrote {page}\n")
    found = json.loads(data.read_text())
    assert found["sentences"][0] in " ".join(said.out.split("\n"))
    assert found["layers"][0]["headline"] in page.read_text()
    quick = cli("explain", "examples/tiny.toml", "--on", "scnn", "--worst", "1", "--no-parameters")
    assert quick.code == 0
    assert "halved and doubled" not in quick.out
    refused = cli("explain", "c3d", "--on", "scnn")
    assert (refused.code, refused.out) == (2, "")
    assert "scnn cannot run layer 'conv1a'" in refused.err
