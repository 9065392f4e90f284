"""Draw the house: every room of the three packages in its layer, and which rooms it imports.

    python -m benchmarks.house [-o docs/images/house.svg]

Layers are those of the import contracts in pyproject.toml, arrows are read from the sources. Arrows that follow from
others are left out, and so are those between packages, which all lead down. Prints how many rooms and arrows there are,
and how many arrows between machines, of which there must be none.
"""

import argparse
import re
import tomllib
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import grimp
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from simulator.plots.style import save

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("simulator", "dataflows", "workloads")
COLOURS = {"simulator": "#d9e6f2", "dataflows": "#e2efda", "workloads": "#fff2cc"}
WIDTH, ROW_HEIGHT, MARGIN = 10.0, 0.5, 0.12  # inches
SHIFTS = (0.0, -1.5, 1.2, -0.6, 1.7)  # of rows, so that an arrow does not run through the room below

Edges = set[tuple[str, str]]


def layers() -> dict[str, list[list[str]]]:
    """Rooms of each package from the top layer down, as the import contracts order them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return {
        one["containers"][0]: [[room.strip() for room in re.split(r"[|:]", layer)] for layer in one["layers"]]
        for one in contracts
        if one["type"] == "layers" and "containers" in one
    }


def room_edges(graph: grimp.ImportGraph, rooms: Iterable[str]) -> Edges:
    """(importer, imported) for every two rooms of which one imports the other directly."""
    chosen = sorted(rooms, key=len, reverse=True)

    def room_of(module: str) -> str | None:
        return next((room for room in chosen if module == room or module.startswith(f"{room}.")), None)

    found = set()
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            pair = room_of(module), room_of(other)
            if pair[0] and pair[1] and pair[0] != pair[1]:
                found.add(pair)
    return found


def reduced(edges: Edges) -> Edges:
    """The edges that no path of others stands for; the graph must have no circle."""
    below: dict[str, set[str]] = {}
    for a, b in edges:
        below.setdefault(a, set()).add(b)

    def reach(room: str, seen: set[str]) -> set[str]:
        for other in below.get(room, ()):
            if other not in seen:
                seen.add(other)
                reach(other, seen)
        return seen

    return {(a, b) for a, b in edges if not any(b in reach(other, set()) for other in below[a] if other != b)}


def between_machines(graph: grimp.ImportGraph) -> Edges:
    """Imports of one machine by another; the project has none."""
    return room_edges(graph, graph.find_children("dataflows.machines"))


def half_width(room: str) -> float:
    """Half of what a room's box takes of a row, inches; letters are 0.11 wide."""
    return 0.055 * len(room) + 0.12


def places(row: list[str], shift: float) -> list[float]:
    """The middles of a row's boxes, evenly spaced and shifted as far as they keep apart and stay in the picture."""
    halves = [half_width(room) for room in row]
    middles = [1.2 + (WIDTH - 1.6) * (place + 0.5) / len(row) + shift for place in range(len(row))]
    middles[0] = max(middles[0], halves[0] + MARGIN)
    for i in range(1, len(row)):
        middles[i] = max(middles[i], middles[i - 1] + halves[i - 1] + halves[i] + MARGIN)
    middles[-1] = min(middles[-1], WIDTH - halves[-1] - MARGIN)
    for i in range(len(row) - 1, 0, -1):
        middles[i - 1] = min(middles[i - 1], middles[i] - halves[i] - halves[i - 1] - MARGIN)
    return middles


def drawn(house: dict[str, list[list[str]]], edges: Edges) -> Figure:
    """A box a room, a row a layer, an arrow from each room down to what it imports."""
    rows = [(package, row) for package in PACKAGES for row in house[package]]
    figure = Figure(figsize=(WIDTH, ROW_HEIGHT * len(rows)))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(-len(rows) - 0.4, 0.9)
    axes.axis("off")
    centres: dict[str, tuple[float, float]] = {}
    for depth, (package, row) in enumerate(rows):
        axes.axhspan(-depth - 0.5, -depth + 0.5, color=COLOURS[package], lw=0, zorder=0)
        if depth == 0 or rows[depth - 1][0] != package:
            axes.text(0.15, -depth + 0.22, f"{package}/", fontsize=11, fontweight="bold", va="center")
        for room, x in zip(row, places(row, SHIFTS[depth % len(SHIFTS)]), strict=True):
            centres[f"{package}.{room}"] = (x, -depth)
            half = half_width(room)
            axes.add_patch(
                FancyBboxPatch(
                    (x - half, -depth - 0.17), 2 * half, 0.34, "round,pad=0.04", fc="white", ec="#555", lw=0.8
                )
            )
            axes.text(x, -depth, room, ha="center", va="center", fontsize=9)
    for a, b in sorted(edges):
        (x0, y0), (x1, y1) = centres[a], centres[b]
        bend = 0.0 if y0 - y1 < 1.5 else 0.12 if x1 < x0 else -0.12
        axes.add_patch(
            FancyArrowPatch(
                (x0, y0 - 0.21),
                (x1, y1 + 0.21),
                arrowstyle="-|>",
                mutation_scale=8,
                lw=0.7,
                color="#666666",
                zorder=0.5,
                connectionstyle=f"arc3,rad={bend}",
            )
        )
    return figure


def main() -> None:
    """Draw, and say what there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", type=Path, default=ROOT / "docs" / "images" / "house.svg", metavar="FILE", dest="target")
    options = parser.parse_args()
    house = layers()
    graph = grimp.build_graph(*PACKAGES)
    rooms = [f"{package}.{room}" for package in PACKAGES for row in house[package] for room in row]
    edges = room_edges(graph, rooms)
    circles = [pair for pair in combinations(rooms, 2) if pair in edges and pair[::-1] in edges]
    shown = reduced({(a, b) for a, b in edges if a.partition(".")[0] == b.partition(".")[0]})
    save(drawn(house, shown), options.target)
    print(f"{len(rooms)} rooms, {len(edges)} arrows, {len(shown)} drawn, {len(circles)} of two ways")
    machines = graph.find_children("dataflows.machines")
    print(f"{len(machines)} rooms of machines, {len(between_machines(graph))} arrows between them")
    print(f"wrote {options.target}")


if __name__ == "__main__":
    main()
