"""Trace files: a pruned network with its weights and input activations in one npz file, without pickles.

The file is a zip archive of npy entries (`numpy.load` opens it). docs/trace-file.md describes it for users.

    header          uint8: UTF-8 JSON {"format": "prunesim-trace", "version", "name", "title", "origin", "layers"} and,
                    from version 2 on, "graph" (`Graph.rows`) and "inputs" (how many there are, 1 where it is left out);
                    without either the file is one of version 1.
                    `layers` lists every field of `Layer` plus output_density, weights and activations ("mask" or
                    "values"), input_in_dram unless it is true for the first layer or false for another, and, where
                    known, relu_input (whether a ReLU wrote the input), codebook_values (see `LayerTrace`) and
                    image_output_densities (see `LayerSource`); moving_images only where it is not 0
    weights/I       layer I's weights (K, C/G, [T,] R, S): values as they are, or the mask's bits packed by
                    `numpy.packbits` after flattening (row-major, first element in the highest bit)
    activations/I   its input activations (inputs N, C, [D,] H, W) likewise, input after input

Tensors are read one at a time when a layer is asked for; loading checks every entry's type and shape. An entry is read
as a whole: values take the memory of all inputs of a layer, masks a byte for eight of their elements, and one input.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from workloads.arrays.stored import StoredTensor, entry_shape, open_archive, read_entry
from workloads.errors import InputError
from workloads.files import whole_file
from workloads.graph import Graph
from workloads.layer import Layer
from workloads.source import LayerSource, RepeatedImages, RepeatedProducts
from workloads.texts import parse_json
from workloads.workload import Workload

FORMAT, VERSIONS = "prunesim-trace", (1, 2)
_HEADER_LIMIT = 1 << 26
_OPTIONAL = {"moving_images": 0}  # fields of `Layer` that a file may leave out


def save_traces(path: str | Path, workload: Workload) -> None:
    """Write a workload's traces to a file, one layer at a time; an existing file is replaced only by a whole one.

    All inputs that the workload holds are written, of drawn activations the first one; of one layer all of them take
    memory. The bytes depend on the traces, the graph and the workload's texts alone. Raises `InputError` when the file
    cannot be written.
    """
    with whole_file(Path(path)) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        _write_layers(archive, workload)


def _write_layers(archive: zipfile.ZipFile, workload: Workload) -> None:
    # The header is written last, when all layers are known; entries are found by name, so that their order does not
    # matter.
    layers = []
    inputs = workload.inputs or 1
    for source, layer in zip(workload.sources, workload.layers, strict=True):
        index = len(layers)
        first, images = workload.first_input * layer.images, inputs * layer.images
        trace = replace(source, layer=layer.with_batch(images)).trace_from(workload.seed, first)
        kinds = {}
        for name, array in (("weights", trace.weights), ("activations", trace.activations)):
            mask = array.dtype == np.bool_
            kinds[name] = "mask" if mask else "values"
            _write_entry(archive, f"{name}/{index}", np.packbits(array) if mask else array)
        # Only what a reader would not assume by itself is written.
        usual = trace.input_in_dram == (index == 0)
        where = {} if usual else {"input_in_dram": trace.input_in_dram}
        densities = source.image_densities(first, images) if inputs > 1 else []
        told = {
            "relu_input": source.relu_input,
            "codebook_values": trace.codebook_values,
            "image_output_densities": densities or None,
        }
        known = {key: value for key, value in told.items() if value is not None}
        layers.append({**_geometry(layer), "output_density": trace.output_density, **kinds, **where, **known})
    # What version 1 can say is written as version 1, which releases before version 2 read as well.
    newer = {} if workload.graph is None else {"graph": workload.graph.rows()}
    newer |= {"inputs": inputs} if inputs > 1 else {}
    header = {
        "format": FORMAT,
        "version": 2 if newer else 1,
        "name": workload.name,
        "title": workload.title,
        "origin": workload.origin,
        "layers": layers,
        **newer,
    }
    _write_entry(archive, "header", np.frombuffer(json.dumps(header).encode(), np.uint8))


def _geometry(layer: Layer) -> dict[str, Any]:
    """The fields of a layer; of layers with constant weights as files without `moving_images` have them."""
    return {key: value for key, value in asdict(layer).items() if value or key not in _OPTIONAL}


def _write_entry(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    # A fixed date, the earliest that a zip archive can hold: equal traces make equal bytes.
    entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    # An entry written as a stream has no known size beforehand, and some exceed what a plain zip header can tell.
    with archive.open(entry, "w", force_zip64=True) as stream:
        np.lib.format.write_array(stream, array, allow_pickle=False)  # type: ignore[arg-type]


def load_traces(path: str | Path) -> Workload:
    """The workload that a trace file holds; its tensors are read when a layer's trace is asked for.

    Raises `InputError` naming the file when it is missing, a directory, damaged, of another version, or holds pickles,
    entries of wrong shape, or too few entries.
    """
    path = Path(path).absolute()
    with open_archive(path) as archive:
        header = _read_header(path, archive)
        inputs = _inputs(path, header)
        sources = tuple(
            _layer_source(path, archive, index, entry, inputs) for index, entry in enumerate(header["layers"])
        )
    if not sources:
        raise InputError(f"{path}: the trace holds no layers")
    title, origin = header.get("title", ""), header.get("origin", "")
    try:
        graph = None if header.get("graph") is None else Graph.of_rows(header["graph"])
        return Workload(header["name"], sources, title=title, origin=origin, files=(path,), graph=graph)
    except InputError as error:
        raise InputError(f"{path}: entry 'header': graph: {error}") from None


def _read_header(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    # A clear word for files that are no traces, before anything of them is read.
    if "header.npy" not in archive.NameToInfo:
        raise InputError(f"{path}: not a prunesim trace: entry 'header' is missing")
    shape = entry_shape(path, archive, "header")
    if len(shape) != 1 or shape[0] > _HEADER_LIMIT:
        raise InputError(f"{path}: entry 'header' has shape {shape}, must be at most ({_HEADER_LIMIT},)")
    data = read_entry(path, archive, "header", shape, np.uint8)
    header = parse_json(data.tobytes(), f"{path}: entry 'header'", "JSON")
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InputError(f"{path}: not a prunesim trace: its format is not '{FORMAT}'")
    if header.get("version") not in VERSIONS:
        raise InputError(f"{path}: trace version {header.get('version')!r}, this prunesim reads versions 1 and 2")
    if header["version"] == 1 and (newer := [key for key in ("graph", "inputs") if key in header]):
        raise InputError(f"{path}: entry 'header': version 1 has no {newer[0]}")
    if not all(isinstance(header.get(key, ""), str) for key in ("title", "origin")):
        raise InputError(f"{path}: entry 'header': title and origin must be texts")
    if not isinstance(header.get("name"), str) or not isinstance(header.get("layers"), list):
        raise InputError(f"{path}: entry 'header' lacks the network's name or its layers")
    return header


def _inputs(path: Path, header: dict[str, Any]) -> int:
    inputs = header.get("inputs", 1)
    if type(inputs) is not int or inputs < 1:  # bool is an int
        raise InputError(f"{path}: entry 'header': inputs = {inputs!r}, must be a whole number of at least 1")
    return inputs


def _layer_source(path: Path, archive: zipfile.ZipFile, index: int, entry: Any, inputs: int) -> LayerSource:
    try:
        layer = _layer(entry)
        weights, activations = (_tensor(path, name, index, entry[name]) for name in ("weights", "activations"))
        output_density = float(entry["output_density"])
        if not 0.0 <= output_density <= 1.0:
            raise InputError(f"output_density = {output_density}, must lie between 0 and 1")  # noqa: TRY301
        input_in_dram = entry.get("input_in_dram", index == 0)
        if not isinstance(input_in_dram, bool):
            raise InputError(f"input_in_dram = {input_in_dram!r}, must be true or false")  # noqa: TRY301
        relu_input = entry.get("relu_input")
        if not isinstance(relu_input, bool | None):
            raise InputError(f"relu_input = {relu_input!r}, must be true or false")  # noqa: TRY301
        codes = entry.get("codebook_values")
        if codes is not None and (type(codes) is not int or codes < 1):  # bool is an int
            raise InputError(f"codebook_values = {codes!r}, must be a whole number of at least 1")  # noqa: TRY301
        densities = _densities(entry, inputs * layer.images)
    except (InputError, KeyError, TypeError, ValueError, OverflowError) as error:
        reason = f"key {error} is missing" if isinstance(error, KeyError) else error
        raise InputError(f"{path}: layer {index}: {reason}") from None
    # Shape and type of every entry are looked at while loading, so that a wrong one cannot end a run at its last layer.
    # The stored images are those of all inputs; batches of another size take them in turn.
    whole = layer.with_batch(inputs * layer.images)
    weights.check(archive, whole.weight_shape)
    activations.check(archive, whole.input_shape)
    tensors = weights, RepeatedImages(activations, whole.images)
    if layer.moving_weights:
        tensors = RepeatedProducts.of(whole, weights, activations)
    return LayerSource(index, layer, *tensors, output_density, str(path), input_in_dram, relu_input, codes, densities)


def _densities(entry: dict[str, Any], images: int) -> tuple[float, ...]:
    given = entry.get("image_output_densities", [])
    densities = tuple(map(float, given))
    # Asked this way round, so that NaN is refused as well.
    if len(densities) not in (0, images) or not all(0.0 <= density <= 1.0 for density in densities):
        raise InputError(f"image_output_densities = {given}, must be {images} numbers between 0 and 1")
    return densities


def _tensor(path: Path, name: str, index: int, kind: str) -> StoredTensor:
    if kind not in ("mask", "values"):
        raise InputError(f"{name} = {kind!r}, must be 'mask' or 'values'")
    return StoredTensor(path, f"{name}/{index}", packed=kind == "mask")


def _layer(entry: Any) -> Layer:
    """The layer of a header's entry; JSON's lists become the tuples that a layer holds."""
    given: dict[str, Any] = {**_OPTIONAL, **entry}
    values = {field.name: given[field.name] for field in fields(Layer)}
    for name in ("input_size", "kernel_size", "stride", "dilation"):
        values[name] = tuple(values[name])
    values["padding"] = tuple(tuple(pair) for pair in values["padding"])
    return Layer(**values)
