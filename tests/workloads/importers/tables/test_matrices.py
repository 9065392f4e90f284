"""Sparse matrices: DLMC .smtx, scipy; Matrix Market files have a file of their own."""

import numpy as np
import pytest

from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.importers import ImportOptions, import_model

MATRIX = np.array([[0, 2, 0, 1], [0, 0, 0, 0], [3, 0, 0, 4]], np.float32)
SMTX = "3, 4, 4\n0 2 2 4\n1 3 0 3\n"


def smtx(tmp_path, text=SMTX):
    path = tmp_path / "w.smtx"
    path.write_text(text)
    return path


def fault(path, **options):
    with pytest.raises(InputError) as caught:
        import_model(path, ImportOptions(**options))
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path.parent}/")


def test_smtx(tmp_path):
    trace = load_workload(str(smtx(tmp_path))).trace(0)
    assert trace.layer.fully_connected
    np.testing.assert_array_equal(trace.weight_mask.reshape(3, 4), MATRIX != 0)
    assert trace.weight_density == 4 / 12


def test_positions(tmp_path):
    workload = import_model(smtx(tmp_path), ImportOptions(sizes={"positions": (49,)})).workload
    assert workload.layers[0].input_shape == (1, 4, 1, 49)
    assert fault(smtx(tmp_path), sizes={"width": (1,)}) == "--size width: did you mean 'positions'?"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "not an .smtx file: needs 'rows, columns, non-zeros', offsets and indices"),
        ("3, 4\n0\n", "not an .smtx file: needs 'rows, columns, non-zeros', offsets and indices"),
        ("3, 4, 4\n0 2 2 4\n1 x 0 3\n", "not an .smtx file: needs 'rows, columns, non-zeros', offsets and indices"),
        ("0, 4, 0\n0\n\n", "the matrix is 0 x 4, must be at least 1 x 1"),
        ("3, 4, 4\n0 2 4\n1 3 0 3\n", "row offsets must be 4 numbers that rise from 0 to 4"),
        ("3, 4, 4\n0 2 1 4\n1 3 0 3\n", "row offsets must be 4 numbers that rise from 0 to 4"),
        ("3, 4, 4\n0 2 2 4\n1 3 0\n", "3 column indices, must be 4"),
        ("3, 4, 4\n0 2 2 4\n1 4 0 3\n", "column index 4 lies outside 0 to 3"),
        ("3, 4, 4\n0 2 2 4\n1 -1 0 3\n", "column index -1 lies outside 0 to 3"),
        ("3, 4, 4\n0 2 2 4\n1 1 0 3\n", "a row holds a column twice"),
        ("900000, 900000, 0\n0\n\n", "row offsets must be 900001 numbers that rise from 0 to 0"),
    ],
)
def test_broken_smtx(tmp_path, text, wanted):
    assert fault(smtx(tmp_path, text)) == f"w.smtx: {wanted}"


def test_missing_files(tmp_path):
    assert fault(tmp_path / "none.smtx") == "none.smtx: no such file"
    assert fault(tmp_path / "none.mtx") == "none.mtx: no such file"


@pytest.mark.parametrize(
    "kind", ["csr_matrix", "csc_matrix", "coo_matrix", "bsr_matrix", "dia_matrix", "csr_array", "coo_array"]
)
def test_scipy(tmp_path, kind):
    sparse = pytest.importorskip("scipy.sparse")
    sparse.save_npz(tmp_path / "w.npz", getattr(sparse, kind)(MATRIX))
    np.testing.assert_array_equal(load_workload(str(tmp_path / "w.npz")).trace(0).weights.reshape(3, 4), MATRIX)
