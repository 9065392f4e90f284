"""The file in which results of studies land: one SQLite database, a row a point, keyed by the point's digest.

Every result is committed when it arrives, so that a process killed at any moment loses only points in flight; several
processes of one machine may write to the same file. Nothing in the file depends on when or where a result was computed.
What a row says is compressed together with its key, so that its checksum tells whether it is whole and of that key.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from simulator.reports.metrics import flat
from simulator.studies import store_access
from simulator.studies.point import Outcome, Place
from simulator.studies.store_access import naming
from simulator.studies.store_rows import pack, unpack, whole_report
from workloads.errors import InputError, nearest

if TYPE_CHECKING:
    import pandas as pd

_SCHEMA = 2
_WAIT_SECONDS = 120.0  # for another process that is writing
_RETRY_SECONDS = 0.02
_TABLES = (
    "CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, total BLOB NOT NULL, report BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS failures (key TEXT PRIMARY KEY, error TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS studies
    (study TEXT, place INTEGER, key TEXT NOT NULL, point BLOB NOT NULL, PRIMARY KEY (study, place))""",
)


class Store:
    """An open store; a context manager. Methods raise `InputError` naming the file when it cannot be used.

    results   key of a point, its total as JSON, its whole report as JSON; both compressed
    failures  key of a point and why it has no result
    studies   the points of each study in order, by key, with what the study varies in each, as compressed JSON

    reading   for files that are only read, on media that cannot be written too: nothing of them or beside them changes
    """

    def __init__(self, path: Path, *, reading: bool = False) -> None:
        self.path = path
        with naming(path):
            self._database = store_access.read_only(path) if reading else store_access.writable(path, _WAIT_SECONDS)
            self._reading = reading
            try:
                self._check()
                if not reading:
                    self._keep_writers_apart()
            except BaseException:
                self._database.close()
                raise

    def _version(self) -> int:
        return self._database.execute("PRAGMA user_version").fetchone()[0]

    def _check(self) -> None:
        """Make the tables of a new store; refuse any other file."""
        # In this order: tables and version of a new store come together, and another process may make them in between.
        tables = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        version = self._version()
        if version == _SCHEMA:
            return
        # A version other than ours, or tables without one: somebody else's database, which is left alone.
        if version or self._reading or tables:
            raise InputError(f"{self.path}: not a store of this version of prunesim")
        with self._transaction():
            if self._version() == _SCHEMA:  # another process was faster
                return
            for statement in _TABLES:
                self._database.execute(statement)
            self._database.execute(f"PRAGMA user_version = {_SCHEMA}")

    def _keep_writers_apart(self) -> None:
        """Write-ahead logging: readers never wait. SQLite does not wait by itself when it cannot switch at once."""
        end = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                self._database.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > end:
                    raise
                time.sleep(_RETRY_SECONDS)
        # With a log this loses nothing when a process dies; a computer that loses power may lose its last results, no
        # more.
        self._database.execute("PRAGMA synchronous = NORMAL")

    @contextmanager
    def _transaction(self) -> Generator[None]:
        # Takes the right to write at once. A transaction that begins by reading fails, without waiting, when another
        # process has written before it writes.
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk has ended it already
                self._database.execute("ROLLBACK")
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """The last one leaves a single ordinary file, which read-only media can hold."""
        if not self._reading:
            with suppress(sqlite3.Error):
                # Only the last one out can switch back; others must not wait for each other here.
                self._database.execute("PRAGMA busy_timeout = 0")
                self._database.execute("PRAGMA journal_mode = DELETE")
        self._database.close()

    def __contains__(self, key: str) -> bool:
        with naming(self.path):
            return self._database.execute("SELECT 1 FROM results WHERE key = ?", (key,)).fetchone() is not None

    def declare(self, study: str, places: Iterable[Place]) -> bool:
        """Note which points a study has, in order, in place of what it had before.

        Returns whether it had points of other values before. Failures that belong to no study any more are forgotten.
        """
        places = list(places)
        with naming(self.path), self._transaction():
            # Inside the transaction, so that no other sweep can declare between this look and the new rows.
            before = [values for _, values in self._places(study)]
            rows = [(study, n, place.key, pack(place.key, _text(place.values))) for n, place in enumerate(places)]
            self._database.execute("DELETE FROM studies WHERE study = ?", (study,))
            self._database.executemany("INSERT INTO studies VALUES (?, ?, ?, ?)", rows)
            # Results stay, whoever asked for them: an older study that is run again finds them.
            self._database.execute("DELETE FROM failures WHERE key NOT IN (SELECT key FROM studies)")
        return bool(before) and before != [_same_types(place.values) for place in places]

    def holds(self, study: str, places: Iterable[Place]) -> bool:
        """Whether the study of that name has exactly these points."""
        with naming(self.path):
            return list(self._places(study)) == [(place.key, _same_types(place.values)) for place in places]

    def put(self, outcome: Outcome) -> None:
        """Keep what became of a point. A result takes the place of a failure, never the other way round."""
        key = outcome.key
        with naming(self.path), self._transaction():
            if not outcome.error:
                row = (key, pack(key, outcome.total), outcome.report)
                # Two sweeps may bring the same point. Equal keys have equal results, so that the first may stay.
                self._database.execute("INSERT OR IGNORE INTO results VALUES (?, ?, ?)", row)
                self._database.execute("DELETE FROM failures WHERE key = ?", (key,))
            elif key not in self:
                self._database.execute("INSERT OR REPLACE INTO failures VALUES (?, ?)", (key, outcome.error))

    def report(self, key: str) -> dict[str, Any]:
        """The whole report of a point, as `prunesim run --json` writes it. Raises `KeyError` when there is none."""
        with naming(self.path):
            found = self._database.execute("SELECT total, report FROM results WHERE key = ?", (key,)).fetchone()
            report = whole_report(key, *found) if found else None
        if report is None:
            raise KeyError(key)
        return report

    def studies(self) -> list[str]:
        """Names of the studies in the store, sorted."""
        with naming(self.path):
            return [name for (name,) in self._database.execute("SELECT DISTINCT study FROM studies ORDER BY study")]

    def rows(self, study: str | None = None, *, layers: bool = False) -> Iterator[dict[str, Any]]:
        """One flat row a point that has a result, or one a layer, study by study in the study's order.

        First what the point is (`study`, `key`, `accelerator`, `workload`, `seed` and what the study sets), then the
        metrics of the JSON report with dotted keys. A setting that is named like a metric (`dram.burst_bytes`) is under
        `set.` and its name. Raises `InputError` for a study that is not there.
        """
        known = self.studies()
        if study is not None and study not in known:
            raise InputError(f"{self.path}: no study '{study}': {nearest(study, known)}")
        for name in known if study is None else [study]:
            with naming(self.path):
                places = list(self._places(name))
            for key, values in places:
                yield from self._rows(name, key, values, layers=layers)

    def rows_of(self, study: str, places: Iterable[Place]) -> Iterator[dict[str, Any]]:
        """As `rows`, of these points, whatever others declared under the study's name."""
        for place in places:
            yield from self._rows(study, place.key, place.values)

    def _rows(self, name: str, key: str, values: dict[str, Any], *, layers: bool = False) -> Iterator[dict[str, Any]]:
        described = {"study": name, "key": key, **values}
        for metrics in map(flat, self._reported(key, layers=layers)):
            yield {f"set.{key}" if key in metrics else key: described[key] for key in described} | metrics

    def _reported(self, key: str, *, layers: bool) -> list[dict[str, Any]]:
        """Total or layers of a point; nothing where it has no result."""
        if layers:
            return self.report(key)["layers"] if key in self else []
        with naming(self.path):
            found = self._database.execute("SELECT total FROM results WHERE key = ?", (key,)).fetchone()
            return [json.loads(unpack(key, found[0]))] if found else []

    def _places(self, study: str) -> Iterator[tuple[str, dict[str, Any]]]:
        query = "SELECT key, point FROM studies WHERE study = ? ORDER BY place"
        for key, point in self._database.execute(query, (study,)):
            yield key, json.loads(unpack(key, point))

    def failures(self, places: Sequence[Place]) -> list[tuple[dict[str, Any], str]]:
        """What points without a result are, and why they failed."""
        query = "SELECT error FROM failures WHERE key = ? AND key NOT IN (SELECT key FROM results)"
        with naming(self.path):
            found = [(place, self._database.execute(query, (place.key,)).fetchone()) for place in places]
        return [(place.values, row[0]) for place, row in found if row is not None]  # noqa: PD011 (no frame)


def load_results(path: str | Path, study: str | None = None, *, layers: bool = False) -> pd.DataFrame:
    """Results of a store as a pandas frame: a row a point, or with `layers` a row a layer; columns as `Store.rows`.

    Raises `InputError` when the file is missing or no store, or the study is not in it.
    """
    import pandas as pd  # noqa: PLC0415 (pandas is optional and slow to load)

    with Store(Path(path), reading=True) as store:
        return pd.DataFrame(store.rows(study, layers=layers))


def _text(values: dict[str, Any]) -> str:
    return json.dumps(values)


def _same_types(values: Any) -> Any:
    """As JSON gives them back."""
    return json.loads(json.dumps(values))
