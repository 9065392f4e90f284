"""How many designs a search looks at before it has the front of all: `python -m benchmarks.experiments.search_front`.

A space of 5 x 5 x 6 x 4 designs of SCNN on two layers of AlexNet, by time and area, is simulated as a whole. Then each
sampler looks at a tenth, a fifth and two fifths of it, under five seeds; nothing is simulated again.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from statistics import fmean

from simulator.search.run import Found, Search, run_search
from simulator.studies.store import Store
from simulator.studies.workers import Workers

STUDY = """
machines = ["scnn"]
workloads = ["alexnet@scnn"]
layers = "conv[45]"

[search]
objectives = ["time_us", "area.total_mm2"]
sampler = "{sampler}"
points = {points}
seed = {seed}

[search.ranges]
pe_rows = {{from = 2, to = 32, factor = 2}}
pe_columns = {{from = 2, to = 32, factor = 2}}
queue_depth = [0, 1, 2, 4, 8, 12]
accumulator_banks = {{from = 8, to = 64, factor = 2}}
"""
SHARES, SEEDS = (0.1, 0.2, 0.4), range(5)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder, "s.sqlite")) as store:

        def run(sampler: str, points: int, seed: int = 0) -> Found:
            path = Path(folder, "front.toml")
            path.write_text(STUDY.format(sampler=sampler, points=points, seed=seed))
            return run_search(Search.read(path), store, Workers())

        every = run("all", 10**6)
        front = {_point(every, at) for at in every.front}
        box = [max(_point(every, at)[axis] for at in range(len(every.rows))) for axis in (0, 1)]
        whole = _area(front, box)
        print(f"{every.simulated} designs, {len(front)} on the front")
        print(f"{'sampler':8} {'designs':>8} {'of the front':>13} {'of its area':>12}")
        for sampler in ("random", "nsga2", "tpe", "thompson"):
            for share in SHARES:
                points = round(share * every.simulated)
                found = [run(sampler, points, seed) for seed in SEEDS]
                fronts = [{_point(one, at) for at in one.front} for one in found]
                same = fmean(len(one & front) / len(front) for one in fronts)
                reached = fmean(_area(one, box) / whole for one in fronts)
                print(f"{sampler:8} {points:8} {same:13.0%} {reached:12.1%}")
                assert reached <= 1 + 1e-9


def _point(found: Found, at: int) -> tuple[float, float]:
    return found.rows[at]["time_us"], found.rows[at]["area.total_mm2"]


def _area(front: set[tuple[float, float]], box: list[float]) -> float:
    """The area between a front and a corner that is worse than all designs, both axes logarithmic."""
    area, top = 0.0, math.log(box[1])
    for x, y in sorted(front):
        if math.log(y) < top:
            area += (math.log(box[0]) - math.log(x)) * (top - math.log(y))
            top = math.log(y)
    return area


if __name__ == "__main__":
    main()
