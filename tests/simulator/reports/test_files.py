"""Tables as text: what a spreadsheet would compute is written as text, and read back as it was."""

import csv
import io

import pytest

from simulator.reports.files import cell_text, to_csv, to_json

PLAIN = ["conv1", "", "a=b", "3+4", "'quoted'", "it's"]
FORMULAS = ["=1+2", "+3", "-x", "@sum", "'=1", "''=1"]


@pytest.mark.parametrize("text", [*PLAIN, *FORMULAS])
def test_a_text_is_read_as_it_was_written(text):
    (row,) = csv.DictReader(io.StringIO(to_csv([{"name": text, "cycles": -5}])))
    assert row["name"] == (f"'{text}" if text in FORMULAS else text)
    assert cell_text(row["name"]) == text
    assert row["cycles"] == "-5", "a number stays one"


def test_json_is_laid_out_line_by_line_and_holds_no_nan():
    """Reports are compared as text, and other readers refuse NaN."""
    assert to_json({"a": [1], "b": 0.5}) == '{\n "a": [\n  1\n ],\n "b": 0.5\n}\n'
    with pytest.raises(ValueError, match="Out of range float values"):
        to_json({"a": float("nan")})
