"""Speed of studies: `python -m benchmarks.study_speed` prints overhead per point and the speed-up of two processes.

Overhead is what a point costs beside its simulation: configuring, its key, processes, compressing, storing. Points are
computed once before, so that neither compilation nor the start of processes is counted.
"""

import json
import tempfile
import time
from pathlib import Path

from simulator.network_simulation import MachineRun
from simulator.studies.store import Store
from simulator.studies.study import Study, run_study
from simulator.studies.study_file import StudyTable
from simulator.studies.workers import Workers

POINTS = 200


def study(seeds: int) -> Study:
    """A layer of VGG-16 on SCNN, five queue depths; a few hundredths of a second a point."""
    table = {
        "machines": ["scnn"],
        "workloads": ["vgg16@scnn"],
        "layers": "conv5_1",
        "seeds": seeds,
        "axes": [{"queue_depth": [0, 2, 4, 8, 16]}],
    }
    return Study.of(StudyTable.checked(table, "benchmark"), "benchmark", "benchmark")


def seconds(chosen: Study, workers: Workers) -> float:
    """Time of the whole study into an empty store."""
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "s.sqlite") as store:
        start = time.perf_counter()
        summary = run_study(chosen, store, workers)
        assert summary.computed == len(chosen.places)
        return time.perf_counter() - start


def simulation_seconds(chosen: Study) -> float:
    """Time of the bare simulations, with dense baselines remembered as studies remember them."""
    dense_cycles: dict = {}
    start = time.perf_counter()
    for place in chosen.places:
        MachineRun(place.point.accelerator(), dense_cycles).layer(place.point.traced().trace(0))
    return time.perf_counter() - start


def measure() -> dict[str, float]:
    """The figures; times are the best of two runs."""
    chosen, warm = study(POINTS // 5), study(2)
    one, two = Workers(1), Workers(2)
    for workers in (one, two):
        seconds(warm, workers)
    alone = min(seconds(chosen, one) for _ in range(2))
    both = min(seconds(chosen, two) for _ in range(2))
    bare = min(simulation_seconds(chosen) for _ in range(2))
    return {
        "points": POINTS,
        "one process, s": round(alone, 2),
        "two processes, s": round(both, 2),
        "speed-up": round(alone / both, 2),
        "overhead, ms a point": round((alone - bare) / POINTS * 1000, 2),
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
