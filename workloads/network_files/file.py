"""A user's own network as a TOML file; docs/network-file.md describes the format.

All faults of a file are reported together, one line each: the file, the dotted key, the value, what is allowed, and
the nearest known key. pydantic is loaded here alone, when a network file is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workloads.arrays.stored import StoredArray
from workloads.errors import InputError, listed
from workloads.graph import Graph
from workloads.layer import Layer
from workloads.masks.synthetic import UNIFORM
from workloads.network import load_network
from workloads.network_files.joints import Told, graph_of
from workloads.network_files.operator_table import OperatorTable
from workloads.network_files.schema import LayerTable, NetworkTable, TransposedTable, check, layer_table
from workloads.source import (
    Drawn,
    DrawnBatch,
    LayerSource,
    OneImage,
    RepeatedImages,
    RepeatedProducts,
    TensorSource,
    output_densities,
)
from workloads.texts import read_toml
from workloads.transposed import TransposedPart
from workloads.transposed_tensors import PartTensor
from workloads.workload import Workload, not_reached


def load_network_file(path: str | Path) -> Workload:
    """The workload that a network file describes. Raises `InputError` with a line for every fault of the file."""
    path = Path(path)
    raw = read_toml(path)
    faults: list[str] = []
    table = check(NetworkTable, raw, "", faults)
    defaults = NetworkTable() if table is None else table
    if ("network" in raw) == ("layers" in raw):
        faults.append("has both 'network' and 'layers'" if "network" in raw else "has neither 'network' nor 'layers'")
        faults[-1] += ", must have one of them"
    rows = raw.get("layers")
    # Every row is read even after a fault, so that all faults of a file are told at once.
    built = [_row(path, defaults, row, i, faults) for i, row in enumerate(rows)] if isinstance(rows, list) else []
    if isinstance(rows, list) and not rows:
        faults.append("layers = []: must hold a layer")
    operators = _operators(raw, faults)
    base = _base(defaults, faults)
    # Of layers and operators without faults alone can be said how they hang together.
    graph = base.graph if base else _graph(built, operators, faults) if not faults else None
    if faults:
        raise InputError("\n".join(f"{path}: {fault}" for fault in faults))
    # Rows with faults are None, but then the file has been refused above.
    whole = [part for row in built if row is not None for part in row.parts()]
    sources = base.sources if base else _chained(whole)
    notes = base.notes if base else _not_reached(whole, defaults.activation_density) + _drawn_products(whole)
    title = defaults.title or (base.title if base else "")
    sources = tuple(replace(source, origin=str(path)) for source in sources)
    files = _files(path, rows)
    name = defaults.name or path.stem
    return Workload(name, sources, title=title, origin=str(path), files=files, notes=notes, graph=graph)


def _operators(raw: dict[str, Any], faults: list[str]) -> list[Told]:
    """The file's operators; faults of theirs are added."""
    rows = raw.get("operators")
    if "network" in raw and rows is not None:
        faults.append("operators: exclude 'network', which has its own")
    told = list[Told]()
    for place, row in enumerate(rows if isinstance(rows, list) else ()):
        key = f"operators[{place}]"
        table = check(OperatorTable, row, key, faults)
        if table is not None:
            told.append(Told(key, table.operator(), table.inputs))
    return told


def _graph(rows: Sequence[_Row | None], operators: Sequence[Told], faults: list[str]) -> Graph | None:
    layers = [
        Told(f"layers[{place}]", row.of_transposed or row.layer, row.inputs)
        for place, row in enumerate(rows)
        if row is not None
    ]
    return graph_of(layers, operators, faults)


def _files(path: Path, rows: Any) -> tuple[Path, ...]:
    """The network file and the files of tensors that its layers name."""
    keys = ("weight_file", "activation_file")
    named = (row[key] for row in rows or () for key in keys if row.get(key) is not None)
    # Beside the network file, wherever the command is run; layers may share a file, which is listed once.
    return (path, *dict.fromkeys(path.parent / name for name in named))


def _base(table: NetworkTable, faults: list[str]) -> Workload | None:
    """A built-in network under this file's densities and patterns."""
    if table.network is None:
        return None
    try:
        network = load_network(table.network)
    except InputError as error:
        faults.append(f"network = {table.network!r}: {error}")
        return None
    workload = Workload.of_network(network)
    if table.relu_input is not None:
        # A value for all layers leaves out the one that reads the image, which no ReLU wrote.
        told = tuple(s if _reads_image(s) else replace(s, relu_input=table.relu_input) for s in workload.sources)
        workload = replace(workload, sources=told)
    # Densities of activations reach the inputs that a ReLU wrote, so that what the file says of those comes first.
    workload = workload.with_density(table.weight_density, table.activation_density)
    return replace(workload, sources=tuple(_arranged(table, source) for source in workload.sources))


def _reads_image(source: LayerSource) -> bool:
    return source.index == 0 and source.input_in_dram is not False


def _arranged(table: NetworkTable, source: LayerSource) -> LayerSource:
    """A layer of a built-in network under the file's patterns."""
    weights, activations = source.weights, source.activations
    assert isinstance(weights, Drawn) and isinstance(activations, DrawnBatch)  # noqa: S101, PT018 (see `of_network`)
    return replace(
        source,
        weights=replace(weights, pattern=table.weight_pattern or UNIFORM),
        activations=replace(activations, pattern=table.activation_pattern or activations.pattern),
    )


@dataclass(frozen=True)
class _Row:
    layer: Layer
    weights: TensorSource
    activations: TensorSource
    input_density: float
    output_density: float | None
    relu_input: bool
    reached: bool  # whether its activations are as dense as the layer or the file says
    inputs: tuple[str, ...] | None  # names of the nodes that it reads, where it says so
    of_transposed: tuple[TransposedPart, ...] = ()

    def parts(self) -> list[_Row]:
        """The row itself, or the convolutions of a transposed one."""
        return [replace(self, layer=part.layer, of_transposed=(part,)) for part in self.of_transposed] or [self]


def _row(path: Path, defaults: NetworkTable, raw: Any, place: int, faults: list[str]) -> _Row | None:
    """A layer with its tensors, or None after adding its faults."""
    key = f"layers[{place}]"
    table = check(layer_table(raw), raw, key, faults)
    if table is None:
        return None
    moving = getattr(table, "moving_weights", False)
    # The first layer reads the image unless its own table says otherwise, whatever stands for all layers; and attention
    # multiplies what linear layers and softmax have made.
    relu_input = _first(table.relu_input, place > 0 and _first(defaults.relu_input, not moving))
    own, common = table.activation_density, defaults.activation_density
    # The common density stops at inputs that no ReLU wrote; an own density or a file is taken as it is.
    reached = relu_input or common is None or own is not None or table.activation_file is not None
    input_density = _first(own, common if reached else None, 1.0)
    # Weights that are activations are as dense as the file says of those.
    common_weights = (common if relu_input else None) if moving else defaults.weight_density
    weight_density = _first(table.weight_density, common_weights, 1.0)
    weight_pattern = _first(table.weight_pattern, defaults.weight_pattern, UNIFORM)
    activation_pattern = _first(table.activation_pattern, defaults.activation_pattern, UNIFORM)
    try:
        layer = table.layer()
        weights = _stored_weights(path, layer, table) or Drawn(weight_density, weight_pattern)
        activations = _stored_activations(path, layer, table) or DrawnBatch(input_density, activation_pattern)
        if moving:
            weights, activations = _moving(layer, table, weights, activations)
    except InputError as error:
        faults.append(f"{key}: {error}")
        return None
    output_density, inputs = table.output_density, table.inputs
    parts = table.parts() if isinstance(table, TransposedTable) else ()
    return _Row(layer, weights, activations, input_density, output_density, relu_input, reached, inputs, parts)


def _moving(
    layer: Layer, table: LayerTable, weights: TensorSource, activations: TensorSource
) -> tuple[TensorSource, TensorSource]:
    """Both sides of a product of two activations; those of files are repeated for more images."""
    sides = RepeatedProducts.of(layer, weights, activations)
    return (
        sides[0] if table.weight_file else weights,
        sides[1] if table.activation_file else activations,
    )


def _drawn_products(rows: list[_Row]) -> tuple[str, ...]:
    drawn = [row.layer.name for row in rows if row.layer.moving_weights and isinstance(row.weights, Drawn)]
    return (f"densities of both activations of {listed(drawn)} are assumed, not measured",) if drawn else ()


def _not_reached(rows: list[_Row], density: float | None) -> tuple[str, ...]:
    apart = [row.layer.name for row in rows if not row.reached]
    return (not_reached(density, apart),) if density is not None and apart else ()


def _first(*values: Any) -> Any:
    """The first value that is given."""
    return next(value for value in values if value is not None)


def _chained(rows: list[_Row]) -> tuple[LayerSource, ...]:
    inputs, known = [row.input_density for row in rows], [row.output_density for row in rows]
    # From the next layer's input where the table says nothing of outputs.
    outputs = list(output_densities([row.layer for row in rows], inputs, known))
    for place in range(len(rows) - 2, -1, -1):
        # Parts of a transposed layer write one map, whose reader follows the last of them.
        if _same_layer(rows[place], rows[place + 1]):
            outputs[place] = outputs[place + 1]
    return tuple(
        LayerSource(i, row.layer, *_tensors(rows, i), output, relu_input=row.relu_input)
        for i, (row, output) in enumerate(zip(rows, outputs, strict=True))
    )


def _tensors(rows: list[_Row], place: int) -> tuple[TensorSource, TensorSource]:
    """Weights and activations of a row; the parts of a transposed layer see one draw."""
    row = rows[place]
    if not row.of_transposed:
        return row.weights, row.activations
    (part,), first = row.of_transposed, place
    while first and _same_layer(rows[first - 1], row):
        first -= 1
    return PartTensor(row.weights, part, "weights", first), PartTensor(row.activations, part, "activations", first)


def _same_layer(one: _Row, other: _Row) -> bool:
    """Whether two rows are parts of one transposed layer."""
    pairs = zip(one.of_transposed, other.of_transposed, strict=False)
    return any(left.whole is right.whole for left, right in pairs)


def _stored_weights(path: Path, layer: Layer, table: LayerTable) -> TensorSource | None:
    if table.weight_file is None:
        return None
    array = StoredArray.find(path.parent / table.weight_file, table.weight_entry)
    _check_shape(array, layer.weight_shape, layer.fully_connected)
    return array


def _stored_activations(path: Path, layer: Layer, table: LayerTable) -> TensorSource | None:
    if table.activation_file is None:
        return None
    array = StoredArray.find(path.parent / table.activation_file, table.activation_entry)
    # One more axis in front is a number of images, which the batch repeats in turn; else the file holds a single image.
    image = layer.input_shape[1:]
    # (Those of a product of two activations lie among its channels.)
    several = len(array.shape) == len(image) + 1 and array.shape[0] > 0 and not layer.moving_weights
    if several and array.shape[1:] == image:
        return RepeatedImages(array, array.shape[0])
    _check_shape(array, image, layer.fully_connected)
    return RepeatedImages(OneImage(array))


def _check_shape(array: StoredArray, shape: tuple[int, ...], fully_connected: bool) -> None:
    """A fully connected layer's tensors may leave out their axes of length 1."""
    # (K, C) for weights (K, C, 1, 1), and (C,) for an image (C, 1, 1).
    short = shape[:-2] if fully_connected else shape
    if array.shape not in (shape, short):
        wanted = f"{short} or {shape}" if fully_connected else str(shape)
        raise InputError(f"{array.path} has shape {array.shape}, must be {wanted}")
