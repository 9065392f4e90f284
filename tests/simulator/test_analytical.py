"""The report of an analytical model: its numbers, its books, and that nobody takes it for a simulation."""

import json
import re
from dataclasses import replace

import pytest

from dataflows.registry import analytical_machines, create
from simulator import analytical
from simulator.analytical import NOTE, expect
from simulator.engine.errors import BooksError
from simulator.network_simulation import simulate
from simulator.plots.report_page import report_page
from simulator.reports.books import expected_laws
from simulator.reports.diff import Tolerances, difference
from simulator.reports.energy_report import KEYS as ENERGY_KEYS
from simulator.terminal.reports import print_comparison, print_report
from tests.simulator.studies.studies import network
from workloads.catalog import load_workload
from workloads.errors import InputError, UnsupportedLayerError


@pytest.fixture(scope="module")
def workload(tmp_path_factory):
    return load_workload(network(tmp_path_factory.mktemp("network")))


@pytest.fixture(scope="module")
def report(workload):
    return expect(create("scnn"), workload)


@pytest.mark.parametrize("name", analytical_machines())
def test_it_has_the_keys_of_a_simulated_report(name, workload):
    expected = expect(create(name), workload).to_dict()
    (simulated,) = simulate([create(name)], workload)
    simulated = simulated.to_dict()
    assert list(expected) == list(simulated)
    assert (expected["model"], simulated["model"]) == ("analytical", "events")
    for ours, theirs in zip(
        (*expected["layers"], expected["total"]), (*simulated["layers"], simulated["total"]), strict=True
    ):
        assert list(ours) == list(theirs)
        assert list(ours["dram"]) == list(theirs["dram"])
        assert all(ours[key] is None and theirs[key] is not None for key in ENERGY_KEYS)
        assert ours["pe_cycle_stack"].keys() == theirs["pe_cycle_stack"].keys()
        assert (ours["multipliers"], ours["pes"], ours["dense_macs"]) == (
            theirs["multipliers"],
            theirs["pes"],
            theirs["dense_macs"],
        )
    assert expected["area"] is None
    plain = expect(create(name), workload, energy=False).to_dict()
    assert not {*ENERGY_KEYS, "area"} & {*plain, *plain["total"], *plain["layers"][0]}
    assert expected["digest"] != simulated["digest"]
    json.dumps(expected, allow_nan=False)


def test_the_numbers_follow_from_the_machines_expectations(workload, report):
    machine, baseline = create("scnn"), create("dcnn")
    for index, layer in enumerate(report.layers):
        trace = workload.trace(index)
        densities = (trace.weight_density, trace.activation_density)
        work = machine.expected_work(trace.layer, *densities)
        assert (layer.weight_density, layer.activation_density) == densities
        assert work.cycles <= layer.cycles < work.cycles + 1
        assert layer.dense_cycles == baseline.expected_cycles(trace.layer, 1.0, 1.0)
        assert layer.speedup == layer.dense_cycles / layer.cycles
        assert layer.issued_macs == pytest.approx(work.issued.sum(), abs=1)
        assert sum(layer.pe_busy_cycles) == layer.pe_cycle_stack["busy"] == pytest.approx(work.busy.sum(), abs=64)
        assert layer.fragmented_lanes == 16 * layer.pe_cycle_stack["busy"] - layer.issued_macs
        # 12 rows on 8 rows of PEs are 6 tiles of 2.
        assert layer.pe_cycle_stack["unmapped"] == (64 - 36) * layer.cycles
        assert (layer.dram.total_bytes, layer.bounds.memory_cycles) == (0, 0)
    assert report.total.cycles == sum(layer.cycles for layer in report.layers)


def test_effectual_products_are_those_of_random_masks(workload, report):
    (simulated,) = simulate([create("scnn")], workload)
    for ours, theirs in zip(report.layers, simulated.layers, strict=True):
        assert ours.weight_macs == pytest.approx(theirs.weight_macs, rel=0.02)
        assert ours.effectual_macs == pytest.approx(theirs.effectual_macs, rel=0.05)
        assert ours.issued_macs == pytest.approx(theirs.issued_macs, rel=0.05)


def test_the_baseline_keeps_its_clock(workload, report):
    slow = expect(create("scnn", {"clock_hz": 500_000_000}), workload)
    assert slow.total.cycles == report.total.cycles
    assert slow.total.time_us == pytest.approx(2 * report.total.time_us)
    assert slow.total.speedup == report.total.speedup


@pytest.mark.parametrize("densities", [(0.0, 0.5), (0.5, 0.0), (1e-6, 1e-6), (1.0, 1.0), (0.013, 0.7)])
@pytest.mark.parametrize("name", analytical_machines())
@pytest.mark.parametrize("lanes", [1, 3, 4])
def test_books_balance_at_any_density(name, densities, lanes):
    settings = {"weights_per_vector": lanes, "activations_per_vector": 1} if name == "scnn" else {}
    chosen = load_workload("alexnet@scnn").with_density(*densities)
    report = expect(create(name, settings), chosen)
    for layer in report.layers:
        assert sum(layer.pe_cycle_stack.values()) == layer.pes * layer.cycles
        assert layer.cycles >= layer.bounds.largest
        assert layer.fragmented_lanes >= 0


@pytest.mark.parametrize(
    ("change", "law"),
    [
        (lambda report, work: (replace(report, cycles=report.cycles + 1), work), "causes sum to PEs x cycles"),
        (
            lambda report, work: (replace(report, effectual_macs=report.issued_macs + 1), work),
            "every effectual product",
        ),
        (lambda report, work: (report, replace(work, issued=17 * work.busy)), "and on no more lanes than there are"),
        (lambda report, work: (report, replace(work, issued=work.busy / 2)), "issues a product on one lane at least"),
    ],
)
def test_cooked_books_are_refused(workload, monkeypatch, change, law):
    monkeypatch.setattr(analytical, "expected_laws", lambda *books: expected_laws(*change(*books)))
    with pytest.raises(BooksError, match=re.escape(law)):
        expect(create("scnn"), workload)


@pytest.mark.parametrize("name", ["eie", "cambricon-x"])
def test_a_machine_without_a_model_is_refused_in_one_line(name, workload):
    with pytest.raises(InputError) as caught:
        expect(create(name), workload)
    assert str(caught.value) == f"{name} has no analytical model; machines that have one: dcnn, dcnn-opt, ideal, scnn"


def test_layers_that_the_machine_refuses_are_refused_before_any_trace(monkeypatch):
    monkeypatch.setattr("workloads.workload.Workload.trace", lambda *_: pytest.fail("a trace was made"))
    with pytest.raises(UnsupportedLayerError, match="scnn cannot run layer 'conv1a'"):
        expect(create("scnn"), load_workload("c3d"))


def test_a_layer_without_a_formula_is_refused(workload, monkeypatch):
    monkeypatch.setattr("dataflows.machines.dcnn.Dcnn.expected_work", lambda *_: None)
    with pytest.raises(UnsupportedLayerError, match="the analytical model of dcnn does not cover layer 'first'"):
        expect(create("scnn"), workload)


@pytest.mark.slow
def test_nobody_takes_it_for_a_simulation(workload, report, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    assert all(layer.notes == (NOTE,) for layer in report.layers)
    assert {row["model"] for row in report.rows()} == {"analytical"}
    assert "scnn, analytical model" in report._repr_html_()
    print_report(report)
    shown = capsys.readouterr().out
    assert "small on scnn, analytical model" in shown
    assert f"first, second: {NOTE}" in shown or f"first and 1 more layer: {NOTE}" in shown
    (simulated,) = simulate([create("scnn")], workload)
    print_comparison([simulated, report])
    assert "scnn, analytical model " in capsys.readouterr().out
    data = report.to_dict()
    assert "small on scnn, analytical model" in report_page([data])
    assert difference([simulated.to_dict()], [data], Tolerances()).settings == ("scnn: model: events -> analytical",)
    print_report(simulated)
    assert "analytical" not in capsys.readouterr().out + report_page([simulated.to_dict()])
    assert "model" not in simulated.rows()[0]
