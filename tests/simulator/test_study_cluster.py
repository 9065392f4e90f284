"""A real Dask scheduler and two workers on this machine, one of which is killed in mid-run."""

import importlib.util
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.simulator.studies import contents
from tests.simulator.test_sweep import ROOT, results, start, write_study

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs the extra 'cluster' (dask[distributed])"
)
PATIENCE = 60  # seconds


def process(stack: ExitStack, log: Path, *arguments: str) -> subprocess.Popen:
    output = stack.enter_context(log.open("w"))
    started = subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, stdout=output, stderr=output)
    stack.callback(started.wait)
    stack.callback(started.kill)
    return started


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    described = tmp_path / "scheduler.json"
    with ExitStack() as stack:
        process(
            stack, tmp_path / "scheduler.log", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
            "--no-dashboard", "--dashboard-address", ":0", "--scheduler-file", str(described),
        )  # fmt: skip
        end = time.monotonic() + PATIENCE
        while not (described.exists() and described.read_text()):
            assert time.monotonic() < end, (tmp_path / "scheduler.log").read_text()
            time.sleep(0.05)
        address = json.loads(described.read_text())["address"]
        workers = [
            process(
                stack, tmp_path / f"worker{number}.log", "distributed.cli.dask_worker", address, "--nthreads", "1",
                "--no-nanny", "--no-dashboard", "--dashboard-address", ":0",
                "--local-directory", str(tmp_path),
            )
            for number in range(2)
        ]  # fmt: skip
        for number in range(2):
            log = tmp_path / f"worker{number}.log"
            while "Registered to" not in log.read_text():
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.05)
        yield address, workers


def test_a_cluster_gives_the_same_results_though_a_worker_dies(cli, tmp_path, cluster):
    address, workers = cluster
    study = write_study(tmp_path, seeds=12)
    remote, local = tmp_path / "remote.sqlite", tmp_path / "local.sqlite"
    sweep = start(study, remote, "--cluster", address)
    while sweep.poll() is None and results(remote) < 4:
        time.sleep(0.01)
    workers[0].send_signal(signal.SIGKILL)
    assert results(remote) < 24
    assert sweep.wait() == 0
    assert cli("sweep", study, "--store", local, "--jobs", 1).code == 0
    assert contents(remote) == contents(local)


def test_a_cluster_that_is_not_there_is_one_line(tmp_path):
    command = [
        sys.executable,
        "-m",
        "simulator",
        "sweep",
        str(write_study(tmp_path)),
        "--store",
        str(tmp_path / "s.sqlite"),
    ]
    done = subprocess.run(
        [*command, "--cluster", "nonsense://x"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("prunesim: cluster nonsense://x: cannot be reached: ")
    assert done.stderr.count("\n") == 1
