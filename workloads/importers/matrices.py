"""Sparse weight matrices (rows are outputs, columns inputs): DLMC .smtx, Matrix Market .mtx, scipy sparse .npz.

A matrix is a fully connected layer; with `--size positions=N` it meets N positions, as a 1x1 convolution does.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import (
    DENSE_INPUTS,
    FoundLayer,
    Imported,
    ImportOptions,
    Made,
    numbers,
    product_layer,
    require,
    workload_of,
)
from workloads.source import MAX_ELEMENTS


def is_scipy(path: Path) -> bool:
    """Whether an npz file is one of `scipy.sparse.save_npz`."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {"format.npy", "shape.npy", "data.npy"} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def import_smtx(path: Path, options: ImportOptions) -> Imported:
    """A matrix of the Deep Learning Matrix Collection: sizes, row offsets and column indices as text; a mask.

    Raises `InputError` naming the file for offsets that do not rise to the count, or indices outside or twice in a row.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or 'cannot be read').lower()}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not an .smtx file") from None
    try:
        rows, columns, count = (int(part) for part in lines[0].split(","))
        offsets, indices = (np.array(line.split(), np.int64) for line in [*lines[1:3], ""][:2])
    except (ValueError, IndexError, OverflowError):
        raise InputError(f"{path}: not an .smtx file: needs 'rows, columns, non-zeros', offsets and indices") from None
    if min(rows, columns) < 1:
        raise InputError(f"{path}: the matrix is {rows} x {columns}, must be at least 1 x 1")
    _check_csr(path, rows, columns, count, offsets, indices)
    row_of = np.repeat(np.arange(rows), np.diff(offsets))
    _check_count(path, rows, columns)

    def mask() -> np.ndarray:
        matrix = np.zeros((rows, columns), np.bool_)
        matrix[row_of, indices] = True
        return matrix

    if np.unique(row_of * columns + indices).size != count:
        raise InputError(f"{path}: a row holds a column twice")
    return _imported(path, options, (rows, columns), mask)


def _check_csr(path: Path, rows: int, columns: int, count: int, offsets: np.ndarray, indices: np.ndarray) -> None:
    if len(offsets) != rows + 1 or offsets[0] != 0 or offsets[-1] != count or (np.diff(offsets) < 0).any():
        raise InputError(f"{path}: row offsets must be {rows + 1} numbers that rise from 0 to {count}")
    if len(indices) != count:
        raise InputError(f"{path}: {len(indices)} column indices, must be {count}")
    outside = indices[(indices < 0) | (indices >= columns)]
    if outside.size:
        raise InputError(f"{path}: column index {outside[0]} lies outside 0 to {columns - 1}")


def _check_count(path: Path, rows: int, columns: int) -> None:
    if rows * columns > MAX_ELEMENTS:
        raise InputError(f"{path}: {rows} x {columns} elements: at most {MAX_ELEMENTS} fit in memory")


def import_matrix_market(path: Path, options: ImportOptions) -> Imported:
    """A Matrix Market file, by value (a pattern as a mask). Raises `InputError` naming the file."""
    reader = require("scipy.io", "files", "Matrix Market files")
    try:
        rows, columns, _, _, field, _ = reader.mminfo(path)
        _check_count(path, rows, columns)
        if field == "complex":
            raise InputError(f"{path}: holds complex numbers")  # noqa: TRY301 (checked where it is known)
        matrix = reader.mmread(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except InputError:
        raise
    except (OSError, ValueError, OverflowError, StopIteration) as error:
        raise InputError(f"{path}: not a Matrix Market file: {error}") from None
    return _sparse(path, options, matrix, pattern=field == "pattern")


def import_scipy(path: Path, options: ImportOptions) -> Imported:
    """A file of `scipy.sparse.save_npz`, by value. Raises `InputError` naming the file."""
    sparse = require("scipy.sparse", "files", "scipy sparse files")
    try:
        matrix = sparse.load_npz(path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise InputError(f"{path}: not a scipy sparse matrix: {error}") from None
    return _sparse(path, options, matrix, pattern=False)


def _sparse(path: Path, options: ImportOptions, matrix: Any, *, pattern: bool) -> Imported:
    """`matrix`: a scipy sparse matrix or a dense array."""
    if len(matrix.shape) != 2 or min(matrix.shape) < 1:
        raise InputError(f"{path}: the matrix has shape {matrix.shape}, must have rows and columns")
    if matrix.dtype.kind not in "biuf":
        raise InputError(f"{path}: the matrix has type {matrix.dtype}, must be numbers")
    _check_count(path, *matrix.shape)

    def values() -> np.ndarray:
        dense = np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix)
        return dense != 0 if pattern else numbers(dense)

    return _imported(path, options, matrix.shape, values)


def _imported(path: Path, options: ImportOptions, shape: tuple[int, int], make: Any) -> Imported:
    positions = options.sizes.get("positions", (1,))[0]
    unknown = set(options.sizes) - {"positions"}
    if unknown:
        raise InputError(f"--size {min(unknown)}: did you mean 'positions'?")
    layer = product_layer(path.stem, (1, positions), shape[1], shape[0])
    found = FoundLayer(layer, Made(lambda: make().reshape(layer.weight_shape)), relu_input=True)
    return Imported(workload_of(path.stem, [found], str(path), ()), warnings=(DENSE_INPUTS,))
