"""TFLite: recurrent layers as products, SVDF; by LiteRT's numbers where it is there."""

import numpy as np
import pytest

pytest.importorskip("tflite")
from tests.workloads.importers.tflite.tflite_models import Operator, Tensor, constant, save
from workloads.errors import InputError
from workloads.importers import ImportOptions, import_model
from workloads.importers.imported import STEPS

RANDOM = np.random.default_rng(29)
IMAGES, STEPS_COUNT, FEATURES, HIDDEN = 2, 5, 3, 4
TANH = 4  # ActivationFunctionType


def matrix(rows, columns):
    return constant(RANDOM.standard_normal((rows, columns)).astype(np.float32))


def lstm(path, *, coupled=False, projection=False, steps_first=False, output_features=3):
    images, steps, features, hidden = 2, 5, 3, 4
    matrices = [matrix(hidden, width) for width in (features, features, features, output_features)]
    matrices += [constant(RANDOM.standard_normal((hidden, hidden)).astype(np.float32)) for _ in range(4)]
    biases = [constant(np.zeros(hidden, np.float32)) for _ in range(4)]
    states = [Tensor((images, hidden)), Tensor((images, hidden))]
    shape = (steps, images) if steps_first else (images, steps)
    tensors = [Tensor((*shape, features)), *matrices, *biases, *states, Tensor((*shape, hidden))]
    inputs = [0, *range(1, 9), -1, -1, -1, *range(9, 13), 1 if projection else -1, -1, 13, 14]
    if coupled:
        inputs[1] = inputs[5] = inputs[12] = -1
    options = {"FusedActivationFunction": 4, "TimeMajor": steps_first}
    operator = Operator("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [15], "UnidirectionalSequenceLSTMOptions", options)
    return save(path / "m.tflite", tensors, [operator])


@pytest.mark.parametrize(("coupled", "gates"), [(False, 4), (True, 3)])
@pytest.mark.parametrize("steps_first", [False, True])
def test_an_lstm_is_two_products(tmp_path, coupled, gates, steps_first):
    imported = import_model(lstm(tmp_path, coupled=coupled, steps_first=steps_first))
    layers = imported.workload.layers
    assert [layer.name for layer in layers] == ["op000_lstm.input", "op000_lstm.recurrent"]
    assert sum(layer.dense_macs for layer in layers) == 2 * 5 * gates * 4 * (3 + 4)
    assert [(layer.batch, layer.input_size) for layer in layers] == [(2, (1, 5))] * 2
    apart = "how its layers hang together is not known: layer 'op000_lstm.input' reads its steps before its images"
    assert imported.workload.notes == ((apart, STEPS) if steps_first else (STEPS,))
    assert (imported.workload.graph is None) == steps_first


def test_a_projection_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no convolution"):
        import_model(lstm(tmp_path, projection=True))


def test_gates_of_different_inputs_are_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"op000_lstm\.input: weights of shapes .*\(4, 2\)\]: gates must have the same"
    ):
        import_model(lstm(tmp_path, output_features=2))


def tensors_of(path, feed):
    """All tensors after LiteRT ran on t0."""
    library = pytest.importorskip("ai_edge_litert.interpreter")
    plain = library.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = library.Interpreter(
        str(path), experimental_preserve_all_tensors=True, experimental_op_resolver_type=plain
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, feed)
    interpreter.invoke()
    return {one["index"]: interpreter.get_tensor(one["index"]) for one in interpreter.get_tensor_details()}


def imported(path, feed):
    np.save(path.with_suffix(".npy"), feed)
    return import_model(path, ImportOptions(inputs=(path.with_suffix(".npy"),)))


def rnn(path, code, ways, *, merged=True):
    """A plain recurrent layer, in one direction or two; of one step where it is no sequence."""
    sequence = code != "RNN"
    lead = (IMAGES, STEPS_COUNT) if sequence else (IMAGES,)
    tensors, inputs = [Tensor((*lead, FEATURES))], [0]
    for _ in range(ways):
        inputs += range(len(tensors), len(tensors) + 4)
        tensors += [matrix(HIDDEN, FEATURES), matrix(HIDDEN, HIDDEN), constant(np.zeros(HIDDEN, np.float32))]
        tensors += [Tensor((IMAGES, HIDDEN), variable=True)]
    inputs += [-1] * 3 if ways == 2 else []
    apart = ways if ways == 1 or not merged else 1
    outputs = [len(tensors) + number for number in range(apart)]
    tensors += [Tensor((*lead, HIDDEN * ways // apart)) for _ in outputs]
    kind, options = {
        "RNN": ("RNNOptions", {}),
        "UNIDIRECTIONAL_SEQUENCE_RNN": ("SequenceRNNOptions", {"TimeMajor": False}),
        "BIDIRECTIONAL_SEQUENCE_RNN": ("BidirectionalSequenceRNNOptions", {"TimeMajor": False, "MergeOutputs": merged}),
    }[code]
    operator = Operator(code, inputs, outputs, kind, {"FusedActivationFunction": TANH, **options})
    return save(path / "m.tflite", tensors, [operator], outputs=outputs), outputs


@pytest.mark.parametrize(
    ("code", "ways", "merged"),
    [
        ("RNN", 1, True),
        ("UNIDIRECTIONAL_SEQUENCE_RNN", 1, True),
        ("BIDIRECTIONAL_SEQUENCE_RNN", 2, True),
        ("BIDIRECTIONAL_SEQUENCE_RNN", 2, False),
    ],
)
def test_a_plain_recurrent_layer_is_two_products_for_each_direction(tmp_path, code, ways, merged):
    path, outputs = rnn(tmp_path, code, ways, merged=merged)
    steps = 1 if code == "RNN" else STEPS_COUNT
    workload = import_model(path).workload
    wanted = ["op000_rnn"] if ways == 1 else ["op000_rnn.forward", "op000_rnn.reverse"]
    assert [layer.name for layer in workload.layers] == [
        f"{name}.{part}" for name in wanted for part in ("input", "recurrent")
    ]
    assert sum(layer.dense_macs for layer in workload.layers) == ways * IMAGES * steps * HIDDEN * (FEATURES + HIDDEN)
    assert workload.graph is not None
    feed = RANDOM.standard_normal((IMAGES, steps, FEATURES)[: 2 + (code != "RNN")] if steps > 1 else (IMAGES, FEATURES))
    feed = feed.astype(np.float32)
    held = tensors_of(path, feed)
    states = np.concatenate([held[number] for number in outputs], axis=-1).reshape(IMAGES, steps, ways * HIDDEN)
    ran = imported(path, feed).workload
    for way in range(ways):
        # What both products give, through the tanh, is the state: the layers hold what the operator multiplied.
        sums = 0
        for index in (2 * way, 2 * way + 1):
            trace = ran.trace(index)
            x = trace.activations.reshape(IMAGES, -1, steps)
            sums = sums + np.einsum("kc,ncs->nsk", trace.weights.reshape(HIDDEN, -1), x)
        np.testing.assert_allclose(np.tanh(sums), states[..., way * HIDDEN :][..., :HIDDEN], rtol=1e-4, atol=1e-6)


def test_samples_do_not_see_the_states_of_those_before(tmp_path):
    path, _ = rnn(tmp_path, "RNN", 1)
    pytest.importorskip("ai_edge_litert.interpreter")
    feed = RANDOM.standard_normal((3 * IMAGES, FEATURES)).astype(np.float32)
    together = imported(path, feed).workload
    for number in range(3):
        alone = imported(path, feed[number * IMAGES :][:IMAGES]).workload
        assert together.at_input(number).sources[1].output_density == alone.sources[1].output_density
    assert not together.trace(1).activations.any()


def bidirectional_lstm(path, images, *, merged):
    tensors, inputs = [Tensor((images, STEPS_COUNT, FEATURES))], [0]
    states = []
    for _ in range(2):
        first = len(tensors)
        tensors += [matrix(HIDDEN, FEATURES) for _ in range(4)] + [matrix(HIDDEN, HIDDEN) for _ in range(4)]
        tensors += [constant(np.zeros(HIDDEN, np.float32)) for _ in range(4)]
        inputs += [*range(first, first + 8), -1, -1, -1, *range(first + 8, first + 12), -1, -1]
        states += [Tensor((images, HIDDEN), variable=True) for _ in range(2)]
    inputs += [*range(len(tensors), len(tensors) + 4), *[-1] * 9]
    tensors += states
    outputs = [len(tensors)] if merged else [len(tensors), len(tensors) + 1]
    tensors += [Tensor((images, STEPS_COUNT, 2 * HIDDEN // len(outputs))) for _ in outputs]
    options = {"FusedActivationFunction": TANH, "TimeMajor": False, "MergeOutputs": merged}
    kind = "BidirectionalSequenceLSTMOptions"
    operator = Operator("BIDIRECTIONAL_SEQUENCE_LSTM", inputs, outputs, kind, options)
    return save(path / "m.tflite", tensors, [operator], outputs=outputs), outputs


@pytest.mark.parametrize("merged", [False, True])
def test_an_lstm_in_both_directions(tmp_path, merged):
    # LiteRT's merged outputs of a second image are not the same from run to run.
    images = 1 if merged else 2
    path, outputs = bidirectional_lstm(tmp_path, images, merged=merged)
    workload = import_model(path).workload
    assert [layer.name for layer in workload.layers][1:3] == [
        "op000_lstm.forward.recurrent",
        "op000_lstm.reverse.input",
    ]
    assert sum(layer.dense_macs for layer in workload.layers) == 2 * images * STEPS_COUNT * 4 * HIDDEN * (
        FEATURES + HIDDEN
    )
    feed = RANDOM.standard_normal((images, STEPS_COUNT, FEATURES)).astype(np.float32)
    held = tensors_of(path, feed)
    states = np.concatenate([held[number] for number in outputs], axis=-1)
    ran = imported(path, feed).workload
    forward, reverse = (ran.trace(index).activations.reshape(images, HIDDEN, STEPS_COUNT) for index in (1, 3))
    np.testing.assert_array_equal(forward[:, :, 1:], states[:, :-1, :HIDDEN].transpose(0, 2, 1))
    np.testing.assert_array_equal(reverse[:, :, :-1], states[:, 1:, HIDDEN:].transpose(0, 2, 1))
    assert not forward[:, :, 0].any()
    assert not reverse[:, :, -1].any()


def test_an_svdf_is_a_product_over_features_and_one_over_time(tmp_path):
    units, rank, memory = 4, 2, 6
    filters = units * rank
    tensors = [Tensor((IMAGES, FEATURES)), matrix(filters, FEATURES), matrix(filters, memory)]
    tensors += [constant(np.zeros(units, np.float32)), Tensor((IMAGES, filters * memory), variable=True)]
    tensors += [Tensor((IMAGES, units))]
    operator = Operator("SVDF", [0, 1, 2, 3, 4], [5], "SVDFOptions", {"Rank": rank, "FusedActivationFunction": 0})
    path = save(tmp_path / "m.tflite", tensors, [operator])
    workload = import_model(path).workload
    assert [(layer.name, layer.dense_macs) for layer in workload.layers] == [
        ("op000_svdf.features", IMAGES * filters * FEATURES),
        ("op000_svdf.time", IMAGES * filters * memory),
    ]
    assert [one.kind for one in workload.graph.nodes] == ["input", "layer", "other", "layer", "other"]
    feed = RANDOM.standard_normal((IMAGES, FEATURES)).astype(np.float32)
    wanted = tensors_of(path, feed)[5]
    ran = imported(path, feed).workload
    time = ran.trace(1)
    sums = (time.activations.reshape(IMAGES, filters, memory) * time.weights.reshape(filters, memory)).sum(axis=2)
    np.testing.assert_allclose(sums.reshape(IMAGES, units, rank).sum(axis=2), wanted, rtol=1e-5, atol=1e-6)


def test_operators_of_the_models_own_are_listed_by_name(tmp_path):
    tensors = [Tensor((1, 3)), matrix(4, 3), Tensor((1, 4)), Tensor((1, 4))]
    operators = [
        Operator("FULLY_CONNECTED", [0, 1], [2], "FullyConnectedOptions"),
        Operator("CUSTOM", [2], [3], custom="Landmarks"),
    ]
    found = import_model(save(tmp_path / "m.tflite", tensors, operators))
    assert [(one.operator, one.reason) for one in found.omitted] == [
        ("CUSTOM Landmarks", "refused: an operator of the model's own, which may hold products")
    ]
    assert found.workload.title.endswith("refused: 1 CUSTOM Landmarks")


@pytest.mark.parametrize(("inside", "refused"), [("FULLY_CONNECTED", True), ("ADD", False)])
def test_control_flow_is_refused_where_its_bodies_hold_products(tmp_path, inside, refused):
    main = [Tensor((1, 3)), matrix(4, 3), Tensor((1, 4)), Tensor((1, 4))]
    operators = [
        Operator("FULLY_CONNECTED", [0, 1], [2], "FullyConnectedOptions"),
        Operator("WHILE", [2], [3], "WhileOptions", {"CondSubgraphIndex": 1, "BodySubgraphIndex": 2}),
    ]
    # The product stands in the body of an If inside the loop.
    loop = [Operator("IF", [0], [1], "IfOptions", {"ThenSubgraphIndex": 3, "ElseSubgraphIndex": 1})]
    bodies = [
        ([Tensor((1, 4)), Tensor((1, 4))], [Operator("ABS", [0], [1])]),
        ([Tensor((1, 4)), Tensor((1, 4))], loop),
        ([Tensor((1, 4)), matrix(4, 4), Tensor((1, 4))], [Operator(inside, [0, 1], [2])]),
    ]
    found = import_model(save(tmp_path / "m.tflite", main, operators, bodies=bodies))
    (one,) = found.omitted
    assert (one.operator, one.refused) == ("WHILE", refused)
    assert one.reason.startswith("refused: its body holds products, and is not entered") == refused
