"""Results and timelines as figures need them, from any file that the command writes."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.plots.data import Data, Row, swept_columns
from simulator.reports.files import cell_text, plain_texts, read_reports
from simulator.reports.metrics import flat
from simulator.reports.report import SCHEMA
from workloads.errors import InputError, nearest
from workloads.files import DATA_LIMIT_BYTES, require_file
from workloads.names import LONGEST_TEXT, plain_name
from workloads.texts import read_json

if TYPE_CHECKING:
    from simulator.studies.store import Store

_SQLITE, _PARQUET = b"SQLite format 3\0", b"PAR1"


def read_results(path: Path, study: str | None = None, where: Sequence[str] = (), *, whole: bool = False) -> Data:
    """Reports from JSON, rows from CSV, Parquet or a store of studies; which of them it is, the content tells.

    study   of a store that holds several
    where   "column=value" each: only such rows, or the reports of such points
    whole   of a store: whole reports in place of a row a point, each with the swept values of its `point`

    Raises `InputError` naming the file when it is missing or none of these.
    """
    # By content before ending, since files are renamed; the ending decides only where content says nothing.
    head = _head(path)
    if head.startswith(_SQLITE) or path.suffix.lower() == ".sqlite":  # which a damaged one does not begin with
        return _read_store(path, study, where, whole=whole)
    if study is not None:
        raise InputError(f"{path}: --study: only a store of 'sweep' holds studies")
    if head.startswith(_PARQUET):
        return chosen_rows(_read_parquet(path), where)
    if head.lstrip().startswith((b"{", b"[")) or path.suffix.lower() == ".json":
        if where:
            raise InputError(f"{path}: --where: a JSON report has no rows to choose from")
        return read_reports(path)
    return chosen_rows(_read_rows(path), where)


def _read_parquet(path: Path) -> list[Row]:
    """The rows of a Parquet file. Raises `InputError` naming it when it is none."""
    try:
        import pandas as pd  # noqa: PLC0415 (pandas is optional and slow to load)

        return pd.read_parquet(path).to_dict("records")
    except ImportError:
        raise InputError(f"{path}: Parquet needs pandas and pyarrow: pip install 'prunesim[frames]'") from None
    except Exception as error:  # noqa: BLE001 (damage shows in errors of many kinds, pyarrow's own among them)
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not a Parquet file, or damaged: {reason:.200}") from None


def chosen_rows(rows: Sequence[Row], where: Sequence[str]) -> list[Row]:
    """The rows that have every value asked for, written as in a CSV. Raises `InputError` when there are none."""
    for text in where:
        column, sign, wanted = text.partition("=")
        if not sign:
            raise InputError(f"--where {text}: must be COLUMN=VALUE")
        if rows and column not in rows[0]:
            raise InputError(f"--where {text}: unknown column '{column}': {nearest(column, rows[0])}")
        # Compared as texts, words and numbers alike: 4 finds the number 4, but 0.50 does not find 0.5.
        found = [row for row in rows if str(row.get(column)) == wanted]
        if not found:
            known = ", ".join(dict.fromkeys(str(row.get(column)) for row in rows))
            raise InputError(f"--where {text}: no such row; the values are {known}")
        rows = found
    return list(rows)


def read_timeline(path: Path) -> dict[str, Any]:
    """A timeline that `run --timeline` wrote. Raises `InputError` naming the file when it is none."""
    _head(path)
    data = plain_texts(read_json(path, "a timeline", DATA_LIMIT_BYTES))
    if not isinstance(data, dict) or not {"traceEvents", "otherData"} <= set(data):
        raise InputError(f"{path}: not a timeline: this kind of plot needs the file of 'run --timeline'")
    return data


def read_serving(path: Path) -> dict[str, Any]:
    """A report that `serve` wrote. Raises `InputError` naming the file when it is none."""
    _head(path)
    data = plain_texts(read_json(path, "a report of 'serve'", DATA_LIMIT_BYTES))
    if not isinstance(data, dict) or "serving" not in data:
        raise InputError(f"{path}: not a report of 'serve', which this kind of plot needs")
    if data.get("schema") != SCHEMA:
        raise InputError(f"{path}: schema = {data.get('schema')!r}, must be {SCHEMA}")
    return data


def _read_store(path: Path, study: str | None, where: Sequence[str], *, whole: bool) -> list[Row]:
    from simulator.studies.store import Store  # noqa: PLC0415 (only where there is one)

    with Store(path, reading=True) as store:
        names = store.studies()
        if study is None and len(names) > 1:
            raise InputError(f"{path}: holds several studies, choose one with --study: {', '.join(names)}")
        rows = chosen_rows(list(store.rows(study)), where)
        return _reports_of_points(store, rows) if whole else rows


def _reports_of_points(store: Store, rows: Sequence[Row]) -> list[Row]:
    """The report of each point once, with the values that tell it from others; None for what its machine lacks."""
    reports = [store.report(row["key"]) for row in rows]
    settings = [flat(report["accelerator"]).keys() for report in reports]
    every = set[str]().union(*settings)
    apart = [key for key in ("seed", "input") if len({str(row.get(key)) for row in rows}) > 1]
    apart = [*swept_columns(rows), *apart]
    points = dict[tuple[str, str], Row]()
    for row, report, own in zip(rows, reports, settings, strict=True):
        # Densities and the like are no settings: no machine has them, and every point does.
        values = {key: row.get(key) if key in own or key not in every else None for key in apart}
        points[row["key"], repr(values)] = report | {"point": values}
    return list(points.values())


def _head(path: Path) -> bytes:
    require_file(path)
    try:
        with path.open("rb") as stream:
            # As long as the longest of the marks, SQLite's.
            return stream.read(16)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _read_rows(path: Path) -> list[Row]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = [{key: _number(text) for key, text in row.items()} for row in csv.DictReader(stream, strict=True)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: neither a JSON report nor a CSV of results: {error}") from None
    if not rows or "accelerator" not in rows[0]:
        raise InputError(f"{path}: neither a JSON report nor a CSV of results: it has no column 'accelerator'")
    return rows


def _number(text: Any) -> Any:
    """A cell as the number that it spells; an empty one as None."""
    if text in ("", None):
        return None
    # int first: "3" is a count and must not become 3.0.
    for kind in (int, float):
        try:
            return kind(text)
        except (TypeError, ValueError):
            continue
    return plain_name(cell_text(text), LONGEST_TEXT) if isinstance(text, str) else text
