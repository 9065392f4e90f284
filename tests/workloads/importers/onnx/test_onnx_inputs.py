"""Models that run on many samples: each becomes an input, equal to what an import of it alone gives."""

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import helper
from PIL import Image

from tests.workloads.importers.onnx.onnx_models import save, whole
from workloads.errors import InputError
from workloads.importers import ImportOptions, import_model

RANDOM = np.random.default_rng(11)


@pytest.fixture
def model(tmp_path):
    """A convolution with a ReLU, a product of positions, and a classifier; its batch may be open."""

    def build(batch=1, rows=6):
        nodes = [
            helper.make_node("Conv", ["x", "w"], ["a"], name="conv"),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("GlobalMaxPool", ["b"], ["p"]),
            helper.make_node("Flatten", ["p"], ["f"]),
            helper.make_node("Gemm", ["f", "m"], ["y"], name="fc", transB=1),
        ]
        weights = {"w": whole(4, 3, 3, 3), "m": whole(5, 4)}
        return save(tmp_path / "m.onnx", nodes, {"x": (batch, 3, rows, 7)}, weights)

    return build


def read(path, *inputs, **options):
    return import_model(path, ImportOptions(inputs=inputs, **options)).workload


def fault(path, *inputs, **options):
    with pytest.raises(InputError) as caught:
        read(path, *inputs, **options)
    return str(caught.value)


def same_as_alone(many, alone):
    """Every input is what an import of that sample alone is, densities of outputs included."""
    assert many.inputs == len(alone)
    for number, one in enumerate(alone):
        assert many.layers == one.layers
        for index in range(len(many.layers)):
            assert many.trace(index, number).digest == one.trace(index).digest


def samples(tmp_path, *shape):
    values = whole(*shape)
    np.save(tmp_path / "all.npy", values)
    return values


def alone(tmp_path, path, parts):
    for number, part in enumerate(parts):
        np.save(tmp_path / f"{number}.npy", part)
    return [read(path, tmp_path / f"{number}.npy") for number in range(len(parts))]


@pytest.mark.parametrize(("batch", "shape"), [(1, (4, 3, 6, 7)), (2, (6, 3, 6, 7)), (2, (3, 2, 3, 6, 7))])
def test_a_leading_axis_of_samples(model, tmp_path, batch, shape):
    path, values = model(batch), samples(tmp_path, *shape)
    parts = values.reshape(-1, batch, 3, 6, 7)
    many = read(path, tmp_path / "all.npy")
    assert many.layers[0].batch == batch
    same_as_alone(many, alone(tmp_path, path, parts))
    assert read(path, tmp_path / "all.npy", samples=2).inputs == 2


def test_an_open_batch_is_one_image_unless_its_size_is_given(model, tmp_path):
    path, values = model("n"), samples(tmp_path, 4, 3, 6, 7)
    same_as_alone(read(path, tmp_path / "all.npy"), alone(tmp_path, path, values[:, np.newaxis]))
    pairs = read(path, tmp_path / "all.npy", sizes={"n": (2,)})
    assert (pairs.inputs, pairs.layers[0].batch) == (2, 2)


def test_a_folder_of_pictures(model, tmp_path):
    path = model()
    (tmp_path / "photos").mkdir()
    for name in ("b.png", "a.png", "c.JPG", ".hidden.png", "notes.txt"):
        pixels = RANDOM.integers(0, 256, (6, 7, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / name, "png")
    many = read(path, tmp_path / "photos", mean=(0.5,))
    same_as_alone(many, [read(path, tmp_path / "photos" / name, mean=(0.5,)) for name in ("a.png", "b.png", "c.JPG")])
    assert tmp_path / "photos" in many.files


def test_files_of_samples_make_a_batch(model, tmp_path):
    path, values = model(), whole(2, 3, 3, 6, 7)
    for name, part in zip("ab", values, strict=True):
        np.save(tmp_path / f"{name}.npy", part)
    many = read(path, tmp_path / "a.npy", tmp_path / "b.npy")
    assert (many.inputs, many.layers[0].batch) == (3, 2)
    for number in range(3):
        np.testing.assert_array_equal(many.trace(0, number).activations, values[:, number])


def test_a_model_of_two_inputs_takes_samples_of_both(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="conv"),
        helper.make_node("Add", ["a", "z"], ["y"]),
    ]
    path = save(tmp_path / "m.onnx", nodes, {"x": (1, 2, 4, 4), "z": (1, 3, 2, 2)}, {"w": whole(3, 2, 3, 3)})
    x, z = whole(3, 2, 4, 4), np.stack([np.full((3, 2, 2), fill, np.float32) for fill in (-1000, 0, 1000)])
    np.savez(tmp_path / "x.npz", x=x, z=z)
    many = read(path, tmp_path / "x.npz")
    assert many.inputs == 3
    np.testing.assert_array_equal(many.trace(0, 1).activations[0], x[1])
    np.savez(tmp_path / "x.npz", x=x, z=z[:2])
    assert fault(path, tmp_path / "x.npz") == f"{tmp_path}/x.npz: array for 'z' holds 2 samples, that for 'x' 3"


def test_samples_that_do_not_fit(model, tmp_path):
    path = model()
    (tmp_path / "photos").mkdir()
    assert fault(path, tmp_path / "photos") == (
        f"{tmp_path}/photos: the folder holds no pictures (.bmp .gif .jpeg .jpg .pgm .png .ppm .tif .tiff .webp)"
    )
    np.save(tmp_path / "a.npy", whole(3, 3, 6, 7))
    np.save(tmp_path / "b.npy", whole(1, 3, 6, 7))
    assert fault(path, tmp_path / "a.npy", samples=4) == f"--inputs 4: {tmp_path}/a.npy holds 3 samples"
    assert fault(path, tmp_path / "b.npy", samples=2) == f"--inputs 2: {tmp_path}/b.npy holds 1 sample"
    assert fault(path, tmp_path / "a.npy", tmp_path / "b.npy") == (
        f"{tmp_path}/b.npy: holds 1 sample, {tmp_path}/a.npy 3: files that make a batch must hold equally many"
    )
    np.save(tmp_path / "a.npy", whole(0, 1, 3, 6, 7))
    assert fault(path, tmp_path / "a.npy") == (
        f"{tmp_path}/a.npy: array for 'x' has shape (0, 1, 3, 6, 7), the model wants 1 x 3 x 6 x 7"
    )


def test_pictures_of_different_sizes_for_a_model_of_open_size(model, tmp_path):
    path = model(rows="rows")
    (tmp_path / "photos").mkdir()
    for name, rows in (("a.png", 6), ("b.png", 6), ("c.png", 8)):
        Image.fromarray(np.zeros((rows, 7, 3), np.uint8)).save(tmp_path / "photos" / name)
    assert fault(path, tmp_path / "photos") == (
        f"{tmp_path}/photos/c.png: a sample of 'x' has shape (1, 3, 8, 7), the first (1, 3, 6, 7)"
    )
    assert read(path, tmp_path / "photos", samples=2).inputs == 2
