"""What the study of KGRC's equations concludes, and that its closed form is what the machine does."""

from dataclasses import replace

import pytest

from benchmarks.experiments.kgrc_equations import SHIPPED, Design, layer_cycles
from benchmarks.experiments.kgrc_readings import (
    C3D,
    EQUATIONS,
    LATENCIES,
    R2PLUS1D,
    fitted,
    starts,
    typical,
    worst,
)
from dataflows.registry import create
from simulator.network_simulation import MachineRun
from workloads import pruning
from workloads.catalog import load_workload
from workloads.pruning.methods.kernel_groups.group_ratios import load_ratios

pytestmark = pytest.mark.slow

EDGES = 1.5e-3  # the first tile waits for no store, and a last tile of few filters stores less
INFINITE = {"dram": {"bandwidth_gbs": float("inf"), "latency_ns": 0.0}}
LAYERS = [
    ("c3d", "conv1a"),
    ("c3d", "conv3a"),
    ("c3d", "conv5a"),
    ("r2plus1d-18", "stem_spatial"),
    ("r2plus1d-18", "layer2_0.conv1.temporal"),
    ("r2plus1d-18", "layer2_0.downsample"),
    ("r2plus1d-18", "layer3_1.conv1.spatial"),
]


@pytest.mark.parametrize(("network", "layer"), LAYERS)
@pytest.mark.parametrize(
    "design", [Design("dense", 8), Design("kgr", 16), Design("kgc", 8), Design("kgrc", 16)], ids=str
)
@pytest.mark.parametrize("reading", [SHIPPED, EQUATIONS], ids=["shipped", "equations"])
def test_the_closed_form_is_what_the_machine_does(design, network, layer, reading):
    workload = load_workload(network)
    if design.pruning != "dense":
        workload = workload.prune(pruning.parse(f"{design.pruning}:table={network}"))
    own = {} if reading == SHIPPED else {"start_cycles": 0, "row_list_cycles": 0}
    trace, ratios = workload.select(layer).trace(0), load_ratios(network)[layer]
    found = MachineRun(create("kgrc", design.spec.model_dump() | INFINITE | own)).layer(trace).cycles
    assert found == pytest.approx(layer_cycles(trace.layer, ratios["kgr"], ratios["kgc"], design, reading), rel=EDGES)


def test_the_study_holds_every_published_latency():
    assert len(C3D) == 8 + 7
    assert len(R2PLUS1D) == 3 + 4 + 3 + 3 + 4


def test_the_shipped_reading_meets_every_latency_and_the_equations_alone_do_not():
    assert worst(SHIPPED) < 0.6
    assert typical(SHIPPED) < 0.3
    exact = [latency for latency in LATENCIES if not latency.drawn]
    assert max(abs(latency.deviation(SHIPPED)) for latency in exact) < 0.015
    assert sum(latency.miss(EQUATIONS) > 1 for latency in LATENCIES) > len(LATENCIES) / 2


@pytest.mark.parametrize(("chosen_by", "held_out"), [(C3D, R2PLUS1D), (R2PLUS1D, C3D)], ids=["c3d", "r2plus1d"])
def test_the_starts_that_one_network_chooses_foretell_the_other(chosen_by, held_out):
    reading = fitted(EQUATIONS, chosen_by)
    assert worst(reading, held_out) < 0.6
    assert abs(reading.dense_cycles - SHIPPED.dense_cycles) <= 4, starts(reading)
    assert abs(reading.sparse_cycles - SHIPPED.sparse_cycles) <= 4, starts(reading)
    assert abs(reading.row_cycles - SHIPPED.row_cycles) <= 4, starts(reading)


def test_64_bit_ports_are_refuted_by_the_second_network_only():
    narrow = replace(EQUATIONS, ports="64 bits")
    reading = fitted(narrow, C3D)
    assert worst(reading, C3D) < 1
    assert worst(reading, R2PLUS1D) > 5


@pytest.mark.parametrize(
    "change",
    [
        {"row_sums": "one bank per parallel row"},
        {"row_sums": "through the ports"},
        {"edges": "full tiles"},
        {"positions": "gathered"},
        {"first_load": "all chunks of a kernel"},
        {"first_load": "hidden"},
        {"stores": "after each tile"},
        {"lists": "unless positions alone"},
        {"lists": "both"},
    ],
    ids=str,
)
def test_other_choices_miss_some_figure_whatever_a_start_costs(change):
    assert worst(fitted(replace(EQUATIONS, **change), LATENCIES)) > 2
