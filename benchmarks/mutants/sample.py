"""Mutants, and a seeded sample of them over all areas."""

import itertools
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

from benchmarks.mutants.areas import ROOT, Areas, Part
from benchmarks.mutants.unseen import unseen_spans


@dataclass(frozen=True)
class Mutant:
    """The edit that an operator makes at its n-th place in a file, from 0; `line` and `column` say where that is."""

    area: str
    tests: tuple[str, ...]
    path: str
    operator: str
    occurrence: int
    line: int
    column: int


def sample(areas: Areas, count: int, seed: int) -> list[Mutant]:
    """As many mutants of each area, `count` or a few more in all, area by area.

    Places are drawn first and then one of the edits there, so that no operator with many variants prevails.
    """
    each, drawn = -(-count // len(areas.parts)), []  # workloads is under test: nothing here may have loaded it
    for area in areas.parts:
        rng = random.Random(f"{seed} {area}")  # noqa: S311 (a sample, no secret)
        places = defaultdict(list)
        for path, part in areas.owners(area).items():
            for mutant in _mutants(areas, part, path):
                places[path, mutant.line, mutant.column].append(mutant)
        chosen = (rng.choice(places[place]) for place in rng.sample(sorted(places), len(places)))
        drawn += itertools.islice(filter(_compiles, chosen), each)
    return drawn


def _compiles(mutant: Mutant) -> bool:
    """Whether Python takes the edited source: a star before keywords is no product, though an operator finds it."""
    source = (ROOT / mutant.path).read_text(encoding="utf-8")
    try:
        compile(mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence), mutant.path, "exec")
    except SyntaxError:
        return False
    return True


def _mutants(areas: Areas, part: Part, path: str) -> Iterator[Mutant]:
    source = (ROOT / path).read_text(encoding="utf-8")
    unseen, nodes = list(unseen_spans(source, areas.speed_only)), list(ast_nodes(get_ast(source)))
    for name in areas.operators:
        operator = get_operator(name)()
        spots = (start for node in nodes for start, _ in operator.mutation_positions(node))
        for occurrence, spot in enumerate(spots):
            if not any(first <= spot < end for first, end in unseen):
                yield Mutant(part.area, part.tests, path, name, occurrence, *spot)
