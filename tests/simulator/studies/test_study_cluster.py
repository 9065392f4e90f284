"""A real Dask scheduler and workers on this machine, some of which die, are missing, or have other sources."""

import importlib.util
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.studies.content import code_version
from tests.simulator.commands.test_sweep import ROOT, results, write_study
from tests.simulator.studies.clusters import LocalCluster
from tests.simulator.studies.studies import NETWORK, contents

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("distributed") is None, reason="needs the extra 'cluster' (dask[distributed])"
    ),
]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    folder = tmp_path / "cluster"
    folder.mkdir()
    with LocalCluster(folder) as started:
        yield started


def start(study: Path, store: Path, *arguments: str, cwd: Path = ROOT) -> subprocess.Popen:
    command = [sys.executable, "-m", "simulator", "sweep", str(study), "--store", str(store), *arguments]
    return subprocess.Popen(
        command, cwd=cwd, env=None if cwd == ROOT else {"PYTHONPATH": str(ROOT), "HOME": str(Path.home())},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def end_of(sweep: subprocess.Popen) -> tuple[int, list[str]]:
    _, said = sweep.communicate(timeout=120)
    assert "Traceback" not in said
    return sweep.returncode, said.splitlines()


def wait_for(store: Path, count: int, sweep: subprocess.Popen) -> None:
    while sweep.poll() is None and results(store) < count:
        time.sleep(0.01)
    assert sweep.poll() is None


def same_as_here(cli, study: Path, store: Path) -> bool:
    local = store.with_name("local.sqlite")
    assert cli("sweep", study, "--store", local, "--jobs", 1).code == 0
    return contents(store) == contents(local)


def test_a_cluster_gives_the_same_results_though_a_worker_dies(cli, tmp_path, cluster):
    cluster.add(2)
    study, store = write_study(tmp_path, seeds=12), tmp_path / "s.sqlite"
    sweep = start(study, store, "--cluster", cluster.address)
    wait_for(store, 4, sweep)
    cluster.workers[0].kill()
    code, said = end_of(sweep)
    assert code == 0
    assert sum("is gone; its point is computed again at the end" in line for line in said) <= 1
    assert same_as_here(cli, study, store)


def test_a_scheduler_that_dies_is_one_line_and_nothing_is_lost(cli, tmp_path, cluster):
    cluster.add()
    study, store = write_study(tmp_path, seeds=40), tmp_path / "s.sqlite"
    sweep = start(study, store, "--cluster", cluster.address)
    wait_for(store, 2, sweep)
    cluster.scheduler.send_signal(signal.SIGKILL)
    code, (line,) = end_of(sweep)
    assert code == 2
    assert line.startswith(f"prunesim: cluster {cluster.address}: the scheduler is gone")
    assert line.endswith("what was computed is stored, run again to go on")
    assert 2 <= results(store) < 80
    assert cli("sweep", study, "--store", store, "--jobs", 1).code == 0
    assert same_as_here(cli, study, store)


def test_workers_that_do_not_come_are_waited_for_and_then_said(tmp_path, cluster):
    study, store = write_study(tmp_path), tmp_path / "s.sqlite"
    code, said = end_of(start(study, store, "--cluster", cluster.address, "--patience", "1"))
    assert code == 2
    assert said == [
        f"cluster {cluster.address}: no worker; waiting 1 s for one",
        f"prunesim: cluster {cluster.address}: no worker for 1 s; what was computed is stored, run again to go on",
    ]


def test_workers_that_come_late_are_used(cli, tmp_path, cluster):
    study, store = write_study(tmp_path), tmp_path / "s.sqlite"
    sweep = start(study, store, "--cluster", cluster.address)
    time.sleep(1)
    cluster.add()
    assert end_of(sweep)[0] == 0
    assert same_as_here(cli, study, store)


def test_when_all_workers_die_it_is_said_and_the_sweep_ends(tmp_path, cluster):
    cluster.add(2)
    study, store = write_study(tmp_path, seeds=40), tmp_path / "s.sqlite"
    sweep = start(study, store, "--cluster", cluster.address, "--patience", "2")
    wait_for(store, 2, sweep)
    for worker in cluster.workers:
        worker.kill()
    code, said = end_of(sweep)
    assert code == 2
    assert f"cluster {cluster.address}: no worker; waiting 2 s for one" in said
    assert said[-1].startswith(f"prunesim: cluster {cluster.address}: no worker for 2 s; what was computed is stored")
    assert results(store) >= 2


def test_a_worker_with_other_sources_gets_no_points(cli, tmp_path, cluster):
    other = tmp_path / "other"
    for package in ("workloads", "dataflows", "simulator"):
        shutil.copytree(ROOT / package, other / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (other / "dataflows" / "ideal.py").open("a") as file:
        file.write("# edited\n")
    cluster.add(cwd=other, sources=other)
    cluster.add()
    study, store = write_study(tmp_path, seeds=3), tmp_path / "s.sqlite"
    code, (warning, summary) = end_of(start(study, store, "--cluster", cluster.address))
    assert code == 0
    assert warning.startswith(f"warning: cluster {cluster.address}: worker tcp://127.0.0.1:")
    assert f"is not used: it has prunesim {code_version()[:6]}" in warning
    assert warning.endswith(f"here is {code_version()}")
    assert summary.endswith("6 points computed, 0 found, 0 failed")
    assert same_as_here(cli, study, store)


def test_points_of_a_file_go_to_workers_that_have_it(tmp_path, cluster):
    folders = [tmp_path / name for name in ("mine", "same", "other")]
    for folder in folders:
        folder.mkdir()
        (folder / "small.toml").write_text(NETWORK)
    (folders[2] / "small.toml").write_text(NETWORK.replace("0.4", "0.41"))
    cluster.add(cwd=folders[2])
    cluster.add(cwd=folders[1])
    study, store = folders[0] / "study.toml", folders[0] / "s.sqlite"
    study.write_text('machines = ["ideal", "scnn"]\nworkloads = ["small.toml"]\nseeds = 3\n')
    code, said = end_of(start(study, store, "--cluster", cluster.address, cwd=folders[0]))
    assert code == 0
    assert sum("has another version of small.toml; its points go to others" in line for line in said) == 1
    assert said[-1].endswith("6 points computed, 0 found, 0 failed")
    cluster.workers[1].kill()
    cluster.workers[1].wait()
    study.write_text('machines = ["ideal", "scnn"]\nworkloads = ["small.toml"]\nseeds = [7]\n')
    code, said = end_of(start(study, store, "--cluster", cluster.address, cwd=folders[0]))
    assert code == 1
    assert sum(line.startswith("failed: ") and "every worker refuses it" in line for line in said) == 2


def test_a_cluster_that_is_not_there_is_one_line(tmp_path):
    code, (line,) = end_of(start(write_study(tmp_path), tmp_path / "s.sqlite", "--cluster", "nonsense://x"))
    assert code == 2
    assert line.startswith("prunesim: cluster nonsense://x: cannot be reached: ")
