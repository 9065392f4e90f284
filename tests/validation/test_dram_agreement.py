"""The agreement table: every Ramulator row met exactly, with either scheduler, and DRAMsim3 as a second opinion."""

import csv
from dataclasses import replace

import pytest

from simulator.validation.dram_agreement import REFERENCE, agreement_rows, format_agreement, reference_counts
from tests.shared_data import SHARED, needs_shared


@pytest.fixture(scope="module", params=["row_hit", "first_ready"])
def table(request):
    return request.param, agreement_rows(request.param)


def reference_rows():
    with REFERENCE.open(encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def test_every_number_equals_ramulator_with_the_same_scheduler(table):
    scheduler, rows = table
    theirs = {"row_hit": "rowhit", "first_ready": "frfcfs"}[scheduler]
    expected = {
        (row["trace"], row["map"], row["refresh"]): {"cycles": int(row["cycles"]), "activates": int(row["act"])}
        for row in reference_rows()
        if row["sim"] == "Ramulator2.1" and row["sched"] == theirs
    }
    assert {(row.pattern, row.address_map, row.refresh, row.quantity): row.ours for row in rows} == {
        (*case, quantity): value for case, values in expected.items() for quantity, value in values.items()
    }
    assert len(rows) == 2 * 40
    assert all(row.equal for row in rows)


def test_dramsim3_is_a_second_opinion(table):
    _, rows = table
    theirs = {
        (row["trace"], row["map"], row["refresh"]): (int(row["cycles"]), int(row["act"]))
        for row in reference_rows()
        if row["sim"] == "DRAMsim3"
    }
    found = {(row.pattern, row.address_map, row.refresh, row.quantity): row.dramsim3 for row in rows}
    for case, (cycles, activates) in theirs.items():
        assert (found[*case, "cycles"], found[*case, "activates"]) == (cycles, activates)
    assert replace(rows[0], ours=120, dramsim3=100).distance == pytest.approx(0.2)


def test_the_table_as_text():
    rows = agreement_rows(patterns=["f_seq_write"])
    lines = format_agreement(rows).splitlines()
    assert lines[2] == "pattern          map refresh quantity       ours Ramulator equal  DRAMsim3 away"
    assert lines[3] == "f_seq_write      M1  noref   cycles      339,921   339,921 yes     323,607 +5.0%"
    assert len(lines) == 3 + 8 + 1
    assert lines[-1].startswith("8 of 8 numbers equal Ramulator 2.1's; ")
    wrong = format_agreement([replace(rows[0], ours=1), *rows[1:]])
    assert " NO " in wrong
    assert "7 of 8 numbers equal" in wrong


def test_there_are_forty_cases():
    assert len(reference_counts("row_hit")) == len(reference_counts("first_ready")) == 40


@needs_shared
def test_the_packaged_reference_is_the_measured_one():
    with (SHARED / "validation" / "dram" / "reference.csv").open(encoding="utf-8") as file:
        measured = list(csv.DictReader(file))
    assert reference_rows() == measured
