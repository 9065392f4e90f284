"""Sparse matrix files that lie about themselves: one line, and nothing is read or written outside the matrix."""

import io
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.importers import import_model
from workloads.importers.sparse_entries import is_scipy, read_scipy

sparse = pytest.importorskip("scipy.sparse")
# 4 rows and 6 columns, in blocks of 2 x 3.
MATRIX = np.array([[0, 2, 0, 1, 0, 0], [0, 0, 0, 0, 5, 0], [3, 0, 0, 4, 0, 0], [0, 0, 7, 0, 0, 9]], np.float32)
FORMATS = ("csr", "csc", "bsr", "coo", "dia")


def parts(kind):
    matrix = getattr(sparse, f"{kind}_array")(MATRIX, **({"blocksize": (2, 3)} if kind == "bsr" else {}))
    names = {"coo": ("row", "col", "data"), "dia": ("offsets", "data")}.get(kind, ("indices", "indptr", "data"))
    return {"format": kind.encode(), "shape": np.array(MATRIX.shape)} | {
        name: getattr(matrix, name).copy() for name in names
    }


def fault(tmp_path, held):
    path = tmp_path / "w.npz"
    np.savez(path, **held)
    with pytest.raises(InputError) as caught:
        import_model(path).workload.trace(0)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{tmp_path}/")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("compressed", [True, False])
def test_every_format_is_read_as_scipy_wrote_it(tmp_path, kind, compressed):
    sparse.save_npz(tmp_path / "w.npz", getattr(sparse, f"{kind}_matrix")(MATRIX), compressed=compressed)
    assert is_scipy(tmp_path / "w.npz")
    np.testing.assert_array_equal(read_scipy(tmp_path / "w.npz").dense(), MATRIX)


OUTSIDE = [6, 16, 40, 200, 1000, 100_000, 1 << 40, -1, -3, -(1 << 62)]
PLACES = {("csr", "indices"): 6, ("csc", "indices"): 4, ("bsr", "indices"): 2, ("coo", "row"): 4, ("coo", "col"): 6}


@pytest.mark.parametrize("index", ["first outside", *OUTSIDE])
@pytest.mark.parametrize(("kind", "name"), PLACES)
def test_an_index_outside_the_shape_is_refused(tmp_path, kind, name, index):
    held = parts(kind)
    held[name] = held[name].astype(np.int64)
    held[name][-1] = PLACES[kind, name] if index == "first outside" else index
    assert f"index {held[name][-1]} lies outside 0 to {PLACES[kind, name] - 1}" in fault(tmp_path, held)


@pytest.mark.parametrize("kind", ["csr", "csc", "bsr"])
@pytest.mark.parametrize(
    "offsets", [[], [0], "longer", "shorter", "falls", "starts late", "ends late", "ends early", "negative", "wraps"]
)
def test_offsets_that_do_not_rise_to_the_count_are_refused(tmp_path, kind, offsets):
    held = parts(kind)
    good = held["indptr"].astype(np.int64)
    broken = {
        "longer": np.append(good, good[-1]),
        "shorter": good[:-1],
        "falls": np.concatenate([good[:1], [good[-1] + 1], good[2:]]),
        "starts late": np.concatenate([[1], good[1:]]),
        "ends late": np.concatenate([good[:-1], [good[-1] + 1]]),
        "ends early": np.concatenate([good[:-1], [good[-2] - 1]]),
        "negative": np.concatenate([good[:1], [-1], good[2:]]),
        "wraps": np.concatenate([good[:1], [np.iinfo(np.int64).max], good[2:]]),
    }
    held["indptr"] = broken[offsets] if isinstance(offsets, str) else np.array(offsets, np.int64)
    assert "offsets must be" in fault(tmp_path, held)


@pytest.mark.parametrize(
    ("kind", "changes", "line"),
    [
        ("csr", {"indices": np.array([1, 1, 4, 0, 3, 2, 5])}, "a row holds a column twice"),
        ("coo", {"row": np.zeros(7, np.int32), "col": np.zeros(7, np.int32)}, "a row holds a column twice"),
        ("csr", {"indices": np.arange(7) * 0.5}, "indices of type float64"),
        ("csr", {"indices": np.zeros((7, 1), int)}, "(7, 1) indices"),
        ("csr", {"data": np.ones(6, np.float32)}, "for values of shape (6,)"),
        ("csr", {"data": np.array(1.0)}, "for values of shape ()"),
        ("csr", {"data": np.array([1, 2, 3, np.nan, 5, 6, 7])}, "holds a value that is not finite"),
        ("csr", {"data": np.array([1, 2, 3, np.inf, 5, 6, 7])}, "holds a value that is not finite"),
        ("csr", {"data": np.ones(7, complex)}, "has type complex128, must be numbers"),
        ("csr", {"data": np.array(["a"] * 7)}, "must be numbers"),
        ("csr", {"data": np.array([None] * 7)}, "holds pickled objects, which are never loaded"),
        ("csr", {"shape": np.array([0, 6])}, "the matrix is 0 x 6, must be at least 1 x 1"),
        ("csr", {"shape": np.array([-4, 6])}, "the matrix is -4 x 6, must be at least 1 x 1"),
        ("csr", {"shape": np.array([4, 6, 1])}, "the matrix's shape is [4, 6, 1], must be rows and columns"),
        ("csr", {"shape": np.array([4.0, 6.0])}, "the matrix's shape is [4.0, 6.0], must be rows and columns"),
        ("csr", {"shape": np.array([4, 1 << 40])}, "an array may take at most 1 GiB in memory"),
        ("coo", {"shape": np.array([1 << 62, 1 << 62])}, "an array may take at most 1 GiB in memory"),
        ("csr", {"format": b"lil"}, "sparse format 'lil', must be one of: csr, csc, bsr, coo, dia"),
        ("csr", {"format": np.array(["csr", "csr"])}, "must be a short text"),
        ("csr", {"format": np.array(3)}, "must be a short text"),
        ("bsr", {"data": np.ones((3, 3, 3))}, "blocks of shape (3, 3) do not fill a matrix of 4 x 6"),
        ("bsr", {"data": np.ones((3, 0, 3))}, "blocks of shape (0, 3) do not fill a matrix of 4 x 6"),
        ("bsr", {"data": np.ones(4)}, "blocks of shape () do not fill a matrix of 4 x 6"),
        ("dia", {"offsets": np.zeros(6, int)}, "diagonal offsets must differ and lie inside the matrix"),
        ("dia", {"offsets": np.array([1 << 62, 1, 2, 3, 4, 5])}, "diagonal offsets must differ and lie inside the matrix"),
        ("dia", {"offsets": np.array(0)}, "with offsets of shape ()"),
    ],
)  # fmt: skip
def test_what_does_not_agree_is_refused(tmp_path, kind, changes, line):
    held = parts(kind)
    if kind == "dia" and "offsets" in changes and changes["offsets"].ndim:
        changes = {"offsets": changes["offsets"][: len(held["offsets"])]}
    assert line in fault(tmp_path, held | changes)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_missing_entry_is_named(tmp_path, kind):
    held = parts(kind)
    for name in set(held) - {"format", "shape", "data"}:
        assert f"entry '{name}' is missing" in fault(
            tmp_path, {key: value for key, value in held.items() if key != name}
        )


INDICES = hnp.arrays(st.sampled_from([np.int32, np.int64, np.uint8]), st.integers(0, 8), elements=st.integers(0, 7))
WIDE = hnp.arrays(np.int64, st.integers(0, 8), elements=st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 9))


@given(
    kind=st.sampled_from(FORMATS),
    shape=st.tuples(st.integers(-1, 7), st.integers(-1, 7)),
    first=INDICES | WIDE,
    second=INDICES | WIDE,
    data=hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), elements=st.floats(width=32)),
)
def test_any_file_is_either_read_as_a_checked_scipy_would_or_refused(
    tmp_path_factory, kind, shape, first, second, data
):
    path = tmp_path_factory.getbasetemp() / "any.npz"
    names = {"coo": ("row", "col"), "dia": ("offsets", "none")}.get(kind, ("indices", "indptr"))
    np.savez(path, format=kind.encode(), shape=np.array(shape), data=data, **{names[0]: first, names[1]: second})
    found, lines = None, ["read"]
    try:
        found = read_scipy(path).dense()
    except InputError as error:
        lines = str(error).splitlines()
    assert len(lines) == 1
    if found is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(found, sparse.load_npz(path).toarray())


def test_matrix_market_files_are_checked_as_well(tmp_path):
    path = tmp_path / "w.mtx"
    for body, line in (
        ("coordinate real general\n3 4 2\n1 2 5\n1 2 6\n", "a row holds a column twice"),
        ("coordinate real general\n3 4 1\n1 2 nan\n", "holds a value that is not finite"),
        ("array real general\n1 2\n1\ninf\n", "holds a value that is not finite"),
        ("coordinate real general\n3 4 1\n4 2 1\n", "row index 3 lies outside 0 to 2"),
        ("coordinate real general\n999999999 999999999 0\n", "an array may take at most 1 GiB in memory"),
        ("coordinate complex general\n3 4 1\n1 2 1 1\n", "holds complex numbers"),
    ):
        path.write_text(f"%%MatrixMarket matrix {body}")
        with pytest.raises(InputError, match=line):
            import_model(path)


def test_an_archive_of_a_version_that_python_does_not_know(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, format=b"csr", shape=np.array([1, 1]), data=np.ones(1))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 6] = 94  # the version that is needed to extract the first entry
    path.write_bytes(data)
    with pytest.raises(InputError, match="not an npz file, or truncated"):
        load_workload(str(path))


def test_a_format_whose_text_is_cut_off(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, shape=np.array([1, 1]), data=np.ones(1))
    stream = io.BytesIO()
    np.save(stream, np.array(b"csr"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("format.npy", stream.getvalue()[:-2])
    with pytest.raises(InputError, match="entry 'format' does not hold exactly 3 bytes of data"):
        load_workload(str(path))
