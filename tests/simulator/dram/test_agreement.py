"""The agreement with DRAMsim3 and Ramulator 2.1: every number in the band, and every Ramulator row met exactly."""

import csv

import pytest

from simulator.dram.agreement import REFERENCE, Band, agreement_rows, format_agreement, reference_bands
from tests.shared_data import SHARED, needs_shared


@pytest.fixture(scope="module", params=["row_hit", "first_ready"])
def table(request):
    return request.param, agreement_rows(request.param)


def reference_rows():
    with REFERENCE.open(encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def test_every_number_lies_in_the_band_of_the_simulators(table):
    _, rows = table
    assert len(rows) == 2 * 40
    outside = [row for row in rows if not row.inside]
    assert not outside, format_agreement(outside)


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


def test_the_band_is_widened_by_three_percent():
    band = Band(1000, 2000)
    assert [band.contains(value) for value in (969, 970, 2060, 2061)] == [False, True, True, False]


def test_the_table_as_text():
    rows = agreement_rows(patterns=["f_seq_write"])
    lines = format_agreement(rows).splitlines()
    assert lines[0] == "pattern          map refresh quantity       ours       low      high inside"
    assert lines[1] == "f_seq_write      M1  noref   cycles      339,921   323,607   339,921 yes"
    assert len(lines) == 1 + 8


def test_there_are_forty_cases():
    assert len(reference_bands()) == 40


@needs_shared
def test_the_packaged_reference_is_the_measured_one():
    with (SHARED / "validation" / "dram" / "reference.csv").open(encoding="utf-8") as file:
        measured = list(csv.DictReader(file))
    assert reference_rows() == measured
