"""The file in which results of studies land: one SQLite database, a row a point, keyed by the point's digest.

Every result is committed when it arrives, so that a process killed at any moment loses only points in flight; several
processes of one machine may write to the same file. Nothing in the file depends on when or where a result was computed.
"""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from simulator.report import flat
from workloads.errors import InputError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from simulator.study import Place
    from simulator.study_point import Outcome

_SCHEMA = 1
_WAIT_SECONDS = 120.0  # for another process that is writing
_RETRY_SECONDS = 0.02
_TABLES = (
    "CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, total TEXT NOT NULL, report BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS failures (key TEXT PRIMARY KEY, error TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS studies
    (study TEXT, place INTEGER, key TEXT NOT NULL, point TEXT NOT NULL, PRIMARY KEY (study, place))""",
)


class Store:
    """An open store; a context manager. Raises `InputError` naming the file when it cannot be opened or is no store.

    results   key of a point, its total as JSON, its whole report as zlib-compressed JSON
    failures  key of a point and why it has no result
    studies   the points of each study in order, by key, with what the study varies in each
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _naming(path):
            # joblib asks for the next point from threads of its own; SQLite serializes calls by itself
            self._database = sqlite3.connect(path, timeout=_WAIT_SECONDS, check_same_thread=False, isolation_level=None)
            self._create()
            self._keep_writers_apart()

    def _create(self) -> None:
        with self._transaction():
            (found,) = self._database.execute("PRAGMA user_version").fetchone()
            if found == _SCHEMA:
                return
            if found or self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise InputError(f"{self.path}: not a store of this version of prunesim")
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
            except sqlite3.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(_RETRY_SECONDS)
        self._database.execute("PRAGMA synchronous = NORMAL")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._database.close()

    def __contains__(self, key: str) -> bool:
        return self._database.execute("SELECT 1 FROM results WHERE key = ?", (key,)).fetchone() is not None

    def declare(self, study: str, places: Iterable[Place]) -> None:
        """Note which points a study has, in order, in place of what it had before."""
        rows = [(study, number, place.key, json.dumps(place.values)) for number, place in enumerate(places)]
        with self._transaction():
            self._database.execute("DELETE FROM studies WHERE study = ?", (study,))
            self._database.executemany("INSERT INTO studies VALUES (?, ?, ?, ?)", rows)

    def put(self, outcome: Outcome) -> None:
        """Keep what became of a point. A result takes the place of a failure, never the other way round."""
        with self._transaction():
            if outcome.error:
                self._database.execute("INSERT OR REPLACE INTO failures VALUES (?, ?)", (outcome.key, outcome.error))
            else:
                row = (outcome.key, outcome.total, outcome.report)
                self._database.execute("INSERT OR IGNORE INTO results VALUES (?, ?, ?)", row)
                self._database.execute("DELETE FROM failures WHERE key = ?", (outcome.key,))

    def report(self, key: str) -> dict[str, Any]:
        """The whole report of a point, as `prunesim run --json` writes it. Raises `KeyError` when there is none."""
        found = self._database.execute("SELECT report FROM results WHERE key = ?", (key,)).fetchone()
        if found is None:
            raise KeyError(key)
        return json.loads(zlib.decompress(found[0]))

    def studies(self) -> list[str]:
        """Names of the studies in the store, sorted."""
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
        column = "report" if layers else "total"
        query = (
            f"SELECT study, studies.key, point, {column} FROM studies JOIN results USING (key)"  # noqa: S608 (no input)
            " WHERE ?1 IS NULL OR study = ?1 ORDER BY study, place"
        )
        for name, key, point, found in self._database.execute(query, (study,)):
            described = {"study": name, "key": key, **json.loads(point)}
            reported = json.loads(zlib.decompress(found))["layers"] if layers else [json.loads(found)]
            for metrics in map(flat, reported):
                yield {f"set.{key}" if key in metrics else key: described[key] for key in described} | metrics

    def failures(self, study: str) -> list[tuple[dict[str, Any], str]]:
        """What a study's points without a result are, and why they failed."""
        query = (
            "SELECT point, error FROM studies JOIN failures USING (key) WHERE study = ?"
            " AND key NOT IN (SELECT key FROM results) ORDER BY place"
        )
        return [(json.loads(point), error) for point, error in self._database.execute(query, (study,))]


def load_results(path: str | Path, study: str | None = None, *, layers: bool = False) -> pd.DataFrame:
    """Results of a store as a pandas frame: a row a point, or with `layers` a row a layer; columns as `Store.rows`.

    Raises `InputError` when the file is missing or no store, or the study is not in it.
    """
    import pandas as pd  # noqa: PLC0415 (pandas is optional and slow to load)

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    with Store(path) as store:
        return pd.DataFrame(store.rows(study, layers=layers))


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise InputError(f"{path}: cannot be used as a store: {error}") from None
