"""Density tables: a CSV file with a row per layer, its shape and its densities; the masks are drawn.

Columns: name (or layer), C, [D,] H, W, K, [T,] R, S, stride, pad, [groups,] w_density, x_density, [out_density]. A
table without shapes needs the name of the built-in network whose layers it lists. Rows of kind `transposed` are left
out, which the workload's title says.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from workloads.errors import InputError
from workloads.files import read_text
from workloads.layer import Layer
from workloads.network import load_network
from workloads.readers.reference import layer_of
from workloads.source import Drawn, DrawnBatch, LayerSource, output_densities
from workloads.texts import csv_of
from workloads.workload import Workload

_NEEDED = ("name", "w_density", "x_density")
_SHAPE = ("C", "H", "W", "K", "R", "S", "stride", "pad")


def read_density_table(path: str | Path, network: str | None = None) -> Workload:
    """A workload of uniform masks with the table's densities.

    `network`: take the shapes from this built-in network. Raises `InputError` naming the file and the row.
    """
    path = Path(path)
    rows = _rows(path, _NEEDED if network else (*_NEEDED, *_SHAPE))
    shapes = {layer.name: layer for layer in load_network(network).layers} if network else {}
    # Layers count from 0 without the rows that are left out, so that these move no other layer's random stream.
    kept = [row for row in rows if row.get("kind", "conv") != "transposed"]
    try:
        layers = [_shape(row, shapes) if network else layer_of(row) for row in kept]
        inputs = [float(row["x_density"]) for row in kept]
        outputs = output_densities(layers, inputs, [_optional(row.get("out_density")) for row in kept])
        sources = tuple(
            LayerSource(i, layer, Drawn(float(row["w_density"])), DrawnBatch(float(row["x_density"])), out, str(path))
            for i, (layer, row, out) in enumerate(zip(layers, kept, outputs, strict=True))
        )
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: {error}") from None
    left_out = f", {len(rows) - len(kept)} transposed convolutions left out" if len(rows) > len(kept) else ""
    return Workload(path.stem, sources, title=f"densities of {path.name}{left_out}", origin=str(path), files=(path,))


def _rows(path: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    with csv_of(path):
        rows = list(csv.DictReader(io.StringIO(read_text(path), newline="")))
    if not rows:
        raise InputError(f"{path}: the table has no rows")
    for row in rows:
        if "layer" in row:
            row["name"] = row["layer"]
        # A row that is shorter than the header holds None for what it lacks.
        missing = [column for column in needed if row.get(column) is None]
        if missing:
            raise InputError(f"{path}: column '{missing[0]}' is missing")
    return rows


def _shape(row: dict[str, str], shapes: dict[str, Layer]) -> Layer:
    if row["name"] not in shapes:
        raise InputError(f"the network has no layer '{row['name']}'")
    return shapes[row["name"]]


def _optional(text: str | None) -> float | None:
    return float(text) if text else None
