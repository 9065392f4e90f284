"""The order of the design space: what is faster than what, on the studies that are shipped."""

from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from benchmarks.experiments.run_all import FOLDER
from simulator.equal_size import size_of
from simulator.studies.study import Study
from simulator.validation.results import simulated

pytestmark = pytest.mark.slow


@cache
def totals(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(what a point sets, its total) for every point of a shipped study with seed 0."""
    places = [place for place in Study.read(FOLDER / f"{name}.toml").places if place.values["seed"] == 0]
    reports = simulated(places)
    return [(place.values, reports[place.key]["total"]) for place in places]


def column(name: str, x: str, y: str, **where: Any) -> dict[Any, Any]:
    """A metric by a parameter, of the points that are as `where` says."""
    chosen = [row for row in totals(name) if all(row[0].get(key) == value for key, value in where.items())]
    return {values[x]: total[y] for values, total in chosen}


def ascends(numbers: list[float]) -> bool:
    return all(a < b for a, b in pairwise(numbers))


def test_scnn_gains_with_every_zero_and_crosses_its_dense_baseline():
    speedup = column("scnn_against_dcnn", "density", "speedup", skip="both")
    assert ascends([-value for value in speedup.values()])
    assert speedup[0.7] > 1 > speedup[0.8]  # published: between 0.8 and 0.9
    assert speedup[1.0] == pytest.approx(0.788, rel=0.07)


def test_skipping_zeros_of_both_operands_beats_weights_alone_and_these_activations_alone():
    both, weights, activations = (
        column("scnn_against_dcnn", "density", "cycles", skip=skip) for skip in ("both", "weights", "activations")
    )
    assert all(both[d] < weights[d] < activations[d] for d in both if d < 1)
    assert both[1.0] == weights[1.0] == activations[1.0]
    assert weights[0.4] / both[0.4] == pytest.approx(1.654, rel=0.13)  # SCNN-SparseW in the paper
    assert activations[0.4] / both[0.4] == pytest.approx(2.462, rel=0.08)  # SCNN-SparseA


def test_the_published_pe_is_the_best_size():
    cycles = column("pe_granularity", "pe_rows", "cycles")
    assert min(cycles, key=cycles.__getitem__) == 8
    assert ascends([cycles[8], cycles[4], cycles[2]])  # vectors of a large PE stay half empty
    assert ascends([cycles[8], cycles[16], cycles[32]])  # tiles of small PEs are ragged and their PEs wait
    assert ascends(list(column("pe_granularity", "pe_rows", "load_imbalance").values()))


@pytest.mark.parametrize("workload", ["vgg16", "alexnet"])
def test_cambricon_x_gains_with_every_zero_weight(workload):
    cycles = column("cambricon_x_over_sparsity", "weight_density", "cycles", workload=workload)
    assert ascends(list(cycles.values()))


def test_cambricon_x_gains_at_most_one_cycle_a_window():
    speedup = column("cambricon_x_over_sparsity", "weight_density", "speedup", workload="vgg16")
    assert speedup[1.0] == pytest.approx(1, abs=0.01)  # nothing to skip: DianNao with an index
    assert speedup[0.01] == pytest.approx(16, abs=0.1)  # a window of 256 takes a cycle, where DianNao takes 16


def test_index_bits_cost_a_fully_connected_layer_its_gain_when_it_is_dense():
    speedup = column("cambricon_x_over_sparsity", "weight_density", "speedup", workload="alexnet")
    assert speedup[1.0] == pytest.approx(16 / 24, rel=0.08)  # 8 bits of index beside 16 of weight
    assert speedup[0.5] > 1 > speedup[0.75]


@pytest.mark.parametrize("name", ["machines_at_equal_size", "prunings_at_equal_size"])
def test_machines_of_equal_size_are_of_equal_size(name):
    for place in Study.read(FOLDER / f"{name}.toml").places:
        size = size_of(place.point.accelerator())
        assert size.pop("on_chip_kib") == pytest.approx(1024, rel=0.001)
        assert size == {"multipliers": 1024, "clock_ghz": 1, "bandwidth_gbs": 50, "bits": 16}


def test_machines_of_equal_size_on_unstructured_zeros():
    cycles = {
        name: column("machines_at_equal_size", "density", "cycles", accelerator=name)
        for name in ("scnn", "dcnn", "cambricon-x", "diannao", "structured", "pattern", "systolic")
    }
    dense = ("dcnn", "diannao", "structured", "systolic")
    for density in (0.1, 0.25):  # who skips more is faster
        assert cycles["scnn"][density] < cycles["cambricon-x"][density] < cycles["pattern"][density]
        assert all(cycles["pattern"][density] < cycles[name][density] for name in dense)
    # Without zeros hardware for zeros gains nothing, where all have the same memory.
    assert cycles["cambricon-x"][1.0] == pytest.approx(cycles["diannao"][1.0], rel=0.1)
    assert cycles["dcnn"][1.0] < cycles["scnn"][1.0]
    assert cycles["scnn"][0.75] < cycles["dcnn"][0.75]
    # What SCNN wins by zeros of activations it loses in its vectors: Cambricon-X overtakes it between these two.
    assert cycles["scnn"][0.5] < cycles["cambricon-x"][0.5]
    assert cycles["cambricon-x"][0.75] < cycles["scnn"][0.75]
    for name in dense:  # nothing to gain from zeros anywhere
        assert cycles[name][0.25] == pytest.approx(cycles[name][1.0], rel=0.01)


def test_machines_of_equal_size_each_with_its_own_pruning():
    cycles, products = {}, 0
    for values, total in totals("prunings_at_equal_size"):
        cycles[values["accelerator"], values["prune"].partition(":")[0]] = total["cycles"]
        products = max(products, total["dense_macs"])  # of the machine whose filters are not removed
    free, aware = cycles["cambricon-x", "unstructured"], cycles["cambricon-x", "aap"]
    assert aware < free
    best = min(cycles, key=cycles.__getitem__)
    assert best == ("scnn", "unstructured")  # the only one that skips activations as well
    assert cycles["structured", "shape"] < min(cycles["pattern", "pattern"], aware)
    # A quarter of the columns is a quarter of the products, on 1,024 multipliers that are nearly always busy.
    assert cycles["structured", "shape"] == pytest.approx(products / 4 / 1024, rel=0.05)
