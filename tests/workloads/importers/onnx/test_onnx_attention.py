"""ONNX products of two activations: outputs as onnxruntime computes them, zeros and products counted exactly."""

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper

from tests.workloads.importers.onnx.onnx_models import (
    RANDOM,
    Builder,
    computed,
    imported,
    outputs_of,
    save,
    whole,
)
from workloads.arrays.trace_file import load_traces, save_traces
from workloads.errors import InputError
from workloads.importers import ImportOptions, import_model

PRODUCTS = {
    "heads": ("MatMul", (1, 3, 5, 4), (1, 3, 4, 6), {}),
    "images": ("MatMul", (2, 3, 5, 4), (2, 3, 4, 6), {}),
    "stack": ("MatMul", (6, 5, 4), (6, 4, 2), {}),
    "matrices": ("MatMul", (5, 4), (4, 6), {}),
    "lent": ("MatMul", (1, 4, 5, 3), (1, 1, 3, 2), {}),
    "fewer_axes": ("MatMul", (2, 3, 5, 4), (3, 4, 6), {}),
    "vector": ("MatMul", (2, 5, 4), (4,), {}),
    "gemm": ("Gemm", (5, 4), (4, 6), {}),
    "gemm_turned": ("Gemm", (4, 5), (6, 4), {"transA": 1, "transB": 1}),
    "einsum": ("Einsum", (2, 3, 5, 4), (2, 3, 6, 4), {"equation": "bhid,bhjd->bhij"}),
    "einsum_heads_last": ("Einsum", (2, 5, 3, 4), (2, 6, 3, 4), {"equation": "bihd, bjhd -> bhij"}),
    "einsum_implicit": ("Einsum", (5, 4), (4, 6), {"equation": "ij,jk"}),
}  # fmt: skip


def product(path, name):
    operator, left, right, attributes = PRODUCTS[name]
    node = helper.make_node(operator, ["a", "b"], ["y"], name=name, **attributes)
    inputs = {key: (TensorProto.FLOAT, shape) for key, shape in (("a", left), ("b", right))}
    return save(path / "m.onnx", [node], inputs, {})


def stacked(outputs, layer):
    """Outputs (1, groups·N, 1, M) as (groups, M, N)."""
    return outputs.reshape(layer.groups, layer.group_out_channels, -1).transpose(0, 2, 1)


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("machine", ["ideal", "systolic", "structured"])
def test_a_product_of_two_activations_computes_what_onnxruntime_computes(tmp_path, name, machine):
    _, left, right, _ = PRODUCTS[name]
    feed = {"a": whole(*left), "b": whole(*right)}
    path = product(tmp_path, name)
    workload = imported(path, feed).workload
    (layer,), wanted = workload.layers, outputs_of(path, feed)
    assert layer.moving_weights
    assert layer.dense_macs == wanted.size * layer.group_in_channels
    np.testing.assert_array_equal(stacked(computed(workload, machine=machine), layer).reshape(wanted.shape), wanted)
    trace = workload.trace(0)
    repeats = layer.input_count // feed["a"].size, layer.weight_count // feed["b"].size
    assert trace.activation_nonzeros == np.count_nonzero(feed["a"]) * repeats[0]
    assert trace.weight_nonzeros == np.count_nonzero(feed["b"]) * repeats[1]
    assert workload.notes == ()


def test_images_are_told_by_the_batch_of_the_model(tmp_path):
    layers = [import_model(product(tmp_path, name)).workload.layers[0] for name in ("heads", "images", "stack")]
    assert [(layer.moving_images, layer.groups) for layer in layers] == [(1, 3), (2, 6), (6, 6)]


@pytest.mark.parametrize("name", ["heads", "matrices", "einsum"])
def test_several_inputs_are_more_images(tmp_path, name):
    path, (_, left, right, _) = product(tmp_path, name), PRODUCTS[name]
    feeds = [{"a": whole(*left), "b": whole(*right)} for _ in range(3)]
    files = [tmp_path / f"{i}.npz" for i in range(3)]
    for file, feed in zip(files, feeds, strict=True):
        np.savez(file, **feed)
    workload = import_model(path, ImportOptions(inputs=tuple(files))).workload
    wanted = np.stack([outputs_of(path, feed) for feed in feeds])
    (layer,) = workload.layers
    np.testing.assert_array_equal(stacked(computed(workload), layer).reshape(wanted.shape), wanted)
    # One more image is the first one again, from a trace file as well.
    save_traces(tmp_path / "t.npz", workload)
    images = layer.moving_images
    for more in (one.with_batch(images + images // 3) for one in (workload, load_traces(tmp_path / "t.npz"))):
        outputs = stacked(computed(more), more.layers[0])
        np.testing.assert_array_equal(outputs.reshape(4, *wanted.shape[1:]), np.concatenate([wanted, wanted[:1]]))


def test_without_inputs_both_sides_are_dense_and_a_note_says_so(tmp_path):
    workload = import_model(product(tmp_path, "heads")).workload
    trace = workload.trace(0)
    assert trace.weight_density == trace.activation_density == 1.0
    assert workload.notes == ("both activations of heads are taken as dense: no input was given",)
    assert workload.with_batch(2).trace(0).weights.shape == (36, 4, 1, 1)


def test_quantized_sides_lose_their_zero_points(tmp_path):
    a, b = RANDOM.integers(0, 20, (2, 5, 4), np.uint8), RANDOM.integers(0, 20, (2, 4, 3), np.uint8)
    nodes = [helper.make_node("MatMulInteger", ["a", "b", "za", "zb"], ["y"])]
    inputs = {"a": (TensorProto.UINT8, a.shape), "b": (TensorProto.UINT8, b.shape)}
    path = save(tmp_path / "m.onnx", nodes, inputs, {"za": np.array(3, np.uint8), "zb": np.array(7, np.uint8)})
    workload = imported(path, {"a": a, "b": b}).workload
    np.testing.assert_array_equal(stacked(computed(workload), workload.layers[0]), outputs_of(path, {"a": a, "b": b}))
    assert workload.trace(0).weight_nonzeros == np.count_nonzero(b != 7)


EINSUMS = {
    "tokens": ("bsd,dhe->bshe", (2, 5, 4), (4, 3, 2), ["x", "w"]),
    "constant_left": ("ed,bsd->bse", (6, 4), (2, 5, 4), ["w", "x"]),
    "two_inner": ("bshe,hed->bsd", (2, 5, 3, 2), (3, 2, 4), ["x", "w"]),
}


@pytest.mark.parametrize("name", EINSUMS)
def test_an_einsum_with_constant_weights_is_a_product_with_weights(tmp_path, name):
    equation, left, right, order = EINSUMS[name]
    shapes = dict(zip(order, (left, right), strict=True))
    feed, w = {"x": whole(*shapes["x"])}, whole(*shapes["w"])
    path = save(
        tmp_path / "m.onnx", [helper.make_node("Einsum", order, ["y"], equation=equation)], {"x": shapes["x"]}, {"w": w}
    )
    workload = imported(path, feed).workload
    (layer,), wanted = workload.layers, outputs_of(path, feed)
    assert not layer.moving_weights
    outputs = computed(workload).reshape(layer.batch, layer.out_channels, -1).transpose(0, 2, 1)
    np.testing.assert_array_equal(outputs.reshape(wanted.shape), wanted)


@pytest.mark.parametrize(
    ("equation", "shapes", "reason"),
    [
        ("ii,ij->j", [(3, 3), (3, 4)], "its equation is no product of two matrices"),
        ("bi,bi->bi", [(3, 4), (3, 4)], "its equation is no product of two matrices"),
        ("ij,jk,kl->il", [(3, 4), (4, 5), (5, 6)], "its equation is no product of two matrices"),
        ("ik,jk->j", [(3, 4), (5, 4)], "its equation is no product of two matrices"),
        ("...ij,...jk->...ik", [(2, 3, 4), (2, 4, 5)], "its equation is no product of two matrices"),
    ],
)
def test_equations_of_other_kinds_are_refused(tmp_path, equation, shapes, reason):
    names = ["a", "b", "c"][: len(shapes)]
    nodes = [
        helper.make_node("Einsum", names, ["e"], equation=equation),
        helper.make_node("MatMul", ["a", "w"], ["y"]),
    ]
    path = save(tmp_path / "m.onnx", nodes, dict(zip(names, shapes, strict=True)), {"w": whole(shapes[0][-1], 2)})
    (omitted,) = import_model(path).omitted
    assert (omitted.operator, omitted.refused) == ("Einsum", True)
    assert omitted.reason.startswith(f"refused: {reason}")


def test_a_constant_stack_is_refused(tmp_path):
    nodes = [
        helper.make_node("Einsum", ["a", "w"], ["e"], equation="bij,bjk->bik"),
        helper.make_node("MatMul", ["e", "e"], ["y"]),
    ]
    (omitted,) = import_model(save(tmp_path / "m.onnx", nodes, {"a": (2, 3, 4)}, {"w": whole(2, 4, 3)})).omitted
    assert omitted.reason == "refused: its constant side is no matrix but a vector or a stack of matrices"


def test_sides_that_do_not_fit_name_file_and_node(tmp_path):
    path = save(
        tmp_path / "m.onnx", [helper.make_node("MatMul", ["a", "b"], ["y"])], {"a": ("N", 4), "b": (4, "M")}, {}
    )
    with pytest.raises(InputError, match=r"m.onnx: MatMul 'y': the size of its input 'b' is not known: give --size"):
        import_model(path)


def encoder(path, tokens, width, heads, hidden, *, images=1, relu=False):
    """An encoder layer with the products that Vaswani et al. (NeurIPS 2017) describe; softmax, or ReLU attention."""
    b = Builder()
    rest = [images, tokens, heads, width // heads]

    def constant(values):
        name = f"s{len(b.weights)}"
        b.weights[name] = np.asarray(values, np.int64)
        return name

    def head(x, perm):
        projected = b.add("MatMul", x, b.weight(width, width))
        return b.add("Transpose", b.add("Reshape", projected, constant(rest)), perm=perm)

    query, key, value = head("x", [0, 2, 1, 3]), head("x", [0, 2, 3, 1]), head("x", [0, 2, 1, 3])
    scores = b.add("MatMul", query, key)
    shares = b.add("Relu", scores) if relu else b.add("Softmax", scores)
    mixed = b.add("Transpose", b.add("MatMul", shares, value), perm=[0, 2, 1, 3])
    joined = b.add("MatMul", b.add("Reshape", mixed, constant([images, tokens, width])), b.weight(width, width))
    between = b.add("Relu", b.add("MatMul", b.add("Add", joined, "x"), b.weight(width, hidden)))
    y = b.add("MatMul", between, b.weight(hidden, width))
    return save(path, b.nodes, {"x": (images, tokens, width)}, b.weights, [y])


def test_an_encoder_layer_has_the_products_of_its_definition(tmp_path):
    tokens, width, heads, hidden = 197, 192, 3, 768
    result = import_model(encoder(tmp_path / "m.onnx", tokens, width, heads, hidden))
    assert not any(one.refused for one in result.omitted)
    macs = sum(layer.dense_macs for layer in result.workload.layers)
    assert macs == tokens * (4 * width**2 + 2 * width * hidden) + 2 * tokens**2 * width
    # The example is the same layer.
    moving = [layer for layer in result.workload.layers if layer.moving_weights]
    assert [(layer.groups, layer.in_channels, layer.out_channels) for layer in moving] == [(3, 192, 591), (3, 591, 192)]


def test_relu_attention_has_zeros_and_softmax_has_none(tmp_path):
    feed = {"x": RANDOM.standard_normal((2, 6, 8), np.float32)}
    densities = []
    for relu in (False, True):
        path = encoder(tmp_path / "m.onnx", 6, 8, 2, 16, images=2, relu=relu)
        workload = imported(path, feed).workload
        scores, mixed = (i for i, layer in enumerate(workload.layers) if layer.moving_weights)
        assert workload.layers[scores].moving_images == 2
        densities.append((workload.trace(mixed).activation_density, workload.trace(scores).output_density))
    assert densities[0] == (1.0, 1.0)
    assert 0.2 < densities[1][0] < 0.8
    assert densities[1][0] == densities[1][1]
