"""The stored entries of a sparse matrix, checked in full before anything is made of them.

Files of `scipy.sparse.save_npz` are read here without scipy: its conversions trust indices and write where they point.
Formats: csr, csc, bsr, coo, dia (scipy's documentation, scipy.sparse.save_npz).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workloads.arrays.stored import entry_shape, open_archive, read_entry, read_label
from workloads.errors import InputError
from workloads.limits import require_size


@dataclass(frozen=True, eq=False)
class SparseEntries:
    """Places (row, column) and values of a matrix's entries; a mask has no values.

    Raises `InputError` naming `label` for a shape that is none or too large, places outside of it or twice, and values
    that are no finite numbers.
    """

    label: str
    shape: tuple[int, int]
    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray | None = None

    def __post_init__(self) -> None:
        if len(self.shape) != 2 or min(self.shape) < 1:
            raise InputError(f"{self.label}: the matrix has shape {self.shape}, must have rows and columns")
        require_size(f"{self.label}: matrix {self.shape[0]} x {self.shape[1]}", self.shape, self._type.itemsize)
        for what, places, size in zip(("row", "column"), (self.rows, self.columns), self.shape, strict=True):
            self._check_places(what, places, size)
        # Of two entries at one place, `dense` would keep only the last.
        if np.unique(self._flat).size != self.rows.size:
            raise InputError(f"{self.label}: a row holds a column twice")
        if self.values is not None:
            require_numbers(self.label, self.values)

    @property
    def _type(self) -> np.dtype:
        return np.dtype(np.bool_) if self.values is None else self.values.dtype

    @property
    def _flat(self) -> np.ndarray:
        # Row-major: (2, 3) in a matrix of 10 columns is place 23. Wide first, as a file's indices may be of a narrow
        # type.
        return self.rows.astype(np.int64) * self.shape[1] + self.columns.astype(np.int64)

    def _check_places(self, what: str, places: np.ndarray, size: int) -> None:
        if places.ndim != 1 or places.dtype.kind not in "iu" or len(places) != len(self.rows):
            raise InputError(f"{self.label}: {what} indices must be {len(self.rows)} whole numbers")
        outside = places[(places < 0) | (places >= size)]
        if outside.size:
            raise InputError(f"{self.label}: {what} index {outside[0]} lies outside 0 to {size - 1}")

    def dense(self) -> np.ndarray:
        """The matrix, zeros included."""
        # Made anew each time: a matrix of 1 % non-zeros takes a hundred times the room of its values.
        matrix = np.zeros(self.shape, self._type)
        matrix.reshape(-1)[self._flat] = True if self.values is None else self.values
        return matrix


def require_numbers(label: str, values: np.ndarray) -> None:
    """Raise `InputError` unless the values are finite real numbers."""
    if values.dtype.kind not in "biuf":
        raise InputError(f"{label}: the matrix has type {values.dtype}, must be numbers")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(f"{label}: the matrix holds a value that is not finite")


def require_places(label: str, flat: np.ndarray, size: int) -> None:
    """Raise `InputError` unless places in a flattened tensor lie inside it, each once."""
    # Negative places would count from the end in numpy, without an error.
    if flat.size and not 0 <= flat.min() <= flat.max() < size:
        raise InputError(f"{label}: an index lies outside the tensor's {size} elements")
    if np.unique(flat).size != flat.size:
        raise InputError(f"{label}: holds an element twice")


def row_places(label: str, offsets: np.ndarray, rows: int, count: int, what: str = "row") -> np.ndarray:
    """The row of each of `count` entries that lie row by row: offsets [0 2 2 3] give rows [0 0 2].

    Raises `InputError` for offsets that do not rise so.
    """
    # One offset more than there are rows: the last one is where the last row ends.
    whole = offsets.ndim == 1 and offsets.dtype.kind in "iu" and len(offsets) == rows + 1
    if not whole or offsets[0] != 0 or offsets[-1] != count or (offsets[1:] < offsets[:-1]).any():
        raise InputError(f"{label}: {what} offsets must be {rows + 1} numbers that rise from 0 to {count}")
    return np.repeat(np.arange(rows), np.diff(offsets.astype(np.int64)))


def is_scipy(path: Path) -> bool:
    """Whether an npz file is one of `scipy.sparse.save_npz`."""
    try:
        with open_archive(path) as archive:
            return {"format.npy", "shape.npy", "data.npy"} <= set(archive.namelist())
    except InputError:  # whoever reads it will say so
        return False


def read_scipy(path: Path) -> SparseEntries:
    """The entries of such a file. Raises `InputError` naming it and what is wrong."""
    with open_archive(path) as archive:

        def read(name: str) -> np.ndarray:
            return read_entry(path, archive, name, entry_shape(path, archive, name))

        kind, shape = read_label(path, archive, "format"), read("shape")
        if shape.shape != (2,) or shape.dtype.kind not in "iu":
            raise InputError(f"{path}: the matrix's shape is {shape.tolist()!s:.60}, must be rows and columns")
        rows, columns = (int(size) for size in shape)
        if min(rows, columns) < 1:
            raise InputError(f"{path}: the matrix is {rows} x {columns}, must be at least 1 x 1")
        if kind not in _READERS:
            raise InputError(f"{path}: sparse format '{kind}', must be one of: {', '.join(_READERS)}")
        return SparseEntries(str(path), (rows, columns), *_READERS[kind](path, (rows, columns), read))


_Entries = tuple[np.ndarray, np.ndarray, np.ndarray]  # rows, columns, values


def _csr(path: Path, shape: tuple[int, int], read: Any) -> _Entries:
    indices, values = read("indices"), read("data")
    _check_length(path, values, indices)
    return row_places(str(path), read("indptr"), shape[0], len(indices)), indices, values


def _csc(path: Path, shape: tuple[int, int], read: Any) -> _Entries:
    indices, values = read("indices"), read("data")
    _check_length(path, values, indices)
    return indices, row_places(str(path), read("indptr"), shape[1], len(indices), "column"), values


def _bsr(path: Path, shape: tuple[int, int], read: Any) -> _Entries:
    """Dense blocks (count, R, C) in place of values."""
    indices, blocks = read("indices"), read("data")
    if blocks.ndim != 3 or min(blocks.shape[1:]) < 1 or shape[0] % blocks.shape[1] or shape[1] % blocks.shape[2]:
        raise InputError(f"{path}: blocks of shape {blocks.shape[1:]} do not fill a matrix of {shape[0]} x {shape[1]}")
    _check_length(path, blocks, indices)
    # In every block of 2 x 3 each entry gets the row and column of the block's corner plus its own place in the block.
    _, height, width = blocks.shape
    # Before they are multiplied by a block's width, where a huge index could wrap round to a valid column.
    outside = indices[(indices < 0) | (indices >= shape[1] // width)]
    if outside.size:
        raise InputError(f"{path}: block index {outside[0]} lies outside 0 to {shape[1] // width - 1}")
    # Of blocks of 2 x 3 the one at block row 1 and block column 2 begins at row 2 and column 6.
    first = row_places(str(path), read("indptr"), shape[0] // height, len(indices), "block row")
    # Adding 0 times the other axis spreads rows and columns to the blocks' shape (count, R, C).
    across = np.arange(width)
    rows = (first * height)[:, np.newaxis, np.newaxis] + np.arange(height)[:, np.newaxis] + 0 * across
    columns = (indices.astype(np.int64) * width)[:, np.newaxis, np.newaxis] + across + 0 * rows
    return rows.reshape(-1), columns.reshape(-1), blocks.reshape(-1)


def _coo(path: Path, shape: tuple[int, int], read: Any) -> _Entries:
    del shape
    rows, columns, values = read("row"), read("col"), read("data")
    _check_length(path, values, rows, columns)
    return rows, columns, values


def _dia(path: Path, shape: tuple[int, int], read: Any) -> _Entries:
    """Diagonals: data[i, column] stands at (column - offsets[i], column); what falls outside the matrix is not part."""
    offsets, data = read("offsets"), read("data")
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu" or data.ndim != 2 or len(data) != len(offsets):
        raise InputError(f"{path}: diagonals of shape {data.shape} with offsets of shape {offsets.shape}")
    if (np.abs(offsets) > max(shape)).any() or np.unique(offsets).size != offsets.size:
        raise InputError(f"{path}: diagonal offsets must differ and lie inside the matrix")
    # (diagonals, length): scipy stores a diagonal by its columns, so that an offset of 1 leaves the first place unused.
    columns = np.arange(data.shape[1])[np.newaxis, :] + 0 * offsets.astype(np.int64)[:, np.newaxis]
    # Offset 1 puts what stands in column 2 into row 1, beside the diagonal and above it.
    rows = columns - offsets.astype(np.int64)[:, np.newaxis]
    inside = (rows >= 0) & (rows < shape[0]) & (columns < shape[1])
    return rows[inside], columns[inside], data[inside]


_READERS = {"csr": _csr, "csc": _csc, "bsr": _bsr, "coo": _coo, "dia": _dia}


def _check_length(path: Path, values: np.ndarray, *indices: np.ndarray) -> None:
    for one in indices:
        if one.ndim != 1 or one.dtype.kind not in "iu" or values.ndim < 1 or len(one) != len(values):
            raise InputError(f"{path}: {one.shape} indices of type {one.dtype} for values of shape {values.shape}")
