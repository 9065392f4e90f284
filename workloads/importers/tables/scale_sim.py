"""SCALE-Sim topology files: a CSV row a layer, as convolution or as matrix product (M, N, K); masks are drawn.

Convolution: Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides. The map
is what the kernel sees, padding included, and a last partial window counts (SCALE-Sim rounds the output size up), for
which zeros are added below and to the right. Matrix product: Layer, M, N, K: inputs (M, K) times weights (K, N). A
further column Sparsity holds N:M (N weights of every M channels stay) or a density. Commas at the end, comments (# or
//), a byte order mark, blank lines and any line ends are allowed. Source: scale-sim-v2's documentation, topology files.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workloads.errors import InputError
from workloads.files import read_text
from workloads.importers.imported import DENSE_INPUTS, FoundLayer, Imported, ImportOptions, product_layer, workload_of
from workloads.importers.importer import importer
from workloads.layer import Layer
from workloads.names import plain_name
from workloads.pruning.methods.nm import NM
from workloads.source import Drawn, Stream, TensorSource

_CONV = ("ifmap height", "ifmap width", "filter height", "filter width", "channels", "num filter")
_MOST_DIGITS = 18  # of a size
_PRODUCT = ("m", "n", "k")
_COMMENT = re.compile(r"(#|//).*")


@dataclass(frozen=True)
class DrawnGroups:
    """A mask with N non-zeros in every M consecutive channels, at random places."""

    layer: Layer
    pruning: NM

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`."""
        return self.pruning.pruned(self.layer, np.ones(shape, np.bool_), stream.child(0).rng())


def is_topology(path: Path) -> bool:
    """Whether a CSV file's header is that of a topology (density tables have columns of other names)."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as stream:
            # The first line that holds more than a comment, blanks and commas.
            head = next((line for line in stream if _COMMENT.sub("", line).strip(" \t\r\n,")), "")
    except OSError:
        return False
    columns = _cells(head)
    return columns[0].lower().startswith("layer") and any(
        set(needed) <= {column.lower() for column in columns} for needed in (_CONV[:2], _PRODUCT)
    )


@importer("SCALE-Sim topology", ".csv", holds=is_topology)
def import_topology(path: Path, options: ImportOptions) -> Imported:
    """The layers of a topology file. Raises `InputError` naming the file, the line and the column."""
    del options
    lines = read_text(path).splitlines()
    rows = [(number, _cells(line)) for number, line in enumerate(lines, 1)]
    # Lines keep the numbers that an editor shows, blank ones and comments counted.
    rows = [(number, cells) for number, cells in rows if any(cells)]
    header = [column.lower() for column in rows[0][1]]
    found = []
    for number, cells in rows[1:]:
        try:
            # A row may end before the header does, as that of a layer without the sparsity column's value.
            found.append(_layer(dict(zip(header, cells, strict=False))))
        except InputError as error:
            raise InputError(f"{path}: line {number}: {error}") from None
    workload = workload_of(path.stem, found, str(path), ())
    return Imported(workload, warnings=(DENSE_INPUTS,))


def _cells(line: str) -> list[str]:
    (cells,) = csv.reader([_COMMENT.sub("", line)]) if _COMMENT.sub("", line).strip() else ([""],)
    cells = [cell.strip() for cell in cells]
    while len(cells) > 1 and not cells[-1]:
        cells.pop()
    return cells


def _layer(row: dict[str, str]) -> FoundLayer:
    name = plain_name(next(iter(row.values())))
    if set(_PRODUCT) <= set(row):
        # M inputs of K features times N filters: (M, K) x (K, N).
        rows, columns, inner = (_count(row, column) for column in _PRODUCT)
        layer = product_layer(name, (1, rows), inner, columns)
    else:
        layer = _conv(name, row)
    return FoundLayer(layer, _weights(layer, row.get("sparsity", "")))


def _conv(name: str, row: dict[str, str]) -> Layer:
    height, width, taps_down, taps_across, channels, filters = (_count(row, column) for column in _CONV)
    if "stride height" in row:
        stride = (_count(row, "stride height"), _count(row, "stride width"))
    else:
        stride = (_count(row, "strides"),) * 2
    sizes, kernel = (height, width), (taps_down, taps_across)
    # 7 rows, 3 taps, stride 3: -(7 - 3) % 3 = 2 rows are added behind, so that the last window, which starts at row 6,
    # fits: ceil(4 / 3) + 1 = 3 outputs.
    partial = tuple(-(size - taps) % step for size, taps, step in zip(sizes, kernel, stride, strict=True))
    return Layer.conv(
        name,
        in_channels=channels,
        out_channels=filters,
        input_size=sizes,
        kernel_size=kernel,
        stride=stride,
        padding=tuple((0, extra) for extra in partial),
    )


def _count(row: dict[str, str], column: str) -> int:
    text = row.get(column, "")
    # Longer numbers than any size are refused by their length, before they are turned into one.
    if not text.isdecimal() or len(text) > _MOST_DIGITS or int(text) < 1:
        raise InputError(f"column '{column}' = '{text}', must be a whole number of at least 1")
    return int(text)


def _weights(layer: Layer, text: str) -> TensorSource:
    try:
        if ":" in text:
            kept, _, group = text.partition(":")
            return DrawnGroups(layer, NM(n=int(kept), m=int(group)))
        return Drawn(float(text or 1))
    except ValueError:
        raise InputError(f"column 'sparsity' = '{text}', must be N:M with N at most M, or a density") from None
