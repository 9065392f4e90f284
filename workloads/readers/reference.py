"""What the reference folders have in common: one npz file, and a table of the layers' shapes beside it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from workloads.errors import InputError, listed, shown
from workloads.files import read_text
from workloads.graph import Graph
from workloads.layer import Layer, Pads
from workloads.network import load_network, network_graph, network_names
from workloads.readers.photographs import find_photographs, is_photograph, with_photographs
from workloads.source import LayerSource, TensorSource, output_densities
from workloads.texts import csv_of, read_json
from workloads.workload import Workload

TensorPair = tuple[TensorSource, TensorSource]


def find_archive(path: Path) -> Path:
    """The npz file of a folder, or the file itself. Raises `InputError` that says what the folder lacks."""
    if not path.is_dir():
        return path
    held = sorted(path.glob("*.npz"))
    # Of a network whose table counts all weights a single file has activations alone.
    archives = held if len(held) == 1 else [one for one in held if not is_photograph(one)]
    if not held:
        raise InputError(f"{path}: is a directory, must be a file or a folder of reference data")
    if not archives:
        names = listed([one.name for one in held])
        raise InputError(f"{path}: holds {names}, with activations alone: must hold one npz file with weights as well")
    if len(archives) > 1:
        names = listed([one.name for one in archives])
        raise InputError(f"{path}: holds {names}: must hold one npz file, others with activations alone")
    if find_table(archives[0]) is None:
        name = archives[0].name
        raise InputError(f"{path}: no layers.json beside {name}, nor {archives[0].stem}_layers.json (or .csv)")
    return archives[0]


def find_table(archive: Path) -> Path | None:
    """The table beside an npz file: `NAME_layers.json`, else `layers.json`, else the same as CSV; None without any."""
    names = [f"{own}layers.{kind}" for kind in ("json", "csv") for own in (f"{archive.stem}_", "")]
    return next((table for name in names if (table := archive.with_name(name)).is_file()), None)


@dataclass(frozen=True)
class Table:
    """The layers that a table beside an npz file lists, with their rows and the densities of their inputs."""

    path: Path
    rows: tuple[Mapping[str, Any], ...]
    layers: tuple[Layer, ...]
    inputs: tuple[float, ...]

    @classmethod
    def beside(cls, archive: Path) -> Self:
        """Raises `InputError` naming the table when it is missing or cannot be used."""
        table = find_table(archive)
        if table is None:
            raise InputError(f"{archive}: no layers.json beside it")
        rows = read_json(table, "a table of layers") if table.suffix == ".json" else _csv_rows(table)
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
            raise InputError(f"{table}: must be a list of rows, one a layer, and hold one at least")
        try:
            layers = tuple(layer_of(row) for row in rows)
            # A table that does not count non-zeros leaves the input dense.
            inputs = tuple(
                _share(row, layer) if "x_nnz" in row else 1.0 for row, layer in zip(rows, layers, strict=True)
            )
        except (ValueError, KeyError, TypeError) as error:
            reason = f"key {error} is missing" if isinstance(error, KeyError) else str(error)
            raise InputError(f"{table}: {reason}") from None
        return cls(table, tuple(rows), layers, inputs)

    def is_of(self, network: str) -> bool:
        """Whether its layers are those of a shipped network."""
        return _graph(network, self.layers) is not None


def _csv_rows(table: Path) -> list[dict[str, str]]:
    # An empty cell is as a column that is not there.
    with csv_of(table):
        return [
            {column: value for column, value in row.items() if value not in (None, "")}
            for row in csv.DictReader(read_text(table).splitlines(), skipinitialspace=True)
        ]


def read_folder(
    path: Path,
    name: str,
    title: str,
    origin: str,
    tensors: Callable[[Path, Mapping[str, Any], Layer], TensorPair],
    graph: str,
) -> Workload:
    """The workload of a reference folder.

    `tensors` gives the sources of a layer's weights and activations from the npz file's path, the layer's row of the
    table and the layer; `Photographs` get those of the folder's other files. `graph` is the network whose graph the
    layers have, if they are that network's. Raises `InputError` naming the table when it cannot be used, or a
    photograph's file when it does not hold what a layer reads.
    """
    archive = find_archive(path).absolute()
    table = Table.beside(archive)
    outputs = output_densities(table.layers, table.inputs, [None] * len(table.layers))
    sources = tuple(
        LayerSource(i, layer, *tensors(archive, row, layer), output, str(archive))
        for i, (row, layer, output) in enumerate(zip(table.rows, table.layers, outputs, strict=True))
    )
    others = tuple(one for one in find_photographs(path) if one != archive)
    sources = with_photographs(sources, others) if others else sources
    files = (path,) if path.is_dir() else (archive, table.path)
    return Workload(name, sources, title=title, origin=origin, files=files, graph=_graph(graph, table.layers))


def _graph(network: str, layers: Sequence[Layer]) -> Graph | None:
    """The graph of a shipped network; None for layers of another one, of which nothing is known."""
    # By their places, as files have names of their own: fire2/conv1x1_1 is the table's fire2.squeeze1x1.
    names = [layer.name for layer in (load_network(network).layers if network in network_names() else layers)]
    if len(names) != len(layers):
        return None
    plain = [replace(layer, name=name) for layer, name in zip(layers, names, strict=True)]
    own = {name: layer.name for layer, name in zip(layers, names, strict=True)}
    try:
        graph = network_graph(network, plain)
        return graph and graph.renamed(own)
    except InputError:
        # A folder in the same form may hold any layers.
        return None


def whole_number(row: Mapping[str, Any], column: str) -> int:
    """A row's number, which CSV holds as a text. Raises `InputError` where it is no whole one, `KeyError` for none."""
    value = row[column]
    # A fraction would be cut, and a truth value counts as a number in Python.
    is_whole = value.is_integer() if isinstance(value, float) else isinstance(value, int | str)
    try:
        if is_whole and not isinstance(value, bool):
            return int(value)
    except ValueError:
        pass  # of a text
    raise InputError(f"layer {shown(row.get('name'))}: {column} = {shown(value)}, must be a whole number")


def _share(row: Mapping[str, Any], layer: Layer) -> float:
    """Density of a layer's input, by the count in its row."""
    count = whole_number(row, "x_nnz")
    if not 0 <= count <= layer.input_count:
        raise InputError(f"layer '{layer.name}': x_nnz = {count}, must be at least 0 and at most {layer.input_count}")
    return count / layer.input_count


def layer_of(row: Mapping[str, Any]) -> Layer:
    """The layer of a row with columns name, C, [D,] H, W, K, [T,] R, S, stride, pad, groups (1 where absent).

    `pad` is a number, or [top, bottom, left, right], or that as text with slashes. A 1x1 map is a fully connected
    layer's. Raises `InputError` where the row also gives the output size and it is not the one that follows from its
    shape.
    """
    maps, kernel = ("DHW", "TRS") if "D" in row else ("HW", "RS")
    size = tuple(whole_number(row, axis) for axis in maps)
    kernel_size = tuple(whole_number(row, axis) for axis in kernel)
    groups = whole_number(row, "groups") if "groups" in row else 1
    channels, filters = whole_number(row, "C"), whole_number(row, "K")
    # Grouped ones stay convolutions: a fully connected layer has one group.
    if size == kernel_size == (1, 1) and groups == 1:
        return Layer.dense(row["name"], in_features=channels, out_features=filters)
    layer = Layer.conv(
        row["name"],
        in_channels=channels,
        out_channels=filters,
        input_size=size,
        kernel_size=kernel_size,
        stride=whole_number(row, "stride"),
        padding=_padding(row["pad"], len(size)),
        groups=groups,
    )
    # The table's own output size checks stride and padding, which sources state in different ways.
    stated = tuple(whole_number(row, column) for column in ("P", "Q") if column in row)
    if stated and stated != layer.output_size:
        raise InputError(f"layer '{layer.name}': output is {layer.output_size}, the table says {stated}")
    return layer


def _padding(value: Any, axes: int) -> int | Pads:
    if isinstance(value, str):
        value = [int(part) for part in value.split("/")]
    if isinstance(value, int):
        return value
    if not isinstance(value, list) or len(value) > 2 * axes or (len(value) != 1 and len(value) % 2):
        raise InputError(f"pad = {shown(value)}, must be a number, or one for each side")
    if len(value) == 1:
        return value[0]
    # (top, bottom, left, right) are two pairs; a 3-D layer with two pairs pads rows and columns, and no depth.
    # [1, 1, 2, 2] are ((1, 1), (2, 2)): a zero above and below, two at either side.
    pairs = tuple((value[i], value[i + 1]) for i in range(0, len(value), 2))
    return pairs if len(pairs) == axes else ((0, 0),) * (axes - len(pairs)) + pairs
