"""Sizes that an ONNX file leaves open come from a run, on the given input or on ones."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.workloads.importers.onnx.onnx_models import imported, node, save, sizes, weight
from workloads.errors import InputError
from workloads.importers import ImportOptions, import_model

MADE = "sizes that the file leaves open are those of a run on an input of ones"


def macs(imported):
    """Dense MACs of all layers."""
    return sum(layer.dense_macs for layer in imported.workload.layers)


def hidden_size(tmp_path, inputs=None):
    """A convolution over a map whose rows the graph looks up among the positions of a mask's ones."""
    return save(
        tmp_path / "m.onnx",
        [
            node("NonZero", "mask", "where"),
            node("Gather", "where first", "row"),
            node("Gather", "x row", "rows", axis=2),
            node("Conv", "rows w", "y", "conv"),
        ],
        inputs or {"x": (1, 2, 6, 5), "mask": (1, 6)},
        {"first": np.array(1), "w": weight(4, 2, 1, 1)},
    )


def test_a_made_input_tells_a_size(tmp_path):
    found = import_model(hidden_size(tmp_path))
    assert macs(found) == 4 * 2 * 6 * 5
    assert found.warnings == ("no input was given: activations are taken as dense", MADE)
    assert found.workload.notes == (MADE,)
    assert [one.shape for one in found.workload.graph.nodes if one.name == "conv"] == [(4, 6, 5)]


def test_the_given_input_tells_it(tmp_path):
    feed = {"x": np.ones((1, 2, 6, 5), np.float32), "mask": np.array([[0, 1, 0, 0, 1, 1]], np.float32)}
    found = imported(hidden_size(tmp_path), feed)
    assert macs(found) == 4 * 2 * 3 * 5
    assert found.warnings == ()


def test_samples_with_sizes_of_their_own(tmp_path):
    masks = np.array([[0, 1, 0, 0, 1, 1], [0, 0, 0, 0, 0, 1]], np.float32)
    feed = {"x": np.ones((2, 2, 6, 5), np.float32), "mask": masks}
    with pytest.raises(InputError) as caught:
        imported(hidden_size(tmp_path), feed)
    assert str(caught.value).endswith(
        "m.onnx: 'rows' has shape (1, 2, 3, 5) for the first sample and (1, 2, 1, 5) for another: "
        "give samples one at a time"
    )


def test_a_layer_that_reads_nothing_is_refused(tmp_path):
    path = save(
        tmp_path / "m.onnx",
        [
            node("Gemm", "x v", "a", "first"),
            node("NonZero", "x", "where"),
            node("Gather", "where one", "rows"),
            node("Gather", "a rows", "some"),
            node("Gemm", "some w", "y", "second"),
        ],
        {"x": (3, 2)},
        {"v": weight(2, 4), "w": weight(4, 5), "one": np.array(0)},
    )
    found = imported(path, {"x": np.zeros((3, 2), np.float32)})
    assert [layer.name for layer in found.workload.layers] == ["first"]
    assert [(one.operator, one.reason) for one in found.omitted if one.refused] == [
        ("Gemm", "refused: its input is empty in this run")
    ]


def test_a_model_that_does_not_run_on_ones_says_so(tmp_path):
    path = save(
        tmp_path / "m.onnx",
        [
            node("NonZero", "x", "where"),
            node("Cast", "where", "cast", to=TensorProto.FLOAT),
            node("Reshape", "cast shape", "rows"),
            node("Gemm", "rows w", "y", "fc"),
        ],
        {"x": (3, 2)},
        {"w": weight(5, 5), "shape": sizes(-1, 5)},
    )
    with pytest.raises(
        InputError, match=r"Gemm 'fc': the size of its input 'rows' is not known: the model does not run"
    ):
        import_model(path)


def test_shapes_that_contradict_one_another_in_the_file_alone(tmp_path):
    # The file says that the result has 9 columns; it has 5, and the model runs.
    path = save(tmp_path / "m.onnx", [node("Gemm", "x w", "y", "fc")], {"x": (3, 2)}, {"w": weight(2, 5)})
    model = onnx.load(path)
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, (3, 9)))
    onnx.save(model, path)
    found = import_model(path)
    assert macs(found) == 3 * 2 * 5
    assert MADE in found.warnings


def test_one_name_is_one_size_wherever_it_stands(tmp_path):
    nodes = [
        node("Add", "ids mask", "both"),
        node("MatMul", "both w", "a", "/block.0/first"),
        node("MatMul", "state v", "b", "/block.0/second"),
    ]
    inputs = {"ids": ("batch", "steps", 4), "mask": ("batch", "steps", 4), "state": (2, "batch", 6)}
    path = save(tmp_path / "m.onnx", nodes, inputs, {"w": weight(4, 6), "v": weight(6, 5)}, ["a", "b"])
    found = import_model(path, ImportOptions(sizes={"steps": (7,)}))
    assert [(layer.name, layer.dense_macs) for layer in found.workload.layers] == [
        ("/block.0/first", 7 * 4 * 6),
        ("/block.0/second", 2 * 1 * 6 * 5),
    ]
    pair = import_model(path, ImportOptions(sizes={"steps": (7,), "batch": (3,)}))
    assert macs(pair) == 3 * 7 * 4 * 6 + 2 * 3 * 6 * 5


def sequence(tmp_path):
    """A model that joins a list of maps along their rows."""
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, (1, 2, 3, 5)))
    graph = helper.make_graph(
        [node("ConcatFromSequence", "maps", "x", axis=2), node("Conv", "x w", "y", "conv")],
        "g",
        [helper.make_value_info("maps", kind)],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(weight(4, 2, 1, 1), "w")],
    )
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_an_input_that_is_a_list_of_tensors(tmp_path):
    assert macs(import_model(sequence(tmp_path))) == 4 * 2 * 3 * 5
    # The tensors of a list lie along the first axis of its array: four maps of three rows.
    found = imported(sequence(tmp_path), {"maps": np.ones((4, 1, 2, 3, 5), np.float32)})
    assert macs(found) == 4 * 2 * 12 * 5


def recurrent(tmp_path, lengths):
    inputs = {"x": (5, 2, 3)} | ({} if isinstance(lengths, np.ndarray) else {"n": (TensorProto.INT32, (2,))})
    weights = {"w": weight(1, 4, 3), "r": weight(1, 4, 4)} | ({"n": lengths} if isinstance(lengths, np.ndarray) else {})
    nodes = [helper.make_node("RNN", ["x", "w", "r", "", "n"], ["y"], name="cell", hidden_size=4)]
    return save(tmp_path / "m.onnx", nodes, inputs, weights)


def test_sequences_of_all_steps_are_a_layer(tmp_path):
    wanted = 5 * 2 * 4 * (3 + 4)
    assert macs(import_model(recurrent(tmp_path, np.array([5, 5], np.int32)))) == wanted
    feed = {"x": np.ones((5, 2, 3), np.float32), "n": np.array([5, 5], np.int32)}
    assert macs(imported(recurrent(tmp_path, None), feed)) == wanted
    with pytest.raises(InputError, match="its sequences have lengths of their own"):
        imported(recurrent(tmp_path, None), feed | {"n": np.array([5, 4], np.int32)})
