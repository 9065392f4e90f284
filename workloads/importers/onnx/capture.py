"""Tensors of an ONNX model when it runs on given inputs. Built on onnxruntime."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.importers.feeds import Feed
from workloads.importers.imported import numbers, require
from workloads.importers.onnx.graph import OnnxGraph, first_line

_FATAL = 4  # onnxruntime's warnings about models are not for our users


def capture(graph: OnnxGraph, names: Iterable[str], feeds: Iterable[Feed]) -> dict[str, np.ndarray]:
    """The named tensors over all feeds, joined along the first axis; constants and inputs may be among them.

    The model runs operator by operator as written: fusing would make tensors vanish. Raises `InputError` when it fails.
    """
    wanted = list(dict.fromkeys(names))
    # What no operator makes is an input of the model, whose values stand in the feed itself.
    made = [name for name in wanted if name in graph.producers]
    session = _session(graph, made)
    runs = []
    for feed in feeds:
        try:
            values = session.run(made, feed) if made else []
        except Exception as error:  # noqa: BLE001 (onnxruntime raises a dozen unrelated types)
            raise InputError(f"{graph.path}: the model does not run on this input: {_reason(error)}") from None
        run = dict(zip(made, map(numbers, values), strict=True))
        runs.append([run[name] if name in run else numbers(feed[name]) for name in wanted])
    return {name: _joined([run[i] for run in runs]) for i, name in enumerate(wanted)}


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    # A tensor without axes, such as a zero point, is the same in every run and has no axis to be joined along.
    return parts[0] if len(parts) == 1 or parts[0].ndim == 0 else np.concatenate(parts)


def _session(graph: OnnxGraph, names: list[str]) -> Any:
    runtime = require("onnxruntime", "onnx", "Activations of ONNX models")
    onnx = require("onnx", "onnx", "ONNX files")
    options = runtime.SessionOptions()
    # Optimizing merges convolutions with what follows them, and the tensors between them would not exist.
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = _FATAL
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(graph.path.absolute().parent)
    )
    model = graph.model
    kept = len(model.graph.output)
    known = {value.name for value in model.graph.output}
    # A runtime gives a graph's outputs alone: tensors are made outputs for the session and taken out again.
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    try:
        return runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:  # noqa: BLE001 (onnxruntime raises a dozen unrelated types)
        raise InputError(f"{graph.path}: onnxruntime cannot load the model: {_reason(error)}") from None
    finally:
        del model.graph.output[kept:]


def _reason(error: BaseException) -> str:
    """Its first line without onnxruntime's error codes."""
    return first_line(error).rpartition(" : ")[2]
