"""Sparse weight matrices (rows are outputs, columns inputs): DLMC .smtx, Matrix Market .mtx, scipy sparse .npz.

A matrix is a fully connected layer; with `--size positions=N` it meets N positions, as a 1x1 convolution does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.files import DATA_LIMIT_BYTES, read_text
from workloads.importers.imported import (
    DENSE_INPUTS,
    FoundLayer,
    Imported,
    ImportOptions,
    Made,
    numbers,
    product_layer,
    workload_of,
)
from workloads.importers.importer import importer
from workloads.importers.sparse_entries import SparseEntries, is_scipy, read_scipy, row_places
from workloads.importers.tables.matrix_market import read_matrix_market
from workloads.names import plain_name


@importer("DLMC matrix", ".smtx")
def import_smtx(path: Path, options: ImportOptions) -> Imported:
    """A matrix of the Deep Learning Matrix Collection: sizes, row offsets and column indices as text; a mask.

    Raises `InputError` naming the file for offsets that do not rise to the count, or indices outside or twice in a row.
    """
    lines = read_text(path, DATA_LIMIT_BYTES).splitlines()
    try:
        rows, columns, count = (int(part) for part in lines[0].split(","))
        # A matrix without entries may lack the line of indices: an empty one stands in.
        offsets, indices = (np.array(line.split(), np.int64) for line in [*lines[1:3], ""][:2])
    except (ValueError, IndexError, OverflowError):
        raise InputError(f"{path}: not an .smtx file: needs 'rows, columns, non-zeros', offsets and indices") from None
    if min(rows, columns) < 1:
        raise InputError(f"{path}: the matrix is {rows} x {columns}, must be at least 1 x 1")
    if len(indices) != count:
        raise InputError(f"{path}: {len(indices)} column indices, must be {count}")
    entries = SparseEntries(str(path), (rows, columns), row_places(str(path), offsets, rows, count), indices)
    # The entries are kept; the dense matrix, which may be many times as large, is made whenever it is asked for.
    return _imported(path, options, (rows, columns), entries.dense)


@importer("Matrix Market", ".mtx")
def import_matrix_market(path: Path, options: ImportOptions) -> Imported:
    """A Matrix Market file, by value (a pattern as a mask). Raises `InputError` naming the file."""
    shape, make = read_matrix_market(path)
    return _imported(path, options, shape, lambda: numbers(make()))


@importer("scipy sparse", ".npz", holds=is_scipy)
def import_scipy(path: Path, options: ImportOptions) -> Imported:
    """A file of `scipy.sparse.save_npz`, by value. Raises `InputError` naming the file."""
    entries = read_scipy(path)
    return _imported(path, options, entries.shape, lambda: numbers(entries.dense()))


def _imported(path: Path, options: ImportOptions, shape: tuple[int, int], make: Any) -> Imported:
    positions = options.sizes.get("positions", (1,))[0]
    unknown = set(options.sizes) - {"positions"}
    if unknown:
        raise InputError(f"--size {min(unknown)}: did you mean 'positions'?")
    # Rows of the matrix are outputs, so that shape[1] is what the layer reads.
    layer = product_layer(plain_name(path.stem), (1, positions), shape[1], shape[0])
    found = FoundLayer(layer, Made(lambda: make().reshape(layer.weight_shape)), relu_input=True)
    return Imported(workload_of(path.stem, [found], str(path), ()), warnings=(DENSE_INPUTS,))
