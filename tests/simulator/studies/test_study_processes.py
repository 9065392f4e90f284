"""Processes of a sweep: they go when it goes, and a point is blamed for its own deaths only."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from simulator.studies import processes as study_processes
from simulator.studies.point import Point
from simulator.studies.workers import Workers
from tests.simulator.commands.test_sweep import ROOT, results, workers_of, write_study
from tests.simulator.studies import deadly
from workloads.errors import PrunesimError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes in /proc"),
]
SECONDS_TO_GO = 15


def running(pids: list[int]) -> list[int]:
    found = []
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(pid)
    return found


def all_gone(pids: list[int]) -> bool:
    end = time.monotonic() + SECONDS_TO_GO
    while running(pids) and time.monotonic() < end:
        time.sleep(0.05)
    return not running(pids)


def sweep_at_work(folder: Path, jobs: int = 2) -> tuple[subprocess.Popen, list[int]]:
    study = write_study(folder, seeds=2000)  # more than are done before it is ended
    command = [sys.executable, "-m", "simulator", "sweep", str(study), "--store", str(folder / "s.sqlite")]
    sweep = subprocess.Popen(
        [*command, "--jobs", str(jobs)], cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    while sweep.poll() is None and not results(folder / "s.sqlite"):
        time.sleep(0.02)
    return sweep, workers_of(sweep)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_workers_go_when_their_sweep_goes(tmp_path, number):
    sweep, workers = sweep_at_work(tmp_path)
    assert len(workers) == 2
    os.kill(sweep.pid, number)
    said = sweep.communicate(timeout=SECONDS_TO_GO)[1]
    assert all_gone(workers)
    if number in (signal.SIGKILL, signal.SIGHUP):
        assert sweep.returncode == -number
    else:
        stored = f"{results(tmp_path / 's.sqlite')} of 4000 points are in {tmp_path / 's.sqlite'}"
        assert (sweep.returncode, said.strip()) == (130, f"interrupted: {stored}; run again to go on")
    assert results(tmp_path / "s.sqlite") >= 1


def test_a_terminated_sweep_of_one_process_ends_like_ctrl_c(tmp_path):
    sweep, _ = sweep_at_work(tmp_path, jobs=1)
    sweep.terminate()
    assert "interrupted" in sweep.communicate(timeout=SECONDS_TO_GO)[1]
    assert sweep.returncode == 130


@pytest.fixture
def deadly_workers(monkeypatch):
    monkeypatch.setattr(study_processes, "_COMMAND", "from tests.simulator.studies.deadly import serve; serve()")


@pytest.mark.usefixtures("deadly_workers")
def test_only_the_point_that_dies_alone_is_blamed_and_its_memory_is_named(tmp_path):
    points = {f"{seed:064}": Point("ideal", str(tmp_path), seed=seed) for seed in range(8)}
    outcomes = {outcome.key: outcome for outcome in Workers(3).run(points, lambda _: False)}
    assert set(outcomes) == set(points)
    failed = [outcome for outcome in outcomes.values() if outcome.error]
    assert [int(outcome.key) for outcome in failed] == [3]
    found = re.fullmatch(
        r"with nothing beside it, its worker died 3 times: it was killed by SIGKILL, as when memory runs out; "
        r"it had taken (\d+\.\d\d) GB of memory",
        failed[0].error,
    )
    assert found
    assert deadly.MEGABYTES / 1000 < float(found[1]) < 2


@pytest.mark.usefixtures("deadly_workers")
def test_a_run_that_is_left_early_leaves_no_process(tmp_path):
    points = {f"{seed:064}": Point("ideal", str(tmp_path), seed=seed) for seed in range(20, 40)}
    with closing(Workers(2).run(points, lambda _: False)) as outcomes:
        next(outcomes)
        children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    assert not running([int(pid) for pid in children])


def test_processes_that_cannot_start_are_one_line(monkeypatch):
    monkeypatch.setattr(study_processes, "_COMMAND", "raise SystemExit(1)")
    points = {f"{seed:064}": Point("ideal", seed=seed) for seed in range(4)}
    with pytest.raises(PrunesimError, match="processes for points end as soon as they start; --jobs 1 needs none"):
        list(Workers(2).run(points, lambda _: False))
