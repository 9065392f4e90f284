"""Time of a request to the DRAM controller, by access pattern and address map."""

from collections.abc import Iterator

from benchmarks.speed.figures import Figure
from benchmarks.speed.sides import Measured, Sides, Task
from simulator.validation.dram_agreement import MAPS, reference_counts
from simulator.validation.dram_patterns import PATTERNS, REQUESTS


def dram(sides: Sides) -> Iterator[Figure]:
    """Every pattern under both maps; the clocks must be Ramulator's, so that speed cannot cheat."""
    clocks = {case: same[0] for case, (same, _) in reference_counts("row_hit").items()}
    yardstick: Task = ("dram_yardstick", REQUESTS)
    found = []
    for pattern in PATTERNS:
        for name in MAPS:
            least, replayed = sides.measure(yardstick, ("dram_replay", pattern, name))
            assert replayed.result == clocks[pattern, name, "ref"], (pattern, name)
            figure = Figure(
                f"{pattern} {name}", a_request(replayed), least.now / REQUESTS, f"{replayed.result:,} clocks"
            )
            found.append(figure)
            yield figure
    yield mean(found)


def a_request(measured: Measured) -> Measured:
    """Seconds a request."""
    before = None if measured.before is None else measured.before / REQUESTS
    return Measured(measured.now / REQUESTS, before, measured.result, measured.equal)


def mean(figures: list[Figure]) -> Figure:
    """All patterns, one after the other."""
    before = [figure.measured.before for figure in figures if figure.measured.before is not None]
    whole = Measured(
        sum(figure.measured.now for figure in figures) / len(figures),
        sum(before) / len(figures) if len(before) == len(figures) else None,
    )
    return Figure("mean of all", whole, sum(figure.yardstick for figure in figures) / len(figures))
