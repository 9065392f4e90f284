"""A network's graph as text: a line a node, with lines beside them from maps to those that read them further down."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from simulator.reports.graph_rows import GraphRow, graph_rows
from workloads.graph import Graph


def graph_lines(graph: Graph, chosen: Collection[str]) -> Iterator[str]:
    """The lines; `chosen` names the layers that are simulated, where others are said to be left out.

    A node reads the line above it and what the lines beside it bring; where it does not read the line above, and beside
    a sum or a join, the names of what it reads stand behind it.
    """
    rows = graph_rows(graph)
    lanes = 1 + max((lane for row in rows for lane in row.lanes), default=-1)
    table = [(row.node.name, _kind(row, chosen), "x".join(map(str, row.node.shape))) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row, cells in zip(rows, table, strict=True):
        told = "  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True))
        yield f"{_beside(row, lanes)} {told}  {_reads(row)}".rstrip()


def _kind(row: GraphRow, chosen: Collection[str]) -> str:
    node = row.node
    return node.kind if node.kind != "layer" or node.name in chosen else "layer, left out"


def _reads(row: GraphRow) -> str:
    """What stands behind a node that reads something else than the row above it."""
    inputs = row.node.inputs
    return f"< {', '.join(inputs)}" if inputs and not (row.above and len(inputs) == 1) else ""


def _beside(row: GraphRow, lanes: int) -> str:
    """The lanes of a row, the farthest first; each takes a character and one before the next."""
    text, line = "", " "
    for lane in reversed(range(lanes)):
        corner = _corner(row, lane, crossed=line == "─")
        line = "─" if lane in row.joins or lane == row.begins else line
        text += corner + line
    return text


def _corner(row: GraphRow, lane: int, *, crossed: bool) -> str:
    if lane == row.begins:
        return "┬" if crossed else "┌"
    if lane in row.joins:
        return ("┴" if crossed else "└") if row.joins[lane] else ("┼" if crossed else "├")
    if lane in row.passing:
        return "┼" if crossed else "│"
    return "─" if crossed else " "
