"""Damaged stores: one line each, never a wrong number, and what is whole can be copied."""

import json
import os
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from simulator.plots.files import read_results
from simulator.reports.network_total import total_row
from simulator.studies.store import Store
from simulator.studies.store_pages import whole_results
from simulator.studies.store_rescue import rescue
from simulator.studies.study import Study, run_study
from simulator.studies.workers import Workers
from tests.simulator.studies.studies import network
from workloads.errors import InputError

PAGE = 4096
RANDOM_DAMAGES = 60


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> tuple[Path, Path, dict[str, dict]]:
    """A study file, its whole store, and what the store holds."""
    folder = tmp_path_factory.mktemp("sound")
    file = folder / "queues.toml"
    file.write_text(
        f'machines = ["scnn"]\nworkloads = ["{network(folder)}"]\nseeds = 4\n[[axes]]\nqueue_depth = [0, 2, 8]\n'
    )
    study = Study.read(file)
    with Store(folder / "queues.sqlite") as store:
        run_study(study, store, Workers(1))
        return file, folder / "queues.sqlite", {place.key: store.report(place.key) for place in study.places}


def damages(size: int) -> dict[str, bytes | int | tuple[int, bytes]]:
    """Bytes: the whole file is these; a number: it is cut there; (place, bytes): these stand there."""
    chance = random.Random(5)
    found: dict[str, bytes | int | tuple[int, bytes]] = {
        "empty": 0, "text": b"hello " * 2000, "zeros": bytes(size), "noise": chance.randbytes(size),
        "magic": (0, b"SQLITE format 3\0"), "header": (0, bytes(100)), "page size": (16, b"\x00\x03"),
        "version": (60, b"\x00\x00\x00\x09"), "schema": (100, chance.randbytes(1000)), "encoding": (56, b"\x00\x00\x00\x03"),
    }  # fmt: skip
    found |= {f"cut at {part}/12": size * part // 12 + 7 * (part % 2) for part in range(1, 12)}
    found |= {f"page {n} is zero": (n * PAGE, bytes(PAGE)) for n in range(size // PAGE)}
    found |= {f"page {n} is noise": (n * PAGE, chance.randbytes(PAGE)) for n in range(size // PAGE)}
    for number in range(RANDOM_DAMAGES):
        length = chance.choice([1, 1, 2, 30])
        found[f"random {number}"] = (chance.randrange(size - length), chance.randbytes(length))
    return found


def damage(path: Path, how: bytes | int | tuple[int, bytes]) -> None:
    whole = path.read_bytes()
    if isinstance(how, bytes):
        path.write_bytes(how)
    elif isinstance(how, int):
        path.write_bytes(whole[:how])
    else:
        place, data = how
        path.write_bytes(whole[:place] + data + whole[place + len(data) :])


def outcome_of(what, *arguments) -> str:
    """ "ok", or the one line that was said; anything else is no `InputError` and fails the test."""
    try:
        what(*arguments)
    except InputError as error:
        said = str(error)
    else:
        said = "ok"
    assert "\n" not in said
    return said


@pytest.mark.slow
def test_no_damage_gives_a_traceback_or_a_wrong_number_and_what_is_whole_is_rescued(tmp_path, sound):
    file, original, reports = sound
    study = Study.read(file)
    said: list[str] = []
    rescued = 0
    cases = damages(original.stat().st_size)
    for number, (name, how) in enumerate(cases.items()):
        path = tmp_path / f"{number}.sqlite"
        shutil.copy(original, path)
        damage(path, how)

        def read(path=path, name=name):
            for row in read_results(path):
                assert row["cycles"] == reports[row["key"]]["total"]["cycles"], name
                assert row["queue_depth"] == next(p for p in study.places if p.key == row["key"]).values["queue_depth"]
            for report in read_results(path, whole=True):
                assert {key: report[key] for key in report if key != "point"} in reports.values(), name

        said += [outcome_of(read)]
        if said[-1] != "ok":
            assert any(text in said[-1] for text in ("--rescue", "not a store", "no study", "cannot be used")), name
        for found in whole_results(path):
            assert json.loads(found.total) == total_row(reports[found.key]), name
        if outcome_of(rescue, path) == "ok":
            rescued += 1
            with Store(tmp_path / f"{number}.rescued.sqlite") as store:
                assert {found.key for found in whole_results(path)} == {key for key in reports if key in store}, name
                if number % 5:
                    continue
                assert run_study(study, store, Workers(1)).failed == 0
                assert {place.key: store.report(place.key) for place in study.places} == reports, name
    assert rescued > len(cases) / 2
    assert 10 < said.count("ok") < len(said)


def test_every_row_survives_a_damaged_header_and_is_found_in_the_log_of_a_killed_sweep(tmp_path, sound):
    _, original, reports = sound
    path = tmp_path / "s.sqlite"
    shutil.copy(original, path)
    damage(path, (0, bytes(100)))
    assert {found.key for found in whole_results(path)} == set(reports)
    logged = tmp_path / "logged.sqlite"
    with Store(logged) as store:
        for found in whole_results(path):
            store.put(found)
        assert logged.with_name("logged.sqlite-wal").stat().st_size > 0
        assert {found.key for found in whole_results(logged)} == set(reports)


@pytest.mark.parametrize("command", ["sweep", "plot"])
def test_a_damaged_store_is_one_line_that_says_how_many_results_are_whole(cli, tmp_path, sound, command):
    file, original, reports = sound
    path = tmp_path / "s.sqlite"
    shutil.copy(original, path)
    damage(path, (100, bytes(4000)))  # the schema
    arguments = {"sweep": ("sweep", file, "--store", path), "plot": ("plot", path, "-o", tmp_path / "x.png")}
    result = cli(*arguments[command])
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert f"{path}: damaged: " in result.err
    assert f"; {len(reports)} results in it are whole: 'prunesim sweep --rescue {path}' copies what is" in result.err


def test_rescue_makes_a_store_that_the_sweep_goes_on_with(cli, tmp_path, sound):
    file, original, reports = sound
    path, target = tmp_path / "s.sqlite", tmp_path / "s.rescued.sqlite"
    shutil.copy(original, path)
    damage(path, (100, bytes(4000)))
    before = path.read_bytes()
    result = cli("sweep", "--rescue", path)
    assert result.code == 0
    assert result.err == f"{target}: {len(reports)} results that are whole; run the sweep again with --store {target}\n"
    assert path.read_bytes() == before
    assert cli("sweep", file, "--store", target).err.endswith(f"0 points computed, {len(reports)} found, 0 failed\n")
    assert f"{target}: exists already" in cli("sweep", "--rescue", path).err


def test_studies_that_can_be_read_are_rescued_too(tmp_path, sound):
    _, original, reports = sound
    path = tmp_path / "s.sqlite"
    shutil.copy(original, path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE results SET report = x'00' WHERE rowid = 1")
        database.commit()
    target, count = rescue(path)
    assert count == len(reports) - 1
    assert len(read_results(target, "queues")) == len(reports) - 1


def test_a_number_that_changed_in_a_row_is_never_read(tmp_path, sound):
    _, original, _ = sound
    with closing(sqlite3.connect(original)) as database:
        rows = database.execute("SELECT key, total, report FROM results ORDER BY rowid LIMIT 2").fetchall()
    for number, column in enumerate(("total", "report")):
        path = tmp_path / f"{number}.sqlite"
        shutil.copy(original, path)
        with closing(sqlite3.connect(path)) as database:  # another row's, as a damaged index would give
            database.execute(f"UPDATE results SET {column} = ? WHERE key = ?", (rows[1][1 + number], rows[0][0]))
            database.commit()
        with Store(path, reading=True) as store, pytest.raises(InputError, match="damaged: a row"):
            store.report(rows[0][0])


@pytest.mark.parametrize("command", ["sweep", "plot", "rescue"])
@pytest.mark.parametrize("kind", ["fifo", "folder", "device"])
def test_what_is_no_ordinary_file_is_refused_at_once(cli, tmp_path, command, kind):
    path = tmp_path / "s.sqlite"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    study = tmp_path / "study.toml"
    study.write_text(f'machines = ["ideal"]\nworkloads = ["{network(tmp_path)}"]\n')
    commands = {
        "sweep": ("sweep", study, "--store", path),
        "plot": ("plot", path, "-o", tmp_path / "x.png"),
        "rescue": ("sweep", "--rescue", path),
    }
    result = cli(*commands[command])
    assert result.code == 2
    assert any(text in result.err for text in ("is a directory", "is no ordinary file", "must be a file"))
