"""Matrix Market files, read with numpy's reader of tables: a compiled one made for the format trusts what it reads.

Format: R. Boisvert, R. Pozo, K. Remington, "The Matrix Market Exchange Formats: Initial Design", NISTIR 5935 (1996).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.files import DATA_LIMIT_BYTES, read_text, require_file
from workloads.importers.sparse_entries import SparseEntries, require_numbers
from workloads.limits import require_size

_FIELDS = ("real", "integer", "pattern", "complex", "double", "unsigned-integer")
_SYMMETRIES = ("general", "symmetric", "skew-symmetric", "hermitian")
_MIRRORED = {"symmetric": 1, "skew-symmetric": -1}  # sign of what stands above the diagonal
_PLACES = [("row", np.int64), ("column", np.int64)]
_ITEM_BYTES = 8  # of a number


def read_matrix_market(path: Path) -> tuple[tuple[int, int], Callable[[], np.ndarray]]:
    """Shape of a matrix, and a function that makes it: float64, or a mask where the file holds a pattern.

    Raises `InputError` naming the file: for what does not follow the format, complex numbers, places outside the matrix
    or twice, and values that are not finite.
    """
    require_file(path)
    head, *lines = read_text(path, DATA_LIMIT_BYTES).splitlines() or [""]
    layout, field, symmetry = _banner(path, head)
    # Comments begin with % and may stand between the banner and the sizes; the first other line holds the sizes.
    body = [line for line in lines if line.strip() and not line.lstrip().startswith("%")]
    sizes = _table(path, body[:1], np.int64).reshape(-1).tolist()
    if len(sizes) != (3 if layout == "coordinate" else 2) or min(sizes) < 0:
        raise _fault(path, f"its sizes are '{body[0].strip()[:40] if body else ''}'")
    rows, columns = shape = (sizes[0], sizes[1])
    require_size(f"{path}: matrix {rows} x {columns}", shape, _ITEM_BYTES)
    if symmetry != "general" and rows != columns:
        raise _fault(path, f"{symmetry} with {rows} x {columns}")
    if layout == "array":
        values = _column_by_column(path, shape, symmetry, _table(path, body[1:], np.float64).reshape(-1))
        return shape, lambda: values
    entries = _coordinates(path, shape, field, symmetry, body[1:], sizes[2])
    return shape, entries.dense


def _banner(path: Path, line: str) -> tuple[str, str, str]:
    words = line.lower().split()
    if len(words) != 5 or words[:2] != ["%%matrixmarket", "matrix"]:
        raise _fault(path, "its first line must be '%%MatrixMarket matrix LAYOUT FIELD SYMMETRY'")
    layout, field, symmetry = words[2:]
    for word, known in ((layout, ("coordinate", "array")), (field, _FIELDS), (symmetry, _SYMMETRIES)):
        if word not in known:
            raise _fault(path, f"'{word[:40]}' must be one of {', '.join(known)}")
    if field == "complex":
        raise InputError(f"{path}: holds complex numbers")
    if symmetry == "hermitian" or (layout, field) == ("array", "pattern"):
        raise _fault(path, f"{layout} {field} {symmetry} is no matrix")
    return layout, field, symmetry


def _fault(path: Path, reason: object) -> InputError:
    return InputError(f"{path}: not a Matrix Market file: {' '.join(str(reason).split())}")


def _table(path: Path, lines: list[str], kind: Any) -> np.ndarray:
    """The numbers of some lines, each with as many as `kind` has fields."""
    if not lines:
        return np.zeros(0, kind)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a fraction where a whole number must be is only warned of
            return np.loadtxt(StringIO("\n".join(lines)), kind, comments=None, ndmin=1)
    except (ValueError, OverflowError, Warning) as error:
        raise _fault(path, error) from None


def _coordinates(
    path: Path, shape: tuple[int, int], field: str, symmetry: str, lines: list[str], count: int
) -> SparseEntries:
    table = _table(path, lines, np.dtype(_PLACES if field == "pattern" else [*_PLACES, ("value", np.float64)]))
    if len(table) != count:
        raise _fault(path, f"{len(table)} entries, must be {count}")
    # The format counts from 1.
    rows, columns = table["row"] - 1, table["column"] - 1
    values = None if field == "pattern" else table["value"]
    if symmetry in _MIRRORED:
        # Only one side of the diagonal is stored; each entry beside it stands for two, with the other sign if
        # skew-symmetric.
        mirrored = rows != columns
        if values is not None:
            values = np.concatenate([values, _MIRRORED[symmetry] * values[mirrored]])
        rows, columns = np.concatenate([rows, columns[mirrored]]), np.concatenate([columns, rows[mirrored]])
    return SparseEntries(str(path), shape, rows, columns, values)


def _column_by_column(path: Path, shape: tuple[int, int], symmetry: str, values: np.ndarray) -> np.ndarray:
    """A dense matrix, stored by columns; of a symmetric one only what stands on the diagonal and below it."""
    require_numbers(str(path), values)
    if symmetry == "general":
        # Place 5 of a matrix with 3 rows is row 2 of column 1: `divmod` gives (column, row), which is turned round.
        places = np.divmod(np.arange(shape[0] * shape[1]), shape[0])[::-1]
    else:
        # The upper triangle row by row, with rows and columns exchanged, is the lower one column by column, as files
        # store it. A skew-symmetric matrix leaves out its diagonal, which is zero.
        # Three values of a symmetric 2 x 2 matrix stand at (0, 0), (1, 0) and (1, 1).
        above, below = np.triu_indices(shape[0], 1 if symmetry == "skew-symmetric" else 0)
        places = (below, above)
    if len(values) != len(places[0]):
        raise _fault(path, f"{len(values)} values, must be {len(places[0])}")
    matrix = np.zeros(shape)
    matrix[places] = values
    if symmetry in _MIRRORED:
        matrix[places[::-1]] = _MIRRORED[symmetry] * values
    return matrix
