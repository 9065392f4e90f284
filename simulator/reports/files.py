"""Report files: JSON and CSV out, JSON back in."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

from simulator.reports.report import SCHEMA
from workloads.errors import InputError
from workloads.files import DATA_LIMIT_BYTES, write_whole
from workloads.names import LONGEST_TEXT, plain_name
from workloads.texts import parse_json, read_json

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what cells of formulas begin with
_STANDARD_INPUT = Path("standard input")

__all__ = ["cell_text", "plain_texts", "read_reports", "to_csv", "to_json", "write_whole"]


def to_json(data: dict[str, Any]) -> str:
    """The report as JSON text; the same run gives the same text, byte for byte."""
    # NaN and infinity are no JSON: an error here is better than a file that others cannot read.
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def to_csv(rows: list[dict[str, Any]]) -> str:
    """Flat rows as CSV text; the columns are those of all rows, in order of first appearance."""
    # Rows of several machines differ in their settings; a dict keeps order where a set would not.
    columns = list(dict.fromkeys(key for row in rows for key in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return stream.getvalue()


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula, with the apostrophe before it that says it is none."""
    return f"'{value}" if isinstance(value, str) and _is_formula(value) else value


def cell_text(text: str) -> str:
    """The text that a cell of `to_csv` stands for."""
    return text[1:] if text.startswith("'") and _is_formula(text) else text


def _is_formula(text: str) -> bool:
    """Whether it begins as a formula; one that already has apostrophes gets another, so that it can be told again."""
    # `=1+1` is written as `'=1+1`, and a text that is `'=1+1` already as `''=1+1`; reading takes one apostrophe off
    # each. `'tis` begins no formula and stays as it is both ways.
    return text.lstrip("'").startswith(_FORMULA)


def plain_texts(data: Any) -> Any:
    """The same lists and tables with every text, keys included, made plain (`workloads.names`)."""
    if isinstance(data, dict):
        return {plain_name(key, LONGEST_TEXT): plain_texts(value) for key, value in data.items()}
    if isinstance(data, list):
        return [plain_texts(one) for one in data]
    return plain_name(data, LONGEST_TEXT) if isinstance(data, str) else data


def _read_json(path: Path) -> Any:
    if str(path) != "-":
        return read_json(path, "a JSON report", DATA_LIMIT_BYTES)
    return parse_json(sys.stdin.buffer.read(DATA_LIMIT_BYTES), str(_STANDARD_INPUT), "a JSON report")


def read_reports(path: Path) -> list[dict[str, Any]]:
    """The reports in a JSON file that `run` or `compare` wrote; - is standard input.

    Raises `InputError` naming the file when it is missing, no JSON, or no report of this schema.
    """
    # Names from a stranger's file end in tables and pages, so that what could steer a terminal is replaced first.
    data = plain_texts(_read_json(path))
    path = _STANDARD_INPUT if str(path) == "-" else path
    if not isinstance(data, dict) or "schema" not in data:
        raise InputError(f"{path}: not a report of prunesim: it has no 'schema'")
    if data["schema"] != SCHEMA:
        raise InputError(f"{path}: schema = {data['schema']!r}, must be {SCHEMA}")
    # `compare` writes a list of reports, `run` a single one.
    reports = data.get("reports", [data])
    for report in reports:
        missing = [key for key in ("accelerator", "workload", "layers", "total") if key not in report]
        if missing:
            raise InputError(f"{path}: not a report of prunesim: it has no '{missing[0]}'")
    return reports
