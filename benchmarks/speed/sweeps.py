"""Points of a study a second, without the start of its processes."""

from collections.abc import Iterator

from benchmarks.speed.figures import Figure
from benchmarks.speed.sides import Measured, Sides

TURNS = 100_000  # of a plain loop of Python, the yardstick
STUDIES = {"settings of one trace": (1, 60), "seeds": (60, 1)}  # seeds, settings
PROCESSES = {"one worker": 1, "two workers": 2}


def sweeps(sides: Sides) -> Iterator[Figure]:
    """The example network with 60 settings of its memory, and with 60 seeds."""
    for study, (seeds, settings) in STUDIES.items():
        for name, processes in PROCESSES.items():
            loop, swept = sides.measure(("python_loop", TURNS), ("sweep", processes, seeds, settings), most=3)
            points, cycles = swept.result
            assert points == seeds * settings
            before = None if swept.before is None else swept.before / points
            measured = Measured(swept.now / points, before, swept.result, swept.equal)
            shown = f"{points / swept.now:.0f} points/s, {cycles:,} cycles in all"
            yield Figure(f"{study}, {name}", measured, loop.now, shown)
