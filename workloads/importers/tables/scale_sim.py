"""SCALE-Sim topology files: a CSV row a layer, as convolution or as matrix product (M, N, K); masks are drawn.

Convolution: Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides. The map
is what the kernel sees, padding included, and a last partial window counts (SCALE-Sim rounds the output size up), for
which zeros are added below and to the right. SCALE-Sim reads columns by their places, so that headers in other words
(IFMAP Width twice) stand for the same; a row with three sizes alone is a matrix product, as its switch for such reads
it; a row without sizes is a heading. A name with DP in it is a depthwise convolution: Num Filter filters of each
channel. Matrix product: Layer, M, N, K: inputs (M, K) times weights (K, N). Further columns: Sparsity holds N:M (N of
every M weights of a filter's window stay) or a density, Batch Size the images. An N:M under another header, or none, is
a sparsity too; a number without a header behind the strides is the stride across; other values are passed over with a
warning. Tabs for commas, commas at the end, comments (# or //), a byte order mark, blank lines and any line ends are
allowed. Source: scale-sim-v2 and SCALE-Sim v3, topology files, their reader and their matrix of filters.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workloads.errors import InputError, listed
from workloads.files import read_text
from workloads.importers.imported import DENSE_INPUTS, FoundLayer, Imported, ImportOptions, product_layer, workload_of
from workloads.importers.importer import importer
from workloads.layer import Layer
from workloads.names import plain_name
from workloads.pruning.methods.nm import NM, keep_in_groups
from workloads.source import Drawn, Stream, TensorSource
from workloads.texts import csv_of

_CONV = ("ifmap height", "ifmap width", "filter height", "filter width", "channels", "num filter")
_MOST_DIGITS = 18  # of a size
_PRODUCT = ("m", "n", "k")
_KNOWN = {*_CONV, *_PRODUCT, "strides", "stride height", "stride width", "sparsity", "batch size"}
_STRIDE_ACROSS = 8  # the place of a stride across, which a header of one stride has no name for
_DEPTHWISE = "DP"  # in a layer's name
_LETTERS = re.compile(r"[A-Za-z]")
_COMMENT = re.compile(r"(#|//).*")
_GROUPS = re.compile(r"\d+\s*:\s*\d+")
# What each place of a convolution's row holds: the word its header may have of those that tell them apart.
_ROLES = ("ifmap", "ifmap", "filter", "filter", "channel", "filter", "stride")
_FILTERS = 5  # the place of their number
_PLACES = (*_CONV, "strides")
# In a layout's columns: how data lie in memory, under names like those of a topology.
_LAYOUT = re.compile("int(ra|er)line")


@dataclass(frozen=True)
class DrawnGroups:
    """A mask with N non-zeros in every M consecutive weights of a filter's window, at random places.

    The window is a column of SCALE-Sim's matrix of filters: row after row of the kernel, a place's channels together.
    Groups go on from one place into the next where M does not divide the channels. The window's last group may be
    shorter, and keeps N or all it has.
    """

    pruning: NM

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        """See `TensorSource`."""
        filters, channels, *kernel = shape
        window = np.ones((filters, math.prod(kernel) * channels), np.bool_)
        kept = keep_in_groups(window, stream.child(0).rng(), self.pruning.n, self.pruning.m)
        # (K, R, S, C) becomes (K, C, R, S).
        return np.ascontiguousarray(np.moveaxis(kept.reshape(filters, *kernel, channels), -1, 1))


def is_topology(path: Path) -> bool:
    """Whether a CSV file's header is that of a topology (density tables have columns of other names)."""
    try:
        # The first line that holds more than a comment, blanks and commas.
        head = next((line for line in read_text(path).splitlines() if _COMMENT.sub("", line).strip(" \t,")), "")
        columns = {column.lower() for column in _cells(head, _separator(head))[1:]}
    except (InputError, csv.Error):  # which the reader of density tables tells
        return False
    return columns >= set(_PRODUCT) or len({column for column in columns if column.startswith(("ifmap", "filter"))}) > 1


@importer("SCALE-Sim topology", ".csv", holds=is_topology)
def import_topology(path: Path, options: ImportOptions) -> Imported:
    """The layers of a topology file. Raises `InputError` naming the file, the line and the column."""
    del options
    lines = read_text(path).splitlines()
    separator = _separator(next(line for line in lines if _COMMENT.sub("", line).strip(" \t,")))
    with csv_of(path):
        rows = [(number, _cells(line, separator)) for number, line in enumerate(lines, 1)]
    # Lines keep the numbers that an editor shows, blank ones and comments counted. A row without sizes is a heading.
    rows = [(number, cells) for number, cells in rows if any(cells[1:])]
    try:
        header = _columns([column.lower() for column in rows[0][1]])
    except InputError as error:
        raise InputError(f"{path}: line {rows[0][0]}: {error}") from None
    found, products, unread = list[FoundLayer](), list[int](), dict[str, int]()
    for number, cells in rows[1:]:
        try:
            # A row may end before the header does, as that of a layer without the sparsity column's value.
            row = dict(zip(header, cells, strict=False))
            for text in _further(row, header, cells):
                unread.setdefault(text, number)
            if _CONV[0] in header and not any(map(row.get, (*_CONV[3:], "strides", "stride height"))):
                # Three sizes under the first columns of a convolution.
                row |= {size: row.get(column, "") for size, column in zip(_PRODUCT, _CONV[:3], strict=True)}
                products.append(number)
            found.append(_layer(row))
        except InputError as error:
            raise InputError(f"{path}: line {number}: {error}") from None
    workload = workload_of(path.stem, found, str(path), ())
    return Imported(workload, warnings=(DENSE_INPUTS, *_notes(products, unread)))


def _notes(products: list[int], unread: dict[str, int]) -> Iterator[str]:
    """What was read otherwise than the header says: lines of three sizes, and the first line of each value left out."""
    if products:
        yield f"lines {listed([str(number) for number in products])} hold three sizes: a matrix product's M, N and K"
    if unread:
        held = listed([f"{text} (line {number})" for text, number in unread.items()])
        yield f"values in columns of unknown meaning are passed over: {held}"


def _columns(header: list[str]) -> list[str]:
    """The header with its columns under their usual names. Raises `InputError` where it is no topology's."""
    if any(map(_LAYOUT.search, header)):
        raise InputError("a SCALE-Sim layout, which says how data lie in memory: give the topology of the same layers")
    usual = [_usual(column) for column in header]
    if set(_CONV) <= set(header) or set(_PRODUCT) <= set(header):
        return usual
    _check_places(header[1:])
    strides = [column for column in header[7:9] if column.startswith("stride")]
    named = ["strides"] if len(strides) < 2 else ["stride height", "stride width"]
    return [header[0], *_CONV, *named, *usual[7 + len(named) :]]


def _usual(column: str) -> str:
    """A further column's name without what people change in it: "stride h", "sparsity ratio", "batch"."""
    for start, name in (("sparsity", "sparsity"), ("batch", "batch size")):
        if column.startswith(start):
            return name
    return {"stride": "strides", "stride h": "stride height", "stride w": "stride width"}.get(column, column)


def _check_places(columns: list[str]) -> None:
    """Raises `InputError` where a header in other words has an order of its own: sizes are read by their places."""
    for place, (column, role) in enumerate(zip(columns, _ROLES, strict=False)):
        other = next((word for word in _ROLES if word in column), role)
        # The filters may be called output channels.
        if role not in column and other != role and not (place == _FILTERS and "out" in column):
            raise InputError(f"column '{column}' stands where SCALE-Sim reads: {_PLACES[place]}")
    for place in (0, 2):
        down, across = (*columns[place : place + 2], "", "")[:2]
        if "width" in down and "height" in across:
            raise InputError(f"column '{down}' stands where SCALE-Sim reads: {_PLACES[place]}")


def _further(row: dict[str, str], header: list[str], cells: list[str]) -> list[str]:
    """Takes what a row says in columns that the header has no name of ours for; returns the values that say nothing."""
    unread = list[str]()
    for place, text in enumerate(cells):
        name = header[place] if place < len(header) else ""
        if not text or place == 0 or name in _KNOWN:
            continue
        if _GROUPS.fullmatch(text) and not row.get("sparsity"):
            row["sparsity"] = text
        elif place == _STRIDE_ACROSS and not name and text.isdecimal() and "strides" in row:
            row["stride height"], row["stride width"] = row["strides"], text
        else:
            unread.append(f"'{plain_name(text)}'")
    return unread


def _separator(head: str) -> str:
    """Between the columns of a header: commas, or tabs where there are no commas."""
    return "\t" if "\t" in head.strip() and "," not in head else ","


def _cells(line: str, separator: str) -> list[str]:
    text = _COMMENT.sub("", line)
    (cells,) = csv.reader([text], delimiter=separator) if text.strip() else ([""],)
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
    if row.get("batch size"):
        layer = layer.with_batch(_count(row, "batch size"))
    return FoundLayer(layer, _weights(row.get("sparsity", "")))


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
    groups = channels if _DEPTHWISE in name else 1
    return Layer.conv(
        name,
        in_channels=channels,
        out_channels=filters * groups,
        groups=groups,
        input_size=sizes,
        kernel_size=kernel,
        stride=stride,
        padding=tuple((0, extra) for extra in partial),
    )


def _count(row: dict[str, str], column: str) -> int:
    text = row.get(column, "")
    # Longer numbers than any size are refused by their length, before they are turned into one.
    if not text.isdecimal() or len(text) > _MOST_DIGITS or int(text) < 1:
        template = ": a template, put numbers in place of its letters" if _LETTERS.search(text) else ""
        raise InputError(f"column '{column}' = '{text}', must be a whole number of at least 1{template}")
    return int(text)


def _weights(text: str) -> TensorSource:
    try:
        if ":" in text:
            kept, _, group = text.partition(":")
            return DrawnGroups(NM(n=int(kept), m=int(group)))
        return Drawn(float(text or 1))
    except ValueError:
        raise InputError(f"column 'sparsity' = '{text}', must be N:M with N at most M, or a density") from None
