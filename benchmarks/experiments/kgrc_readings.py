"""Which reading of KGRC's published equations gives its published latencies, of both networks, layer by layer?

    python -m benchmarks.experiments.kgrc_readings

Prints, as Markdown:
1. every published latency beside the published equations alone, and beside the shipped reading;
2. every port and input reading, with the starting cycles that C3D chooses tested on R(2+1)D-18, and the reverse;
3. the other open choices, one at a time, with the starting cycles that suit them best;
4. how far the starting cycles may move before a figure is missed.

A miss is a deviation over what is allowed: the goal of 3 % and, where a figure was read from a drawing, 0.5 ms. At 1 a
figure is just met.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from benchmarks.experiments.kgrc_equations import OPTIONS, SHIPPED, Design, Reading, latency_ms
from benchmarks.markdown import print_table
from simulator.validation.figure_rows import Figure
from simulator.validation.figures import FigureSet

GOAL, READING_ERROR_MS = 0.03, 0.5
EQUATIONS = replace(SHIPPED, dense_cycles=0, sparse_cycles=0, row_cycles=0)
STARTS = {"dense_cycles": range(0, 25, 4), "sparse_cycles": range(0, 41, 4), "row_cycles": range(0, 81, 4)}


@dataclass(frozen=True)
class Latency:
    """A published latency: of some layers of a network on a design, in ms; whether it was read from a drawing."""

    name: str
    network: str
    design: Design
    layers: str
    published_ms: float
    drawn: bool

    @classmethod
    def of(cls, published: FigureSet, figure: Figure) -> "Latency":
        """From a figure of `prunesim validate`."""
        (point,) = (values for values in published.points(figure) if figure.picks(values))
        pruning = str(point.get("prune", "dense")).partition(":")[0]
        design = Design(pruning, point["value_bits"])
        drawn = figure.kind == "drawing"
        return cls(figure.id, point["workload"], design, point.get("layers", "*"), figure.published, drawn)

    def deviation(self, reading: Reading) -> float:
        """Relative."""
        return latency_ms(self.network, self.design, reading, self.layers) / self.published_ms - 1

    def miss(self, reading: Reading) -> float:
        """The deviation over what is allowed."""
        return abs(self.deviation(reading)) / (GOAL + READING_ERROR_MS * self.drawn / self.published_ms)


def _published() -> tuple[Latency, ...]:
    published = FigureSet.read().only("kgrc")
    return tuple(Latency.of(published, figure) for figure in published.figures if figure.metric == "time_ms")


LATENCIES = _published()
C3D = tuple(latency for latency in LATENCIES if latency.network == "c3d")
R2PLUS1D = tuple(latency for latency in LATENCIES if latency.network != "c3d")


def worst(reading: Reading, latencies: Iterable[Latency] = LATENCIES) -> float:
    """The largest miss."""
    return max(latency.miss(reading) for latency in latencies)


def typical(reading: Reading, latencies: Sequence[Latency] = LATENCIES) -> float:
    """The root of the mean squared miss."""
    return math.sqrt(sum(latency.miss(reading) ** 2 for latency in latencies) / len(latencies))


def fitted(reading: Reading, latencies: Sequence[Latency]) -> Reading:
    """The reading with the starting cycles that suit these latencies: one choice after the other until none moves."""
    dense = [latency for latency in latencies if latency.design.pruning == "dense"]
    sparse = [latency for latency in latencies if latency.design.pruning != "dense"]
    by_row = [latency for latency in sparse if "r" in latency.design.pruning]
    before = None
    while reading != before:
        before = reading
        for key, own in (("dense_cycles", dense), ("row_cycles", by_row), ("sparse_cycles", sparse)):
            trials = [replace(reading, **{key: cycles}) for cycles in STARTS[key]]
            misses = [typical(trial, own) for trial in trials]
            reading = trials[misses.index(min(misses))]
    return reading


def port_readings() -> list[Reading]:
    """Every reading of the ports, of the inputs that they carry, and of what goes on during a start."""
    choices = ("ports", "inputs", "starts")
    every = product(*(OPTIONS[choice] for choice in choices))
    return [replace(EQUATIONS, **dict(zip(choices, options, strict=True))) for options in every]


def single_readings() -> list[Reading]:
    """The equations with one other choice, starting cycles left out."""
    return [replace(EQUATIONS, **{name: option}) for name in OPTIONS for option in OPTIONS[name][1:]]


def describe(reading: Reading) -> str:
    """What differs from the shipped reading, starting cycles apart."""
    changed = [name for name in OPTIONS if getattr(reading, name) != getattr(SHIPPED, name)]
    return ", ".join(f"{name}: {getattr(reading, name)}" for name in changed) or "shipped"


def starts(reading: Reading) -> str:
    """Its starting cycles."""
    return " / ".join(str(getattr(reading, key)) for key in STARTS)


def every_latency() -> list[tuple]:
    """Published, by the equations alone, and as shipped."""
    rows = [("figure", "published ms", "equations", "shipped", "miss")]
    for latency in LATENCIES:
        alone, shipped = (f"{100 * latency.deviation(reading):+.1f} %" for reading in (EQUATIONS, SHIPPED))
        rows.append((latency.name, f"{latency.published_ms:g}", alone, shipped, f"{latency.miss(SHIPPED):.2f}"))
    return rows


def cross_tests() -> list[tuple]:
    """Of each port reading: the starts that each network chooses; typical and largest miss of the other one."""
    rows = [("reading", "C3D chooses", "R(2+1)D-18 misses", "R(2+1)D-18 chooses", "C3D misses")]
    found = []
    for reading in port_readings():
        first, second = fitted(reading, C3D), fitted(reading, R2PLUS1D)
        tests = [(f(chosen, held)) for chosen, held in ((first, R2PLUS1D), (second, C3D)) for f in (typical, worst)]
        texts = [f"{typical_:.2f}, at most {worst_:.2f}" for typical_, worst_ in (tests[:2], tests[2:])]
        found.append((tests[0] + tests[2], (describe(reading), starts(first), texts[0], starts(second), texts[1])))
    return rows + [row for _, row in sorted(found)]


def single_choices() -> list[tuple]:
    """One other choice at a time, with the starts that suit all figures best."""
    rows = [("choice", "starts", "typical miss", "largest miss", "missed")]
    for reading in (EQUATIONS, *single_readings()):
        chosen = fitted(reading, LATENCIES)
        missed = sum(latency.miss(chosen) > 1 for latency in LATENCIES)
        rows.append((describe(reading), starts(chosen), f"{typical(chosen):.2f}", f"{worst(chosen):.2f}", str(missed)))
    return rows


def margins() -> list[tuple]:
    """Lowest and highest starting cycles, one at a time, that meet every figure."""
    rows = [("starting cycles", "shipped", "meet every figure")]
    for key in STARTS:
        meet = [cycles for cycles in range(100) if worst(replace(SHIPPED, **{key: cycles})) <= 1]
        rows.append((key, str(getattr(SHIPPED, key)), f"{min(meet)} to {max(meet)}"))
    return rows


if __name__ == "__main__":
    print_table("Published latencies: deviations of the equations alone and of the shipped reading", every_latency())
    print_table(
        "Ports and inputs: starts (dense / sparse / rows) chosen by one network, tested on the other", cross_tests()
    )
    print_table("One other choice, with its best starts", single_choices())
    print_table("How far each start may move", margins())
