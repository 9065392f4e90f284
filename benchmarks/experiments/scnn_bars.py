"""SCNN's published bars and curves beside ours, as the tables of docs/scnn.md have them.

Everything comes from the published figures (`prunesim validate`): a drawing's series are columns, its places rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

from dataflows.registry import create
from simulator.validation.figure_rows import Figure, Goal
from simulator.validation.figures import FigureSet
from simulator.validation.results import Result, results
from simulator.validation.sensitivity import Effect, effects

MACHINE = "scnn"
LAYERS = {
    "AlexNet": ("scnn-figure-9-alexnet", "scnn-figure-10-alexnet"),
    "VGG-16": ("scnn-figure-9-vgg16", "scnn-figure-10-vgg16"),
}
NETWORKS = {"": ("scnn-figure-9-networks",)}
SWEEP = {"": ("scnn-figure-12a",)}
ANALYTICAL = {"": ("scnn-figure-12a-analytical",)}
GRANULARITY = "scnn_granularity"
_LEAST = 0.05  # share of a deviation below which a reading is not shown

Rows = Iterator[Sequence[str]]


@cache
def published() -> FigureSet:
    """SCNN's figures."""
    return FigureSet.read().only(MACHINE)


def part(drawings: Sequence[str] = (), study: str = "") -> FigureSet:
    """The figures of these drawings, or of one study."""
    chosen = published()
    return replace(chosen, figures=tuple(f for f in chosen.figures if f.drawing in drawings or f.study == study))


@cache
def measured(*drawings: str) -> tuple[Result, ...]:
    """The figures of these drawings beside ours."""
    return tuple(results(part(drawings)))


def cell(figure: Figure, goal: Goal, simulated: float, *, inside: bool) -> str:
    """Published and simulated value and the deviation, in bold outside the goal."""
    deviation = goal.prose(goal.deviation(simulated, figure.published))
    published, own = (
        f"{value:.3f}" if goal.is_difference else f"{value:.3g}" for value in (figure.published, simulated)
    )
    return f"{published} · {own} ({deviation if inside else f'**{deviation}**'})"


def beside(groups: dict[str, tuple[str, ...]], first: str) -> Rows:
    """A row for each place of the groups' drawings, a column for each of their series."""
    chosen = published()
    table: dict[str, dict[str, str]] = {}
    for group, drawings in groups.items():
        for result in measured(*drawings):
            place = chosen.drawings[result.figure.drawing].place_of(result.figure)
            row = table.setdefault(f"{group} {place}".strip(), {})
            row[result.figure.series] = cell(result.figure, result.goal, result.simulated, inside=result.inside)
    series = list(dict.fromkeys(name for row in table.values() for name in row))
    yield (first, *series)
    for name, row in table.items():
        yield (name, *(row.get(column, "") for column in series))


def layers() -> Rows:
    """Figures 9 and 10, layer by layer."""
    yield from beside(LAYERS, "layer")


def networks() -> Rows:
    """Figure 9's whole networks."""
    yield from beside(NETWORKS, "network")


def sweep() -> Rows:
    """Figures 8a and 12a, against both operands' density."""
    yield from beside(SWEEP, "density")


def analytical() -> Rows:
    """The same beside the machine's analytical model."""
    yield from beside(ANALYTICAL, "density")


def granularity() -> Rows:
    """The figures of PE granularity, under every group size Kc that is a reading."""
    chosen = part(study=GRANULARITY)
    of_groups = tuple(reading for reading in chosen.readings_of(MACHINE) if reading.parameter == "Kc")
    found: dict[str, list[Effect]] = {}
    for effect in effects(replace(chosen, readings=of_groups)):
        found.setdefault(effect.figure.id, []).append(effect)
    shipped = create(MACHINE).spec.model_dump()["output_channel_group"]
    sizes = sorted([shipped, *(int(reading.label) for reading in of_groups)])
    yield ("figure", "published", *(f"Kc = {size}" for size in sizes))
    for own in found.values():
        figure, goal = own[0].figure, own[0].goal
        values = {shipped: own[0].unchanged} | {int(effect.reading.label): effect.simulated for effect in own}
        shown = (f"{values[n]:.3g} ({goal.prose(goal.deviation(values[n], figure.published))})" for n in sizes)
        yield (figure.how, f"{figure.published:.3g}", *shown)


def explained() -> Rows:
    """The layers' bars outside their goals, and the share of the deviation that each parameter's best reading explains.

    The best reading of a parameter is the one that leaves least of the deviation; negative shares add to it.
    """
    chosen = published()
    of_time = (reading for reading in chosen.readings_of(MACHINE) if not reading.is_of_prices)
    parameters = list(dict.fromkeys(reading.parameter for reading in of_time))
    yield ("layer", "bar", "deviation", *parameters)
    for group, drawings in LAYERS.items():
        outside = tuple(result.figure for result in measured(*drawings) if not result.inside)
        own: dict[str, list[Effect]] = {}
        for effect in effects(replace(part(drawings), figures=outside)) if outside else ():
            own.setdefault(effect.figure.id, []).append(effect)
        for some in own.values():
            figure, goal = some[0].figure, some[0].goal
            place = chosen.drawings[figure.drawing].place_of(figure)
            deviation = goal.prose(goal.deviation(some[0].unchanged, figure.published))
            yield (f"{group} {place}", figure.series, deviation, *(_best(some, name) for name in parameters))


def _best(some: Sequence[Effect], parameter: str) -> str:
    """The share of the reading of a parameter that leaves least; empty where none changes anything to speak of."""
    shares = [e.share for e in some if e.reading.parameter == parameter and e.share is not None]
    best = min(shares, key=lambda share: abs(1 - share), default=0.0)
    return f"{100 * best:.0f} %" if abs(best) >= _LEAST else ""
