"""Matrix Market files: every layout, field and symmetry as scipy reads them, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.importers.tables.matrix_market import read_matrix_market

MATRIX = np.array([[0, 2, 0, 1], [0, 0, 0, 0], [3, 0, 0, 4]], np.float64)
ENTRIES = "1 2 2\n1 4 1\n3 1 3\n3 4 4\n"


def written(tmp_path, head, body):
    path = tmp_path / "w.mtx"
    path.write_text(f"%%MatrixMarket matrix {head}\n{body}")
    return path


def read(path):
    shape, make = read_matrix_market(path)
    matrix = make()
    assert matrix.shape == shape
    return matrix


@pytest.mark.parametrize(
    "head",
    ["coordinate real general", "coordinate integer general", "Coordinate Real General", "coordinate double general"],
)
def test_by_value(tmp_path, head):
    path = written(tmp_path, head, f"% by hand\n\n 3  4 4\n{ENTRIES}\n")
    np.testing.assert_array_equal(read(path), MATRIX)
    np.testing.assert_array_equal(load_workload(str(path)).trace(0).weights.reshape(3, 4), MATRIX)


def test_a_pattern_is_a_mask(tmp_path):
    trace = load_workload(str(written(tmp_path, "coordinate pattern general", "3 4 4\n1 2\n1 4\n3 1\n3 4\n"))).trace(0)
    assert trace.weights.dtype == bool
    np.testing.assert_array_equal(trace.weights.reshape(3, 4), MATRIX != 0)


@pytest.mark.parametrize(
    ("symmetry", "body", "wanted"),
    [
        ("symmetric", "1\n2\n3\n4\n5\n6\n", [[1, 2, 3], [2, 4, 5], [3, 5, 6]]),
        ("skew-symmetric", "2\n3\n5\n", [[0, -2, -3], [2, 0, -5], [3, 5, 0]]),
        ("general", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", [[1, 4, 7], [2, 5, 8], [3, 6, 9]]),
    ],
)
def test_dense_ones_stand_column_by_column(tmp_path, symmetry, body, wanted):
    np.testing.assert_array_equal(read(written(tmp_path, f"array real {symmetry}", f"3 3\n{body}")), wanted)


@given(
    st.integers(1, 6), st.integers(1, 6), st.integers(0, 1 << 30), st.sampled_from([0.0, 0.4, 1.0]),
    st.sampled_from(["general", "symmetric", "skew-symmetric"]), st.sampled_from(["real", "integer", "pattern"]),
    st.booleans(),
)  # fmt: skip
def test_files_that_scipy_writes(tmp_path_factory, rows, columns, seed, density, symmetry, field, dense):
    io, sparse = pytest.importorskip("scipy.io"), pytest.importorskip("scipy.sparse")
    random = np.random.default_rng(seed)
    if symmetry != "general":
        columns = rows
    matrix = random.integers(-9, 10, (rows, columns)) * (random.random((rows, columns)) < density)
    if field == "pattern":
        dense = False
        matrix = np.abs(matrix) > 0
        symmetry = "general" if symmetry == "skew-symmetric" else symmetry
    if symmetry != "general":
        lower = np.tril(matrix, -1)
        diagonal = np.diag(np.diag(matrix)) if symmetry == "symmetric" else 0
        matrix = lower + (lower.T if symmetry == "symmetric" else -lower.T) + diagonal
    path = tmp_path_factory.mktemp("scipy") / "w.mtx"
    held = matrix.astype(np.float64) / 8 if field == "real" else matrix.astype(np.int64)
    io.mmwrite(path, held if dense else sparse.coo_matrix(held), field=field, symmetry=symmetry)
    np.testing.assert_array_equal(read(path), matrix if field == "pattern" else held)


@pytest.mark.parametrize(
    ("head", "body", "reason"),
    [
        ("coordinate real general", "3 3 4\n" + ENTRIES, "column index 3 lies outside 0 to 2"),
        ("coordinate real general", "3 4 4\n0 1 1\n" + ENTRIES[6:], "row index -1 lies outside 0 to 2"),
        ("coordinate real general", "3 4 3\n" + ENTRIES, "not a Matrix Market file: 4 entries, must be 3"),
        ("coordinate real general", "3 4 4\n1 2 2\n1 4\n3 1 3\n3 4 4\n", "not a Matrix Market file: "),
        ("coordinate real general", "3 4 4\n1.5 2 2\n" + ENTRIES[6:], "not a Matrix Market file: "),
        ("coordinate real general", "3 4 2\n1 2 5\n1 2 6\n", "a row holds a column twice"),
        ("coordinate real symmetric", "2 2 2\n2 1 5\n1 2 6\n", "a row holds a column twice"),
        ("coordinate real symmetric", "3 4 0\n", "not a Matrix Market file: symmetric with 3 x 4"),
        ("coordinate real general", "", "not a Matrix Market file: its sizes are ''"),
        ("coordinate real general", "3 4\n", "not a Matrix Market file: its sizes are '3 4'"),
        ("coordinate real general", "3 -4 0\n", "not a Matrix Market file: its sizes are '3 -4 0'"),
        ("coordinate real", "", "its first line must be '%%MatrixMarket matrix LAYOUT FIELD SYMMETRY'"),
        ("vector real general", "", "'vector' must be one of coordinate, array"),
        ("array pattern general", "", "array pattern general is no matrix"),
        ("array real general", "1 2\n1\n", "1 values, must be 2"),
        ("coordinate complex general", "3 4 1\n1 2 1 1\n", "holds complex numbers"),
        ("array real general", "1 2\n1\ninf\n", "holds a value that is not finite"),
    ],
)
def test_what_does_not_follow_the_format(tmp_path, head, body, reason):
    path = written(tmp_path, head, body)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_that_never_end_are_refused(tmp_path):
    """A file that ended a process: a reader in C ran past the end of what it held."""
    path = written(tmp_path, "coordinate real general", "3 4 4\n1 2 2\n1 4 1\n3 1 3" + "[" * 600)
    with pytest.raises(InputError, match="not a Matrix Market file"):
        read(path)
