"""Graphs of ONNX models with products of two activations, transposed convolutions and recurrent layers."""

import numpy as np
import pytest

pytest.importorskip("onnx")

from tests.workloads.importers.onnx.onnx_models import node, save, sizes, weight
from workloads.importers import ImportOptions, import_model
from workloads.importers.imported import STEPS

TOKENS, WIDTH, HEADS, HIDDEN = 6, 8, 2, 12
DEPTH = WIDTH // HEADS


def encoder(images):
    """Nodes and weights of a transformer's encoder block."""
    nodes = []
    for name, order in (("q", (0, 2, 1, 3)), ("k", (0, 2, 3, 1)), ("v", (0, 2, 1, 3))):
        nodes += [
            node("MatMul", f"x w{name}", f"{name}_rows", name),
            node("Reshape", f"{name}_rows heads", f"{name}_heads", f"{name}_apart"),
            node("Transpose", f"{name}_heads", f"{name}_turned", f"{name}_order", perm=order),
        ]
    nodes += [
        node("MatMul", "q_turned k_turned", "s", "scores"),
        node("Mul", "s scale", "ss", "scaled"),
        node("Softmax", "ss", "p", "softmax", axis=3),
        node("MatMul", "p v_turned", "c", "context"),
        node("Transpose", "c", "ct", "order", perm=(0, 2, 1, 3)),
        node("Reshape", "ct rows", "cr", "together"),
        node("MatMul", "cr wo", "o", "output"),
        node("Add", "o x", "r1", "residual"),
        node("MatMul", "r1 w1", "h", "expand"),
        node("Relu", "h", "hr", "relu"),
        node("MatMul", "hr w2", "m", "shrink"),
        node("Add", "m r1", "y", "sum"),
    ]
    weights = {f"w{one}": weight(WIDTH, WIDTH) for one in "qkvo"}
    weights |= {"w1": weight(WIDTH, HIDDEN), "w2": weight(HIDDEN, WIDTH), "scale": np.array(0.5, np.float32)}
    weights |= {"heads": sizes(images, TOKENS, HEADS, DEPTH), "rows": sizes(images, TOKENS, WIDTH)}
    return nodes, weights


def graph(path, nodes, inputs, weights, notes=(), **options):
    workload = import_model(save(path / "m.onnx", nodes, inputs, weights), ImportOptions(**options)).workload
    assert workload.notes[-len(notes) or len(workload.notes) :] == notes
    assert workload.graph is not None, workload.notes
    workload.graph.require_layers([layer.name for layer in workload.layers])
    return workload.graph


@pytest.mark.parametrize("images", [1, 3])
def test_a_block_of_an_encoder(tmp_path, images):
    nodes, weights = encoder(images)
    found = graph(tmp_path, nodes, {"x": (images, TOKENS, WIDTH)}, weights)
    assert [one.name for one in found.layers] == [*"qkv", "scores", "context", "output", "expand", "shrink"]
    # Activations first, then weights: both are read by way of axes in another order.
    assert [found.sources(name) for name in (*found.by_name["scores"].inputs, *found.by_name["context"].inputs)] == [
        ("q",), ("k",), ("scores",), ("v",)
    ]  # fmt: skip
    assert found.sources("output") == ("context",)
    assert found.sources("residual") == ("output", "x")
    assert found.sources("expand") == ("output", "x")
    assert found.sources("sum") == ("shrink", "output", "x")
    assert {name: found.by_name[name].kind for name in ("softmax", "residual", "sum", "relu", "q_order")} == {
        "softmax": "other", "residual": "add", "sum": "add", "relu": "activation", "q_order": "reshape",
    }  # fmt: skip
    shapes = {name: found.by_name[name].shape for name in ("q", "scores", "softmax", "context", "together", "sum")}
    assert shapes == {
        "q": (WIDTH, 1, TOKENS),
        "scores": (HEADS * TOKENS, 1, TOKENS),
        "softmax": (HEADS, TOKENS, TOKENS),
        "context": (WIDTH, 1, TOKENS),
        "together": (TOKENS, 1, WIDTH),
        "sum": (WIDTH, 1, TOKENS),
    }
    # Nothing is lost on the way: whatever holds all heads of an image holds all their values.
    assert {found.by_name[name].values for name in ("q_apart", "k_order", "order", "together")} == {TOKENS * WIDTH}


def test_heads_and_images_in_one_axis(tmp_path):
    nodes = [
        node("MatMul", "x w", "a", "project"),
        node("Reshape", "a joined", "b", "apart"),
        node("Transpose", "b", "t", "turned", perm=(0, 2, 1)),
        node("MatMul", "b t", "y", "gram"),
    ]
    found = graph(tmp_path, nodes, {"x": (2, 6, 4)}, {"w": weight(4, 12), "joined": sizes(6, 6, 4)})
    # (6, 6, 4) are 3 heads of each of two images.
    assert found.by_name["apart"].shape == (3, 6, 4)
    assert found.by_name["gram"].inputs == ("gram_input", "turned")
    assert found.by_name["gram"].shape == (18, 1, 6)
    assert [found.sources(name) for name in found.by_name["gram"].inputs] == [("project",), ("project",)]


def test_one_head_needs_no_other_order(tmp_path):
    nodes = [
        node("MatMul", "x w", "a", "left"),
        node("MatMul", "x v", "b", "right"),
        node("Transpose", "b", "t", "turned", perm=(0, 2, 1)),
        node("MatMul", "a t", "s", "scores"),
        node("MatMul", "s b", "y", "context"),
    ]
    found = graph(tmp_path, nodes, {"x": (2, 5, 4)}, {"w": weight(4, 7), "v": weight(4, 7)})
    rows = [(one.name, one.inputs, one.shape) for one in found.nodes if one.name in ("scores", "context")]
    assert rows == [("scores", ("left", "turned"), (5, 1, 5)), ("context", ("scores", "right"), (7, 1, 5))]


@pytest.mark.parametrize("form", ["stretched", "phases"])
def test_a_transposed_convolution(tmp_path, form):
    nodes = [
        node("Conv", "x a", "c", "down"),
        node("ConvTranspose", "c t", "u", "up", strides=[2, 2], pads=[1, 0, 0, 1]),
        node("Conv", "u b", "y", "last"),
    ]
    weights = {"a": weight(4, 2, 1, 1), "t": weight(4, 3, 3, 2), "b": weight(5, 3, 1, 1)}
    found = graph(tmp_path, nodes, {"x": (1, 2, 5, 6)}, weights, transposed=form)
    rows = [(one.name, one.kind, one.inputs, one.shape) for one in found.nodes[2:]]
    last = ("last", "layer", ("up",), (5, 10, 11))
    if form == "stretched":
        # (5 - 1) 2 + 1 rows and (6 - 1) 2 + 1 columns.
        stretched = ("up_stretched", "upsample", ("down",), (4, 9, 11))
        assert rows == [stretched, ("up", "layer", ("up_stretched",), (3, 10, 11)), last]
        return
    # Output rows 0, 2, ... 8 are those of phase 1 (the padding before takes one off); columns end with phase 0.
    assert rows == [
        ("up.phase0_0", "layer", ("down",), (3, 5, 6)),
        ("up.phase0_1_cut", "reshape", ("down",), (4, 5, 5)),
        ("up.phase0_1", "layer", ("up.phase0_1_cut",), (3, 5, 5)),
        ("up.phase1_0", "layer", ("down",), (3, 5, 6)),
        ("up.phase1_1_cut", "reshape", ("down",), (4, 5, 5)),
        ("up.phase1_1", "layer", ("up.phase1_1_cut",), (3, 5, 5)),
        ("up", "other", ("up.phase0_0", "up.phase0_1", "up.phase1_0", "up.phase1_1"), (3, 10, 11)),
        last,
    ]


def recurrent(images, **attributes):
    """A batch of rows, put in the order of an LSTM, and a product behind it."""
    ways = 2 if attributes else 1
    nodes = [
        node("MatMul", "x w", "a", "embed"),
        node("Transpose", "a", "t", "steps", perm=(1, 0, 2)),
        node("LSTM", "t i r", "s last", "cell", hidden_size=4, **attributes),
        node("Reshape", "last row", "flat", "flat"),
        node("MatMul", "flat v", "y", "score"),
    ]
    weights = {
        "w": weight(3, 5), "i": weight(ways, 16, 5), "r": weight(ways, 16, 4),
        "row": sizes(images, -1), "v": weight(4 * ways, 2),
    }  # fmt: skip
    return nodes, {"x": (images, 7, 3)}, weights


def test_a_recurrent_layer(tmp_path):
    found = graph(tmp_path, *recurrent(1), notes=(STEPS,))
    assert [one.name for one in found.layers] == ["embed", "cell.input", "cell.recurrent", "score"]
    assert [found.sources(name) for name in ("cell.input", "cell.recurrent")] == [("embed",), ("cell.input",)]
    assert found.by_name["cell.recurrent"].shape == (16, 1, 7)
    assert found.sources("score") == ("cell.input", "cell.recurrent")


def test_a_recurrent_layer_in_two_directions(tmp_path):
    found = graph(tmp_path, *recurrent(1, direction="bidirectional"), notes=(STEPS,))
    cells = [f"cell.{way}.{part}" for way in ("forward", "reverse") for part in ("input", "recurrent")]
    assert [one.name for one in found.layers] == ["embed", *cells, "score"]
    assert [found.sources(name) for name in cells] == [("embed",), (cells[0],), ("embed",), (cells[2],)]
    assert found.sources("score") == tuple(cells)


def test_steps_before_several_images_leave_no_graph(tmp_path):
    workload = import_model(save(tmp_path / "m.onnx", *recurrent(2))).workload
    assert workload.graph is None
    assert workload.notes == (
        "how its layers hang together is not known: layer 'cell' reads its steps before its images",
        STEPS,
    )
