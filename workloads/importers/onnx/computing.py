"""Single operators of an ONNX model on constants: by onnx's reference, those of other domains by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import numbers, require
from workloads.importers.onnx.inference import DOMAINS, standard
from workloads.importers.onnx.tensors import first_line

_WIDE_INTEGERS = 21  # the operator set from which DequantizeLinear takes integers of 16 and of 4 bits


def computed(what: str, model: Any, node: Any, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of a node of a model by name; `values` are its inputs.

    Raises `InputError` that begins with `what` when it cannot be computed.
    """
    opsets = {opset.domain: opset.version for opset in model.opset_import}
    try:
        made = _by_reference(node, opsets, values) if standard(node) else _by_runtime(model, node, values)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 (operators raise whatever their inputs lead them to)
        raise InputError(f"{what} cannot be computed: {first_line(error)}") from None
    return {one: numbers(np.asarray(value)) for one, value in zip(node.output, made, strict=True) if one}


def _by_reference(node: Any, opsets: dict[str, int], values: Mapping[str, np.ndarray]) -> Any:
    reference = require("onnx.reference", "onnx", "ONNX files")
    if node.domain not in DOMAINS:
        # The same operator under the runtime's domain: it is that of the standard which knows its types.
        copy = require("onnx", "onnx", "ONNX files").NodeProto()
        copy.CopyFrom(node)
        copy.domain = ""
        node, opsets = copy, {"": max(opsets.get("", 0), _WIDE_INTEGERS)}
    return reference.ReferenceEvaluator(node, opsets=opsets).run(None, dict(values))


def _by_runtime(model: Any, node: Any, values: Mapping[str, np.ndarray]) -> Any:
    onnx, runtime = (require(module, "onnx", "ONNX files") for module in ("onnx", "onnxruntime"))
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    held = [onnx.numpy_helper.from_array(value, name) for name, value in values.items()]
    graph = onnx.helper.make_graph([node], "operator", [], outputs, held)
    alone = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    session = runtime.InferenceSession(alone.SerializeToString(), options, providers=["CPUExecutionProvider"])
    made = dict(zip([one.name for one in outputs], session.run(None, {}), strict=True))
    return [made.get(name) for name in node.output]
