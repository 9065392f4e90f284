"""ONNX LSTM, GRU and RNN: their products, by count and by numbers."""

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import helper

from tests.workloads.importers.onnx.onnx_models import RANDOM, imported, outputs_of, save
from workloads.importers import ImportOptions, import_model
from workloads.importers.imported import STEPS

STEPS_COUNT, IMAGES, FEATURES, HIDDEN = 5, 2, 3, 4
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
WAYS = {"forward": 1, "reverse": 1, "bidirectional": 2}


def model(tmp_path, kind, direction="forward", *, last_only=False, first=False, **attributes):
    directions, gates = WAYS[direction], GATES[kind]
    weights = {
        "w": RANDOM.standard_normal((directions, gates * HIDDEN, FEATURES), np.float32),
        "r": RANDOM.standard_normal((directions, gates * HIDDEN, HIDDEN), np.float32),
    }
    names = ["x", "w", "r"]
    if first:
        shape = (IMAGES, directions, HIDDEN) if attributes.get("layout") else (directions, IMAGES, HIDDEN)
        weights["h"] = RANDOM.standard_normal(shape, np.float32)
        names += ["", "", "h"]
    outputs = ["", "y"] if last_only else ["y"]
    node = helper.make_node(kind, names, outputs, name="cell", hidden_size=HIDDEN, direction=direction, **attributes)
    shape = (IMAGES, STEPS_COUNT, FEATURES) if attributes.get("layout") else (STEPS_COUNT, IMAGES, FEATURES)
    return save(tmp_path / "m.onnx", [node], {"x": shape}, weights), {"x": RANDOM.standard_normal(shape, np.float32)}


@pytest.mark.parametrize("direction", WAYS)
@pytest.mark.parametrize("kind", GATES)
def test_products_are_those_of_the_equations(tmp_path, kind, direction):
    path, _ = model(tmp_path, kind, direction)
    result = import_model(path)
    assert result.omitted == ()
    assert result.warnings[-1] == STEPS
    apart = "how its layers hang together is not known: layer 'cell' reads its steps before its images"
    assert result.workload.notes == (apart, STEPS)
    # Each gate of each step multiplies the input and the state before.
    wanted = WAYS[direction] * IMAGES * STEPS_COUNT * GATES[kind] * HIDDEN * (FEATURES + HIDDEN)
    assert sum(layer.dense_macs for layer in result.workload.layers) == wanted
    prefixes = ("cell.forward", "cell.reverse") if direction == "bidirectional" else ("cell",)
    assert [layer.name for layer in result.workload.layers] == [
        f"{prefix}.{part}" for prefix in prefixes for part in ("input", "recurrent")
    ]


def products(workload, index):
    """What a layer of floats gives, (images, steps, gates·H)."""
    trace = workload.trace(index)
    weights = trace.weights[:, :, 0, 0]
    return np.einsum("kc,ncp->npk", weights, trace.activations[:, :, 0])


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("direction", WAYS)
def test_an_rnn_is_its_two_products(tmp_path, direction, first):
    path, feed = model(tmp_path, "RNN", direction, first=first)
    workload = imported(path, feed).workload
    wanted = outputs_of(path, feed)  # (steps, directions, images, H)
    for place in range(WAYS[direction]):
        states = np.tanh(products(workload, 2 * place) + products(workload, 2 * place + 1))
        np.testing.assert_allclose(states.swapaxes(0, 1), wanted[:, place], rtol=1e-4, atol=1e-5)


def test_an_lstm_that_gives_its_last_state_alone(tmp_path):
    path, feed = model(tmp_path, "LSTM", last_only=True)
    workload = imported(path, feed).workload
    trace = workload.trace(1)
    assert trace.layer.name == "cell.recurrent"
    # The first state of each image is zero, and no other one is.
    assert trace.activation_nonzeros == IMAGES * (STEPS_COUNT - 1) * HIDDEN
    assert not trace.activations[..., 0].any()
    gates = products(workload, 0) + products(workload, 1)
    i, o, f, c = (gates[:, :, n * HIDDEN : (n + 1) * HIDDEN] for n in range(4))
    cell = np.zeros((IMAGES, HIDDEN))
    for step in range(STEPS_COUNT):
        cell = sigmoid(f[:, step]) * cell + sigmoid(i[:, step]) * np.tanh(c[:, step])
    np.testing.assert_allclose(sigmoid(o[:, -1]) * np.tanh(cell), outputs_of(path, feed)[0], rtol=1e-4, atol=1e-5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_a_gru_reads_inputs_of_several_files(tmp_path):
    path, feed = model(tmp_path, "GRU")
    other = {"x": RANDOM.standard_normal(feed["x"].shape, np.float32)}
    for i, one in enumerate((feed, other)):
        np.savez(tmp_path / f"{i}.npz", **one)
    workload = import_model(path, ImportOptions(inputs=(tmp_path / "0.npz", tmp_path / "1.npz"))).workload
    trace = workload.trace(0)
    assert trace.layer.batch == 2 * IMAGES
    wanted = np.concatenate([one["x"].transpose(1, 2, 0) for one in (feed, other)])
    np.testing.assert_array_equal(trace.activations[:, :, 0], wanted)
    states = np.concatenate([outputs_of(path, one)[:-1, 0].transpose(1, 2, 0) for one in (feed, other)])
    np.testing.assert_allclose(workload.trace(1).activations[:, :, 0, 1:], states, rtol=1e-5)


def test_layout_1_has_images_first(tmp_path):
    path, _ = model(tmp_path, "GRU", layout=1)
    assert [layer.batch for layer in import_model(path).workload.layers] == [IMAGES, IMAGES]
    assert import_model(path).workload.layers[0].input_size == (1, STEPS_COUNT)


def test_a_relu_gives_states_with_zeros(tmp_path):
    path, feed = model(tmp_path, "RNN", activations=["Relu"])
    workload = imported(path, feed).workload
    assert [source.relu_input for source in workload.sources] == [None, True]
    assert 0 < workload.trace(1).activation_density < 1
    assert [source.relu_input for source in import_model(model(tmp_path, "RNN")[0]).workload.sources] == [None, False]


def test_what_is_refused(tmp_path):
    weights = {"w": RANDOM.standard_normal((1, 4, 3), np.float32), "r": RANDOM.standard_normal((1, 4, 4), np.float32)}
    lengths = {"n": np.array([5, 3], np.int32), "m": RANDOM.standard_normal((4, 2), np.float32)}
    nodes = [
        helper.make_node("RNN", ["x", "w", "r", "", "n"], ["a"], hidden_size=4),
        helper.make_node("RNN", ["x", "w", "q"], ["b"], hidden_size=4),
        helper.make_node("MatMul", ["b", "m"], ["y"]),
    ]
    path = save(tmp_path / "m.onnx", nodes, {"x": (5, 2, 3), "q": (1, 4, 4)}, weights | lengths)
    assert [one.reason for one in import_model(path).omitted] == [
        "refused: its sequences have lengths of their own (sequence_lens)",
        "refused: its weights are computed, not constant",
    ]
