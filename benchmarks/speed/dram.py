"""Time of a request to the DRAM controller, by access pattern and address map."""

from collections.abc import Iterator

from benchmarks.speed.figures import Figure
from benchmarks.speed.sides import Measured, Sides, Task
from benchmarks.speed.waiting import LASTING
from simulator.validation.dram_agreement import MAPS, reference_counts
from simulator.validation.dram_patterns import PATTERNS, REQUESTS


def dram(sides: Sides) -> Iterator[Figure]:
    """Every pattern under both maps; the clocks must be Ramulator's, so that speed cannot cheat."""
    clocks = {case: same[0] for case, (same, _) in reference_counts("row_hit").items()}
    yardstick: Task = ("dram_yardstick", REQUESTS)
    found, least = [], []
    for pattern in PATTERNS:
        for name in MAPS:
            picking, replayed = sides.measure(yardstick, ("dram_replay", pattern, name))
            assert replayed.result == clocks[pattern, name, "ref"], (pattern, name)
            found.append(a_request(replayed))
            least.append(picking.now / (REQUESTS * LASTING))
            yield Figure(f"{pattern} {name}", found[-1], least[-1], f"{replayed.result:,} clocks")
    yield Figure("mean of all", mean(found), sum(least) / len(least))


def a_request(measured: Measured) -> Measured:
    """Seconds a request."""
    before = None if measured.before is None else measured.before / REQUESTS
    return Measured(measured.now / REQUESTS, before, measured.result, measured.equal)


def mean(patterns: list[Measured]) -> Measured:
    """All patterns, one after the other."""
    before = [one.before for one in patterns if one.before is not None]
    return Measured(
        sum(one.now for one in patterns) / len(patterns),
        sum(before) / len(patterns) if len(before) == len(patterns) else None,
    )
