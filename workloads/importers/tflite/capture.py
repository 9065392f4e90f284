"""Tensors of a TFLite model when it runs on given inputs. Built on Google's interpreter, LiteRT."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from workloads.errors import InputError
from workloads.importers.feeds import Feed, InputSpec
from workloads.importers.imported import require
from workloads.importers.tflite.graph import TfliteGraph


def inputs_of(graph: TfliteGraph) -> tuple[InputSpec, ...]:
    """The model's inputs by name."""
    numbers = map(int, graph.graph.InputsAsNumpy())
    return tuple(
        InputSpec(graph.tensor_name(i), graph.shapes[i], np.dtype(graph.type_name(i).lower())) for i in numbers
    )


def capture(graph: TfliteGraph, tensors: Iterable[int], feeds: Iterable[Feed]) -> dict[int, np.ndarray]:
    """The tensors of those numbers over all feeds, joined along the first axis. Raises `InputError` when it fails."""
    wanted = sorted(set(tensors))
    library = require("ai_edge_litert.interpreter", "tflite", "Activations of TFLite models")
    numbers = {graph.tensor_name(i): i for i in map(int, graph.graph.InputsAsNumpy())}
    try:
        runs = []
        for feed in feeds:
            # A new one for each feed: variables that it keeps would bring the sample before into this one.
            interpreter = _interpreter(graph, library)
            for name, array in feed.items():
                interpreter.set_tensor(numbers[name], array)
            interpreter.invoke()
            runs.append([interpreter.get_tensor(i) for i in wanted])
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{graph.path}: the model does not run on this input: {reason}") from None
    # Runs are joined along the batch, feed after feed.
    return {number: np.concatenate([run[i] for run in runs]) for i, number in enumerate(wanted)}


def _interpreter(graph: TfliteGraph, library: Any) -> Any:
    interpreter = library.Interpreter(
        str(graph.path),
        # Without it the interpreter reuses the memory of tensors that nothing reads any more. A delegate would run
        # several operators as one, and the tensors between them would not exist.
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=library.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    return interpreter
