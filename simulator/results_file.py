"""Report files: JSON and CSV out, JSON back in."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from simulator.files import write_whole
from simulator.report import SCHEMA
from workloads.errors import InputError
from workloads.texts import read_json

_LIMIT_BYTES = 1 << 30  # of a report; a comparison of many machines has some megabytes

__all__ = ["read_reports", "to_csv", "to_json", "write_whole"]


def to_json(data: dict[str, Any]) -> str:
    """The report as JSON text; the same run gives the same text, byte for byte."""
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def to_csv(rows: list[dict[str, Any]]) -> str:
    """Flat rows as CSV text; the columns are those of all rows, in order of first appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def read_reports(path: Path) -> list[dict[str, Any]]:
    """The reports in a JSON file that `run` or `compare` wrote.

    Raises `InputError` naming the file when it is missing, no JSON, or no report of this schema.
    """
    data = read_json(path, "a JSON report", _LIMIT_BYTES)
    if not isinstance(data, dict) or "schema" not in data:
        raise InputError(f"{path}: not a report of prunesim: it has no 'schema'")
    if data["schema"] != SCHEMA:
        raise InputError(f"{path}: schema = {data['schema']!r}, must be {SCHEMA}")
    reports = data.get("reports", [data])
    for report in reports:
        missing = [key for key in ("accelerator", "workload", "layers", "total") if key not in report]
        if missing:
            raise InputError(f"{path}: not a report of prunesim: it has no '{missing[0]}'")
    return reports
