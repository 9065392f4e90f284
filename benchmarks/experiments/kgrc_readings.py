"""Can the published equations of KGRC give its published latencies? Every reading of what they leave open is tried.

    python -m benchmarks.experiments.kgrc_readings

Prints, as Markdown:
1. the shipped reading, which reads index lists before a step; the published equations as they stand; their best
   reading; the best one with lists; and constant cycles for starting a step instead of lists: chosen by the dense
   designs, KGC and KGR, so that KGRC and R(2+1)D-18 are tests;
2. how far each open choice moves each figure;
3. how many cycles each design lacks for every tile, step of TN channels and step of TK kernel positions.
"""

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from itertools import product

from benchmarks.experiments.kgrc_equations import OPTIONS, SHIPPED, Design, Reading, latency_ms
from benchmarks.table import print_markdown
from simulator.figures import FigureSet

PRUNINGS = ("dense", "kgr", "kgc", "kgrc")
_FIGURES = {figure.id: figure.published for figure in FigureSet.read().figures}
# Latency of C3D's convolutions, ms (Sun et al., IEEE TCAD 2024, Table IV).
PUBLISHED_MS = {Design(name, bits): _FIGURES[f"kgrc-c3d-{name}-{bits}"] for name in PRUNINGS for bits in (16, 8)}
# R(2+1)D-18 with KGRC and 8 bits against the dense 16-bit design (the same paper's abstract). Nothing is chosen by it.
HELD_OUT = "r2plus1d-18", Design("dense", 16), Design("kgrc", 8), _FIGURES["kgrc-r2plus1d"]
COSTS = (0, 8, 16, 24, 32, 40, 48, 56, 64)
GOAL = 0.03
EQUATIONS = replace(SHIPPED, lists="hidden")
UNITS = ("tile", "TN channels", "TK positions")
NAMES = tuple(f"{design.pruning} {design.bits}" for design in PUBLISHED_MS)


def deviations(reading: Reading) -> tuple[float, ...]:
    """Of the eight latencies, relative."""
    return tuple(latency_ms("c3d", design, reading) / published - 1 for design, published in PUBLISHED_MS.items())


def worst(reading: Reading, prunings: Iterable[str] = PRUNINGS) -> float:
    """The largest deviation of these prunings' designs, either way."""
    each = zip(PUBLISHED_MS, deviations(reading), strict=True)
    return max(abs(deviation) for design, deviation in each if design.pruning in prunings)


def held_out_speedup(dense: Reading, pruned: Reading) -> float:
    """Of R(2+1)D-18; published: 3.85."""
    network, before, after, _ = HELD_OUT
    return latency_ms(network, before, dense) / latency_ms(network, after, pruned)


def equation_readings() -> Iterator[Reading]:
    """Every reading of the published terms alone."""
    choices = OPTIONS | {"lists": ("hidden",)}
    for options in product(*choices.values()):
        yield Reading(**dict(zip(choices, options, strict=True)))


def list_readings() -> Iterator[Reading]:
    """The shipped reading with other lists, and with wider ports."""
    for ports, lists in product(("64 bits", "128 bits"), (name for name in OPTIONS["lists"] if name != "hidden")):
        yield replace(SHIPPED, ports=ports, lists=lists)


def cost_readings() -> Iterator[Reading]:
    """The equations with constant cycles for a step of TK positions, and more of them where rows are pruned."""
    for ports, step, row in product(("64 bits", "128 bits"), COSTS[:5], COSTS):
        yield replace(EQUATIONS, ports=ports, step_cycles=step, row_cycles=row)


def describe(reading: Reading) -> str:
    """What differs from the shipped reading."""
    changed = [field.name for field in fields(Reading) if getattr(reading, field.name) != getattr(SHIPPED, field.name)]
    return ", ".join(f"{name}: {getattr(reading, name)}" for name in changed) or "shipped"


def percent(values: Iterable[float]) -> list[str]:
    """Signed, one digit."""
    return [f"{100 * value:+.1f}" for value in values]


def calibrated() -> Reading:
    """The equations with step_cycles chosen by the dense designs and KGC, then row_cycles by KGR."""

    def best(readings: Iterable[Reading], *prunings: str) -> Reading:
        return min(readings, key=lambda reading: worst(reading, prunings))

    started = best((replace(EQUATIONS, step_cycles=cost) for cost in COSTS), "dense", "kgc")
    return best((replace(started, row_cycles=cost) for cost in COSTS), "kgr")


def best_readings() -> list[tuple]:
    """The best of each family: deviations in percent, and the held-out figure."""
    rows = [("reading", "tried", f"within {GOAL:.0%}", *NAMES, "R(2+1)D-18, published 3.85")]
    families = [SHIPPED], [EQUATIONS], list(equation_readings()), list(list_readings()), list(cost_readings())
    for family in families:
        within = sum(worst(reading) <= GOAL for reading in family)
        best = calibrated() if family is families[-1] else min(family, key=worst)
        figures = *percent(deviations(best)), f"{held_out_speedup(best, best):.2f}"
        rows.append((describe(best), str(len(family)), str(within), *figures))
    return rows


def single_choices() -> list[tuple]:
    """One choice of the equations changed at a time: deviations, and the share of all missing ms explained."""
    missing = {design: published - latency_ms("c3d", design, EQUATIONS) for design, published in PUBLISHED_MS.items()}
    total = sum(map(abs, missing.values()))
    rows = [("choice", *NAMES, "explained"), ("missing ms", *(f"{ms:+.2f}" for ms in missing.values()), "")]
    for name, options in OPTIONS.items():
        for option in options:
            reading = replace(EQUATIONS, **{name: option})
            left = sum(abs(ms - latency_ms("c3d", design, reading)) for design, ms in PUBLISHED_MS.items())
            if deviations(reading) != deviations(EQUATIONS):
                rows.append((f"{name}: {option}", *percent(deviations(reading)), f"{1 - left / total:.0%}"))
    return rows


def missing_cycles(design: Design, unit: str) -> int:
    """Constant cycles for each `unit` that bring a design to its published latency; 0 where it is too slow already."""

    def latency(cycles: int) -> float:
        return latency_ms("c3d", design, replace(EQUATIONS, step_cycles=cycles, cost_per=unit))

    published, low, high = PUBLISHED_MS[design], 0, 1 << 16
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if latency(middle) <= published else (low, middle)
    return min((low, high), key=lambda cycles: abs(latency(cycles) - published))


def constant_costs() -> list[tuple]:
    """Missing cycles by unit, and what the held-out network's speedup would be with them."""
    rows = [("constant cycles for each", *NAMES, "R(2+1)D-18, published 3.85")]
    for unit in UNITS:
        missing = {design: missing_cycles(design, unit) for design in PUBLISHED_MS}
        _, *designs, _ = HELD_OUT
        dense, pruned = (replace(EQUATIONS, step_cycles=missing[design], cost_per=unit) for design in designs)
        rows.append((unit, *map(str, missing.values()), f"{held_out_speedup(dense, pruned):.2f}"))
    return rows


if __name__ == "__main__":
    print_markdown("C3D on KGRC: deviations from the published latencies in percent", best_readings())
    print_markdown("One choice of the published equations changed", single_choices())
    print_markdown("Cycles that each design lacks without lists", constant_costs())
