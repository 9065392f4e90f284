"""The report of a network as one run: its books, its place in rows, and what differs between two of them."""

from dataclasses import replace

import pytest

from dataflows.registry import create
from simulator.engine.errors import BooksError
from simulator.network_simulation import simulate
from simulator.reports.books import check_network
from simulator.reports.diff import Tolerances, difference
from simulator.reports.metrics import flat
from simulator.reports.network_total import total_row
from simulator.reports.report import Bounds
from tests.simulator.network.graphs import BLOCK
from tests.simulator.network.workloads import network


@pytest.fixture(scope="module")
def report():
    (report,) = simulate([create("structured")], network(BLOCK))
    return report


def moved(run):
    return run.read_bytes + run.write_bytes


def test_honest_books_pass(report):
    run = report.network
    check_network(run, report.total, moved_bytes=moved(run), compulsory_bytes=moved(run))


def with_span(run, number, **changes):
    spans = list(run.layers)
    spans[number] = replace(spans[number], **changes)
    return replace(run, layers=tuple(spans))


def with_stack(run, cause, cycles):
    span = run.layers[0]
    stack = span.pe_cycle_stack
    stack = stack | {cause: stack[cause] + cycles, "memory": stack["memory"] - cycles}
    return with_span(run, 0, pe_cycle_stack=stack)


COOKED = [
    (lambda r: replace(r, layers=r.layers[:-1]), "spans follow one another from 0 to the end"),
    (lambda r: with_span(r, 1, start_cycle=r.layers[1].start_cycle + 1), "spans follow one another from 0 to the end"),
    (lambda r: with_span(r, 0, end_cycle=r.layers[0].end_cycle + 1), "causes of each span sum to PEs x its cycles"),
    (lambda r: with_stack(r, "port", 10**9), "no cause is negative"),
    (
        lambda r: replace(r, pe_cycle_stack=r.pe_cycle_stack | {"busy": r.pe_cycle_stack["busy"] + 1}),
        "causes sum to PEs x cycles; PEs are as busy as in the layers alone",
    ),
    (lambda r: replace(r, read_bytes=r.read_bytes + 1), "DRAM carries what was scheduled"),
    (
        lambda r: replace(r, read_bytes=r.read_bytes - 1),
        "DRAM carries what was scheduled; what must cross DRAM does",
    ),
    (lambda r: replace(r, bounds=Bounds(0, 0, r.cycles + 1)), "cycles are at least each bound"),
]


@pytest.mark.parametrize(("cook", "law"), COOKED)
def test_cooked_books_name_the_law(report, cook, law):
    run = report.network
    with pytest.raises(BooksError) as error:
        check_network(cook(run), report.total, moved_bytes=moved(run), compulsory_bytes=moved(run))
    assert str(error.value).startswith("network: the books do not balance: ")
    assert law in str(error.value)


def test_the_last_row_holds_the_network_and_its_lists_do_not_fit_there(report):
    last = report.rows()[-1]
    assert last["network.cycles"] == report.network.cycles
    assert last["network.gain"] == report.total.cycles / report.network.cycles
    assert last["network.overlap"] == "weights"
    assert not any(key.startswith(("network.layers", "network.notes")) for key in last)
    assert not any(key.startswith("network") for row in report.rows()[:-1] for key in row)
    assert flat(total_row(report.to_dict())).items() <= last.items()


def test_a_report_without_a_network_has_a_plain_last_row(report):
    data = replace(report, network=None).to_dict()
    assert data["network"] is None
    assert total_row(data) == data["total"] | {"area": data["area"]}
    del data["network"], data["area"]  # as reports were before
    assert total_row(data) == data["total"]


def test_json_says_when_each_layer_ran(report):
    layers = report.to_dict()["network"]["layers"]
    assert [(one["name"], one["start_cycle"]) for one in layers][:1] == [("stem", 0)]
    assert [one["end_cycle"] for one in layers[:-1]] == [one["start_cycle"] for one in layers[1:]]
    assert layers[-1]["end_cycle"] == report.network.cycles


def test_a_difference_of_networks_is_found_where_layers_are_the_same(report):
    (serial,) = simulate([create("structured", {"overlap": "serial"})], network(BLOCK))
    found = difference([report.to_dict()], [serial.to_dict()], Tolerances())
    changes = {change.metric: change for change in found.changes}
    assert {change.layer for change in found.changes} == {"total"}
    assert changes["network.cycles"].worse
    assert changes["network.gain"].follows == "network.cycles"
    assert changes["network.gain"].worse
    assert changes["network.pe_cycle_stack.memory"].follows == "network.cycles"
    assert "structured: overlap: weights -> serial" in found.settings
