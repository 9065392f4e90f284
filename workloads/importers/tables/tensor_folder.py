"""Folders of wgt-LAYER.npy and act-LAYER.npy, the traces of DNNsim and its relatives.

Activations may come in batches, act-LAYER-0.npy and so on. `model.csv` beside them, rows of layer, conv or fc, stride,
padding, gives the order of layers (a slash in a name is a dash in file names); without it layers run in the order of
their names, with stride 1 and no padding. Source: github.com/isakedo/DNNsim, README and NetReader.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np

from workloads.arrays.stored import StoredArray
from workloads.errors import InputError
from workloads.files import read_text
from workloads.importers.imported import DENSE_INPUTS, FoundLayer, Imported, ImportOptions, Made, workload_of
from workloads.importers.importer import importer
from workloads.layer import Layer
from workloads.names import plain_name
from workloads.source import Stream
from workloads.texts import csv_of

Row = tuple[str, str, int, int]  # layer, type, stride, padding


def is_tensor_folder(path: Path) -> bool:
    """Whether a folder holds weights under the names that this importer knows."""
    return path.is_dir() and any(path.glob("wgt-*.npy"))


@importer("DNNsim wgt-NAME.npy, act-NAME.npy", holds=is_tensor_folder)
def import_folder(path: Path, options: ImportOptions) -> Imported:
    """The layers of a folder. Raises `InputError` naming the file that is missing or does not fit."""
    del options
    table = path / "model.csv"
    rows = _rows(table) if table.exists() else _guessed(path)
    found = [_layer(path, row) for row in rows]
    warnings = [] if table.exists() else [f"{path}: no model.csv: stride 1 and no padding are assumed"]
    if any(one.activations is None for one in found):
        warnings.append(DENSE_INPUTS)
    return Imported(workload_of(path.name, found, str(path), ()), warnings=tuple(warnings))


def _rows(table: Path) -> list[Row]:
    rows = []
    with csv_of(table):
        lines = list(csv.reader(read_text(table).splitlines()))
    for number, cells in enumerate(lines, 1):
        if not any(cell.strip() for cell in cells):
            continue
        try:
            name, kind, stride, padding = (cell.strip() for cell in cells[:4])
            rows.append((name, kind, int(stride), int(padding)))
        except ValueError:
            raise InputError(f"{table}: line {number}: must be layer, conv or fc, stride, padding") from None
    return rows


def _guessed(path: Path) -> list[Row]:
    names = [file.stem.removeprefix("wgt-") for file in path.glob("wgt-*.npy")]
    # Numbers in names sort as numbers: conv2 before conv10. Each part is compared with its kind first, so that a number
    # never meets a text.
    names.sort(key=lambda name: [(part.isdecimal(), int(part) if part.isdecimal() else part) for part in _PARTS(name)])
    return [(name, "", 1, 0) for name in names]


_PARTS = re.compile(r"\d+|\D+").findall


def _layer(path: Path, row: Row) -> FoundLayer:
    name, kind, stride, padding = row
    file, name = name.replace("/", "-"), plain_name(name)
    weights = StoredArray.find(path / f"wgt-{file}.npy")
    activations = _activations(path, file)
    if len(weights.shape) not in (2, 4, 5):
        raise InputError(f"{weights.path} has shape {weights.shape}, must be (K, C) or (K, C, [T,] R, S)")
    # Without model.csv the number of axes tells: a matrix is a fully connected layer.
    fully_connected = kind == "fc" or len(weights.shape) == 2
    if kind not in ("", "conv", "fc"):
        raise InputError(f"{path / 'model.csv'}: layer '{name}' is of type '{kind}': only conv and fc are simulated")
    if fully_connected:
        # Weights of a fully connected layer may be stored as a convolution over its input map; all axes but the first
        # are inputs.
        features = int(np.prod(weights.shape[1:]))
        batch = 1 if activations is None else len(activations)
        layer = Layer.dense(name, in_features=features, out_features=weights.shape[0], batch=batch)
    elif activations is None:
        raise InputError(f"{path}: act-{file}.npy is missing, which tells the layer's input size")
    else:
        layer = _conv(path, name, weights.shape, activations, (stride, padding))
    if activations is not None and activations.size != layer.input_count:
        raise InputError(f"{path}: act-{file}: shape {activations.shape}, must be {layer.input_shape}")

    def make() -> np.ndarray:
        return weights.array(layer.weight_shape, Stream(0, ()))

    # Stored as (N, C) or (N, C, 1, 1), the activations of a fully connected layer are the same values in the same
    # order.
    held = None if activations is None else activations.reshape(layer.input_shape)
    return FoundLayer(layer, Made(make), held)


def _conv(path: Path, name: str, weights: tuple[int, ...], activations: np.ndarray, placed: tuple[int, int]) -> Layer:
    # Weights hold the channels of one group: 6 channels of activations with weights of 2 make 3 groups.
    if activations.ndim != len(weights) or activations.shape[1] % weights[1]:
        raise InputError(f"{path}: layer '{name}': activations {activations.shape} do not fit weights {weights}")
    return Layer.conv(
        name,
        in_channels=activations.shape[1],
        out_channels=weights[0],
        input_size=activations.shape[2:],
        kernel_size=weights[2:],
        stride=placed[0],
        padding=placed[1],
        groups=activations.shape[1] // weights[1],
        batch=activations.shape[0],
    )


def _activations(path: Path, file: str) -> np.ndarray | None:
    """All batches joined; None where there is none."""
    single = path / f"act-{file}.npy"
    # "act-conv1-0" is a batch of conv1, and "act-conv1-a" belongs to a layer of another name.
    batches = [p for p in path.glob(f"act-{file}-*.npy") if p.stem.removeprefix(f"act-{file}-").isdecimal()]
    batches.sort(key=lambda one: int(one.stem.rpartition("-")[2]))
    # A file of all activations wins over batches of them.
    files = [single] if single.exists() else batches
    if not files:
        return None
    stored = [StoredArray.find(one) for one in files]
    arrays = [one.array(one.shape) for one in stored]
    if any(array.ndim < 1 or array.shape[1:] != arrays[0].shape[1:] for array in arrays):
        raise InputError(f"{path}: act-{file}: batches of different shapes")
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
