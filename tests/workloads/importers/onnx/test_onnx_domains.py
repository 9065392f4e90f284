"""Weights of ONNX models that operators of other domains make."""

import numpy as np
import onnx
from onnx import helper

from tests.workloads.importers.onnx.onnx_models import RANDOM, imported, node, save, weight
from workloads.importers import import_model


def saved(tmp_path, nodes, inputs, weights, domain):
    path = save(tmp_path / "m.onnx", nodes, inputs, weights)
    model = onnx.load(path)
    model.opset_import.append(helper.make_opsetid(domain, 1))
    onnx.save(model, path)
    return path


def test_integers_of_16_bits_of_the_runtimes_domain_are_read_like_the_standard_ones(tmp_path):
    held = RANDOM.integers(-300, 300, (4, 3, 3, 3)).astype(np.int16)
    nodes = [
        node("DequantizeLinear", "q scale zero", "w", domain="com.microsoft"),
        node("Conv", "x w", "a", "conv"),
        node("QuantizeLinear", "a scale zero", "b", domain="com.microsoft"),
        node("DequantizeLinear", "b scale zero", "y", domain="com.microsoft"),
    ]
    weights = {"q": held, "scale": np.array(0.25, np.float32), "zero": np.array(7, np.int16)}
    path = saved(tmp_path, nodes, {"x": (1, 3, 6, 6)}, weights, "com.microsoft")
    found = import_model(path)
    assert [one.operator for one in found.omitted if one.refused] == []
    np.testing.assert_array_equal(found.workload.trace(0).weights, (held - 7.0) * 0.25)
    assert found.workload.graph is not None
    run = imported(path, {"x": np.ones((1, 3, 6, 6), np.float32)})
    np.testing.assert_array_equal(run.workload.trace(0).weights, (held - 7.0) * 0.25)


def test_a_domain_that_the_runtime_lacks_is_refused_by_name(tmp_path):
    nodes = [
        node("Conv", "x v", "a", "first"),
        node("Quant", "a scale zero bits", "b", "act", domain="qonnx.custom_op.general"),
        node("Quant", "w scale zero bits", "q", "weights", domain="qonnx.custom_op.general"),
        node("Conv", "b q", "c", "second"),
        node("Conv", "c u", "y", "third"),
    ]
    weights = {"v": weight(4, 3, 1, 1), "w": weight(4, 4, 1, 1), "u": weight(2, 4, 1, 1)}
    weights |= {"scale": np.float32(0.5), "zero": np.float32(0), "bits": np.float32(4)}
    path = saved(tmp_path, nodes, {"x": (1, 3, 6, 6)}, weights, "qonnx.custom_op.general")
    found = import_model(path)
    # A Quant keeps the size of what it rounds, so that layers behind it have theirs.
    assert [(layer.name, layer.dense_macs) for layer in found.workload.layers] == [
        ("first", 4 * 3 * 36),
        ("third", 2 * 4 * 36),
    ]
    assert [(one.operator, one.reason) for one in found.omitted] == [
        ("Quant", "refused: an operator of the domain 'qonnx.custom_op.general', which may hold products"),
        (
            "Conv",
            "refused: its weights come out of 'Quant' of the domain 'qonnx.custom_op.general', which cannot be computed here",
        ),
    ]


def test_an_operator_that_only_the_runtime_knows_makes_weights(tmp_path):
    nodes = [node("QuickGelu", "w", "g", domain="com.microsoft"), node("MatMul", "x g", "y", "fc")]
    held = np.array([[0, 2], [-1, 0], [3, 0]], np.float32)
    path = saved(tmp_path, nodes, {"x": (4, 3)}, {"w": held}, "com.microsoft")
    found = import_model(path)
    wanted = held / (1 + np.exp(-1.702 * held))
    np.testing.assert_allclose(found.workload.trace(0).weights.reshape(2, 3).T, wanted, rtol=1e-6)
    assert found.workload.trace(0).weight_density == 0.5
