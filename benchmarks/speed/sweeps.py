"""What a point of a study takes, and what its processes take to start."""

from collections.abc import Iterator

from benchmarks.speed.figures import Figure
from benchmarks.speed.sides import Measured, Sides, Task

TURNS = 100_000  # of a plain loop of Python, the yardstick
FEW, MANY = 20, 140  # points of two studies, whose difference is free of what only starts
STUDIES = ("settings", "seeds")  # of which one trace serves all points, or every point has its own
PROCESSES = {"one worker": 1, "two workers": 2}
ROUNDS = 3


def sweeps(sides: Sides) -> Iterator[Figure]:
    """The example network under settings of its memory, and under seeds: the time of a further point, and the rest."""
    for study in STUDIES:
        for name, processes in PROCESSES.items():
            tasks: list[Task] = [("sweep", processes, study, points) for points in (FEW, MANY)]
            loop, few, many = sides.measure(("python_loop", TURNS), *tasks, most=ROUNDS)
            assert [few.result[0], many.result[0]] == [FEW, MANY]
            now = parts(few.now, many.now)
            before = parts(few.before, many.before) if few.before and many.before else (None, None)
            equal = few.equal and many.equal
            shown = f"{1 / now[0]:.0f} points/s, {many.result[1]:,} cycles in all"
            yield Figure(f"{study}, {name}, a point", Measured(now[0], before[0], equal=equal), loop.now, shown)
            yield Figure(f"{study}, {name}, start", Measured(now[1], before[1], equal=equal), loop.now)


def parts(few: float, many: float) -> tuple[float, float]:
    """Seconds of a point, and seconds that do not depend on how many there are."""
    # 20 points in 1.1 s and 140 in 1.7 s: 5 ms a point, and 1 s before the first. Noise makes neither negative.
    point = max((many - few) / (MANY - FEW), 1e-9)
    return point, max(few - FEW * point, 0.0)
