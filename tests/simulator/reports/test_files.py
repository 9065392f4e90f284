"""Tables as text: what a spreadsheet would compute is written as text, and read back as it was."""

import csv
import io

import pytest

from simulator.reports.files import cell_text, to_csv

PLAIN = ["conv1", "", "a=b", "3+4", "'quoted'", "it's"]
FORMULAS = ["=1+2", "+3", "-x", "@sum", "'=1", "''=1"]


@pytest.mark.parametrize("text", [*PLAIN, *FORMULAS])
def test_a_text_is_read_as_it_was_written(text):
    (row,) = csv.DictReader(io.StringIO(to_csv([{"name": text, "cycles": -5}])))
    assert row["name"] == (f"'{text}" if text in FORMULAS else text)
    assert cell_text(row["name"]) == text
    assert row["cycles"] == "-5", "a number stays one"
