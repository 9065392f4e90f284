"""The density sweeps of SCNN's paper, point by point, beside the analytical model; no mask is drawn for it here."""

import csv
from dataclasses import replace
from functools import cache

import pytest

from dataflows.registry import create
from simulator.validation.figure_metrics import crossover
from simulator.validation.figures import FigureSet
from simulator.validation.results import results
from simulator.validation.sensitivity import effects
from tests.shared_data import SHARED, needs_shared
from workloads.catalog import load_workload

PUBLISHED = FigureSet.read()
FIGURES = {figure.id: figure for figure in PUBLISHED.figures if figure.id.startswith("scnn-analytical-")}
POINTS = {name: figure for name, figure in FIGURES.items() if figure.metric == "speedup"}
LAYERS = load_workload("googlenet@scnn").layers
BEYOND = {"scnn-analytical-sweep-0.1"}


@cache
def speedup(skip, density):
    """DCNN's cycles over SCNN's, one layer after the other."""
    cycles = {
        name: sum(create(name, settings).expected_cycles(layer, density, density) for layer in LAYERS)
        for name, settings in (("dcnn", {}), ("scnn", {"skip": skip}))
    }
    return cycles["dcnn"] / cycles["scnn"]


@pytest.mark.parametrize("name", POINTS)
def test_a_drawn_point_is_met_within_the_goal_of_networks(name):
    figure = POINTS[name]
    deviation = speedup(**figure.where) / figure.published - 1
    assert PUBLISHED.allowed(figure) == 0.05
    assert (abs(deviation) > 0.05) == (name in BEYOND)
    if name in BEYOND:
        assert deviation == pytest.approx(PUBLISHED.recorded[name].deviation, abs=0.001)
    else:
        assert name not in PUBLISHED.recorded


def test_the_density_at_which_both_machines_are_equal():
    figure = FIGURES["scnn-analytical-crossover"]
    (found,) = crossover([(density / 10, speedup("both", density / 10)) for density in range(1, 11)])
    assert found == pytest.approx(figure.published, rel=0.05)


@needs_shared
def test_every_point_of_the_drawing_has_its_figure():
    with (SHARED / "validation" / "scnn_figures.csv").open(encoding="utf-8") as file:
        points = [row for row in csv.DictReader(file) if row["figure"] == "12a"]
    drawn = {f"12a/{row['network']}/{row['layer_or_density']}/{row['series']}" for row in points}
    assert len(drawn) == len(POINTS) == 29
    assert drawn == {row for figure in FIGURES.values() for row in figure.rows if row.startswith("12a/")}


def test_its_figures_and_no_others_are_told_as_analytical():
    assert {figure.id for figure in PUBLISHED.figures if PUBLISHED.model_of(figure) == "analytical"} == set(FIGURES)
    labels = {PUBLISHED.label_of(figure) for figure in PUBLISHED.figures if PUBLISHED.machine_of(figure) == "scnn"}
    assert labels == {"scnn", "scnn, analytical model"}
    (result,) = results(replace(PUBLISHED, figures=(FIGURES["scnn-analytical-sparse-w-1.0"],)))
    assert (result.to_dict()["machine"], result.to_dict()["model"]) == ("scnn", "analytical")


def test_other_readings_of_the_machine_are_not_laid_over_them():
    assert effects(replace(PUBLISHED, figures=tuple(FIGURES.values()))) == []


def test_curves_have_the_drawn_shape():
    # From 0.2 on nothing but a factor lies between the drawn and the expected curves of activations skipped alone.
    ratios = [
        figure.published / speedup(**figure.where)
        for figure in POINTS.values()
        if figure.where["skip"] == "activations" and figure.where["density"] > 0.15
    ]
    assert max(ratios) / min(ratios) < 1.002
