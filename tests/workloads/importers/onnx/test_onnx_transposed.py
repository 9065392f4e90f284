"""ONNX ConvTranspose: outputs as onnxruntime computes them, in both forms."""

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import helper

from tests.workloads.importers.onnx.onnx_models import computed, imported, outputs_of, save, whole
from workloads.errors import InputError
from workloads.importers import ImportOptions, import_model

CASES = {
    "plain": ((1, 3, 4, 5), (3, 4, 3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
    "grouped": ((2, 4, 3, 3), (4, 3, 2, 2), {"strides": [2, 2], "group": 2}),
    "dilated": ((1, 2, 4, 4), (2, 3, 3, 2), {"strides": [2, 3], "dilations": [3, 2]}),
    "one_axis": ((2, 3, 7), (3, 4, 5), {"strides": [3], "pads": [1, 2]}),
    "volume": ((1, 2, 2, 3, 3), (2, 3, 2, 3, 2), {"strides": [1, 2, 2], "pads": [0, 1, 0, 1, 0, 1]}),
    "same_upper": ((1, 2, 4, 5), (2, 3, 3, 4), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    "same_lower": ((1, 2, 4, 5), (2, 3, 4, 3), {"strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    "valid": ((1, 2, 4, 5), (2, 3, 3, 3), {"strides": [2, 1], "auto_pad": "VALID"}),
    "output_shape": ((1, 2, 4, 4), (2, 3, 3, 3), {"strides": [2, 2], "output_shape": [8, 9]}),
}


def model(tmp_path, name):
    shape, weight_shape, attributes = CASES[name]
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], name=name, **attributes)
    return save(tmp_path / "m.onnx", [node], {"x": shape}, {"w": whole(*weight_shape)}), {"x": whole(*shape)}


@pytest.mark.parametrize("name", CASES)
def test_a_transposed_convolution_computes_what_onnxruntime_computes(tmp_path, name):
    path, feed = model(tmp_path, name)
    wanted = outputs_of(path, feed)
    one = imported(path, feed).workload
    np.testing.assert_array_equal(computed(one).reshape(wanted.shape), wanted)
    phases = imported(path, feed, transposed="phases").workload
    # Every output belongs to one phase; those of phases without taps are zero.
    values = np.concatenate([computed(phases, i).ravel() for i in range(len(phases.layers))])
    assert np.sort(values[values != 0]).tolist() == np.sort(wanted[wanted != 0]).tolist()
    assert sum(layer.dense_macs for layer in phases.layers) < one.layers[0].dense_macs
    densities = {phases.trace(i).output_density for i in range(len(phases.layers))}
    assert densities == {np.count_nonzero(wanted) / wanted.size}


def test_without_an_input_the_inserted_zeros_are_known(tmp_path):
    path, _ = model(tmp_path, "plain")
    workload = import_model(path).workload
    assert workload.title == "imported from m.onnx, activations taken as dense"
    # 4 x 5 values in a map of 7 x 9, whatever their density.
    assert workload.trace(0).activation_density == 20 / 63
    assert workload.with_batch(3).trace(0).activation_nonzeros == 3 * 3 * 20
    phases = import_model(path, ImportOptions(transposed="phases")).workload
    assert [phases.trace(i).activation_density for i in range(4)] == [1.0] * 4


def test_a_density_spares_the_inserted_zeros(tmp_path):
    node = helper.make_node("ConvTranspose", ["r", "w"], ["y"], name="up", strides=[2, 2])
    nodes = [helper.make_node("Conv", ["x", "v"], ["c"]), helper.make_node("Relu", ["c"], ["r"]), node]
    path = save(tmp_path / "m.onnx", nodes, {"x": (1, 2, 6, 6)}, {"v": whole(4, 2, 3, 3), "w": whole(4, 3, 2, 2)})
    trace = import_model(path).workload.with_density(activations=0.5).trace(1)
    assert trace.layer.input_size == (7, 7)
    assert trace.activation_nonzeros == 0.5 * 4 * 4 * 4
    assert not trace.activations[:, :, 1::2].any()


def test_several_inputs_are_a_batch(tmp_path):
    path, _ = model(tmp_path, "grouped")
    feeds = [whole(2, 4, 3, 3) for _ in range(2)]
    for i, feed in enumerate(feeds):
        np.save(tmp_path / f"{i}.npy", feed)
    workload = import_model(path, ImportOptions(inputs=(tmp_path / "0.npy", tmp_path / "1.npy"))).workload
    wanted = np.concatenate([outputs_of(path, {"x": feed}) for feed in feeds])
    np.testing.assert_array_equal(computed(workload), wanted)


def test_weights_that_do_not_fit_name_file_and_node(tmp_path):
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], name="up", strides=[2, 2], pads=[9, 9, 9, 9])
    path = save(tmp_path / "m.onnx", [node], {"x": ("N", 3, 4, 4)}, {"w": whole(3, 2, 3, 3)})
    with pytest.raises(InputError, match=r"m.onnx: "):
        import_model(path)
