"""What the study of KGRC's equations concludes, and that its closed form is what the machine does."""

from dataclasses import replace

import pytest

from benchmarks.experiments.kgrc_equations import SHIPPED, Design, layer_cycles
from benchmarks.experiments.kgrc_readings import (
    EQUATIONS,
    GOAL,
    HELD_OUT,
    PUBLISHED_MS,
    calibrated,
    cost_readings,
    deviations,
    equation_readings,
    held_out_speedup,
    list_readings,
    missing_cycles,
    worst,
)
from dataflows.registry import create
from simulator.network_simulation import MachineRun
from workloads import pruning
from workloads.pruning.group_ratios import load_ratios
from workloads.workload import load_workload

EDGES = 1.5e-3  # the first tile waits for no store, and a last tile of few filters stores less
INFINITE = {"dram": {"bandwidth_gbs": float("inf"), "latency_ns": 0.0}}


@pytest.mark.parametrize("layer", ["conv1a", "conv3a", "conv4b", "conv5a"])
@pytest.mark.parametrize("design", PUBLISHED_MS, ids=lambda design: f"{design.pruning}-{design.bits}")
@pytest.mark.parametrize("reading", [SHIPPED, EQUATIONS], ids=["shipped", "equations"])
def test_the_closed_form_is_what_the_machine_does(design, layer, reading):
    workload = load_workload("c3d")
    if design.pruning != "dense":
        workload = workload.prune(pruning.parse(f"{design.pruning}:table=c3d"))
    settings = design.spec.model_dump() | INFINITE | {"index_entries_per_cycle": int(reading == SHIPPED)}
    trace = workload.select(layer).trace(0)
    expected = layer_cycles(trace.layer, load_ratios("c3d")[layer], design, reading)
    assert MachineRun(create("kgrc", settings)).layer(trace).cycles == pytest.approx(expected, rel=EDGES)


def test_no_reading_of_the_equations_alone_reaches_the_published_latencies():
    found = [worst(reading) for reading in equation_readings()]
    assert len(found) == 3456
    assert min(found) > 2 * GOAL


def test_lists_an_entry_a_cycle_bring_every_design_within_five_percent():
    assert worst(SHIPPED) < 0.042
    assert worst(SHIPPED, ["dense", "kgr"]) < 0.013
    assert held_out_speedup(SHIPPED, SHIPPED) == pytest.approx(HELD_OUT[-1], rel=0.01)
    assert held_out_speedup(EQUATIONS, EQUATIONS) > 1.12 * HELD_OUT[-1]
    assert sum(worst(reading) <= GOAL for reading in list_readings()) == 2  # lists by what the network drops


def test_constant_costs_of_a_step_chosen_by_six_figures_foretell_the_other_three():
    """So the cost of a step is certain; that it is the lists is the likeliest reading."""
    reading = calibrated()
    assert (reading.step_cycles, reading.row_cycles) == (16, 56)
    assert worst(reading) < GOAL
    assert worst(reading, ["kgrc"]) < 0.011
    assert held_out_speedup(reading, reading) == pytest.approx(HELD_OUT[-1], rel=0.015)
    assert sum(worst(reading) <= GOAL for reading in cost_readings()) >= 5


@pytest.mark.parametrize("scheme", ["kgr", "kgc", "kgrc"])
def test_both_precisions_lack_the_same_cycles_for_each_step_and_not_for_each_tile(scheme):
    wide, narrow = (missing_cycles(Design(scheme, bits), "TK positions") for bits in (16, 8))
    assert abs(wide - narrow) <= 2
    wide, narrow = (missing_cycles(Design(scheme, bits), "tile") for bits in (16, 8))
    assert narrow > 1.15 * wide


def test_moving_sums_or_sharing_their_banks_is_refuted():
    for option in ("one bank per parallel row", "through the ports"):
        assert deviations(replace(EQUATIONS, row_sums=option))[2] > 0.4  # KGR, 16 bit
