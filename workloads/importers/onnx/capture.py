"""Tensors of an ONNX model when it runs on given inputs. Built on onnxruntime."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from threading import Timer
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.importers.feeds import Feed
from workloads.importers.imported import numbers, require
from workloads.importers.onnx.graph import OnnxGraph
from workloads.importers.onnx.tensors import first_line

_FATAL = 4  # onnxruntime's warnings about models are not for our users


def capture(graph: OnnxGraph, names: Iterable[str], feeds: Iterable[Feed]) -> dict[str, np.ndarray]:
    """The named tensors over all feeds, joined along the first axis; constants and inputs may be among them.

    The model runs operator by operator as written: fusing would make tensors vanish. Raises `InputError` when it fails.
    """
    wanted = list(dict.fromkeys(names))
    # What no operator makes is an input of the model, whose values stand in the feed itself.
    made = [name for name in wanted if name in graph.producers]
    runs = []
    for feed, values in runs_of(graph, made, feeds):
        run = dict(zip(made, map(numbers, values), strict=True))
        runs.append([run[name] if name in run else numbers(feed[name]) for name in wanted])
    return {name: _joined(graph, name, [run[i] for run in runs]) for i, name in enumerate(wanted)}


def runs_of(
    graph: OnnxGraph, names: Sequence[str], feeds: Iterable[Feed], limit_seconds: float | None = None
) -> Iterator[tuple[Feed, list[Any]]]:
    """Each feed with the values that the model's operators then give to the named tensors.

    Raises `InputError` when the model cannot be loaded, does not run or runs for longer than the limit.
    """
    session = _session(graph, names)
    lists = {spec.name for spec in graph.inputs if spec.sequence}
    for feed in feeds:
        given = {name: list(array) if name in lists else array for name, array in feed.items()}
        try:
            values = _run(session, names, given, limit_seconds) if names else []
        except Exception as error:  # noqa: BLE001 (onnxruntime raises a dozen unrelated types)
            reason = _reason(error)
            if limit_seconds is not None and "terminate flag" in reason:
                reason = f"it takes more than {limit_seconds:g} s, give --input"
            raise InputError(f"{graph.path}: the model does not run on this input: {reason}") from None
        yield feed, values


def _run(session: Any, names: Sequence[str], given: Feed | dict[str, Any], limit_seconds: float | None) -> list[Any]:
    if limit_seconds is None:
        return session.run(list(names), given)
    # A loop in a file may turn for ever: nobody asked for this run, so that it is ended.
    options = require("onnxruntime", "onnx", "Activations of ONNX models").RunOptions()
    timer = Timer(limit_seconds, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        return session.run(list(names), given, options)
    finally:
        timer.cancel()


def _joined(graph: OnnxGraph, name: str, parts: list[np.ndarray]) -> np.ndarray:
    # A tensor without axes, such as a zero point, is the same in every run and has no axis to be joined along.
    if len(parts) == 1 or parts[0].ndim == 0:
        return parts[0]
    for part in parts:
        # A size may depend on values, as that of what a detector finds.
        if part.shape != parts[0].shape:
            raise InputError(
                f"{graph.path}: '{name}' has shape {parts[0].shape} for the first sample and {part.shape} for another: "
                "give samples one at a time"
            )
    return np.concatenate(parts)


def _session(graph: OnnxGraph, names: Sequence[str]) -> Any:
    runtime = require("onnxruntime", "onnx", "Activations of ONNX models")
    onnx = require("onnx", "onnx", "ONNX files")
    options = runtime.SessionOptions()
    # Optimizing merges convolutions with what follows them, and the tensors between them would not exist.
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = _FATAL
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(graph.path.absolute().parent)
    )
    # Operators that draw numbers draw the same ones in every run.
    runtime.set_seed(0)
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
