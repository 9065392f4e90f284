"""The experiment on several images, and the network that is rebuilt to read further photographs."""

import subprocess
import sys

import numpy as np
import pytest

from benchmarks.experiments import one_image
from simulator.reports.input_spread import Spread
from tests.project import ROOT
from tests.shared_data import SHARED, needs_shared
from workloads.catalog import load_workload
from workloads.errors import InputError

HEAD = "name,C,H,W,K,R,S,stride,pad,groups,P,Q,w_density,x_density\n"


def table(path, x_density):
    path.write_text(HEAD + f"a,8,9,9,16,3,3,1,1,1,9,9,0.4,1\nb,16,9,9,8,1,1,1,0,1,9,9,0.5,{x_density}\n")
    return load_workload(str(path))


def test_the_largest_difference_by_hand():
    assert one_image.largest(Spread((80, 100, 105))) == pytest.approx(-15 / 95)
    assert one_image.largest(Spread((3, 3))) == 0.0
    assert one_image.largest(Spread((0, 0))) == 0.0


def test_tables_of_one_network_are_its_images(tmp_path):
    pictures = [table(tmp_path / f"{name}.csv", density) for name, density in (("cat", 0.2), ("dog", 0.6))]
    found = one_image.spreads(pictures)
    assert list(found) == ["scnn", "eie (1 of 2 layers)", "ideal", "cambricon-x"]
    assert found["ideal"].layers[1].activation_density.values == pytest.approx((0.2, 0.6), abs=0.001)
    rows = one_image.summary({"net": pictures})
    assert [row[:3] for row in rows[1:]] == [("net", "2", machine) for machine in found]
    assert rows[4][3:] == ("0.0%",) * 5, "Cambricon-X skips weights alone"
    assert "(b)" in rows[3][5], "the layer whose density differs"
    shown = one_image.by_layer(found)
    assert [row[0] for row in shown[1:]] == ["a", "b", "total"]
    assert shown[1][3] == "", "eie does not run the convolution"
    assert shown[2][1] == "0.200 to 0.600"


def test_what_are_no_images_of_one_network(tmp_path):
    one = table(tmp_path / "one.csv", 0.2)
    with pytest.raises(InputError) as fault:
        one_image.spreads([one])
    assert str(fault.value) == (
        "the activations of 'one' are drawn, for any number of inputs, and one picture has nothing to differ from"
    )
    with pytest.raises(InputError) as fault:
        one_image.spreads([one, load_workload("alexnet")])
    assert str(fault.value) == "the workloads have other layers than the first: they are no pictures of one network"


@needs_shared
def test_the_rebuilt_squeezenet_reads_what_is_stored(tmp_path):
    """The whole network from the folder's weights, on the stored photograph: every zero of every map."""
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from PIL import Image  # noqa: PLC0415

    from benchmarks import squeezenet_photographs as rebuilt  # noqa: PLC0415

    folder = SHARED / "data" / "squeezenet_dc"
    model = rebuilt.build(folder).SerializeToString()
    session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    with np.load(folder / "squeezenet_dc_chelsea.npz") as stored:
        found = rebuilt.maps(session, stored["x:data"].astype(np.float32)[np.newaxis])
        names = [name.removeprefix("x:") for name in stored.files if name.startswith("x:")]
        assert all(np.array_equal(found[name] != 0, stored[f"x:{name}"] != 0) for name in names)
        assert int(found["logits"].ravel().argmax()) == int(stored["logits"].argmax()) == 285  # an Egyptian cat
    Image.fromarray(np.full((300, 400, 3), (10, 20, 30), np.uint8)).save(tmp_path / "plain.png")
    values = rebuilt.pixels(tmp_path / "plain.png")
    assert values.shape == (1, 3, 227, 227)
    assert np.unique(values[0, 0]).tolist() == [30 - 104], "blue comes first"
    command = [
        sys.executable,
        "-m",
        "benchmarks.squeezenet_photographs",
        folder,
        tmp_path / "t",
        tmp_path / "plain.png",
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    workload = load_workload(str(tmp_path / "t"))
    assert workload.inputs == 2
    assert workload.trace(0).digest == load_workload(str(folder)).trace(0).digest
    assert workload.trace(0, 1).activation_density == 1.0
