"""A network's graph as a picture of an HTML page (SVG).

A box a node, one below the other; lines beside them lead from a map to the nodes further down that read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from simulator.reports.graph_rows import GraphRow, graph_rows
from workloads.graph import Graph

_ROW, _BOX, _LANE = 22, 16, 12  # heights of a row and of a box, and how far lanes are apart, in pixels
_TEXT = 6.2  # of a letter of 11 pixels, at most
_COLOURS = {
    "layer": "#d9e6f2",
    "input": "#eeeeee",
    "pool": "#fff2cc",
    "upsample": "#fff2cc",
    "add": "#f8d7cf",
    "concat": "#e2efda",
}
_PLAIN = "#ffffff"  # what moves nothing


def graph_svg(graph: Graph) -> str:
    """The picture; it stays below two million pixels a thousand nodes and takes milliseconds."""
    rows = graph_rows(graph)
    left = _LANE * (2 + max((lane for row in rows for lane in row.lanes), default=0)) + 6
    labels = [_label(row) for row in rows]
    box = round(_TEXT * max(len(name) + len(shape) for name, shape in labels)) + 26
    size = f'viewBox="0 0 {left + box + 10} {_ROW * len(rows) + 6}" width="{left + box + 10}"'
    style = 'font-family="system-ui, sans-serif" font-size="11" stroke-width="1"'
    inside = [*_lines(rows, left), *_boxes(rows, labels, left, box)]
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} {style}>\n' + "\n".join(inside) + "\n</svg>"


def _label(row: GraphRow) -> tuple[str, str]:
    """What stands in a box: the name, with the kind where neither name nor colour tell it, and the shape."""
    node = row.node
    told = node.kind in ("layer", "input") or node.kind in node.name
    return node.name if told else f"{node.name} ({node.kind})", "x".join(map(str, node.shape))


def _boxes(rows: Sequence[GraphRow], labels: Sequence[tuple[str, str]], left: int, width: int) -> Iterator[str]:
    for place, (row, (name, shape)) in enumerate(zip(rows, labels, strict=True)):
        top = _top(place)
        fill = _COLOURS.get(row.node.kind, _PLAIN)
        # Layers are boxes with corners, everything else is round.
        radius = 2 if row.node.kind == "layer" else _BOX // 2
        reads = f"<title>{escape(' + '.join(row.node.inputs))} → {escape(row.node.name)}</title>"
        bounds = f'x="{left}" y="{top}" width="{width}" height="{_BOX}" rx="{radius}"'
        text = f'<text x="{left + 8}" y="{top + 12}">{escape(name)}<tspan dx="8" fill="#777">{shape}</tspan></text>'
        yield f'<g>{reads}<rect {bounds} fill="{fill}" stroke="#888"/>{text}</g>'


def _lines(rows: Sequence[GraphRow], left: int) -> Iterator[str]:
    """Short ones from a row to the next, and one by way of its lane from each map to every node further down."""
    began: dict[int, int] = {}  # row in which the map of a lane was made
    for place, row in enumerate(rows):
        # Lines come in above the middle and leave below it, so that one that ends is not taken for one that begins.
        top, level = _top(place), _top(place) + _BOX // 2 - 3
        if row.above:
            x = left + 20
            yield f'<path d="M{x} {top - _ROW + _BOX}V{top}" stroke="#555"/>'
        for lane in row.joins:
            x = left - _LANE * (lane + 1)
            start = _top(began[lane]) + _BOX // 2 + 3
            # Down from the map's box, round two corners, and into the reader's.
            path = f"M{left} {start}H{x + 5}Q{x} {start} {x} {start + 5}V{level - 5}Q{x} {level} {x + 5} {level}H{left}"
            yield f'<path d="{path}" fill="none" stroke="#555"/>'
            yield f'<path d="M{left} {level}l-5 -3v6z" fill="#555"/>'
        if row.begins is not None:
            began[row.begins] = place


def _top(place: int) -> int:
    return 3 + _ROW * place
