"""TFLite: products of two activations, transposed convolutions, recurrent layers; by LiteRT's numbers where it is there."""

import numpy as np
import pytest

pytest.importorskip("tflite")
from dataflows.truth.convolution import reference_convolution
from tests.workloads.importers.tflite.test_tflite_recurrent import lstm
from tests.workloads.importers.tflite.tflite_models import Operator, Tensor, constant, save
from tests.workloads.test_transposed import joined
from workloads.errors import InputError
from workloads.importers import ImportOptions, import_model

RANDOM = np.random.default_rng(13)


def whole(*shape):
    return (RANDOM.integers(-4, 5, shape) * (RANDOM.random(shape) < 0.6)).astype(np.float32)


def run(path, feeds):
    """What LiteRT gives for the inputs t0, t1, ..."""
    library = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = library.Interpreter(str(path))
    interpreter.allocate_tensors()
    for number, array in enumerate(feeds):
        interpreter.set_tensor(number, array)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def matmul(path, left, right, out, *, turned=(False, False), weights=None):
    options = {"AdjX": turned[0], "AdjY": turned[1]}
    second = Tensor(right) if weights is None else constant(weights)
    operator = Operator("BATCH_MATMUL", [0, 1], [2], "BatchMatMulOptions", options)
    return save(
        path / "m.tflite", [Tensor(left), second, Tensor(out)], [operator], inputs=(0, 1)[: 1 + (weights is None)]
    )


@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
def test_a_product_of_two_activations(tmp_path, turned):
    left = (2, 3, 4, 5) if turned[0] else (2, 3, 5, 4)
    right = (2, 3, 6, 4) if turned[1] else (2, 3, 4, 6)
    path = matmul(tmp_path, left, right, (2, 3, 5, 6), turned=turned)
    workload = import_model(path).workload
    (layer,) = workload.layers
    assert (layer.name, layer.groups, layer.moving_images) == ("op000_matmul", 6, 2)
    assert layer.dense_macs == 2 * 3 * 5 * 4 * 6
    assert workload.notes == ("both activations of op000_matmul are taken as dense: no input was given",)
    feed = {"t0": whole(*left), "t1": whole(*right)}
    wanted = run(path, feed.values())
    np.savez(tmp_path / "x.npz", **feed)
    trace = import_model(path, ImportOptions(inputs=(tmp_path / "x.npz",))).workload.trace(0)
    sides = trace.weights.reshape(6, 6, 4), trace.activations.reshape(6, 4, 5)
    np.testing.assert_array_equal(np.einsum("gnk,gkm->gmn", *sides).reshape(wanted.shape), wanted)


def test_a_product_with_a_constant_matrix_has_weights(tmp_path):
    w = whole(4, 6)
    (layer,) = import_model(matmul(tmp_path, (2, 5, 4), None, (2, 5, 6), weights=w)).workload.layers
    assert not layer.moving_weights
    assert (layer.batch, layer.input_size, layer.weight_shape) == (2, (1, 5), (6, 4, 1, 1))
    (turned,) = import_model(
        matmul(tmp_path, (2, 5, 4), None, (2, 5, 6), weights=w.T.copy(), turned=(False, True))
    ).workload.layers
    assert turned == layer
    trace = import_model(matmul(tmp_path, (2, 5, 4), None, (2, 5, 6), weights=w)).workload.trace(0)
    np.testing.assert_array_equal(trace.weights[:, :, 0, 0], w.T)


def test_a_constant_stack_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no convolution"):
        import_model(matmul(tmp_path, (2, 5, 4), None, (2, 5, 6), weights=whole(2, 4, 6)))


@pytest.mark.parametrize(
    ("padding", "stride", "size", "out"),
    [
        (0, (2, 2), (4, 5), (8, 10)),
        (0, (2, 1), (4, 5), (7, 5)),
        (1, (2, 2), (4, 5), (9, 11)),
        (1, (3, 2), (2, 3), (7, 8)),
    ],
)
def test_a_transposed_convolution(tmp_path, padding, stride, size, out):
    w = whole(4, 3, 3, 2)
    options = {"Padding": padding, "StrideH": stride[0], "StrideW": stride[1]}
    tensors = [Tensor((1, *size, 2)), constant(w), constant(np.array([1, *out, 4], np.int32)), Tensor((1, *out, 4))]
    operator = Operator("TRANSPOSE_CONV", [2, 1, 0], [3], "TransposeConvOptions", options)
    path = save(tmp_path / "m.tflite", tensors, [operator])
    stretched = import_model(path).workload
    phases = import_model(path, ImportOptions(transposed="phases")).workload
    assert [layer.name for layer in stretched.layers] == ["op000_up"]
    assert {layer.name.partition(".")[0] for layer in phases.layers} == {"op000_up"}
    assert stretched.layers[0].output_size == out
    assert stretched.trace(0).weight_nonzeros == np.count_nonzero(w)
    feed = whole(1, *size, 2)
    # The turned kernel over the stretched map gives what LiteRT gives.
    wanted = run(path, [feed])
    np.save(tmp_path / "x.npy", feed)
    trace = import_model(path, ImportOptions(inputs=(tmp_path / "x.npy",))).workload.trace(0)
    np.testing.assert_array_equal(
        reference_convolution(
            trace.layer, *(one.astype(np.int64) for one in (trace.weights, trace.activations))
        ).transpose(0, 2, 3, 1),
        wanted,
    )
    one = phases.sources[0].activations.part.whole
    outputs, _ = joined(
        one, "phases", *(one.astype(np.int64) for one in (w.transpose(3, 0, 1, 2), feed.transpose(0, 3, 1, 2)))
    )
    np.testing.assert_array_equal(outputs.transpose(0, 2, 3, 1), wanted)


def test_the_graph_of_attention(tmp_path):
    """Two heads of three features over five tokens, keys turned by the operator: one image, and two."""
    for images in (1, 2):
        token, apart, turned = (images, 5, 6), (images, 5, 2, 3), (images, 2, 5, 3)
        order, shape, flat = (constant(np.array(one, np.int32)) for one in ((0, 2, 1, 3), apart, token))
        tensors = [Tensor(token), *(constant(whole(6, 6)) for _ in range(4)), order, shape, flat]
        operators = []

        def then(name, inputs, out, *options, tensors=tensors, operators=operators):
            tensors.append(Tensor(out))
            operators.append(Operator(name, inputs, [len(tensors) - 1], *options))
            return len(tensors) - 1

        q, k, v = (
            then("TRANSPOSE", [then("RESHAPE", [then("FULLY_CONNECTED", [0, w], token), 6], apart), 5], turned)
            for w in (1, 2, 3)
        )
        plain, adjoint = ({"AdjX": False, "AdjY": turn} for turn in (False, True))
        scores = then("BATCH_MATMUL", [q, k], (images, 2, 5, 5), "BatchMatMulOptions", adjoint)
        weights = then("SOFTMAX", [scores], (images, 2, 5, 5))
        context = then("BATCH_MATMUL", [weights, v], turned, "BatchMatMulOptions", plain)
        together = then("RESHAPE", [then("TRANSPOSE", [context, 5], apart), 7], token)
        out = then("FULLY_CONNECTED", [together, 4], token)
        then("ADD", [out, 0], token, "AddOptions", {})
        graph = import_model(save(tmp_path / "m.tflite", tensors, operators)).workload.graph
        assert graph is not None
        names = [one.name for one in graph.layers]
        assert [name.partition("_")[2] for name in names] == ["fc", "fc", "fc", "matmul", "matmul", "fc"]
        reads = [[graph.sources(one) for one in graph.by_name[name].inputs] for name in names[3:]]
        assert reads == [[(names[0],), (names[1],)], [(names[3],), (names[2],)], [(names[4],)]]
        assert [graph.by_name[name].shape for name in names[3:5]] == [(10, 1, 5), (6, 1, 5)]
        assert graph.nodes[-1].kind == "add"
        assert graph.sources(graph.nodes[-1].name) == (names[5], "t0")


def test_the_graph_of_an_lstm_and_of_phases(tmp_path):
    graph = import_model(lstm(tmp_path)).workload.graph
    assert [(one.name, one.kind, one.inputs, one.shape) for one in graph.nodes[1:]] == [
        ("op000_lstm.input", "layer", ("t0",), (16, 1, 5)),
        ("op000_lstm.recurrent_states", "other", ("op000_lstm.input",), (4, 1, 5)),
        ("op000_lstm.recurrent", "layer", ("op000_lstm.recurrent_states",), (16, 1, 5)),
        ("op000_lstm.recurrent_output", "other", ("op000_lstm.input", "op000_lstm.recurrent"), (4, 1, 5)),
    ]
    shape = constant(np.array([1, 8, 10, 4], np.int32))
    tensors = [Tensor((1, 4, 5, 2)), constant(whole(4, 2, 2, 2)), shape, Tensor((1, 8, 10, 4))]
    options = {"Padding": 1, "StrideH": 2, "StrideW": 2}
    operator = Operator("TRANSPOSE_CONV", [2, 1, 0], [3], "TransposeConvOptions", options)
    path = save(tmp_path / "u.tflite", tensors, [operator])
    graph = import_model(path, ImportOptions(transposed="phases")).workload.graph
    phases = tuple(f"op000_up.phase{i}_{j}" for i in (0, 1) for j in (0, 1))
    assert [(one.name, one.inputs, one.shape) for one in graph.nodes[1:]] == [
        *((name, ("t0",), (4, 4, 5)) for name in phases),
        ("op000_up", phases, (4, 8, 10)),
    ]
