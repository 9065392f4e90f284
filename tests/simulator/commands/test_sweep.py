"""`prunesim sweep` through its entry point: tables, files, failures, resuming, workers."""

import csv
import io
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from tests.project import ROOT
from tests.simulator.studies.studies import contents, network

STUDY = """
title = "Queues and seeds"
workloads = ["vgg16@scnn"]
layers = "conv5_1"
machines = ["scnn"]
seeds = {seeds}
[[axes]]
queue_depth = {depths}
"""


def write_study(folder: Path, seeds: int = 2, depths: str = "[0, 8]") -> Path:
    path = folder / "queues.toml"
    path.write_text(STUDY.format(seeds=seeds, depths=depths))
    return path


def test_a_study_prints_a_row_a_combination_with_the_range_over_seeds(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = cli("sweep", write_study(tmp_path), "--jobs", 1)
    assert result.code == 0
    assert result.err == "queues.sqlite: 4 points computed, 0 found, 0 failed\n"
    title, head, shallow, deep, *_ = result.out.splitlines()
    assert title.strip() == "Queues and seeds"
    assert head.split()[:2] == ["queue_depth", "cycles"]
    assert shallow.startswith("0 ")
    assert deep.startswith("8 ")
    assert " \u00b1" in shallow


def test_what_workloads_assume_is_said_once(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ("--layers", "block1.expand", "--vary", "activation_density=0.5", "--seeds", 2, "--jobs", 1)
    result = cli("sweep", "mobilenet-v2", "--on", "dcnn", *arguments)
    note, count = result.err.splitlines()
    assert note.startswith(
        "note: activation_density = 0.5 does not reach conv1, block1.expand, block2.expand and 15 more"
    )
    assert count == "sweep.sqlite: 2 points computed, 0 found, 0 failed"


def test_csv_and_parquet_hold_a_row_a_point(cli, tmp_path):
    arguments = ("sweep", write_study(tmp_path), "--store", tmp_path / "s.sqlite", "--jobs", 1)
    cli(*arguments, "--csv", tmp_path / "s.csv", "--parquet", tmp_path / "s.parquet")
    again = cli(*arguments, "--csv", "-")
    assert again.err.endswith("s.sqlite: 0 points computed, 4 found, 0 failed\n")
    rows = list(csv.DictReader(io.StringIO(again.out)))
    assert (tmp_path / "s.csv").read_text() == again.out
    frame = pd.read_parquet(tmp_path / "s.parquet")
    assert frame["cycles"].tolist() == [int(row["cycles"]) for row in rows]
    assert frame["queue_depth"].tolist() == [0, 0, 8, 8]


def test_one_axis_on_the_command_line(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ("--on", "scnn,ideal", "--vary", "queue_depth=0,4", "--vary", "prune=['unstructured:density=0.2']")
    result = cli("sweep", network(tmp_path), *arguments, "--seeds", 2, "--jobs", 1, "--csv", "-")
    assert result.code == 0
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert [(row["accelerator"], row["queue_depth"], row["seed"]) for row in rows] == [
        (machine, depth, seed) for depth in "04" for machine in ("scnn", "ideal") for seed in "01"
    ]
    assert {row["prune"] for row in rows} == {"unstructured:density=0.2"}
    assert (tmp_path / "sweep.sqlite").exists()


def test_a_failed_point_is_named_and_gives_exit_code_1_while_the_rest_go_on(cli, tmp_path):
    arguments = ("sweep", network(tmp_path), "--on", "eie,ideal", "--jobs", 1, "--store", tmp_path / "s.sqlite")
    result = cli(*arguments)
    assert result.code == 1
    failed, summary = result.err.splitlines()
    assert failed.startswith("failed: accelerator=eie, workload=")
    assert "eie cannot run layer 'first': " in failed
    assert summary.endswith("1 points computed, 0 found, 1 failed")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["missing.toml"], "missing.toml: no such file"),
        (["vgg16", "--vary", "queue_depth=1"], "--vary: needs --on; a study file says it by itself"),
        (["vgg16", "--on", "scnn", "--vary", "queue_dept=1"], "sweep: axes.0.queue_dept: unknown key 'queue_dept': did you mean 'queue_depth'?"),
        (["vgg16", "--on", "scnn", "--vary", "queue_depth=a"], "sweep: scnn: queue_depth = 'a': must be a valid integer"),
        (["vgg16", "--on", "scnn", "--jobs", "2", "--cluster", "tcp://x:1"], "--jobs and --cluster: a cluster has workers of its own, give one of them"),
        (["vgg16", "--on", "scnn", "--csv", "no/folder.csv"], "no/folder.csv: cannot be written: no such folder: "),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_2(cli, tmp_path, monkeypatch, arguments, line):
    monkeypatch.chdir(tmp_path)
    result = cli("sweep", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"prunesim: {line}")
    assert result.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def start(study: Path, store: Path, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "simulator", "sweep", str(study), "--store", str(store), *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def results(store: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=10)) as database:
            return database.execute("SELECT count(*) FROM results").fetchone()[0]
    except sqlite3.OperationalError:  # not there yet
        return 0


def workers_of(sweep: subprocess.Popen) -> list[int]:
    """Processes of a sweep that compute points."""
    children = Path(f"/proc/{sweep.pid}/task/{sweep.pid}/children").read_text().split()
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_text() for pid in children}
    return [pid for pid, command in commands.items() if "studies.processes" in command]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds worker processes in /proc")
def test_a_local_worker_that_dies_is_replaced(cli, tmp_path):
    study = write_study(tmp_path, seeds=100)  # so many that it still runs when this test, however late, looks again
    wounded, undisturbed = tmp_path / "wounded.sqlite", tmp_path / "undisturbed.sqlite"
    sweep = start(study, wounded, "--jobs", "2")
    while sweep.poll() is None and results(wounded) < 4:
        time.sleep(0.01)
    os.kill(workers_of(sweep)[0], signal.SIGKILL)
    assert results(wounded) < 2 * 100
    assert sweep.wait() == 0
    cli("sweep", study, "--store", undisturbed, "--jobs", 1)
    assert contents(wounded) == contents(undisturbed)


@pytest.mark.slow
def test_two_sweeps_may_fill_one_store(cli, tmp_path):
    study = write_study(tmp_path, seeds=6)
    shared, alone = tmp_path / "shared.sqlite", tmp_path / "alone.sqlite"
    sweeps = [start(study, shared, "--jobs", "1") for _ in range(2)]
    assert [sweep.wait() for sweep in sweeps] == [0, 0]
    cli("sweep", study, "--store", alone, "--jobs", 1)
    assert contents(shared) == contents(alone)
