"""Tensors that an ONNX file holds, as arrays: in the model itself, in files beside it, or sparse."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import numbers, require
from workloads.importers.sparse_entries import require_places
from workloads.limits import require_size


def first_line(error: BaseException) -> str:
    """The first line of an error that says something."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def array_of(path: Path, tensor: Any) -> np.ndarray:
    """The values of a tensor of the model in `path`.

    Raises `InputError` naming the file when external data is missing or short.
    """
    onnx = require("onnx", "onnx", "ONNX files")
    if not onnx.external_data_helper.uses_external_data(tensor):
        try:
            return onnx.numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path}: weights '{tensor.name}': {first_line(error)}") from None
    facts = {entry.key: entry.value for entry in tensor.external_data}
    file = path.parent / facts.get("location", "")
    if not file.is_file():
        raise InputError(f"{path}: weights '{tensor.name}' lie in {file}, which is missing")
    # A copy takes the data: the model itself would keep every layer's weights in memory once they were asked for.
    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    try:
        onnx.external_data_helper.load_external_data_for_tensor(copy, str(path.parent))
        return onnx.numpy_helper.to_array(copy)
    except Exception as error:  # noqa: BLE001 (onnx raises several unrelated types)
        raise InputError(f"{path}: weights '{tensor.name}' in {file}: {first_line(error)}") from None


def densified(path: Path, tensor: Any) -> np.ndarray:
    """A sparse initializer as an array: its indices count elements, or are places along each axis."""
    what = f"{path}: sparse weights '{tensor.values.name}'"
    values, indices = array_of(path, tensor.values), array_of(path, tensor.indices)
    require_size(what, tensor.dims, values.dtype.itemsize)
    dense = np.zeros(tuple(tensor.dims), values.dtype)
    try:
        # Places in the flattened tensor are one number each; places along each axis, (entries, axes), are turned into
        # such.
        flat = indices if indices.ndim == 1 else np.asarray(np.ravel_multi_index(tuple(indices.T), dense.shape))
        require_places(what, flat, dense.size)
        dense.reshape(-1)[flat] = values
    except InputError:
        raise
    except (IndexError, ValueError, TypeError) as error:
        raise InputError(f"{what}: {first_line(error)}") from None
    return numbers(dense)


def external_files(path: Path, model: Any, nodes: Iterable[Any]) -> tuple[Path, ...]:
    """Files beside a model that hold its weights."""
    held = list(model.graph.initializer)
    held += [attribute.t for node in nodes for attribute in node.attribute if attribute.HasField("t")]
    held += [part for tensor in model.graph.sparse_initializer for part in (tensor.values, tensor.indices)]
    names = (entry.value for tensor in held for entry in tensor.external_data if entry.key == "location")
    return tuple(path.parent / name for name in sorted(set(names)))
