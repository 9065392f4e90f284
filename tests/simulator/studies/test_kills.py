"""Sweeps killed at random moments inside their runs, in every way: what is resumed equals an undisturbed run.

PRUNESIM_KILLS=100 makes a campaign of it, of some ten minutes.
"""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from simulator.studies.store import Store
from simulator.studies.study import Study, run_study
from simulator.studies.workers import Workers
from tests.simulator.commands.test_sweep import results, start, workers_of
from tests.simulator.studies.studies import contents, network

KILLS = int(os.environ.get("PRUNESIM_KILLS", "3"))
WAYS = ("group", "parent", "worker", "SIGTERM", "SIGINT")
POINTS = 200  # of a few milliseconds: a sweep survives a kill or several before it is done

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds worker processes in /proc"),
]


def write_study(folder: Path) -> Path:
    path = folder / "queues.toml"
    path.write_text(
        f'machines = ["scnn", "dcnn", "ideal"]\nworkloads = ["{network(folder)}"]\nseeds = {POINTS // 4}\n'
        "[[axes]]\nqueue_depth = [0, 8]\n"
    )
    return path


def kill(sweep: subprocess.Popen, way: str, chance: random.Random) -> bool:
    """Whether there was something to kill."""
    if way == "worker":
        workers = workers_of(sweep)
        if workers:
            os.kill(chance.choice(workers), signal.SIGKILL)
        return bool(workers)
    if way == "group":
        os.killpg(sweep.pid, signal.SIGKILL)
    else:
        os.kill(sweep.pid, signal.SIGKILL if way == "parent" else getattr(signal, way))
    return True


def test_sweeps_killed_at_random_moments_and_resumed_give_what_an_undisturbed_one_gives(tmp_path):
    study = write_study(tmp_path)
    with Store(tmp_path / "undisturbed.sqlite") as store:
        run_study(Study.read(study), store, Workers(2))
    expected = contents(tmp_path / "undisturbed.sqlite")
    chance = random.Random(KILLS)
    ways = [WAYS[number % len(WAYS)] for number in range(KILLS)]
    killed: Counter[str] = Counter()
    resumed = 0
    while ways or resumed == 0:
        store = tmp_path / f"killed{resumed}.sqlite"
        finished = False
        while not finished:
            before = results(store)
            sweep = start(study, store, "--jobs", str(chance.choice([1, 2, 2, 3])))
            while sweep.poll() is None and results(store) <= before:
                time.sleep(0.002)
            time.sleep(chance.random() * 0.3)
            if ways and sweep.poll() is None and kill(sweep, ways[-1], chance):
                killed[ways.pop()] += 1
                print(f"{sum(killed.values())} kills inside runs: {dict(killed)}")  # noqa: T201 (for campaigns)
            finished = sweep.wait(timeout=300) == 0
            assert results(store) >= before
        assert contents(store) == expected
        resumed += 1
        print(f"{resumed} sweeps resumed, all equal")  # noqa: T201 (for campaigns)
